//! The ids by which the new pods of a set-up are recognized.

use jiff::Timestamp;
use uuid::Uuid;

use crate::model::{RotationIds, TemplateMarks};

/// Begins the ids of replacements of pods by set-ups.
const PREFIX: &str = "setup-";

/// The id of one replacement of pods. Pods of an earlier template never have it, also if
/// they were started with the same credential.
pub fn replacement_id(unique: Uuid) -> String {
    format!("{PREFIX}{unique}")
}

/// The ids of one replacement, and of the credential in Entra that the new pods have.
pub fn replacement_ids(credential: Option<&str>, id: &str) -> RotationIds {
    let ids: Vec<&str> = credential.into_iter().chain([id]).collect();
    RotationIds::from(ids.join(",").as_str())
}

/// The annotations of the new pods: `own` replaces the ids of earlier set-ups and of the
/// app's credentials.
pub fn marks_of_new_pods(
    before: &TemplateMarks,
    own: &RotationIds,
    of_app: impl Iterator<Item = Uuid>,
    at: Timestamp,
) -> TemplateMarks {
    let set_ups = before.rotation_ids.iter().filter(|id| id.starts_with(PREFIX));
    let earlier: Vec<String> = set_ups
        .map(str::to_owned)
        .chain(of_app.map(|id| id.to_string()))
        .collect();
    let earlier = RotationIds::from(earlier.join(",").as_str());
    TemplateMarks {
        rotation_ids: before.rotation_ids.with(own, &earlier),
        restarted_at: Some(at.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: Uuid = Uuid::from_u128(1);
    const NEW: Uuid = Uuid::from_u128(2);

    fn next(before: &RotationIds, credential: Option<Uuid>, unique: u128) -> (RotationIds, String) {
        let id = replacement_id(Uuid::from_u128(unique));
        let credential = credential.map(|id| id.to_string());
        let own = replacement_ids(credential.as_deref(), &id);
        let before = TemplateMarks {
            rotation_ids: before.clone(),
            restarted_at: None,
        };
        let at = "2027-01-01T00:00:00Z".parse().unwrap();
        let after = marks_of_new_pods(&before, &own, [OLD, NEW].into_iter(), at);
        (after.rotation_ids, id)
    }

    #[test]
    fn each_replacement_has_an_id_that_no_earlier_pod_has() {
        for credential in [None, Some(OLD)] {
            let mut ids = RotationIds::from(format!("other,{OLD}").as_str());
            for unique in 10..40 {
                let (after, id) = next(&ids, credential, unique);
                assert!(!ids.contains(&id) && after.contains(&id), "{after}");
                assert!(after.contains("other"), "that of another Secret stays: {after}");
                assert_eq!(after.contains(&OLD.to_string()), credential.is_some());
                assert_eq!(after.iter().count(), 2 + usize::from(credential.is_some()));
                ids = after;
            }
        }
    }

    #[test]
    fn the_id_of_the_credential_is_that_of_the_newest() {
        let (first, _) = next(&RotationIds::default(), Some(OLD), 10);
        let (renewed, _) = next(&first, Some(NEW), 11);
        assert!(first.contains(&OLD.to_string()));
        assert!(renewed.contains(&NEW.to_string()) && !renewed.contains(&OLD.to_string()));
        let (again, id) = next(&renewed, Some(NEW), 12);
        assert_eq!(again, replacement_ids(Some(&NEW.to_string()), &id));
    }
}
