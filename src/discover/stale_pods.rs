use kube::core::Selector;

use crate::cluster::{Cluster, rollout};
use crate::model::{Rollout, SecretFacts, WorkloadFacts};

/// Whether pods run with an older credential than the Secret holds. Pods are
/// listed only if the workload's own annotations do not exclude it; if they cannot
/// be listed, the annotations alone decide, and this is `None`.
pub(super) async fn stale_pods(
    cluster: &Cluster,
    secret: &SecretFacts,
    facts: &WorkloadFacts,
    selector: Option<&Selector>,
) -> Option<bool> {
    let id = secret.rotation()?;
    let written = secret.written()?;
    // A workload that wants no pods may be the template of another controller's.
    let may_keep_pods = facts.wanted == 0 || matches!(facts.rollout, Rollout::LeftByHand(_));
    let is_restarted = facts.marks.template.rotation_ids.contains(id) && !may_keep_pods;
    if is_restarted || facts.marks.proved.contains(id) {
        return None;
    }
    let pods = cluster.pods(selector?).await.ok()?;
    Some(
        pods.iter()
            .any(|pod| rollout::is_stale(pod, id, written) != Some(false)),
    )
}
