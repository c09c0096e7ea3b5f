//! Pods that run with what new ones would not get.

use super::assessment::Verdict;
use crate::model::{Auth, GatewayFacts, SecretFacts, StalePods, counted};

/// The pods that run with an older credential than the Secret holds.
pub(super) fn with_older(facts: &GatewayFacts, stored: &SecretFacts) -> Option<(Verdict, String)> {
    let restart_owed = stored
        .id_of_pods()
        .is_some_and(|id| !stored.marks.restart_by_other && !facts.marks.rotation_ids.contains(&id));
    let (run, what) = match facts.auth {
        Auth::Token => ("a rotation", "token"),
        _ => ("a set-up", "credential"),
    };
    match &facts.pods {
        Ok(StalePods { stale, .. }) if stale.is_empty() => None,
        Ok(StalePods { stale, .. }) => {
            let pods = counted(stale.len(), "pod runs", "pods run");
            Some(if restart_owed {
                (
                    Verdict::RestartOwed,
                    format!("{run} was interrupted before its restart; {pods} with the previous {what}"),
                )
            } else {
                (
                    Verdict::StalePods,
                    format!(
                        "{pods} with an older {what} than the Secret holds{}",
                        rollout_left(facts)
                    ),
                )
            })
        }
        // Without the right to list pods only the ids can be compared.
        Err(_) if restart_owed => {
            let why = format!(
                "{run} was interrupted before its restart: the ids of the {what} in the Secret and in the pod template \
                 differ, and the pods cannot be listed"
            );
            Some((Verdict::RestartOwed, why))
        }
        Err(_) => None,
    }
}

/// The pods that run without the identity of their `ServiceAccount`.
pub(super) fn without_identity(facts: &GatewayFacts) -> Option<(Verdict, String)> {
    let (sign_in, pods) = (facts.entra()?, facts.pods.as_ref().ok()?);
    let all = pods.stale.len();
    let what = match pods.unidentified {
        _ if all == 0 => return None,
        0 => "with another identity than",
        without if without == all => "without the identity that",
        _ => "with none or another identity than",
    };
    let why = format!(
        "{} {what} serviceaccount/{} names{}",
        counted(all, "pod runs", "pods run"),
        sign_in.service_account,
        rollout_left(facts)
    );
    Some((Verdict::StalePods, why))
}

/// Why the controller has not replaced all pods yet, to follow a reason.
pub(super) fn rollout_left(facts: &GatewayFacts) -> String {
    let left = facts.still_replaces.as_ref();
    let left = left.map(|left| format!("; its rollout has not ended: {left}"));
    left.unwrap_or_default()
}
