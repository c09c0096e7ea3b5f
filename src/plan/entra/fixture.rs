//! An Entra and a cluster in which nothing is set up yet.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::holder::HandedOver;
use super::*;
use crate::model::access::{InstanceIdentity, Permission, RoleAssignment, RoleDefinition};
use crate::model::directory::{AppCredential, Application, ServicePrincipal};
use crate::model::entra::facts::{
    AppFacts, AppKind, CallerRights, ClusterFacts, GatewayResource, Injected, InstanceFacts, IssuerFacts,
    RoleFacts, SecretPolicy, ServiceAccountFacts, StoredFacts, WorkloadSide,
};
use crate::model::entra::{AppRequest, Id, Made, OwnVariables, SettingValue, SignsIn, unique_name};
use crate::model::{
    AzureRole, CloudName, GatewayId, Replacement, TemplateMarks, Unavailable, WorkloadKind, WorkloadRef,
};

pub const TENANT: Uuid = Uuid::from_u128(1);
pub const CALLER: Uuid = Uuid::from_u128(2);
pub const INSTANCE: Uuid = Uuid::from_u128(3);
pub const APP: Uuid = Uuid::from_u128(4);
pub const PRINCIPAL: Uuid = Uuid::from_u128(5);
pub const ISSUER: &str = "https://eastus.oic.example/1/";

pub fn gateway() -> GatewayId {
    let id = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg/providers/\
              Microsoft.ApiManagement/service/svc/gateways/gw";
    GatewayId::parse(id).unwrap()
}

pub fn request() -> SetupRequest {
    SetupRequest {
        mode: None,
        app: AppRequest::Create("gw".to_owned()),
        service_account: Some("gw".to_owned()),
        secret: None,
        secret_lifetime: jiff::SignedDuration::from_hours(180 * 24),
        enable_identity: false,
        location_name: None,
        token_audience: None,
        federation_audience: None,
        yes: true,
    }
}

fn resource(apis: usize) -> GatewayResource {
    GatewayResource {
        name: gateway().name,
        apis: Ok(apis),
    }
}

fn no_role() -> RoleFacts {
    RoleFacts {
        definitions: Ok(Vec::new()),
        assignments: Ok(Vec::new()),
        in_use: BTreeMap::new(),
    }
}

pub fn facts() -> EntraFacts {
    EntraFacts {
        gateway: gateway(),
        cloud: Some(CloudName::Public),
        authority: "https://login.microsoftonline.com".to_owned(),
        tenant: TENANT,
        caller: Ok(CALLER),
        instance: Ok(InstanceFacts {
            tier: "Premium".to_owned(),
            identity: InstanceIdentity {
                principal: Some(INSTANCE),
                tenant: Some(TENANT),
                user_assigned: Vec::new(),
            },
            updating: false,
        }),
        resource: Ok(Some(resource(1))),
        validator: no_role(),
        reader: no_role(),
        given: None,
        app: Ok(None),
        gone: BTreeMap::new(),
        namesakes: Ok(Vec::new()),
        policy: Ok(SecretPolicy::default()),
        rights: rights(),
        lock: Ok(None),
        issuer: Ok(IssuerFacts {
            name: ISSUER.to_owned(),
            published: Ok(ISSUER.to_owned()),
            key_types: Ok(vec!["RSA".to_owned()]),
        }),
        webhook: Ok(Some(Injected {
            audience: Some("api://AzureADTokenExchange".to_owned()),
            token_file: "/var/run/secrets/azure/wi/token/azure-identity-token".to_owned(),
            tenant: Some(TENANT.to_string()),
            authority: None,
        })),
        cluster: ClusterFacts {
            place: Ok("uid".to_owned()),
            namespace: "shop".to_owned(),
            workload: Some(workload()),
            service_account: Ok(None),
            secret: Ok(None),
            pods: Ok(Vec::new()),
            // The times alone show what pods have.
            own_pods: Err(Unavailable::Unknown("they were not listed".to_owned())),
        },
    }
}

fn rights() -> CallerRights {
    CallerRights {
        define_roles: Ok(true),
        assign_in_group: Ok(true),
        assign_at_instance: Ok(true),
        change_instance: Ok(true),
        create_gateway: Ok(true),
        register_apps: Ok(true),
        change_app: Ok(true),
        write_service_account: Ok(true),
        write_secret: Ok(true),
        change_workload: Ok(true),
    }
}

