use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Plan;
use crate::model::annotation::{
    EXPIRES_AT, GATEWAY, LAST_USED_KEY, OF_SECRET, PREVIOUS_KEY, RESTART_BY_OTHER, ROTATED_AT, ROTATION_ID,
};

/// Annotations to set; `None` removes one.
type Annotations = BTreeMap<String, Option<String>>;

/// What a rotation records on the Secret, in the write that brings the
/// credential.
pub fn rotation_annotations(plan: &Plan, rotated_at: Timestamp) -> Annotations {
    let by_other = plan.workloads.is_empty().then(|| "true".to_owned());
    let entries = [
        (LAST_USED_KEY, Some(plan.key_slot.to_string())),
        (ROTATION_ID, Some(plan.rotation_id.clone())),
        (PREVIOUS_KEY, plan.previous_key_slot.map(|slot| slot.to_string())),
        (EXPIRES_AT, Some(plan.expires_at.to_string())),
        (ROTATED_AT, Some(rotated_at.to_string())),
        (GATEWAY, Some(plan.gateway.to_string())),
        (RESTART_BY_OTHER, by_other),
    ];
    entries
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// The same annotations as they were before, absent where they were absent,
/// for putting the former credential back.
pub fn restored_annotations(before: &BTreeMap<String, String>) -> Annotations {
    OF_SECRET
        .into_iter()
        .map(|name| (name.to_owned(), before.get(name).cloned()))
        .collect()
}
