//! Facts and a plan that the unit tests of the decisions vary.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::{FollowUp, Mint, Plan, Policy, rotation};
use crate::model::access::{InstanceIdentity, Permission, RoleAssignment, RoleDefinition};
use crate::model::directory::{AppCredential, Application, FederatedCredential, ServicePrincipal};
use crate::model::entra::{OwnVariables, federated_name};
use crate::model::{
    AppMarks, AppSettings, Auth, AzureRole, Claims, Credential, CronJobFacts, EntraInAzure, EntraSignIn,
    Federation, GatewayFacts, GatewayId, InstanceAccess, KeyChoice, KeySlot, Lacking, Minted, Owner,
    Presented, Replacement, Rollout, RotationIds, SecretFacts, SecretMarks, SecretVersion, Snapshot,
    StalePods, TemplateMarks, Token, TokenError, WorkloadFacts, WorkloadKind, WorkloadMarks, WorkloadRef,
    WorkloadVersion,
};

pub(crate) const DAY: SignedDuration = SignedDuration::from_hours(24);
pub(crate) const APP: Uuid = Uuid::from_u128(4);
pub(crate) const PRINCIPAL: Uuid = Uuid::from_u128(5);
pub(crate) const INSTANCE: Uuid = Uuid::from_u128(6);
/// The credential of the app.
pub(crate) const KEY: Uuid = Uuid::from_u128(7);
pub(crate) const ISSUER: &str = "https://eastus.oic.example/1/";
pub(crate) const AUDIENCE: &str = "api://AzureADTokenExchange";
pub(crate) const NOW: i64 = 1_800_000_000;

pub(crate) fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

pub(crate) fn policy() -> Policy {
    Policy {
        key: KeyChoice::Last,
        life: DAY * 30,
        if_expiring_within: None,
        if_older_than: None,
        force: false,
        follow_up: FollowUp::Prove,
        adopt: false,
    }
}

pub(crate) fn owned() -> Owner {
    Owner {
        name: "Helm release gw".to_owned(),
        instead: "use another Secret".to_owned(),
    }
}

pub(crate) fn gateway_id() -> GatewayId {
    let service = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.ApiManagement/service/svc";
    GatewayId::parse(&format!("{service}/gateways/gw")).unwrap()
}

/// The first rotation of [`snapshot`].
pub(crate) fn plan() -> Plan {
    rotation(&snapshot(), &policy(), gateway_id(), now(), "r1".to_owned())
}

pub(crate) fn mint() -> Mint {
    plan().mint
}

/// The token that [`mint`] asks for.
pub(crate) fn minted() -> Minted {
    let Mint::Token(wanted) = mint();
    let stamp = wanted.expires_at.strftime("%Y%m%d%H%M");
    wanted.minted(&Token::parse(&format!("gw&{stamp}&c2ln")).unwrap())
}

/// One gateway that was never rotated, with a token of 30 days.
pub(crate) fn snapshot() -> Snapshot {
    let claims = Claims {
        gateway: "gw".to_owned(),
        expires_at: now() + DAY * 30,
    };
    Snapshot {
        namespace: "apim".to_owned(),
        secret: SecretFacts {
            version: SecretVersion {
                name: "gw-token".to_owned(),
                uid: "u1".to_owned(),
                resource_version: "7".to_owned(),
            },
            key: "value".to_owned(),
            created: None,
            immutable: false,
            owner: None,
            last_writer: None,
            last_written: None,
            written_by_us: false,
            gets_prefix: false,
            credential: Credential::Token {
                claims,
                prefixed: true,
            },
            certificate: None,
            marks: SecretMarks::default(),
        },
        workloads: vec![WorkloadFacts {
            version: WorkloadVersion {
                workload: WorkloadRef {
                    kind: WorkloadKind::Deployment,
                    name: "gw".to_owned(),
                },
                uid: "u2".to_owned(),
                resource_version: "8".to_owned(),
            },
            paused: false,
            replacement: Replacement::Rolling,
            partition: 0,
            wanted: 2,
            ready: 2,
            rollout: Rollout::Complete,
            still_replaces: None,
            blocked: None,
            marks: WorkloadMarks::default(),
            owner: None,
            stale_pods: None,
        }],
    }
}

