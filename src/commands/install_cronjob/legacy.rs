//! The objects that the article about the script `apim-shg-rotate` tells its
//! readers to apply.

use serde_json::Value;

use super::objects::is_ours;
use crate::discover::installed::CronJobs;
use crate::manifest::labels;
use crate::model::request::TargetRequest;
use crate::model::{Source, Sourced};

/// Whether the CronJob of this name is the article's: it rotates, and nobody
/// claims to manage it.
pub(super) fn is_legacy(before: &CronJobs, name: &str) -> bool {
    let unclaimed = |object: &Value| !is_ours(object, name) && is_unclaimed(object);
    before.rotates && before.present.as_ref().is_some_and(unclaimed)
}

/// Whether a Role is the article's, which names no object and every group.
pub(super) fn is_wide_role(object: &Value) -> bool {
    let rules = object["rules"].as_array();
    object["kind"] == "Role"
        && is_unclaimed(object)
        && rules.into_iter().flatten().any(|rule| {
            let groups = rule["apiGroups"].as_array();
            groups.into_iter().flatten().any(|group| group == "*")
        })
}

/// Whether no tool says that an object is its own.
fn is_unclaimed(object: &Value) -> bool {
    let managed_by = labels("").into_keys().find(|label| label.ends_with("managed-by"));
    let label = managed_by.unwrap_or_default();
    object["metadata"]["labels"].get(label).is_none()
}

/// Whether an object of the name may be of the article, which has no other
/// kinds.
pub(super) fn may_be_of_it(object: &Value) -> bool {
    let kind = object["kind"].as_str().unwrap_or_default();
    ["ServiceAccount", "Role", "RoleBinding", "CronJob"].contains(&kind) && is_unclaimed(object)
}

/// Takes over what the article's variables name, where nothing else was told.
pub(super) fn complete(target: &mut TargetRequest, before: &CronJobs) {
    let Some(object) = &before.present else { return };
    let containers = object.pointer("/spec/jobTemplate/spec/template/spec/containers");
    let variables: Vec<&Value> = containers
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|container| container["env"].as_array())
        .flatten()
        .collect();
    let value = |name: &str| {
        let variable = variables.iter().find(|variable| variable["name"] == name)?;
        let value = variable["value"].as_str().filter(|value| !value.is_empty())?;
        let source = Source::Discovery(format!("{name} of the CronJob"));
        Some(Sourced::new(value.to_owned(), source))
    };
    for (told, name) in [
        (&mut target.secret, "TOKEN_SECRET"),
        (&mut target.gateway, "APIM_GATEWAY"),
        (&mut target.service, "APIM_INSTANCE"),
        (&mut target.resource_group, "RESOURCE_GROUP"),
        (&mut target.subscription, "SUBSCRIPTION_ID"),
    ] {
        if told.is_none() {
            *told = value(name);
        }
    }
}