fn workload() -> WorkloadSide {
    WorkloadSide {
        certificate_volume: None,
        other_volume: None,
        still_replaces: None,
        skipped_by: None,
        workload: WorkloadRef {
            kind: WorkloadKind::Deployment,
            name: "gw".to_owned(),
        },
        container: "gw".to_owned(),
        image: "mcr.microsoft.com/azure-api-management/gateway:2.11.1".to_owned(),
        signs_in: Ok(SignsIn::Not),
        service: Some("svc".to_owned()),
        hidden: Vec::new(),
        template: TemplateSettings::default(),
        fingerprint: 0,
        owner: None,
        clear_secret: None,
        own_variables: OwnVariables::default(),
        unproved: None,
        marks: TemplateMarks::default(),
        created: None,
        is_deleted: false,
        paused: false,
        replacement: Replacement::Rolling,
        ordered: false,
        partition: 0,
    }
}

pub fn definition(role: AzureRole, name: &str) -> RoleDefinition {
    let owned = |actions: Vec<&str>| actions.into_iter().map(str::to_owned).collect();
    RoleDefinition {
        id: Uuid::from_u128(name.len() as u128 + 1000),
        name: name.to_owned(),
        description: String::new(),
        built_in: false,
        permissions: vec![Permission {
            actions: owned(role.definition().action_names()),
            data_actions: owned(role.definition().data_action_names()),
            ..Permission::default()
        }],
        assignable_scopes: vec![gateway().service.subscription_path()],
    }
}

pub fn application() -> AppFacts {
    AppFacts {
        kind: AppKind::Application(Application {
            id: Uuid::from_u128(40),
            app_id: APP,
            display_name: "gw".to_owned(),
            unique_name: Some(unique_name("gw", &gateway())),
            disabled: false,
            secrets: Vec::new(),
            certificates: Vec::new(),
        }),
        service_principal: Ok(Some(ServicePrincipal {
            id: PRINCIPAL,
            app_id: APP,
            display_name: "gw".to_owned(),
            kind: "Application".to_owned(),
            enabled: true,
            home_tenant: Some(TENANT),
            alternative_names: Vec::new(),
        })),
        owners: Ok(Vec::new()),
        federated: Ok(Vec::new()),
        app_roles: Ok(Vec::new()),
        assignments: Ok(Vec::new()),
    }
}

/// The facts after a plan has been applied, as far as its actions say.
pub fn after(mut facts: EntraFacts, plan: &SetupPlan) -> EntraFacts {
    for action in plan.steps.iter().filter_map(Step::to_apply) {
        apply(&mut facts, action);
    }
    facts
}

/// What an action does, as far as it says.
pub fn apply(facts: &mut EntraFacts, action: &Action) {
    match action {
        Action::EnableIdentity { .. } | Action::AwaitIdentity => {
            facts.instance.as_mut().unwrap().identity.principal = Some(INSTANCE);
        }
        Action::CreateGateway { .. } => facts.resource = Ok(Some(resource(0))),
        Action::CreateRole { role, id, name } => {
            let mut made = definition(*role, name);
            made.id = *id;
            role_of(facts, *role).definitions.as_mut().unwrap().push(made);
        }
        Action::MendRole(mended) => {
            for role in [AzureRole::ConfigReader, AzureRole::ConfigValidator] {
                let all = role_of(facts, role).definitions.as_mut().unwrap();
                for it in all.iter_mut().filter(|it| it.id == mended.id) {
                    *it = mended.clone();
                }
            }
        }
        Action::Assign {
            role,
            definition,
            principal,
            scope,
        } => {
            let principal = match principal {
                Id::Known(principal) => *principal,
                Id::Of(Made::InstanceIdentity) => INSTANCE,
                Id::Of(_) => PRINCIPAL,
            };
            let made = RoleAssignment {
                id: format!(
                    "{scope}/x/{}",
                    crate::model::assignment_id(scope, principal, *definition)
                ),
                scope: scope.clone(),
                role: *definition,
                principal,
                created: None,
            };
            role_of(facts, *role).assignments.as_mut().unwrap().push(made);
        }
        Action::CreateApp { .. } => {
            let mut app = application();
            app.service_principal = Ok(None);
            facts.app = Ok(Some(app));
        }
        Action::CreateServicePrincipal { .. } => {
            app_of(facts).service_principal = application().service_principal;
        }
        Action::AddFederated(added) => app_of(facts).federated.as_mut().unwrap().push(added.clone()),
        Action::ChangeFederated(changed) => {
            let all = app_of(facts).federated.as_mut().unwrap();
            all.retain(|it| it.name != changed.name);
            all.push(changed.clone());
        }
        _ => apply_rest(facts, action),
    }
}

