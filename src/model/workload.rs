use std::fmt;

use serde::Serialize;

/// The kinds of workload that run a gateway's container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum WorkloadKind {
    /// `deployments.apps`
    Deployment,
    /// `statefulsets.apps`
    StatefulSet,
    /// `daemonsets.apps`
    DaemonSet,
}

impl WorkloadKind {
    /// Every kind, in the order in which they are listed.
    pub const ALL: [Self; 3] = [Self::Deployment, Self::StatefulSet, Self::DaemonSet];

    /// Parses what kubectl accepts before the slash: `deploy`, `Deployment`,
    /// `deployments.apps`, `sts`, `ds` and so on.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        let kind = text
            .strip_suffix(".apps")
            .or_else(|| text.strip_suffix(".v1.apps"))
            .unwrap_or(&text);
        match kind {
            "deploy" | "deployment" | "deployments" => Some(Self::Deployment),
            "sts" | "statefulset" | "statefulsets" => Some(Self::StatefulSet),
            "ds" | "daemonset" | "daemonsets" => Some(Self::DaemonSet),
            _ => None,
        }
    }

    /// The resource's plural in the API's paths.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Deployment => "deployments",
            Self::StatefulSet => "statefulsets",
            Self::DaemonSet => "daemonsets",
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

/// A workload by kind and name, within the namespace at hand.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct WorkloadRef {
    /// The kind.
    pub kind: WorkloadKind,
    /// The name.
    pub name: String,
}

impl WorkloadRef {
    /// As it is typed: `deployment/name`.
    pub fn short(&self) -> String {
        format!("{}/{}", self.kind.singular(), self.name)
    }
}

impl fmt::Display for WorkloadRef {
    /// As kubectl prints it: `deployment.apps/name`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.apps/{}", self.kind.singular(), self.name)
    }
}
