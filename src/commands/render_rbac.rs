//! `render-rbac`: find what is covered, unless it was given, and print the rights to it.

use std::collections::{BTreeMap, BTreeSet};

use clap::ArgMatches;

use super::{Context, connect, namespace};
use crate::cli::RenderRbacArgs;
use crate::discover::fleet::{Member, fleet};
use crate::discover::{self, TargetFacts};
use crate::error::{Error, Result};
use crate::manifest::admission::{Guard, GuardedObjects, admission_policies};
use crate::manifest::azure::{self, AzureRights};
use crate::manifest::ownership::Purpose;
use crate::manifest::rbac::{self, FleetRights, Rights, rbac};
use crate::model::WorkloadRef;
use crate::model::request::{AzureForm, KubeConnection, Selection};
use crate::output::Output;
use crate::settings::{Covered, GatewayList, KubernetesRights, RenderSettings};
use crate::yaml::to_documents;

/// Runs `render-rbac`; returns the exit code.
pub(super) async fn run(
    args: &RenderRbacArgs,
    matches: &ArgMatches,
    kube: &KubeConnection,
    context: &Context,
) -> Result<u8> {
    let text = match RenderSettings::resolve(args, matches, &context.environment)? {
        RenderSettings::Azure(form, rights) => in_azure(form, &rights),
        RenderSettings::Kubernetes(settings) => in_kubernetes(&settings, kube, context).await?,
    };
    context.output.data(&text)?;
    Ok(0)
}

fn in_azure(form: AzureForm, rights: &AzureRights) -> String {
    match form {
        AzureForm::Json => format!("{:#}\n", azure::template(rights)),
        AzureForm::Bicep => azure::bicep(rights),
        AzureForm::Terraform => azure::terraform(rights),
        AzureForm::Az => azure::az_cli(rights),
    }
}

/// What is covered, by namespace.
type Members = BTreeMap<String, Covers>;

/// What is covered in one namespace.
#[derive(Default)]
struct Covers {
    workloads: BTreeSet<WorkloadRef>,
    /// The Secrets, each with the key of its credential where that is known.
    secrets: BTreeMap<String, Option<String>>,
    config_maps: BTreeSet<String>,
}

async fn in_kubernetes(
    settings: &KubernetesRights,
    kube: &KubeConnection,
    context: &Context,
) -> Result<String> {
    let members = members(settings, kube, context).await?;
    if matches!(settings.covered, Covered::Everything) {
        warn_of_everything(settings, &context.output);
    }
    let namespace = namespace(kube, context)?;
    let mut objects = match &settings.covered {
        Covered::Everything => rbac::fleet(&fleet_rights(settings, &namespace, None)),
        Covered::Listed(..) => rbac::fleet(&fleet_rights(settings, &namespace, Some(&members))),
        Covered::Named(..) | Covered::One(_) | Covered::Many(_) => {
            let covers = members.values().next();
            rbac(&Rights {
                config_maps: Vec::new(),
                namespace: namespace.clone(),
                name: Purpose::Rights.account(&settings.name),
                purpose: Purpose::Rights,
                workloads: covers.iter().flat_map(|it| it.workloads.clone()).collect(),
                secrets: covers.iter().flat_map(|it| it.secrets.keys().cloned()).collect(),
                prove_logs: settings.prove_logs,
                events: settings.events,
            })
        }
    };
    if settings.admission_policy {
        objects.extend(admission_policies(&guard(settings, namespace, &members)));
    }
    to_documents(&objects)
}

fn fleet_rights(settings: &KubernetesRights, namespace: &str, members: Option<&Members>) -> FleetRights {
    let member = |covers: &Covers| rbac::Member {
        workloads: covers.workloads.iter().cloned().collect(),
        secrets: covers.secrets.keys().cloned().collect(),
        config_maps: covers.config_maps.iter().cloned().collect(),
    };
    FleetRights {
        namespace: namespace.to_owned(),
        name: Purpose::FleetRights.account(&settings.name),
        members: members.map(|members| {
            let each = members.iter();
            each.map(|(place, covers)| (place.clone(), member(covers)))
                .collect()
        }),
        prove_logs: settings.prove_logs,
        events: settings.events,
    }
}

