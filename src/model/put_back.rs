use serde::{Deserialize, Serialize};

use super::{RotationIds, TemplateMarks, WorkloadKind, WorkloadRef};

/// The restarts that are owed after a refused credential was put back: the
/// annotation `apim-rotate/put-back`, as JSON. It is written together with the
/// previous credential, and removed once every pod template is restored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PutBack {
    /// The id of the rotation whose credential Azure refused.
    pub refused: String,
    /// The `restartedAt` that this rotation set.
    pub restarted_at: String,
    /// The ids that this rotation replaced.
    #[serde(default)]
    pub replaced: RotationIds,
    pub workloads: Vec<TemplateBefore>,
}

/// The annotations of a pod template before a rotation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TemplateBefore {
    pub kind: WorkloadKind,
    pub name: String,
    #[serde(flatten)]
    pub marks: TemplateMarks,
}

impl TemplateBefore {
    pub fn workload(&self) -> WorkloadRef {
        WorkloadRef {
            kind: self.kind,
            name: self.name.clone(),
        }
    }
}

impl PutBack {
    /// The content of the annotation.
    pub fn to_annotation(&self) -> String {
        serde_json::to_string(self).expect("texts and lists of texts can be written as JSON")
    }

    /// `None` if it is not what this program writes.
    pub fn of_annotation(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The same for the other workloads only.
    #[must_use]
    pub fn without(&self, workloads: &[WorkloadRef]) -> Self {
        let mut rest = self.clone();
        rest.workloads
            .retain(|before| !workloads.contains(&before.workload()));
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_annotation_is_read_as_it_was_written() {
        let before = |name: &str, id: Option<&str>, restarted_at: Option<&str>| TemplateBefore {
            kind: WorkloadKind::Deployment,
            name: name.to_owned(),
            marks: TemplateMarks {
                rotation_ids: RotationIds::from(id.map(str::to_owned)),
                restarted_at: restarted_at.map(str::to_owned),
            },
        };
        let put_back = PutBack {
            refused: "r2".to_owned(),
            restarted_at: "2026-11-27T00:00:00Z".to_owned(),
            replaced: "r1".into(),
            workloads: vec![before("gw", Some("r1"), Some("x")), before("plain", None, None)],
        };
        let text = put_back.to_annotation();
        insta::assert_snapshot!(
            text,
            @r#"{"refused":"r2","restartedAt":"2026-11-27T00:00:00Z","replaced":"r1","workloads":[{"kind":"Deployment","name":"gw","rotationIds":"r1","restartedAt":"x"},{"kind":"Deployment","name":"plain"}]}"#
        );
        assert_eq!(PutBack::of_annotation(&text), Some(put_back));
        for text in ["", "{}", "true", "not json"] {
            assert_eq!(PutBack::of_annotation(text), None);
        }
    }
}
