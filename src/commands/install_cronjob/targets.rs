//! Finds what the CronJob is to rotate.

use std::collections::{BTreeMap, BTreeSet};

use super::legacy;
use crate::cluster::Cluster;
use crate::discover::evidence::Named;
use crate::discover::fleet::{Member, fleet};
use crate::discover::installed::CronJobs;
use crate::discover::{self, TargetFacts};
use crate::error::{Error, Result};
use crate::manifest::cronjob::Instance;
use crate::manifest::ownership::Owner;
use crate::model::request::{Selection, TargetRequest, WorkloadRequest};
use crate::model::{KeyChoice, MAX_LIFE, Snapshot, Source, Sourced, WorkloadRef};
use crate::output::Output;
use crate::plan::{self, FollowUp, Policy};
use crate::settings::{InstallSettings, Targets};

/// Finds the gateways: those on the command line, and those that the CronJob
/// rotates already.
pub(super) async fn find(
    cluster: &Cluster,
    settings: &InstallSettings,
    target: &TargetRequest,
    before: &CronJobs,
    output: &Output,
) -> Result<(Targets, Vec<Named>, Vec<Snapshot>)> {
    let mut names = names(settings, target, before);
    let many = settings.all || names.len() > 1;
    let (found, given) = if many {
        refuse_what_is_of_one(target)?;
        let given = TargetRequest {
            service: target.service.clone(),
            resource_group: target.resource_group.clone(),
            subscription: target.subscription.clone(),
            ..TargetRequest::default()
        };
        let members = members(cluster, settings, names, output).await;
        let members = members.map_err(|error| match before.workloads.as_slice() {
            [] => error,
            _ => error.hint(
                "the CronJob keeps a gateway that was deleted; to drop it, run uninstall-cronjob and install the CronJob again",
            ),
        });
        (members?, given)
    } else {
        let given = TargetRequest {
            workload: names.pop(),
            ..target.clone()
        };
        (vec![discover::target(cluster, &given).await?], given)
    };
    let mut identified = Vec::new();
    for mut found in found {
        print_warnings(&found, settings, output)?;
        let gateway = found.gateway(cluster, &given).await?;
        if many {
            plan::refuse_other_cloud(&settings.cloud_of_fleet(), &gateway.gateway.value, gateway.cloud)?;
        }
        show(&found, &gateway, output);
        identified.push((found, gateway));
    }
    if identified.is_empty() {
        return Err(Error::failed(format!(
            "namespace {} has no self-hosted gateway with a token",
            cluster.namespace
        )));
    }
    let mut targets = together(&identified);
    let recorded = are_recorded(&identified);
    if let (Some(instance), true, false) = (&mut targets.instance, keeps(settings, before), recorded) {
        complete(instance, before);
    }
    let known = |instance: &Instance| instance.subscription.is_some() && instance.resource_group.is_some();
    if !recorded && !targets.instance.as_ref().is_some_and(known) {
        output.hint(
            "until the first rotation records the instance's ID, the pods look it up, which takes the permission \
             Microsoft.ApiManagement/service/read; set --subscription-id and --resource-group to avoid that",
        );
    }
    let identified = identified.into_iter();
    let (known, snapshots) = identified.map(|(found, named)| (named, found.snapshot)).unzip();
    Ok((targets, known, snapshots))
}

/// Prints what a scheduled run would warn of. An error if it would be refused.
fn print_warnings(found: &TargetFacts, settings: &InstallSettings, output: &Output) -> Result<()> {
    for warning in &found.warnings {
        output.warning(warning);
    }
    for warning in plan::preflight(&found.snapshot, &policy(settings.adopt))? {
        output.warning(&warning);
    }
    Ok(())
}

/// The workloads on the command line, and those that the CronJob rotates.
fn names(
    settings: &InstallSettings,
    target: &TargetRequest,
    before: &CronJobs,
) -> Vec<Sourced<WorkloadRequest>> {
    let mut names = settings.selection.names.clone();
    if names.is_empty() {
        names.extend(target.workload.clone());
    }
    if keeps(settings, before) {
        for workload in &before.workloads {
            if !names.iter().any(|ask| means(&ask.value, workload)) {
                let source = Source::Discovery(format!("cronjob/{}", settings.name));
                names.push(Sourced::new(WorkloadRequest::Exact(workload.clone()), source));
            }
        }
    }
    names
}

/// Whether the CronJob of this name is kept, with what it rotates.
fn keeps(settings: &InstallSettings, before: &CronJobs) -> bool {
    let owner = Owner::installation(&settings.name);
    let is_ours = before.present.as_ref().is_some_and(|present| owner.owns(present));
    is_ours || legacy::is_legacy(before, owner)
}

/// Takes from the command line of the CronJob what is not known of the same
/// instance: its pods may have no right to look it up.
fn complete(instance: &mut Instance, before: &CronJobs) {
    let Some(request) = &before.request else { return };
    let same = request
        .service
        .as_ref()
        .is_some_and(|service| service.eq_ignore_ascii_case(&instance.name));
    if same {
        instance.resource_group = instance
            .resource_group
            .take()
            .or_else(|| request.resource_group.clone());
        instance.subscription = instance
            .subscription
            .take()
            .or_else(|| request.subscription.clone());
    }
}

fn means(ask: &WorkloadRequest, workload: &WorkloadRef) -> bool {
    match ask {
        WorkloadRequest::Exact(reference) => reference == workload,
        WorkloadRequest::ByName(name) => *name == workload.name,
    }
}

