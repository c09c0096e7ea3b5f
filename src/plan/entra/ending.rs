//! How a set-up ended, as an exit code.

use std::collections::BTreeMap;

use super::step::{Step, StepMark};

/// What became of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepOutcome {
    /// There was nothing to do, or somebody else has to do it.
    Untouched,
    /// It is done; the ids of what was made.
    Done(BTreeMap<&'static str, String>),
    /// Azure or the API server forbids it.
    Forbidden(String),
    Failed(String),
    /// It was written, and could not be read back.
    Unknown(String),
    /// The run ended before it.
    NotReached,
}

/// Whether the gateway has read its configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetupProof {
    Proved,
    /// Nobody waits, there is no pod, or no workload was changed.
    NotNeeded,
    /// Everything was there before this run, and the configuration endpoint showed nothing, for
    /// the reason given.
    Unseen(String),
    /// It is still awaited, for the reason given.
    Owed(String),
    /// Azure refused the credential; why, and what became of the workload.
    Refused(String),
    /// Somebody else has to allow the gateway to sign in; why, and the next step.
    Forbidden {
        why: String,
        hint: String,
    },
}

/// The exit code of a dry run, or of a run that found nothing to do.
pub fn planned_exit_code(steps: &[Step]) -> u8 {
    let has_missing = steps.iter().any(|step| step.mark == StepMark::Missing);
    if has_missing { 4 } else { 0 }
}

/// The exit code of a run, by the steps, what became of each, and the proof. What is
/// not known outranks what was refused, and that outranks what is missing, which
/// outranks what is owed.
pub fn exit_code(steps: &[Step], outcomes: &[StepOutcome], proof: &SetupProof) -> u8 {
    let any = |is: fn(&StepOutcome) -> bool| outcomes.iter().any(is);
    let is_written = any(|it| matches!(it, StepOutcome::Done(_)));
    if any(|it| matches!(it, StepOutcome::Unknown(_))) {
        7
    } else if matches!(proof, SetupProof::Refused(_)) {
        5
    } else if any(|it| matches!(it, StepOutcome::Forbidden(_)))
        || matches!(proof, SetupProof::Forbidden { .. })
        || planned_exit_code(steps) == 4
    {
        4
    } else if any(|it| matches!(it, StepOutcome::Failed(_) | StepOutcome::NotReached)) {
        let is_owed = matches!(proof, SetupProof::Owed(_));
        if is_written || is_owed { 3 } else { 1 }
    } else if matches!(proof, SetupProof::Owed(_)) {
        3
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::super::step::{Part, Step};
    use super::*;

    #[test]
    fn the_worst_decides() {
        let ok = vec![Step::ok(Part::Tier, "t")];
        let missing = vec![Step::missing(Part::Gateway, "g")];
        let done = || StepOutcome::Done(BTreeMap::new());
        let why = String::new;
        let owed = SetupProof::Owed(why());
        let forbidden = SetupProof::Forbidden {
            why: why(),
            hint: why(),
        };
        for (steps, outcomes, proof, code) in [
            (&ok, vec![], SetupProof::NotNeeded, 0),
            (&ok, vec![], SetupProof::Unseen(why()), 0),
            (&ok, vec![done()], SetupProof::Proved, 0),
            (&ok, vec![done()], owed.clone(), 3),
            (&missing, vec![done()], owed.clone(), 4),
            (&missing, vec![], SetupProof::NotNeeded, 4),
            (&ok, vec![StepOutcome::Forbidden(why())], SetupProof::NotNeeded, 4),
            (&ok, vec![StepOutcome::Failed(why())], SetupProof::NotNeeded, 1),
            (
                &ok,
                vec![done(), StepOutcome::Failed(why())],
                SetupProof::NotNeeded,
                3,
            ),
            (
                &ok,
                vec![done(), StepOutcome::NotReached],
                SetupProof::NotNeeded,
                3,
            ),
            (&ok, vec![StepOutcome::NotReached], owed.clone(), 3),
            (&ok, vec![done(), StepOutcome::NotReached], forbidden, 4),
            (&missing, vec![done()], SetupProof::Refused(why()), 5),
            (
                &missing,
                vec![StepOutcome::Unknown(why())],
                SetupProof::Refused(why()),
                7,
            ),
        ] {
            assert_eq!(
                exit_code(steps, &outcomes, &proof),
                code,
                "{outcomes:?} {proof:?}"
            );
        }
        assert_eq!((planned_exit_code(&ok), planned_exit_code(&missing)), (0, 4));
    }
}