/// The same, just after a rotation by the primary key that was proved.
pub(crate) fn rotated() -> Snapshot {
    let mut snapshot = restarted();
    snapshot.workloads[0].marks.proved = "r1".into();
    snapshot
}

/// The same before the proof.
pub(crate) fn restarted() -> Snapshot {
    let mut snapshot = snapshot();
    snapshot.secret.marks = SecretMarks {
        last_used_key: Some(KeySlot::Primary),
        rotation_id: Some("r1".to_owned()),
        previous_key: None,
        expires_at: Some(now() + DAY * 30),
        rotated_at: Some(now()),
        gateway: None,
        restart_by_other: false,
        previous_ids: RotationIds::default(),
        put_back: None,
        app: AppMarks::default(),
    };
    snapshot.workloads[0].marks.template = TemplateMarks {
        rotation_ids: "r1".into(),
        restarted_at: Some(now().to_string()),
    };
    snapshot
}

/// A gateway that was just rotated, and a daily CronJob.
pub(crate) fn gateway() -> GatewayFacts {
    let snapshot = rotated();
    let workload = &snapshot.workloads[0];
    GatewayFacts {
        namespace: "shop".to_owned(),
        workload: workload.version.workload.clone(),
        container: "gw".to_owned(),
        image: "gateway:2".to_owned(),
        auth: Auth::Token,
        secret: Some(("gw-token".to_owned(), "value".to_owned())),
        presented: Ok(Presented::Stored(Box::new(snapshot.secret))),
        settings: Ok(()),
        gateway: Ok("gw".to_owned()),
        service: Ok("svc".to_owned()),
        endpoint: Some((
            "svc.configuration.azure-api.net".to_owned(),
            "configmap/gw-env".to_owned(),
        )),
        cloud: None,
        recorded: None,
        wanted: 2,
        ready: 2,
        pods: Ok(StalePods::default()),
        replacement: Replacement::Rolling,
        partition: 0,
        still_replaces: None,
        blocked: None,
        marks: workload.marks.template.clone(),
        cron_jobs: Ok(vec![cron_job()]),
        not_counted: None,
        azure: None,
    }
}

/// A gateway that signs in by Entra, as the cluster shows it: an app whose credential
/// of 180 days is 30 days old, or a federated one.
pub(crate) fn entra_gateway(auth: Auth) -> GatewayFacts {
    let mut secret = rotated().secret;
    secret.key = "azure-ad-app-secret".to_owned();
    secret.credential = Credential::Unusable(TokenError::NotAToken);
    secret.written_by_us = true;
    secret.marks.rotated_at = Some(now() - DAY * 30);
    secret.marks.expires_at = Some(now() + DAY * 150);
    secret.marks.app = AppMarks {
        kind: Some("app-secret".to_owned()),
        client_id: Some(APP),
        key_id: Some(KEY),
    };
    let is_stored = auth != Auth::WorkloadIdentity;
    GatewayFacts {
        auth,
        secret: is_stored.then(|| ("gw-entra".to_owned(), secret.key.clone())),
        presented: Ok(Presented::Entra(Box::new(EntraSignIn {
            client_id: Ok(APP),
            service_account: "gw".to_owned(),
            tenant: None,
            given: BTreeSet::new(),
            shared_with: None,
            stored: is_stored.then(|| Ok(Box::new(secret))),
            certificate: None,
            in_clear: None,
            own_variables: OwnVariables::default(),
            may_bring_token: false,
            lacking: Lacking::default(),
            settings: AppSettings::default(),
            azure: None,
        }))),
        cron_jobs: Ok(Vec::new()),
        ..gateway()
    }
}