fn refuse_what_is_of_one(target: &TargetRequest) -> Result<()> {
    let one = [("the Secret", &target.secret), ("the gateway", &target.gateway)];
    match one
        .into_iter()
        .find_map(|(what, given)| Some((what, given.as_ref()?)))
    {
        None => Ok(()),
        Some((what, given)) => Err(Error::usage(format!(
            "{} names {what}, but several gateways are to be rotated",
            given.source
        ))
        .hint("leave it out: the Secret and the name of each gateway are discovered")),
    }
}

/// The gateways of a fleet. A gateway that signs in without a token has nothing
/// to rotate, so naming it is an error.
async fn members(
    cluster: &Cluster,
    settings: &InstallSettings,
    names: Vec<Sourced<WorkloadRequest>>,
    output: &Output,
) -> Result<Vec<TargetFacts>> {
    let selection = Selection {
        names: if settings.all { Vec::new() } else { names },
        ..Selection::default()
    };
    let fleet = fleet(cluster, &selection).await?;
    for warning in &fleet.warnings {
        output.warning(warning);
    }
    let mut found = Vec::new();
    for member in fleet.members {
        match member {
            Member::Credential(credential) => found.push(*credential),
            Member::Skipped(_, _, why) if settings.all => output.note(&format!("left out: {why}")),
            Member::Skipped(_, _, why) | Member::Failed(_, _, why) => return Err(why),
        }
    }
    Ok(found)
}

/// Everything that a scheduled run refuses is refused now, except a paused
/// rollout, which may be resumed by then.
pub(super) fn policy(adopt: bool) -> Policy {
    Policy {
        key: KeyChoice::Last,
        life: MAX_LIFE,
        if_expiring_within: None,
        if_older_than: None,
        force: false,
        follow_up: FollowUp::Nothing,
        adopt,
    }
}

fn show(found: &TargetFacts, named: &Named, output: &Output) {
    let workloads: Vec<String> = found.gateways().iter().map(ToString::to_string).collect();
    output.step(
        "workload",
        &format!("{}  [{}]", workloads.join(", "), found.workload_source),
    );
    let secret = &found.snapshot.secret.version.name;
    output.step(
        "credential",
        &format!("secret/{secret}  [{}]", found.secret_source),
    );
    let Named { gateway, service, .. } = named;
    output.step("gateway", &format!("{}  [{}]", gateway.value, gateway.source));
    output.step("instance", &format!("{}  [{}]", service.value, service.source));
}

/// Whether every Secret records where its instance is. The pods read it there,
/// where a rotation after a move of the instance renews it; in their arguments
/// it would stay.
fn are_recorded(found: &[(TargetFacts, Named)]) -> bool {
    let is_recorded = |part: &Option<Sourced<String>>| {
        part.as_ref()
            .is_some_and(|part| matches!(part.source, Source::Annotation(_)))
    };
    found
        .iter()
        .all(|(_, named)| is_recorded(&named.subscription) && is_recorded(&named.resource_group))
}

/// Everything in one task.
fn together(found: &[(TargetFacts, Named)]) -> Targets {
    let workloads: BTreeSet<WorkloadRef> = found
        .iter()
        .flat_map(|(found, _)| &found.snapshot.workloads)
        .map(|facts| facts.version.workload.clone())
        .collect();
    let secrets: BTreeSet<String> = found
        .iter()
        .map(|(found, _)| found.snapshot.secret.version.name.clone())
        .collect();
    let key = |(found, _): &(TargetFacts, Named)| {
        let secret = &found.snapshot.secret;
        (secret.version.name.clone(), secret.key.clone())
    };
    let keys: BTreeMap<String, String> = found.iter().map(key).collect();
    let instances: BTreeSet<String> = found
        .iter()
        .map(|(_, named)| named.service.value.to_lowercase())
        .collect();
    let value = |pick: fn(&Named) -> &Option<Sourced<String>>| {
        let given = found.iter().find_map(|(_, named)| pick(named).as_ref());
        given.map(|given| given.value.clone())
    };
    let recorded = are_recorded(found);
    let one_instance = instances.len() == 1;
    let hidden = found
        .iter()
        .any(|(found, _)| found.config_map_settings.hide_credential);
    // The arguments describe one gateway completely. Of several, each must be
    // identified by what the Role lets the run read.
    let must_read = workloads.len() > 1 && (!one_instance || hidden);
    let config_maps: BTreeSet<String> = found
        .iter()
        .filter(|_| must_read)
        .flat_map(|(found, _)| found.config_map_settings.config_maps.iter().cloned())
        .collect();
    #[allow(
        clippy::indexing_slicing,
        reason = "an installation without a gateway was refused before"
    )]
    let (_, first) = &found[0];
    Targets {
        workloads: workloads.into_iter().collect(),
        secrets: secrets.into_iter().collect(),
        keys,
        config_maps: config_maps.into_iter().collect(),
        instance: one_instance.then(|| Instance {
            name: first.service.value.clone(),
            resource_group: value(|named| &named.resource_group).filter(|_| !recorded),
            subscription: value(|named| &named.subscription).filter(|_| !recorded),
        }),
        gateway: (found.len() == 1).then(|| first.gateway.value.clone()),
        cloud: found.iter().find_map(|(_, named)| named.cloud),
    }
}
