use std::fmt;

use serde::{Deserialize, Serialize};

use super::printed_command::PrintedCommand;

/// The kinds of workload that can run a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum WorkloadKind {
    Deployment,
    StatefulSet,
    DaemonSet,
}

impl WorkloadKind {
    /// In the order of every list.
    pub const ALL: [Self; 3] = [Self::Deployment, Self::StatefulSet, Self::DaemonSet];

    /// Parses the names that kubectl accepts before the slash, `TYPE`, `TYPE.GROUP` or
    /// `TYPE.VERSION.GROUP`: `deploy`, `Deployment`, `deployments.apps`,
    /// `sts.v1.apps` and so on.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, group) = text.split_once('.').unwrap_or((text, "apps"));
        if !["apps", "v1.apps"].contains(&group) {
            return None;
        }
        match kind.to_ascii_lowercase().as_str() {
            "deploy" | "deployment" | "deployments" => Some(Self::Deployment),
            "sts" | "statefulset" | "statefulsets" => Some(Self::StatefulSet),
            "ds" | "daemonset" | "daemonsets" => Some(Self::DaemonSet),
            _ => None,
        }
    }

    /// The resource in paths of the API.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Deployment => "deployments",
            Self::StatefulSet => "statefulsets",
            Self::DaemonSet => "daemonsets",
        }
    }

    /// The name of the kind in manifests.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
        }
    }

    const fn singular(self) -> &'static str {
        match self {
            Self::Deployment => "deployment",
            Self::StatefulSet => "statefulset",
            Self::DaemonSet => "daemonset",
        }
    }
}

/// The kind and name of a workload. The namespace follows from the context.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct WorkloadRef {
    pub kind: WorkloadKind,
    pub name: String,
}

impl WorkloadRef {
    /// The next step for a workload that is being deleted.
    pub fn deletion_hint(&self, namespace: &str) -> String {
        format!(
            "if it stays, find out which of its finalizers keeps it: kubectl -n {namespace} get {self} \
             -o jsonpath='{{.metadata.finalizers}}'"
        )
    }

    /// The command that has the pods below the partition replaced too.
    pub fn without_partition(&self, namespace: &str) -> PrintedCommand {
        let change = r#"{"spec":{"updateStrategy":{"rollingUpdate":{"partition":0}}}}"#;
        PrintedCommand::new(&["kubectl", "-n", namespace, "patch", &self.short(), "-p", change])
    }

    /// The form that people type: `deployment/name`.
    pub fn short(&self) -> String {
        format!("{}/{}", self.kind.singular(), self.name)
    }
}

impl fmt::Display for WorkloadRef {
    /// The form that kubectl prints: `deployment.apps/name`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.apps/{}", self.kind.singular(), self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_has_the_names_that_kubectl_knows() {
        for (text, kind) in [
            ("deploy", Some(WorkloadKind::Deployment)),
            ("Deployment", Some(WorkloadKind::Deployment)),
            ("deployments", Some(WorkloadKind::Deployment)),
            ("deployment.apps", Some(WorkloadKind::Deployment)),
            ("deployment.v1.apps", Some(WorkloadKind::Deployment)),
            ("DEPLOYMENTS.v1.apps", Some(WorkloadKind::Deployment)),
            ("sts.v1.apps", Some(WorkloadKind::StatefulSet)),
            ("daemonset.v1.apps", Some(WorkloadKind::DaemonSet)),
            ("deployment.v1", None),
            ("deployment.v1beta1.apps", None),
            ("deployment.v1.extensions", None),
            ("deployment.", None),
            (".v1.apps", None),
            ("pod", None),
        ] {
            assert_eq!(WorkloadKind::parse(text), kind, "{text}");
        }
    }
}
