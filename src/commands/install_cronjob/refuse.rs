//! What would not work at night is refused now.

use crate::cluster::{Cluster, explain};
use crate::discover::installed::CronJobs;
use crate::error::{Error, Result};
use crate::manifest::MANAGER;
use crate::manifest::cronjob::{Installation, RunAs, pod};
use crate::model::Object;
use crate::output::Output;
use crate::settings::Targets;

/// Refuses a gateway that another CronJob rotates: two would restart it twice.
pub(super) fn rivals(cluster: &Cluster, targets: &Targets, before: &CronJobs) -> Result<()> {
    let namespace = &cluster.namespace;
    for workload in &targets.workloads {
        let rival = targets
            .secrets
            .iter()
            .find_map(|secret| before.rival(namespace, workload, secret));
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

/// Refuses a namespace that does not admit the pods. Pod Security, quotas and
/// webhooks are asked only when a Job creates its pod, and at night nobody looks.
pub(super) async fn unadmitted(
    cluster: &Cluster,
    installation: &Installation,
    output: &Output,
) -> Result<()> {
    let namespace = &cluster.namespace;
    let error = match cluster.create(&pod(installation), MANAGER, true).await {
        Ok(admitted) => {
            if let Some(constraints) = admitted_by(&admitted).filter(|_| has_fixed_ids(installation)) {
                output.warning(&format!(
                    "you may use the SecurityContextConstraints {constraints}, which admit the pods of namespace \
                     {namespace}; those of serviceaccount/{} count when they run, and restricted-v2 refuses their user 65532",
                    installation.name
                ));
                output.hint("let the cluster assign the user, with --run-as cluster");
            }
            return Ok(());
        }
        Err(error) => error,
    };
    match &error {
        kube::Error::Api(status) if status.is_forbidden() && status.message.contains(" cannot create ") => {
            output.note(&format!(
                "whether namespace {namespace} admits the pods is unchecked, because this user may not create pods"
            ));
            Ok(())
        }
        kube::Error::Api(status) if status.is_forbidden() => {
            let message = status.message.clone();
            let refused = Error::refused(format!(
                "namespace {namespace} does not admit the pods: {message}"
            ));
            if has_fixed_ids(installation) && is_admitted_without_ids(cluster, installation).await {
                return Err(refused.hint(
                    "it admits them if the cluster assigns their user: run the same command with --run-as cluster",
                ));
            }
            Err(refused.hint("make room in the quota, or change the policy that refuses them"))
        }
        _ => Err(explain(
            error,
            &format!("rehearsing a pod in namespace {namespace}"),
        )),
    }
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
