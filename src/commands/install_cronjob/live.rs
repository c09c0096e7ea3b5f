//! What there is of an installation.

use std::collections::BTreeSet;

use futures::future::try_join_all;
use secrecy::ExposeSecret;

use super::legacy;
use crate::cluster::{Cluster, explain};
use crate::commands::policies::policies;
use crate::commands::surroundings::{left_over, shared};
use crate::discover::installed::CronJobs;
use crate::discover::users::users;
use crate::error::{Error, Result};
use crate::manifest::cronjob::Installation;
use crate::manifest::installation::{Extras, NEEDED, OPTIONAL, POLICY_KINDS, objects};
use crate::manifest::ownership::{Owner, is_legacy_role, is_limited, label_limited};
use crate::model::{Account, Object, ObjectKind};
use crate::plan::{Action, Live, ObjectPlan, Surplus, object_changes};
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
    let wanted = wanted.into_iter().map(|object| (object, Live::Absent));
    object_changes(wanted.collect(), Vec::new(), &[]).expect("no object of others was read")
}

/// Reads what there is and decides what becomes of it.
pub(super) async fn plan(
    cluster: &Cluster,
    settings: &InstallSettings,
    wanted: Vec<Object>,
    before: &CronJobs,
) -> Result<ObjectPlan> {
    let owner = Owner::installation(&settings.name);
    let mut found = found(cluster, wanted, before).await?;
    let present = || found.iter().filter_map(|(_, live)| live.as_ref());
    if let Some(live) = present().find(|live| live.is_being_deleted()) {
        return Err(being_deleted(live));
    }
    let with_legacy = legacy::is_legacy(before, owner) || present().any(is_legacy_role);
    for live in present() {
        refuse_shared(live, owner, &cluster.namespace)?;
    }
    let mut surplus = Vec::new();
    // A first installation finds no optional objects of an earlier one.
    if present().next().is_some() {
        for kind in OPTIONAL {
            if found.iter().all(|(wanted, _)| wanted.kind() != kind) {
                surplus.extend(left_over(cluster, owner, kind).await?);
            }
        }
    }
    // Policies stay when a user who may not delete them uninstalls the rest.
    if !settings.admission_policy {
        let policies = policies(cluster, owner, present().any(is_limited)).await?;
        if policies.iter().any(|it| matches!(it, Surplus::Unreadable { .. })) {
            keep_the_record(&mut found);
        }
        surplus.extend(policies);
    }
    // Only what would be deleted can be missed by others.
    let uses = match surplus.as_slice() {
        [] => Vec::new(),
        _ => users(cluster, owner.name).await?.uses,
    };
    let with_owner = |(wanted, live): (Object, Option<Object>)| {
        let live = live.map_or(Live::Absent, |live| {
            let ownership = owner.ownership(&live, with_legacy);
            Live::Present(live, ownership)
        });
        (wanted, live)
    };
    let mut plan = object_changes(found.into_iter().map(with_owner).collect(), surplus, &uses)
        .map_err(|live| not_ours(&live, &settings.name))?;
    // The Role records the policies until they are gone.
    plan.changes.sort_by_key(|change| {
        change.action != Action::Delete || !POLICY_KINDS.contains(&change.object().kind())
    });
    Ok(plan)
}

/// Policies that this user could not read may still exist, and the Role keeps that on
/// record for `uninstall-cronjob`.
fn keep_the_record(found: &mut [(Object, Option<Object>)]) {
    for (wanted, _) in found {
        if wanted.kind() == ObjectKind::Role {
            label_limited(wanted);
        }
    }
}

/// The wanted objects, each with the one of its name that is there.
async fn found(
    cluster: &Cluster,
    wanted: Vec<Object>,
    before: &CronJobs,
) -> Result<Vec<(Object, Option<Object>)>> {
    let reads = wanted.into_iter().map(async |wanted| {
        let live = match wanted.kind() {
            ObjectKind::CronJob => before.present.clone(),
            kind => read(cluster, kind, wanted.name()).await?,
        };
        Ok((wanted, live))
    });
    try_join_all(reads).await
}

/// What the CronJob needs and is not there any more after the writes.
pub(super) async fn missing(cluster: &Cluster, plan: &ObjectPlan) -> Result<Option<String>> {
    for needed in NEEDED.into_iter().filter_map(|kind| plan.present(kind)) {
        match cluster.object(needed.kind(), needed.name()).await {
            Ok(Some(now)) if now.uid() == needed.uid() => {}
            Ok(_) => return Ok(Some(needed.reference())),
            // Who may write it may not be able to read it.
            Err(kube::Error::Api(status)) if status.is_forbidden() => {}
            Err(error) => return Err(explain(error, &format!("reading {}", needed.reference()))),
        }
    }
    Ok(None)
}

/// Refuses to write a binding of ours to which somebody has added others.
fn refuse_shared(live: &Object, owner: Owner<'_>, namespace: &str) -> Result<()> {
    if live.kind() != ObjectKind::RoleBinding || !owner.owns(live) {
        return Ok(());
    }
    let account = Account {
        namespace,
        name: owner.name,
    };
    match account.others_in(live) {
        others if others.is_empty() => Ok(()),
        others => Err(shared(live, &others, namespace)),
    }
}

async fn read(cluster: &Cluster, kind: ObjectKind, name: &str) -> Result<Option<Object>> {
    let (reference, namespace) = (kind.reference(name), &cluster.namespace);
    let read = cluster.object(kind, name).await;
    read.map_err(|error| explain(error, &format!("reading {reference} in namespace {namespace}")))
}

/// The error about an object that would be gone after the installation.
fn being_deleted(live: &Object) -> Error {
    let error = Error::refused(format!("{} is being deleted", live.reference()));
    let error = match live.finalizers().as_slice() {
        [] => error,
        finalizers => error.hint(format!(
            "it stays until its finalizers are removed: {}",
            finalizers.join(", ")
        )),
    };
    error.hint("run the same command again when it is gone")
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
