//! A CronJob that runs the script `apim-shg-rotate`, applied by hand as QUIBIQ's
//! article "How-to: Azure API Management Self-Hosted Gateway - Token Cycling" says.

use serde_json::Value;

use crate::discover::installed::CronJobs;
use crate::manifest::ownership::{Owner, is_unclaimed};
use crate::model::request::TargetRequest;
use crate::model::{Source, Sourced};

/// Whether the CronJob of this name is a legacy one: it rotates, and no tool claims
/// to manage it.
pub(super) fn is_legacy(before: &CronJobs, owner: Owner<'_>) -> bool {
    let present = before.present.as_ref();
    before.request.is_some() && present.is_some_and(|present| !owner.owns(present) && is_unclaimed(present))
}

/// The target, completed from the variables of the legacy CronJob.
pub(super) fn completed(target: &TargetRequest, before: &CronJobs) -> TargetRequest {
    let mut target = target.clone();
    let Some(object) = &before.present else {
        return target;
    };
    let containers = object
        .document()
        .pointer("/spec/jobTemplate/spec/template/spec/containers");
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
    for (given, name) in [
        (&mut target.secret, "TOKEN_SECRET"),
        (&mut target.gateway, "APIM_GATEWAY"),
        (&mut target.service, "APIM_INSTANCE"),
        (&mut target.resource_group, "RESOURCE_GROUP"),
        (&mut target.subscription, "SUBSCRIPTION_ID"),
    ] {
        if given.is_none() {
            *given = value(name);
        }
    }
    target
}