/// The sign-in of such a gateway.
pub(crate) fn sign_in(facts: &mut GatewayFacts) -> &mut EntraSignIn {
    match &mut facts.presented {
        Ok(Presented::Entra(sign_in)) => sign_in,
        other => panic!("{other:?}"),
    }
}

fn role(id: Uuid, actions: &[&str], data_actions: &[&str]) -> RoleDefinition {
    let owned = |actions: &[&str]| actions.iter().map(|it| (*it).to_owned()).collect();
    RoleDefinition {
        id,
        name: "role".to_owned(),
        description: String::new(),
        built_in: false,
        permissions: vec![Permission {
            actions: owned(actions),
            data_actions: owned(data_actions),
            ..Permission::default()
        }],
        assignable_scopes: vec![gateway_id().service.group_path()],
    }
}

/// What Azure has for such a gateway where everything is set up.
pub(crate) fn set_up(auth: Auth) -> EntraInAzure {
    let credential = AppCredential {
        key_id: KEY,
        name: None,
        begins: Some(now() - DAY * 30),
        expires: Some(now() + DAY * 150),
        fingerprint: None,
    };
    let subject = "system:serviceaccount:shop:gw";
    let federated = FederatedCredential {
        name: federated_name(ISSUER, subject),
        issuer: ISSUER.to_owned(),
        subject: subject.to_owned(),
        audiences: vec![AUDIENCE.to_owned()],
    };
    EntraInAzure {
        application: Ok(Some(Application {
            id: Uuid::from_u128(40),
            app_id: APP,
            display_name: "gw".to_owned(),
            unique_name: None,
            disabled: false,
            secrets: vec![credential.clone()],
            certificates: vec![credential],
        })),
        service_principal: Ok(Some(ServicePrincipal {
            id: PRINCIPAL,
            app_id: APP,
            display_name: "gw".to_owned(),
            kind: "Application".to_owned(),
            enabled: true,
            home_tenant: None,
            alternative_names: Vec::new(),
        })),
        federation: (auth == Auth::WorkloadIdentity).then(|| Federation {
            credentials: Ok(vec![federated]),
            issuer: Ok(ISSUER.to_owned()),
            audience: Some(AUDIENCE),
            webhook: Ok(true),
        }),
        access: Ok(Arc::new(access())),
    }
}

/// The rights of the instance and of the gateway's app.
fn access() -> InstanceAccess {
    let service = gateway_id().service;
    let of = |id, role: AzureRole| {
        let wanted = role.definition();
        self::role(
            Uuid::from_u128(id),
            &wanted.action_names(),
            &wanted.data_action_names(),
        )
    };
    let assignment = |scope: String, role, principal| RoleAssignment {
        id: format!("{scope}/a"),
        scope,
        role,
        principal,
        created: None,
    };
    InstanceAccess {
        identity: InstanceIdentity {
            principal: Some(INSTANCE),
            ..InstanceIdentity::default()
        },
        definitions: Ok(vec![
            of(1, AzureRole::ConfigValidator),
            of(2, AzureRole::ConfigReader),
        ]),
        assignments: Ok(vec![
            assignment(service.group_path(), Uuid::from_u128(1), INSTANCE),
            assignment(service.path(), Uuid::from_u128(2), PRINCIPAL),
        ]),
        service,
    }
}

/// A CronJob as `install-cronjob` makes it, after its first success.
pub(crate) fn cron_job() -> CronJobFacts {
    CronJobFacts {
        namespace: "shop".to_owned(),
        name: "apim-rotate".to_owned(),
        schedule: "17 3 * * *".to_owned(),
        time_zone: None,
        suspended: false,
        created: None,
        changed: None,
        last_run: None,
        last_success: Some(now() - SignedDuration::from_hours(1)),
        running: false,
        window: DAY * 15,
    }
}
