use jiff::Timestamp;

use crate::model::{PutBack, RotationIds, TemplateMarks, WorkloadMarks, WorkloadRef};

/// A rotation's id, and the ids that it replaces in annotations of workloads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RotationMark {
    pub id: String,
    pub replaces: RotationIds,
}

/// A change of the annotations of one workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Marking {
    /// Restart its pods for a rotation.
    Restart {
        rotation: RotationMark,
        /// When the credential was written.
        rotated_at: Timestamp,
        /// Whether nobody will wait for the pods.
        given_up: bool,
    },
    /// Undo the restart of a rotation whose credential was refused.
    Restore(PutBack),
    /// Record that its pods have proved the credential of a rotation.
    Proved(RotationMark),
    /// Record that nobody waits for its pods.
    GivenUp(RotationMark),
}

impl Marking {
    /// The annotations that the workload must get; `None` if nothing is left to
    /// do, so that a repeated change restarts nothing.
    pub fn change(&self, workload: &WorkloadRef, live: &WorkloadMarks) -> Option<WorkloadMarks> {
        let mut marks = live.clone();
        match self {
            Self::Restart {
                rotation,
                rotated_at,
                given_up,
            } => {
                if live.template.rotation_ids.contains(&rotation.id) {
                    return None;
                }
                marks.template = rotation.template(&live.template, *rotated_at);
                if *given_up {
                    give_up(&mut marks, rotation);
                }
            }
            Self::Restore(put_back) => marks.template = restored(put_back, workload, &live.template)?,
            Self::Proved(rotation) => {
                marks.proved = rotation.in_place(&live.proved);
                marks.given_up = live.given_up.without(&rotation.replaces).without(&rotation.own());
            }
            Self::GivenUp(rotation) => give_up(&mut marks, rotation),
        }
        (marks != *live).then_some(marks)
    }
}

impl RotationMark {
    /// The annotations of a pod template after the restart of this rotation.
    pub fn template(&self, before: &TemplateMarks, rotated_at: Timestamp) -> TemplateMarks {
        TemplateMarks {
            rotation_ids: self.in_place(&before.rotation_ids),
            restarted_at: Some(rotated_at.to_string()),
        }
    }

    fn in_place(&self, ids: &RotationIds) -> RotationIds {
        ids.with(&self.own(), &self.replaces)
    }

    fn own(&self) -> RotationIds {
        RotationIds::from(self.id.as_str())
    }
}

fn give_up(marks: &mut WorkloadMarks, rotation: &RotationMark) {
    marks.given_up = rotation.in_place(&marks.given_up);
    marks.proved = marks.proved.without(&rotation.replaces);
}