fn apply_rest(facts: &mut EntraFacts, action: &Action) {
    match action {
        Action::AddSecret {
            name,
            expires,
            remove,
        } => add(facts, Mode::AppSecret, name, *expires, remove),
        Action::AddCertificate {
            name,
            expires,
            remove,
        } => add(facts, Mode::AppCertificate, name, *expires, remove),
        Action::WriteSecret { keys, .. } => {
            let newest = newest_credential(facts);
            facts.cluster.secret = Ok(Some(StoredFacts {
                keys: keys.iter().map(|key| (*key).to_owned()).collect(),
                credential: newest,
                kind: Mode::ALL.into_iter().find(|mode| mode.keys() == *keys),
                client_id: Some(APP),
                gateway: Some(facts.gateway.clone()),
                written: "2027-01-01T00:00:00Z".parse().ok(),
                ..StoredFacts::default()
            }));
        }
        Action::AdoptCredential { found, .. } => adopt(facts, found),
        Action::WriteServiceAccount { annotations, .. } => {
            let text = |value: &SettingValue| match value {
                SettingValue::Text(text) => text.clone(),
                SettingValue::Id(Id::Known(id)) => id.to_string(),
                _ => APP.to_string(),
            };
            let mut found = ServiceAccountFacts::default();
            let all = annotations
                .iter()
                .map(|(name, value)| ((*name).to_owned(), text(value)));
            found.annotations.extend(all);
            facts.cluster.service_account = Ok(Some(found));
        }
        Action::ConfigureWorkload { add, .. } => {
            let workload = facts.cluster.workload.as_mut().unwrap();
            let template = &mut workload.template;
            let settings = add.settings.clone().into_iter().map(|(name, value)| match value {
                SettingValue::Id(_) => (name, SettingValue::Text(APP.to_string())),
                value => (name, value),
            });
            template.settings.extend(settings);
            template.labels.extend(add.labels.clone());
            template.mount = add.mount.clone().or(template.mount.take());
            template.fs_group = add.fs_group.or(template.fs_group);
            if !add.service_account.is_empty() {
                template.service_account.clone_from(&add.service_account);
            }
        }
        Action::RemoveCredentials { remove } => {
            for mode in [Mode::AppSecret, Mode::AppCertificate] {
                credentials(facts, mode).retain(|it| !remove.contains(&it.key_id));
            }
        }
        Action::RestartWorkload { .. } | Action::Prove { .. } => {}
        other => panic!("{other:?}"),
    }
}

fn adopt(facts: &mut EntraFacts, found: &HandedOver) {
    let secret = facts.cluster.secret.as_mut().unwrap().as_mut().unwrap();
    secret.unrecorded.clear();
    secret.credential = Some(found.credential);
    secret.written = Some(found.written);
}

fn add(facts: &mut EntraFacts, mode: Mode, name: &str, expires: Timestamp, remove: &[Uuid]) {
    let next = newest_credential(facts).map_or(76, |id| id.as_u128());
    let all = credentials(facts, mode);
    all.retain(|it| !remove.contains(&it.key_id));
    all.push(AppCredential {
        key_id: Uuid::from_u128(next + 1),
        name: Some(name.to_owned()),
        begins: None,
        expires: Some(expires),
        fingerprint: None,
    });
}

fn credentials(facts: &mut EntraFacts, mode: Mode) -> &mut Vec<AppCredential> {
    let AppKind::Application(app) = &mut app_of(facts).kind else {
        panic!("an identity has no secrets");
    };
    match mode {
        Mode::AppSecret => &mut app.secrets,
        _ => &mut app.certificates,
    }
}

/// The id of the credential that was added last.
pub fn newest_credential(facts: &mut EntraFacts) -> Option<Uuid> {
    let app = facts.app.as_ref().ok()?.as_ref()?;
    app.credentials().map(|it| it.key_id).max()
}

fn role_of(facts: &mut EntraFacts, role: AzureRole) -> &mut RoleFacts {
    match role {
        AzureRole::ConfigReader => &mut facts.reader,
        _ => &mut facts.validator,
    }
}

fn app_of(facts: &mut EntraFacts) -> &mut AppFacts {
    facts.app.as_mut().unwrap().as_mut().unwrap()
}
