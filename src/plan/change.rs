use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Plan;
use crate::model::annotation::{EXPIRES_AT, OF_SECRET, RESTART_BY_OTHER, ROTATED_AT, ROTATION_ID};
use crate::model::{Annotations, Credential, Minted, SecretChange, SecretData, SecretFacts};

/// The write that brings a new credential into the Secret.
pub fn rotation_change(plan: &Plan, minted: Minted, rotated_at: Timestamp) -> SecretChange {
    let expires_at = minted.credential.expires_at();
    let by_other = plan.workloads.is_empty().then(|| "true".to_owned());
    let of_every_kind = [
        (ROTATION_ID, Some(plan.id.clone())),
        (EXPIRES_AT, expires_at.map(|time| time.to_string())),
        (ROTATED_AT, Some(rotated_at.to_string())),
        (RESTART_BY_OTHER, by_other),
    ];
    let annotations = of_every_kind.into_iter().chain(plan.mint.annotations());
    SecretChange {
        data: minted.data,
        annotations: annotations
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
    }
}

/// A write with a dummy of the right form. The API server checks it as a dry
/// run before a credential is minted.
pub fn dry_run_change(secret: &SecretFacts, rotation_id: &str) -> SecretChange {
    let dummy = match secret.credential {
        Credential::Token { .. } | Credential::Unusable(_) => "GatewayKey dry-run",
    };
    SecretChange {
        data: SecretData::from([(secret.key.as_str(), dummy.into())]),
        annotations: BTreeMap::from([(ROTATION_ID.to_owned(), Some(rotation_id.to_owned()))]),
    }
}

/// The annotations of a rotation as they were before it, including absent ones,
/// for putting the previous credential back.
pub fn restored_annotations(before: &BTreeMap<String, String>) -> Annotations {
    OF_SECRET
        .into_iter()
        .map(|name| (name.to_owned(), before.get(name).cloned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{minted, now, plan};
    use super::*;

    #[test]
    fn a_rotation_sets_or_removes_every_annotation_of_ours() {
        let mut plan = plan();
        let change = rotation_change(&plan, minted(), now());
        let names: Vec<&str> = change.annotations.keys().map(String::as_str).collect();
        let mut ours = OF_SECRET.to_vec();
        ours.sort_unstable();
        assert_eq!(names, ours);
        assert_eq!(change.annotations[RESTART_BY_OTHER], None);
        plan.workloads.clear();
        let change = rotation_change(&plan, minted(), now());
        assert_eq!(change.annotations[RESTART_BY_OTHER].as_deref(), Some("true"));
    }

    #[test]
    fn what_a_rotation_sets_is_restored_or_removed() {
        let before = BTreeMap::from([
            (ROTATION_ID.to_owned(), "r0".to_owned()),
            ("note".to_owned(), "x".to_owned()),
        ]);
        let restored = restored_annotations(&before);
        assert_eq!(restored[ROTATION_ID].as_deref(), Some("r0"));
        assert_eq!(restored[EXPIRES_AT], None);
        assert!(!restored.contains_key("note"));
    }
}
