//! A workload whose new pods the API server refuses.

use crate::model::{PrintedCommand, WorkloadRef};

/// The command that shows how to let the pods be created, by the API server's
/// reason.
pub(super) fn way_out(namespace: &str, workload: &WorkloadRef, reason: &str) -> PrintedCommand {
    if let Some(quota) = quota(reason) {
        PrintedCommand::new(&["kubectl", "describe", "resourcequota", quota, "-n", namespace])
    } else if reason.contains("violates PodSecurity") {
        PrintedCommand::new(&["kubectl", "get", "namespace", namespace, "--show-labels"])
    } else {
        PrintedCommand::new(&["kubectl", "describe", &workload.to_string(), "-n", namespace])
    }
}

/// The quota that a reason names. The other causes never pass by themselves;
/// a quota has room again as soon as old pods are gone.
pub(super) fn quota(reason: &str) -> Option<&str> {
    let (_, rest) = reason.split_once("exceeded quota: ")?;
    let name = rest.split([',', ' ']).next()?;
    let is_name = |character: char| character.is_ascii_alphanumeric() || "-.".contains(character);
    (!name.is_empty() && name.chars().all(is_name)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::WorkloadKind;

    #[test]
    fn the_command_shows_what_refuses_the_pods() {
        let workload = WorkloadRef {
            kind: WorkloadKind::Deployment,
            name: "gw".to_owned(),
        };
        for (reason, command) in [
            (
                "pods \"gw-x\" is forbidden: exceeded quota: small, requested: pods=1, used: pods=1, limited: pods=1",
                "kubectl describe resourcequota small -n shop",
            ),
            (
                "pods \"gw-x\" is forbidden: violates PodSecurity \"restricted:latest\": runAsNonRoot != true",
                "kubectl get namespace shop --show-labels",
            ),
            (
                "admission webhook \"w\" denied the request: exceeded quota: $(rm), no",
                "kubectl describe deployment.apps/gw -n shop",
            ),
        ] {
            assert_eq!(way_out("shop", &workload, reason).to_string(), command);
        }
    }
}
