//! Facts and a plan that the unit tests of the decisions vary.

use jiff::{SignedDuration, Timestamp};

use super::{FollowUp, Mint, Plan, Policy, rotation};
use crate::model::{
    Auth, Claims, Credential, CronJobFacts, GatewayFacts, GatewayId, KeyChoice, KeySlot, Minted, Presented,
    Replacement, Rollout, RotationIds, SecretFacts, SecretMarks, SecretVersion, Snapshot, StalePods,
    TemplateMarks, Token, WorkloadFacts, WorkloadKind, WorkloadMarks, WorkloadRef, WorkloadVersion,
};

pub(crate) const DAY: SignedDuration = SignedDuration::from_hours(24);
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
            credential: Credential::Token {
                claims,
                prefixed: true,
            },
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
            wanted: 2,
            ready: 2,
            rollout: Rollout::Complete,
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
        cloud: None,
        recorded: None,
        wanted: 2,
        ready: 2,
        pods: Ok(StalePods::default()),
        replacement: Replacement::Rolling,
        blocked: None,
        marks: workload.marks.template.clone(),
        cron_jobs: Ok(vec![cron_job()]),
        not_counted: None,
        azure: None,
    }
}

/// A CronJob as `install-cronjob` makes it, without a record.
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
        last_success: None,
        running: false,
        window: DAY * 15,
    }
}
