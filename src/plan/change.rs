use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{FollowUp, Marking, Plan, Policy, RotationMark};
use crate::model::annotation::{
    EXPIRES_AT, OF_SECRET, PREVIOUS_IDS, PUT_BACK, RESTART_BY_OTHER, ROTATION_ID,
};
use crate::model::{Credential, Minted, PutBack, RotationIds, SecretChange, SecretData, SecretFacts};

/// The write that brings a new credential into the Secret.
pub fn rotation_change(plan: &Plan, minted: Minted) -> SecretChange {
    let expires_at = minted.credential.expires_at();
    let by_other = plan.workloads.is_empty().then(|| "true".to_owned());
    let of_every_kind = [
        (ROTATION_ID, Some(plan.id.clone())),
        (EXPIRES_AT, expires_at.map(|time| time.to_string())),
        (RESTART_BY_OTHER, by_other),
        (PREVIOUS_IDS, plan.replaces.annotation().map(str::to_owned)),
        (PUT_BACK, None),
    ];
    let annotations = of_every_kind.into_iter().chain(plan.mint.annotations());
    SecretChange {
        data: minted.data,
        annotations: annotations
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
        stamps_time: true,
    }
}

/// A write with a dummy of the right form. The API server checks it as a dry
/// run before a credential is minted.
pub fn dry_run_change(secret: &SecretFacts, rotation_id: &str) -> SecretChange {
    let dummy = match secret.credential {
        Credential::Token { .. } | Credential::Unusable(_) => "GatewayKey dry-run&200001010000&dry-run",
    };
    SecretChange {
        data: SecretData::from([(secret.key.as_str(), dummy.into())]),
        annotations: BTreeMap::from([(ROTATION_ID.to_owned(), Some(rotation_id.to_owned()))]),
        stamps_time: false,
    }
}

/// The restart of a rotation with this id. The API server checks it as a dry run
/// before a credential is minted.
pub fn dry_run_restart(policy: &Policy, rotation_id: &str) -> Marking {
    Marking::Restart {
        rotation: RotationMark {
            id: rotation_id.to_owned(),
            replaces: RotationIds::default(),
        },
        rotated_at: Timestamp::UNIX_EPOCH,
        given_up: policy.follow_up == FollowUp::Restart,
    }
}

/// The write that restores a credential with the annotations of rotations as they
/// were, including absent ones. It also records what is then owed to the pod
/// templates, so that another run can do it.
pub fn put_back_change(
    data: SecretData,
    before: &BTreeMap<String, String>,
    put_back: &PutBack,
) -> SecretChange {
    let mut annotations: BTreeMap<_, _> = OF_SECRET
        .into_iter()
        .map(|name| (name.to_owned(), before.get(name).cloned()))
        .collect();
    annotations.insert(PUT_BACK.to_owned(), Some(put_back.to_annotation()));
    SecretChange {
        data,
        annotations,
        stamps_time: false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{minted, plan};
    use super::*;
    use crate::model::annotation::ROTATED_AT;

    #[test]
    fn a_rotation_sets_or_removes_every_annotation_of_ours() {
        let mut plan = plan();
        let change = rotation_change(&plan, minted());
        assert!(change.stamps_time);
        let names: Vec<&str> = change.annotations.keys().map(String::as_str).collect();
        let mut ours = OF_SECRET.to_vec();
        ours.retain(|name| *name != ROTATED_AT);
        ours.sort_unstable();
        assert_eq!(names, ours);
        assert_eq!(change.annotations[RESTART_BY_OTHER], None);
        plan.workloads.clear();
        let change = rotation_change(&plan, minted());
        assert_eq!(change.annotations[RESTART_BY_OTHER].as_deref(), Some("true"));
    }

    #[test]
    fn what_a_rotation_sets_is_restored_or_removed() {
        let before = BTreeMap::from([
            (ROTATION_ID.to_owned(), "r0".to_owned()),
            ("note".to_owned(), "x".to_owned()),
        ]);
        let put_back = PutBack {
            refused: "r1".to_owned(),
            restarted_at: "today".to_owned(),
            replaced: "r0".into(),
            workloads: Vec::new(),
        };
        let change = put_back_change(SecretData::default(), &before, &put_back);
        assert!(!change.stamps_time);
        let restored = change.annotations;
        assert_eq!(restored[ROTATION_ID].as_deref(), Some("r0"));
        assert_eq!(restored[EXPIRES_AT], None);
        assert_eq!(restored[ROTATED_AT], None);
        assert_eq!(restored[PUT_BACK], Some(put_back.to_annotation()));
        assert!(!restored.contains_key("note"));
    }
}
