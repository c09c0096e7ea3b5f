use crate::model::SecretFacts;

/// The state of a Secret after a write to it failed or may have failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AfterWrite {
    /// The write took effect.
    Written,
    /// Neither the credential nor its rotation changed. The write may be
    /// repeated on the new version with the same credential.
    Untouched,
    /// Another rotation replaced the credential. It wins.
    OtherRotation,
    /// Something else changed the credential: its field manager, if known.
    ChangedByOther(Option<String>),
}

/// Compares a Secret with its state before a write. The values are secret, so the
/// caller compares them: `is_written` if they are those of the write,
/// `is_as_before` if they are those from before it.
pub fn after_write(
    before: &SecretFacts,
    now: &SecretFacts,
    is_written: bool,
    is_as_before: bool,
) -> AfterWrite {
    if is_written {
        AfterWrite::Written
    } else if now.version.uid == before.version.uid
        && is_as_before
        && now.marks.rotation_id == before.marks.rotation_id
    {
        AfterWrite::Untouched
    } else if now.marks.rotation_id != before.marks.rotation_id && now.marks_hold() {
        AfterWrite::OtherRotation
    } else {
        AfterWrite::ChangedByOther(now.last_writer.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{rotated, snapshot};
    use super::*;

    #[test]
    fn every_state() {
        let before = snapshot().secret;
        let after = rotated().secret;
        assert_eq!(after_write(&before, &after, true, false), AfterWrite::Written);
        assert_eq!(
            after_write(&before, &after, false, false),
            AfterWrite::OtherRotation
        );

        let mut labelled = before.clone();
        labelled.version.resource_version = "9".to_owned();
        assert_eq!(
            after_write(&before, &labelled, false, true),
            AfterWrite::Untouched
        );

        let mut by_hand = labelled.clone();
        by_hand.last_writer = Some("kubectl-edit".to_owned());
        let manager = Some("kubectl-edit".to_owned());
        assert_eq!(
            after_write(&before, &by_hand, false, false),
            AfterWrite::ChangedByOther(manager)
        );

        let mut recreated = labelled;
        recreated.version.uid = "another".to_owned();
        assert_eq!(
            after_write(&before, &recreated, false, true),
            AfterWrite::ChangedByOther(None)
        );
    }
}
