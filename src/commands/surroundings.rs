//! What is around the objects of an installation: what uses them, what grants rights
//! to its account, what runs, and what an earlier installation left.

use crate::cluster::{Cluster, explain};
use crate::discover::users::{Binding, Users, running_jobs};
use crate::error::{Error, Result};
use crate::manifest::ownership::Owner;
use crate::model::{Object, ObjectKind, Ownership};
use crate::output::Output;
use crate::plan::Surplus;
use crate::report::objects::few;

/// Names the Jobs that end with their CronJob.
pub(super) async fn show_running_jobs(cluster: &Cluster, cron_job: &Object, output: &Output) {
    match running_jobs(cluster, cron_job).await {
        Ok(jobs) => {
            for job in jobs {
                output.note(&format!(
                    "{job} is running, and ends with its CronJob; a rotation that it has begun is completed by: kubectl apim \
                     rotate --all -n {}",
                    cluster.namespace
                ));
            }
        }
        Err(error) => {
            let doing = format!("looking for running Jobs of {}", cron_job.reference());
            output.warning(&format!(
                "{}; one that runs ends with its CronJob",
                explain(error, &doing)
            ));
        }
    }
}

/// Warns of the bindings that give rights to the account of a CronJob beside its own.
pub(super) fn show_bindings(users: &Users, name: &str, output: &Output) {
    let account = ObjectKind::ServiceAccount.reference(name);
    for binding in &users.bindings {
        output.warning(&format!(
            "{} grants rights to {account} too, and the new CronJob would have them; if nothing needs them, {}",
            described(binding),
            remedy(binding)
        ));
    }
}

/// What could not be seen of the users of an account.
pub(super) fn unchecked(users: &Users, name: &str) -> Option<String> {
    (!users.unread.is_empty()).then(|| {
        format!(
            "whether something else uses {} is not known completely: this user may not list {}",
            ObjectKind::ServiceAccount.reference(name),
            users.unread.join(", ")
        )
    })
}

pub(super) fn described(binding: &Binding) -> String {
    match &binding.namespace {
        Some(namespace) => format!("{} in namespace {namespace}", binding.reference),
        None => binding.reference.clone(),
    }
}

/// How to take the rights from an account that a binding gives it, if nothing needs
/// them. A binding of others too is not to be deleted.
pub(super) fn remedy(binding: &Binding) -> String {
    let Binding {
        reference,
        namespace,
        others,
    } = binding;
    let option = namespace.as_ref().map(|namespace| format!(" -n {namespace}"));
    let kubectl = format!("kubectl{}", option.unwrap_or_default());
    if others.is_empty() {
        return format!("delete it: {kubectl} delete {reference}");
    }
    format!(
        "remove the account from it, but not {}: {kubectl} edit {reference}",
        few(others)
    )
}

/// Why a binding of others beside the account is not written.
pub(super) fn shared(binding: &Object, others: &[String], namespace: &str) -> Error {
    let reference = binding.reference();
    Error::refused(format!(
        "{reference} also binds {}, which would lose their rights, so it was left as it is",
        few(others)
    ))
    .hint(format!(
        "give them a Role and a binding of their own, and remove them from this one: kubectl -n {namespace} edit {reference}"
    ))
    .hint("or install under another name with --name")
}

/// What an installation has of a kind that not every one has, by its name.
pub(super) async fn left_over(
    cluster: &Cluster,
    owner: Owner<'_>,
    kind: ObjectKind,
) -> Result<Option<Surplus>> {
    let (reference, namespace) = (kind.reference(owner.name), &cluster.namespace);
    match cluster.object(kind, owner.name).await {
        Ok(live) => Ok(live
            .filter(|live| owner.owns(live))
            .map(|live| Surplus::Present(live, Ownership::Ours))),
        Err(kube::Error::Api(status)) if status.is_forbidden() => Ok(Some(Surplus::Unreadable {
            why: format!(
                "this user may not read {} of namespace {namespace}; if it is there, delete it: kubectl -n {namespace} delete \
                 {reference}",
                kind.plural()
            ),
            reference,
        })),
        Err(error) => Err(explain(
            error,
            &format!("reading {reference} in namespace {namespace}"),
        )),
    }
}