fn guard(settings: &KubernetesRights, namespace: String, members: &Members) -> Guard {
    let mut objects = GuardedObjects::default();
    for (place, covers) in members {
        for (secret, key) in &covers.secrets {
            if let Some(key) = settings.secret_key.as_ref().or(key.as_ref()) {
                objects
                    .secrets
                    .insert((place.clone(), secret.clone()), key.clone());
            }
        }
        let here = covers.workloads.iter().cloned();
        objects
            .workloads
            .extend(here.map(|workload| (place.clone(), workload)));
    }
    let is_named = !matches!(settings.covered, Covered::Everything);
    let purpose = match settings.covered {
        Covered::Everything | Covered::Listed(..) => Purpose::FleetRights,
        Covered::Named(..) | Covered::One(_) | Covered::Many(_) => Purpose::Rights,
    };
    Guard {
        purpose,
        namespace,
        name: purpose.account(&settings.name),
        objects: is_named.then_some(objects),
    }
}

/// Warns of rights that names do not limit.
fn warn_of_everything(settings: &KubernetesRights, output: &Output) {
    if settings.admission_policy {
        output.warning(
            "the account may read every Secret of the cluster, tokens of other accounts among them, which in effect is \
             cluster-admin; the policies limit only what it may change",
        );
    } else {
        output.warning(
            "the account may read and change every Secret and every workload of the cluster, which in effect is \
             cluster-admin",
        );
        output.hint("add --admission-policy, which limits what it may change");
    }
    output.hint("limit the account to the gateways in a file, with --gateways FILE");
}

/// What is covered. No request is sent if everything was given.
async fn members(settings: &KubernetesRights, kube: &KubeConnection, context: &Context) -> Result<Members> {
    let mut members = Members::new();
    match &settings.covered {
        Covered::Everything => {}
        Covered::Named(workloads, secrets) => {
            let covers = members.entry(namespace(kube, context)?).or_default();
            covers.workloads.extend(workloads.iter().cloned());
            covers
                .secrets
                .extend(secrets.iter().map(|secret| (secret.clone(), None)));
        }
        Covered::One(target) => {
            let found = discover::target(&connect(kube, context).await?, target).await?;
            for warning in &found.warnings {
                context.output.warning(warning);
            }
            add(&mut members, &found);
        }
        Covered::Many(selection) => {
            for found in tokens(selection, None, kube, context).await? {
                add(&mut members, &found);
            }
            if members.is_empty() {
                return Err(Error::failed("no self-hosted gateway with a token was found")
                    .hint("choose the namespace with -n"));
            }
        }
        Covered::Listed(list, labels) => {
            let selection = Selection {
                everywhere: true,
                labels: labels.clone(),
                names: Vec::new(),
            };
            for found in tokens(&selection, Some(list), kube, context).await? {
                add(&mut members, &found);
            }
            for (namespace, workload) in list.workloads() {
                let is_there = members
                    .get(namespace)
                    .is_some_and(|covers| covers.workloads.contains(workload));
                if !is_there {
                    context.output.warning(&format!(
                        "{workload} in namespace {namespace} is listed in the file, but it is not a gateway with a token in this cluster"
                    ));
                }
            }
        }
    }
    Ok(members)
}

fn add(members: &mut Members, found: &TargetFacts) {
    let snapshot = &found.snapshot;
    let covers = members.entry(snapshot.namespace.clone()).or_default();
    let secret = &snapshot.secret;
    covers
        .secrets
        .insert(secret.version.name.clone(), Some(secret.key.clone()));
    let workloads = snapshot.workloads.iter();
    covers
        .workloads
        .extend(workloads.map(|facts| facts.version.workload.clone()));
    covers
        .config_maps
        .extend(found.config_map_settings.config_maps.iter().cloned());
}

/// The tokens of the selected gateways. A gateway that cannot be read ends the
/// run, because the rights would look complete without it.
async fn tokens(
    selection: &Selection,
    list: Option<&GatewayList>,
    kube: &KubeConnection,
    context: &Context,
) -> Result<Vec<TargetFacts>> {
    let fleet = fleet(&connect(kube, context).await?, selection).await?;
    for warning in &fleet.warnings {
        context.output.warning(warning);
    }
    let is_meant =
        |namespace: &str, workload: &WorkloadRef| list.is_none_or(|list| list.has(namespace, workload));
    let mut tokens = Vec::new();
    for member in fleet.members {
        match member {
            Member::Credential(found) => {
                let namespace = &found.snapshot.namespace;
                if found
                    .gateways()
                    .iter()
                    .all(|workload| is_meant(namespace, workload))
                {
                    tokens.push(*found);
                }
            }
            Member::Skipped(namespace, workload, why) if is_meant(&namespace, &workload) => {
                context
                    .output
                    .warning(&format!("{workload} in namespace {namespace} is left out: {why}"));
            }
            Member::Failed(namespace, workload, why) if is_meant(&namespace, &workload) => return Err(why),
            Member::Skipped(..) | Member::Failed(..) => {}
        }
    }
    Ok(tokens)
}
