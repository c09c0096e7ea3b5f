//! What the CronJob is to rotate.

use std::collections::BTreeSet;

use super::legacy;
use crate::cluster::Cluster;
use crate::discover::evidence::Named;
use crate::discover::fleet::{Member, fleet};
use crate::discover::installed::CronJobs;
use crate::discover::{self, TargetFacts};
use crate::error::{Error, Result};
use crate::manifest::cronjob::Instance;
use crate::model::request::{Selection, TargetRequest, WorkloadRequest};
use crate::model::{CloudName, KeyChoice, MAX_LIFE, Source, Sourced, WorkloadRef};
use crate::output::Output;
use crate::plan::{self, FollowUp, Policy};
use crate::settings::{InstallSettings, Targets};

/// Finds the gateways: those that were named, and those that the CronJob
/// rotates already.
pub(super) async fn find(
    cluster: &Cluster,
    settings: &InstallSettings,
    before: &CronJobs,
    output: &Output,
) -> Result<(Targets, Vec<Named>)> {
    let mut names = settings.selection.names.clone();
    if names.is_empty() {
        names.extend(settings.target.workload.clone());
    }
    let is_ours = |object| super::objects::is_ours(object, &settings.name);
    if before.present.as_ref().is_some_and(is_ours) || legacy::is_legacy(before, &settings.name) {
        for workload in &before.workloads {
            if !names.iter().any(|ask| means(&ask.value, workload)) {
                let source = Source::Discovery(format!("cronjob/{}", settings.name));
                names.push(Sourced::new(WorkloadRequest::Exact(workload.clone()), source));
            }
        }
    }
    let many = settings.all || names.len() > 1;
    let (found, told) = if many {
        refuse_what_is_of_one(&settings.target)?;
        let told = TargetRequest {
            service: settings.target.service.clone(),
            resource_group: settings.target.resource_group.clone(),
            subscription: settings.target.subscription.clone(),
            ..TargetRequest::default()
        };
        let members = members(cluster, settings, names, output).await;
        let members = members.map_err(|error| match before.workloads.as_slice() {
            [] => error,
            _ => error.hint(
                "a gateway that is gone for good keeps its place until the CronJob is removed, with uninstall-cronjob, and \
                 installed anew",
            ),
        });
        (members?, told)
    } else {
        let told = TargetRequest {
            workload: names.pop(),
            ..settings.target.clone()
        };
        (vec![discover::target(cluster, &told).await?], told)
    };
    let mut identified = Vec::new();
    for mut found in found {
        for warning in &found.warnings {
            output.warning(warning);
        }
        for warning in plan::preflight(&found.snapshot, &policy(settings.adopt))? {
            output.warning(&warning);
        }
        let gateway = found.gateway(cluster, &told).await?;
        tell(&found, &gateway, output);
        identified.push((found, gateway));
    }
    if identified.is_empty() {
        return Err(Error::failed(format!(
            "namespace {} has no self-hosted gateway with a token",
            cluster.namespace
        )));
    }
    let targets = together(&identified);
    let known = |instance: &Instance| instance.subscription.is_some() && instance.resource_group.is_some();
    if !targets.instance.as_ref().is_some_and(known) {
        output.hint(
            "until the first rotation has recorded it, the pods look up where the instance is, which takes the right \
             Microsoft.ApiManagement/service/read; --subscription-id and --resource-group spare it",
        );
    }
    Ok((targets, identified.into_iter().map(|(_, named)| named).collect()))
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
        .find_map(|(what, told)| Some((what, told.as_ref()?)))
    {
        None => Ok(()),
        Some((what, told)) => Err(Error::usage(format!(
            "{} names {what}, but several gateways are to be rotated",
            told.source
        ))
        .hint("leave it out; what belongs to a gateway is discovered")),
    }
}

/// The gateways of a fleet. One that signs in without a token has nothing to
/// rotate; whoever names it must know.
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

/// What a scheduled run will refuse is refused now. A paused rollout is not
/// for ever, so it is no reason.
fn policy(adopt: bool) -> Policy {
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

fn tell(found: &TargetFacts, named: &Named, output: &Output) {
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

/// All of it in one task.
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
    let instances: BTreeSet<String> = found
        .iter()
        .map(|(_, named)| named.service.value.to_lowercase())
        .collect();
    let value = |pick: fn(&Named) -> &Option<Sourced<String>>| {
        let told = found.iter().find_map(|(_, named)| pick(named).as_ref());
        told.map(|told| told.value.clone())
    };
    let one_instance = instances.len() == 1;
    let hidden = found
        .iter()
        .any(|(found, _)| found.config_map_settings.hide_credential);
    // One gateway is told whole. Of several each must be known by what the
    // Role lets the run read.
    let must_read = workloads.len() > 1 && (!one_instance || hidden);
    let config_maps: BTreeSet<String> = found
        .iter()
        .filter(|_| must_read)
        .flat_map(|(found, _)| found.config_map_settings.config_maps.iter().cloned())
        .collect();
    let cloud = found.iter().find_map(|(_, named)| named.cloud);
    let (_, first) = &found[0];
    Targets {
        workloads: workloads.into_iter().collect(),
        secrets: secrets.into_iter().collect(),
        config_maps: config_maps.into_iter().collect(),
        instance: one_instance.then(|| Instance {
            name: first.service.value.clone(),
            resource_group: value(|named| &named.resource_group),
            subscription: value(|named| &named.subscription),
        }),
        gateway: (found.len() == 1).then(|| first.gateway.value.clone()),
        cloud: cloud
            .filter(|cloud| *cloud != CloudName::Public)
            .map(|cloud| cloud.as_str().to_owned()),
    }
}
