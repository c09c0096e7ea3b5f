use kube::core::Selector;

use crate::cluster::{Cluster, rollout};
use crate::model::{Rollout, SecretFacts, WorkloadFacts};

/// Whether pods run with an older credential than the Secret holds. Pods are
/// listed only if the workload's own annotation does not exclude it; without
/// the right to list them the annotations alone decide, and this is `None`.
pub(super) async fn stale_pods(
    cluster: &Cluster,
    secret: &SecretFacts,
    facts: &WorkloadFacts,
    selector: Option<&Selector>,
) -> Option<bool> {
    let id = secret
        .marks
        .rotation_id
        .as_ref()
        .filter(|_| secret.marks_hold())?;
    let written = secret.marks.rotated_at?;
    if facts.marks.rotation_id.as_ref() == Some(id) && !matches!(facts.rollout, Rollout::LeftByHand(_)) {
        return None;
    }
    let pods = cluster.pods(selector?).await.ok()?;
    Some(
        pods.iter()
            .any(|pod| rollout::is_stale(pod, id, written) != Some(false)),
    )
}
