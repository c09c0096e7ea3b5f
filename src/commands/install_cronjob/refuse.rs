//! What would not work at night is refused now.

use futures::future::join_all;
use kube::core::Status;

use crate::apply::hiding;
use crate::cluster::{Cluster, explain, reason};
use crate::discover::installed::CronJobs;
use crate::error::{Error, Result};
use crate::manifest::MANAGER;
use crate::manifest::cronjob::{Installation, RunAs, cron_job, job, pod};
use crate::model::{Object, ObjectKind, WorkloadRef};
use crate::output::Output;

/// Refuses a gateway that another CronJob rotates: two would restart it twice.
pub(super) fn rivals(
    cluster: &Cluster,
    workloads: &[WorkloadRef],
    secrets: &[String],
    present: &CronJobs,
) -> Result<()> {
    let namespace = &cluster.namespace;
    for workload in workloads {
        let mut rivals = secrets
            .iter()
            .filter_map(|secret| present.rival(namespace, workload, secret));
        let rival = rivals.next();
        if let Some(rival) = rival {
            return Err(Error::refused(format!(
                "cronjob/{rival} in namespace {namespace} rotates {workload} already, and two would restart it twice"
            ))
            .hint(format!("change that one, with --name {rival}, if this command installed it"))
            .hint(format!("or remove it first: kubectl -n {namespace} delete cronjob {rival}")));
        }
    }
    Ok(())
}

/// Refuses a namespace that does not admit what the installation runs. Pod
/// Security, quotas and webhooks are asked only when a Job creates its pod, or the
/// CronJob its Job, and at night nobody looks. `is_new` is whether the CronJob
/// itself is created: a quota would count one that exists twice.
pub(super) async fn unadmitted(
    cluster: &Cluster,
    installation: &Installation,
    is_new: bool,
    output: &Output,
) -> Result<()> {
    let (pod, job, cron_job) = (pod(installation), job(installation), cron_job(installation));
    let rehearsed = [
        Some((&pod, "pods")),
        Some((&job, "Jobs")),
        is_new.then_some((&cron_job, "CronJob")),
    ];
    let rehearsals = rehearsed.into_iter().flatten().map(async |(object, what)| {
        let answer = cluster.create(object, MANAGER, true).await;
        (
            what,
            object.kind(),
            answer.map_err(|error| hiding(error, &[object])),
        )
    });
    let mut unchecked = Vec::new();
    for (what, kind, answer) in join_all(rehearsals).await {
        match answer {
            Ok(admitted) => show_constraints(&admitted, installation, output),
            // Another installation was faster, which the write finds out.
            Err(kube::Error::Api(status)) if status.is_already_exists() => {}
            Err(error) if is_denied(&error, kind) && kind == ObjectKind::CronJob => {
                let doing = format!("creating the CronJob in namespace {}", cluster.namespace);
                return Err(explain(error, &doing));
            }
            Err(error) if is_denied(&error, kind) => unchecked.push(what),
            Err(error) => return Err(not_admitted(error, what, cluster, installation).await),
        }
    }
    if !unchecked.is_empty() {
        output.note(&format!(
            "whether namespace {} admits the {what} is unchecked, because this user may not create {}",
            cluster.namespace,
            unchecked.join(" and ").to_lowercase(),
            what = unchecked.join(" and the "),
        ));
    }
    Ok(())
}

/// Whether the user lacks the right to create, so that nothing was rehearsed. A policy
/// may use similar words.
fn is_denied(error: &kube::Error, kind: ObjectKind) -> bool {
    let denial = format!(" cannot create resource \"{}\"", kind.plural());
    matches!(error, kube::Error::Api(status) if status.is_forbidden() && status.message.contains(&denial))
}

/// What an admission plugin, a policy or a webhook has against an object. Their
/// codes differ: a webhook chooses its own.
async fn not_admitted(
    error: kube::Error,
    what: &str,
    cluster: &Cluster,
    installation: &Installation,
) -> Error {
    let namespace = &cluster.namespace;
    let is_refusal = matches!(&error, kube::Error::Api(status) if matches!(status.code, 400 | 403 | 422));
    if !is_refusal {
        return explain(error, &format!("rehearsing the {what} in namespace {namespace}"));
    }
    if matches!(&error, kube::Error::Api(status) if is_ending(status)) {
        return Error::refused(format!("namespace {namespace} is being deleted"))
            .hint("install in another namespace, with -n, or again when this one exists anew");
    }
    let why = reason(&error);
    let refused = Error::refused(format!("namespace {namespace} does not admit the {what}: {why}"));
    if what == "pods" && has_fixed_ids(installation) && is_admitted_without_ids(cluster, installation).await {
        return refused.hint(
            "it admits them if the cluster assigns their user: run the same command with --run-as cluster",
        );
    }
    refused.hint("make room in the quota, or change the policy that refuses them")
}

/// Warns if OpenShift has admitted the pod by constraints that its own account may lack.
fn show_constraints(admitted: &Object, installation: &Installation, output: &Output) {
    if let Some(constraints) = admitted_by(admitted).filter(|_| has_fixed_ids(installation)) {
        output.warning(&format!(
            "you may use the SecurityContextConstraints {constraints}, which admit the pods of namespace {}; those of \
             serviceaccount/{} count when they run, and restricted-v2 refuses their user 65532",
            installation.namespace, installation.name
        ));
        output.hint("let the cluster assign the user, with --run-as cluster");
    }
}

/// Whether the namespace of a refused object is being deleted.
fn is_ending(status: &Status) -> bool {
    let mut causes = status.details.iter().flat_map(|details| &details.causes);
    causes.any(|cause| cause.reason == "NamespaceTerminating")
}

fn has_fixed_ids(installation: &Installation) -> bool {
    installation.pod.run_as == RunAs::Image
}

/// Whether the namespace admits the pods if the cluster assigns their user, as
/// OpenShift does.
async fn is_admitted_without_ids(cluster: &Cluster, installation: &Installation) -> bool {
    let mut without = installation.clone();
    without.pod.run_as = RunAs::Cluster;
    cluster.create(&pod(&without), MANAGER, true).await.is_ok()
}

/// The `SecurityContextConstraints` of OpenShift that have admitted a pod. They may be
/// those of the user who created it, which count beside those of its
/// ServiceAccount.
fn admitted_by(pod: &Object) -> Option<&str> {
    pod["metadata"]["annotations"]["openshift.io/scc"].as_str()
}
