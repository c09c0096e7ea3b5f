//! What there is of an installation.

use std::collections::BTreeSet;

use secrecy::ExposeSecret;

use super::legacy;
use crate::cluster::{Cluster, explain};
use crate::commands::policies::policies;
use crate::commands::surroundings::left_over;
use crate::discover::installed::CronJobs;
use crate::discover::users::users;
use crate::error::{Error, Result};
use crate::manifest::cronjob::Installation;
use crate::manifest::installation::{Extras, OPTIONAL, objects};
use crate::manifest::ownership::{Owner, is_legacy_role, is_limited};
use crate::model::{Object, ObjectKind};
use crate::plan::{Live, ObjectPlan, object_changes};
use crate::settings::{InstallSettings, Targets};

/// The installation, and its objects as they are wanted. `ports` are those of
/// the NetworkPolicy, if there is one.
pub(super) fn wanted(
    settings: &InstallSettings,
    namespace: &str,
    targets: Targets,
    ports: Option<&BTreeSet<u16>>,
) -> (Installation, Vec<Object>) {
    let keys = targets.keys.clone();
    let installation = settings.installation(namespace, targets);
    let credential = settings.client_credential.as_ref();
    let extras = Extras {
        credential: credential.map(ExposeSecret::expose_secret),
        network_policy: ports,
        admission_policy: settings.admission_policy.then_some(&keys),
    };
    let wanted = objects(&installation, extras);
    (installation, wanted)
}

/// Plans a rendering, for which nothing is read.
pub(super) fn unread(wanted: Vec<Object>) -> ObjectPlan {
    let wanted = wanted.into_iter().map(|object| (object, Live::NotRead));
    object_changes(wanted.collect(), Vec::new(), &[]).expect("no object of others was read")
}

/// Reads what there is and decides what becomes of it. For a first installation
/// only the Secret is read: the API server refuses to create the others where
/// there are any.
pub(super) async fn plan(
    cluster: &Cluster,
    settings: &InstallSettings,
    wanted: Vec<Object>,
    before: &CronJobs,
) -> Result<ObjectPlan> {
    let owner = Owner::installation(&settings.name);
    let first = before.present.is_none();
    let mut found = Vec::new();
    for wanted in wanted {
        let live = match wanted.kind() {
            ObjectKind::CronJob => Found::of(before.present.clone()),
            kind if first && kind != ObjectKind::Secret && !settings.replace_legacy => Found::NotRead,
            kind => Found::of(read(cluster, kind, wanted.name()).await?),
        };
        found.push((wanted, live));
    }
    let with_legacy = legacy::is_legacy(before, owner)
        || found
            .iter()
            .any(|(_, found)| matches!(found, Found::Present(live) if is_legacy_role(live)));
    let mut surplus = Vec::new();
    if !first {
        for kind in OPTIONAL {
            if found.iter().all(|(wanted, _)| wanted.kind() != kind) {
                surplus.extend(left_over(cluster, owner, kind).await?);
            }
        }
    }
    if !first && !settings.admission_policy {
        let mut roles = found.iter().filter_map(|(_, found)| match found {
            Found::Present(live) if live.kind() == ObjectKind::Role => Some(live),
            _ => None,
        });
        surplus.extend(policies(cluster, owner, roles.any(is_limited)).await?);
    }
    // Only what would be deleted can be missed by others.
    let uses = match surplus.as_slice() {
        [] => Vec::new(),
        _ => users(cluster, owner.name).await?.uses,
    };
    let with_owner = |(wanted, found)| {
        let live = match found {
            Found::NotRead => Live::NotRead,
            Found::Absent => Live::Absent,
            Found::Present(live) => {
                let ownership = owner.ownership(&live, with_legacy);
                Live::Present(live, ownership)
            }
        };
        (wanted, live)
    };
    object_changes(found.into_iter().map(with_owner).collect(), surplus, &uses)
        .map_err(|live| not_ours(&live, &settings.name))
}

/// What was read of an object, before it is known whose it is.
enum Found {
    NotRead,
    Absent,
    Present(Object),
}

impl Found {
    fn of(read: Option<Object>) -> Self {
        read.map_or(Self::Absent, Self::Present)
    }
}

async fn read(cluster: &Cluster, kind: ObjectKind, name: &str) -> Result<Option<Object>> {
    let (reference, namespace) = (kind.reference(name), &cluster.namespace);
    let read = cluster.object(kind, name).await;
    read.map_err(|error| explain(error, &format!("reading {reference} in namespace {namespace}")))
}

/// The error about an object that belongs to something else.
pub(super) fn not_ours(live: &Object, name: &str) -> Error {
    let managers = live.managers();
    let by = if managers.is_empty() {
        String::new()
    } else {
        format!(" (written by {})", managers.join(", "))
    };
    let error = Error::refused(format!(
        "{}{by} is not part of this installation, so it was left as it is",
        live.reference()
    ));
    if is_legacy_role(live) {
        return error.hint(
            "it looks like the Role of a CronJob that runs the script apim-shg-rotate: replace it with --replace-legacy",
        );
    }
    error.hint(format!("install under another name than {name}, with --name"))
}

/// The error about legacy objects, if `--replace-legacy` is not given.
pub(super) fn not_replaced(plan: &ObjectPlan, namespace: &str) -> Error {
    let found: Vec<String> = plan.taken_over().map(Object::reference).collect();
    Error::refused(format!(
        "{} in namespace {namespace} run the script apim-shg-rotate, and were not installed by this command; the changes \
         are shown above",
        found.join(", ")
    ))
    .hint("replace them with --replace-legacy")
    .hint("or keep them, and install under another name with --name; but two CronJobs must not rotate one gateway")
}
