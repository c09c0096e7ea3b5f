use serde::{Deserialize, Serialize};

use super::RotationIds;

/// The two annotations of a pod template that a rotation sets; `None` if an
/// annotation is absent, or is to be removed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TemplateMarks {
    /// `apim-rotate/rotation-id`
    #[serde(skip_serializing_if = "RotationIds::is_empty")]
    pub rotation_ids: RotationIds,
    /// `kubectl.kubernetes.io/restartedAt`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restarted_at: Option<String>,
}

/// The annotations of a workload that a rotation sets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkloadMarks {
    /// Those of its pod template.
    pub template: TemplateMarks,
    /// `apim-rotate/proved`, in its own metadata.
    pub proved: RotationIds,
    /// `apim-rotate/given-up`, in its own metadata.
    pub given_up: RotationIds,
}
