//! A CronJob that runs the script `apim-shg-rotate`, applied by hand as QUIBIQ's
//! article "How-to: Azure API Management Self-Hosted Gateway - Token Cycling" says.

use serde_json::Value;

use crate::cluster::Cluster;
use crate::commands::surroundings::{described, shared, show_bindings, show_running_jobs, unchecked};
use crate::discover::installed::CronJobs;
use crate::discover::users::users;
use crate::error::{Error, Result};
use crate::manifest::ownership::{Owner, is_unclaimed};
use crate::model::request::TargetRequest;
use crate::model::{Account, ObjectKind, Source, Sourced};
use crate::output::Output;
use crate::plan::{ObjectPlan, is_plain};
use crate::report::objects::few;

/// Whether the CronJob of this name is a legacy one: it rotates, and no tool claims
/// to manage it.
pub(super) fn is_legacy(before: &CronJobs, owner: Owner<'_>) -> bool {
    let present = before.present.as_ref();
    before.request.is_some() && present.is_some_and(|present| !owner.owns(present) && is_unclaimed(present))
}

/// The target, completed from the variables of the legacy CronJob. A value that
/// cannot be a name is left out: it may be a secret, and names are shown.
pub(super) fn completed(target: &TargetRequest, before: &CronJobs, output: &Output) -> TargetRequest {
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
        if !is_plain(value) {
            output.warning(&format!("{name} of the CronJob is not a name, so it is not used"));
            return None;
        }
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

/// Shows what depends on the objects that would be taken over. Returns why they may
/// not be: something else uses the account or its Role, and would lose its rights.
pub(super) async fn show_surroundings(
    cluster: &Cluster,
    plan: &ObjectPlan,
    name: &str,
    output: &Output,
) -> Result<Option<Error>> {
    let has = |kind| plan.taken_over().any(|object| object.kind() == kind);
    if let Some(cron_job) = plan
        .taken_over()
        .find(|object| object.kind() == ObjectKind::CronJob)
    {
        show_running_jobs(cluster, cron_job, output).await;
    }
    let users = users(cluster, name).await?;
    if let Some(unchecked) = unchecked(&users, name) {
        output.warning(&unchecked);
    }
    let account = ObjectKind::ServiceAccount.reference(name);
    show_bindings(&users, name, output);
    if !users.of_every_account.is_empty() {
        let bindings: Vec<String> = users.of_every_account.iter().map(described).collect();
        output.note(&format!(
            "{account} also has the rights of every account, by {}",
            few(&bindings)
        ));
    }
    let of_others = of_others(
        plan,
        Account {
            namespace: &cluster.namespace,
            name,
        },
    );
    if of_others.is_some() {
        return Ok(of_others);
    }
    for kind in [ObjectKind::ServiceAccount, ObjectKind::Role] {
        let of_kind = users.uses.iter().filter(|its| its.of.0 == kind && has(kind));
        let by: Vec<String> = of_kind.map(|its| its.by.clone()).collect();
        if !by.is_empty() {
            return Ok(Some(
                Error::refused(format!(
                    "{} is also used by {}, which would lose its rights, so it was left as it is",
                    kind.reference(name),
                    few(&by)
                ))
                .hint("give that an account of its own first, or install under another name with --name"),
            ));
        }
    }
    Ok(None)
}

/// Why a binding may not be replaced: it names others, which would lose their rights.
fn of_others(plan: &ObjectPlan, account: Account<'_>) -> Option<Error> {
    let mut taken_over = plan.taken_over();
    let binding = taken_over.find(|object| object.kind() == ObjectKind::RoleBinding)?;
    let others = account.others_in(binding);
    (!others.is_empty()).then(|| shared(binding, &others, account.namespace))
}
