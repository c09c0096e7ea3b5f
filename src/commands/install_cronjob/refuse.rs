//! What would not work at night is refused now.

use crate::cluster::{Cluster, explain};
use crate::discover::installed::CronJobs;
use crate::error::{Error, Result};
use crate::manifest::MANAGER;
use crate::manifest::cronjob::{Installation, pod};
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
    let Err(error) = cluster.create(&pod(installation), MANAGER, true).await else {
        return Ok(());
    };
    let namespace = &cluster.namespace;
    match &error {
        kube::Error::Api(status) if status.is_forbidden() && status.message.contains(" cannot create ") => {
            output.note(&format!(
                "whether namespace {namespace} admits the pods is unchecked, because this user may not create pods"
            ));
            Ok(())
        }
        kube::Error::Api(status) if status.is_forbidden() => {
            let message = status.message.clone();
            Err(Error::refused(format!(
                "namespace {namespace} does not admit the pods: {message}"
            ))
            .hint("make room in the quota, or change the policy that refuses them"))
        }
        _ => Err(explain(
            error,
            &format!("rehearsing a pod in namespace {namespace}"),
        )),
    }
}