/// The annotations of a pod template without those of the refused rotation: as
/// they were before, if nothing else has changed them; `None` if they have none
/// of it.
fn restored(put_back: &PutBack, workload: &WorkloadRef, live: &TemplateMarks) -> Option<TemplateMarks> {
    let mut workloads = put_back.workloads.iter();
    let before = &workloads.find(|before| before.workload() == *workload)?.marks;
    if !live.rotation_ids.contains(&put_back.refused) {
        return None;
    }
    let refused = RotationIds::from(put_back.refused.as_str());
    let was_set = before.rotation_ids.with(&refused, &put_back.replaced);
    let rotation_ids = if live.rotation_ids == was_set {
        before.rotation_ids.clone()
    } else {
        let previous = before.rotation_ids.among(&put_back.replaced);
        live.rotation_ids.with(&previous, &refused)
    };
    let is_ours = live.restarted_at.as_ref() == Some(&put_back.restarted_at);
    Some(TemplateMarks {
        rotation_ids,
        restarted_at: if is_ours {
            before.restarted_at.clone()
        } else {
            live.restarted_at.clone()
        },
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fixture::{now, snapshot};
    use super::*;
    use crate::model::{TemplateBefore, WorkloadKind};

    fn workload() -> WorkloadRef {
        snapshot().workloads[0].version.workload.clone()
    }

    fn template(ids: Option<&str>, restarted_at: Option<&str>) -> TemplateMarks {
        TemplateMarks {
            rotation_ids: ids.map(str::to_owned).into(),
            restarted_at: restarted_at.map(str::to_owned),
        }
    }

    fn live(ids: Option<&str>) -> WorkloadMarks {
        WorkloadMarks {
            template: template(ids, None),
            ..WorkloadMarks::default()
        }
    }

    fn rotation(id: &str, replaces: &str) -> RotationMark {
        RotationMark {
            id: id.to_owned(),
            replaces: replaces.into(),
        }
    }

    fn restart(rotation: RotationMark, given_up: bool) -> Marking {
        Marking::Restart {
            rotation,
            rotated_at: now(),
            given_up,
        }
    }

    fn put_back(before: TemplateMarks, replaced: &str) -> Marking {
        Marking::Restore(PutBack {
            refused: "r2".to_owned(),
            restarted_at: now().to_string(),
            replaced: replaced.into(),
            workloads: vec![TemplateBefore {
                kind: WorkloadKind::Deployment,
                name: "gw".to_owned(),
                marks: before,
            }],
        })
    }

    fn apply(marking: &Marking, marks: &WorkloadMarks) -> WorkloadMarks {
        marking
            .change(&workload(), marks)
            .unwrap_or_else(|| marks.clone())
    }

    #[test]
    fn two_secrets_of_a_workload_keep_an_id_each() {
        let mut marks = live(None);
        for (id, replaces, expected) in [
            ("a1", "", "a1"),
            ("b1", "", "a1,b1"),
            ("a2", "a1", "a2,b1"),
            ("b2", "b1", "a2,b2"),
        ] {
            marks = apply(&restart(rotation(id, replaces), false), &marks);
            assert_eq!(marks.template.rotation_ids, expected.into());
            marks = apply(&Marking::Proved(rotation(id, replaces)), &marks);
            assert_eq!(marks.proved, expected.into());
        }
    }

    #[test]
    fn a_repeated_restart_changes_nothing() {
        let restart = restart(rotation("r2", "r1"), true);
        let once = restart.change(&workload(), &live(Some("r1"))).unwrap();
        assert_eq!(restart.change(&workload(), &once), None);
        assert_eq!(
            (once.template.rotation_ids, once.given_up),
            ("r2".into(), "r2".into())
        );
        assert_eq!(once.template.restarted_at, Some(now().to_string()));
    }

    #[test]
    fn proof_and_giving_up_replace_each_other() {
        let mut marks = live(Some("r2"));
        marks.proved = "r1".into();
        let marks = apply(&Marking::GivenUp(rotation("r2", "r1")), &marks);
        assert_eq!((&marks.proved, &marks.given_up), (&None.into(), &"r2".into()));
        let marks = apply(&Marking::Proved(rotation("r2", "r1")), &marks);
        assert_eq!((&marks.proved, &marks.given_up), (&"r2".into(), &None.into()));
    }

    #[test]
    fn only_a_template_with_the_refused_id_is_restored() {
        let marking = put_back(template(Some("r1"), None), "r1");
        for ids in [None, Some("r1"), Some("r3")] {
            assert_eq!(marking.change(&workload(), &live(ids)), None);
        }
        let other = WorkloadRef {
            name: "other".to_owned(),
            ..workload()
        };
        assert_eq!(marking.change(&other, &live(Some("r2"))), None);
    }

    #[test]
    fn what_others_changed_meanwhile_stays() {
        let marking = put_back(template(Some("a1,r1"), Some("yesterday")), "r1");
        let mut marks = live(Some("a2,r2"));
        marks.template.restarted_at = Some("by hand".to_owned());
        let restored = apply(&marking, &marks).template;
        assert_eq!(restored, template(Some("a2,r1"), Some("by hand")));
    }

    proptest! {
        #[test]
        fn an_undisturbed_template_is_restored_exactly(
            before in proptest::option::of(" ?[ab][1-3](, ?[cd][1-3])?"),
            restarted_at in proptest::option::of("[a-z]{3}"),
            replaced in "[a-d][1-3]",
        ) {
            let before = template(before.as_deref(), restarted_at.as_deref());
            let start = WorkloadMarks { template: before.clone(), ..WorkloadMarks::default() };
            let restarted = apply(&restart(rotation("r2", &replaced), false), &start);
            prop_assert!(restarted.template.rotation_ids.contains("r2"));
            let marking = put_back(before.clone(), &replaced);
            let restored = apply(&marking, &restarted);
            prop_assert_eq!(&restored.template, &before);
            prop_assert_eq!(marking.change(&workload(), &restored), None);
        }
    }
}
