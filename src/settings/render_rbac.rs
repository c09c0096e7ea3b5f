//! The settings of `render-rbac`.

use clap::ArgMatches;
use uuid::Uuid;

use super::GatewayList;
use super::selection::selection;
use super::typed::{Typed, check_name};
use crate::cli::{AzureRoleArgs, RenderRbacArgs, RightsScope, SelectArgs};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::manifest::azure::{AzureRights, RoleTarget};
use crate::manifest::cronjob::LONGEST_NAME;
use crate::model::request::{AzureForm, ProveMode, Selection, TargetRequest, WorkloadRequest};
use crate::model::{AzureRole, Source, Sourced, WorkloadRef};

/// What to print.
#[derive(Debug)]
pub enum RenderSettings {
    Azure(AzureForm, AzureRights),
    Kubernetes(KubernetesRights),
}

/// The rights in Kubernetes.
#[derive(Debug)]
pub struct KubernetesRights {
    /// The name that those of the objects begin with.
    pub name: String,
    pub covered: Covered,
    /// The key of the Secrets that holds the credential, if it was given.
    pub secret_key: Option<String>,
    /// Whether the logs of new pods are part of the proof.
    pub prove_logs: bool,
    pub events: bool,
    /// Whether to add policies that limit what a write can change.
    pub admission_policy: bool,
}

/// The objects that the rights cover.
#[derive(Debug)]
pub enum Covered {
    /// Workloads and Secrets by name.
    Named(Vec<WorkloadRef>, Vec<String>),
    /// One gateway, to be discovered.
    One(Box<TargetRequest>),
    /// Several gateways of a namespace, to be discovered.
    Many(Selection),
    /// The gateways of a file, with these labels, in all namespaces.
    Listed(GatewayList, Option<String>),
    /// All gateways of the cluster.
    Everything,
}

impl RenderSettings {
    /// Checks the flags of `render-rbac`.
    pub fn resolve(args: &RenderRbacArgs, matches: &ArgMatches, environment: &Environment) -> Result<Self> {
        if let Some(form) = args.azure.azure {
            let typed = Typed { matches, environment };
            if !args.target.is_empty() || !args.token_secret.is_empty() {
                return Err(Error::usage(
                    "--azure prints a role in Azure, where there are no workloads and Secrets",
                )
                .hint("leave the target out, or --azure"));
            }
            return Ok(Self::Azure(form, azure_rights(&args.azure, &typed)?));
        }
        check_name(&args.name).map_err(|why| Error::usage(format!("--name: {why}")))?;
        if args.name.len() > LONGEST_NAME {
            return Err(Error::usage(format!(
                "--name has {} characters; the name of a CronJob can have at most {LONGEST_NAME}",
                args.name.len()
            )));
        }
        Ok(Self::Kubernetes(KubernetesRights {
            name: args.name.clone(),
            covered: covered(args)?,
            secret_key: args.secret_key.clone(),
            prove_logs: args.prove == ProveMode::Logs,
            events: args.events,
            admission_policy: args.admission_policy,
        }))
    }
}

fn covered(args: &RenderRbacArgs) -> Result<Covered> {
    match args.scope {
        RightsScope::Cluster => of_cluster(args),
        RightsScope::Namespace if args.gateways.is_some() => {
            Err(Error::usage("--gateways is for --scope cluster"))
        }
        RightsScope::Namespace => of_namespace(args),
    }
}

fn of_cluster(args: &RenderRbacArgs) -> Result<Covered> {
    if args.all || !args.target.is_empty() || !args.token_secret.is_empty() {
        return Err(Error::usage(
            "--scope cluster covers the gateways of all namespaces; leave the names out",
        )
        .hint("list the gateways that may be rotated in a file, with --gateways FILE"));
    }
    if let Some(file) = &args.gateways {
        return Ok(Covered::Listed(GatewayList::read(file)?, args.selector.clone()));
    }
    if args.selector.is_some() {
        return Err(Error::usage(
            "--selector needs the names of the gateways, and --scope cluster covers all of them",
        )
        .hint("list them in a file, with --gateways FILE"));
    }
    Ok(Covered::Everything)
}

fn of_namespace(args: &RenderRbacArgs) -> Result<Covered> {
    let select = SelectArgs {
        all_namespaces: false,
        selector: args.selector.clone(),
    };
    let selection = selection(&select, &args.target)?;
    for secret in &args.token_secret {
        check_name(secret).map_err(|why| Error::usage(format!("--token-secret: {why}")))?;
    }
    let exactly = selection.names.iter().map(|name| match &name.value {
        WorkloadRequest::Exact(workload) => Some(workload.clone()),
        WorkloadRequest::ByName(_) => None,
    });
    let exactly: Option<Vec<WorkloadRef>> = exactly.collect();
    let exactly = exactly.filter(|workloads| !workloads.is_empty());
    let key_is_known = !args.admission_policy || args.secret_key.is_some();
    if let (Some(workloads), false, true) = (exactly, args.token_secret.is_empty(), key_is_known) {
        return Ok(Covered::Named(workloads, args.token_secret.clone()));
    }
    let many = args.all || selection.labels.is_some() || selection.names.len() > 1;
    match args.token_secret.as_slice() {
        [] if many => Ok(Covered::Many(selection)),
        [] | [_] if !many => Ok(Covered::One(Box::new(TargetRequest {
            workload: selection.names.into_iter().next(),
            secret: args
                .token_secret
                .first()
                .map(|name| Sourced::new(name.clone(), Source::Flag("token-secret".to_owned()))),
            ..TargetRequest::default()
        }))),
        _ => Err(Error::usage(
            "--token-secret names the Secrets of several gateways, but not everything else is given",
        )
        .hint("name each workload as TYPE/NAME, and set --secret-key with --admission-policy")
        .hint("or leave --token-secret out, so that the Secrets are discovered")),
    }
}

fn azure_rights(args: &AzureRoleArgs, typed: &Typed<'_>) -> Result<AzureRights> {
    if args.for_discovery && args.role != AzureRole::TokenOperator {
        return Err(Error::usage("--for-discovery is for --role token-operator"));
    }
    let subscription = typed.text("subscription-id", args.instance.subscription_id.as_ref(), &[]);
    let group = typed.text("resource-group", args.instance.resource_group.as_ref(), &[]);
    let service = typed.text("apim-instance", args.instance.apim_instance.as_ref(), &[]);
    let subscription = needed("the subscription", "--subscription-id", subscription)?;
    let id = Uuid::parse_str(&subscription.value).map_err(|_| {
        Error::usage(format!(
            "{} `{}` is not the id of a subscription, which is a UUID",
            subscription.source, subscription.value
        ))
    })?;
    let group = needed("the resource group", "--resource-group", group)?;
    let at_the_group = args.role == AzureRole::ConfigValidator;
    let service = match service {
        None if at_the_group => None,
        service => Some(needed("the API Management instance", "--apim-instance", service)?),
    };
    let principal = args.principal_id.as_deref().map(|id| {
        Uuid::parse_str(id).map_err(|_| {
            Error::usage(format!(
                "--principal-id `{id}` is not an object id, which is a UUID"
            ))
            .hint("for an app: az ad sp show --id CLIENT_ID --query id")
        })
    });
    Ok(AzureRights {
        role: args.role,
        target: RoleTarget {
            subscription: id.to_string(),
            resource_group: plain(group)?,
            service: service.map(plain).transpose()?,
            gateways: gateways(&args.apim_gateway, typed)?,
        },
        existing: args
            .role_definition_id
            .as_deref()
            .map(existing_role)
            .transpose()?,
        principal: principal.transpose()?,
        for_discovery: args.for_discovery,
    })
}

/// The gateways, each once: Azure ignores the case of their names.
fn gateways(given: &[String], typed: &Typed<'_>) -> Result<Vec<String>> {
    let mut gateways: Vec<String> = Vec::new();
    for name in given.iter().filter(|name| !name.is_empty()) {
        let source = typed.flag_or_its_variable("apim-gateway");
        let name = plain(Sourced::new(name.clone(), source))?;
        if !gateways.iter().any(|other| other.eq_ignore_ascii_case(&name)) {
            gateways.push(name);
        }
    }
    Ok(gateways)
}

/// The id of a role, alone or as the end of its ARM id.
fn existing_role(id: &str) -> Result<Uuid> {
    let (path, name) = id.rsplit_once('/').unwrap_or_default();
    let alone = if path.is_empty() { id } else { name };
    let is_path = path
        .to_lowercase()
        .ends_with("/providers/microsoft.authorization/roledefinitions");
    Uuid::parse_str(alone)
        .ok()
        .filter(|_| path.is_empty() || is_path)
        .ok_or_else(|| {
            Error::usage(format!("--role-definition-id `{id}` is not the id of a role in Azure"))
                .hint("find it: az role definition list --custom-role-only --query \"[].{name:roleName, id:id}\" -o table")
        })
}

fn needed(what: &str, flag: &str, given: Option<Sourced<String>>) -> Result<Sourced<String>> {
    given.ok_or_else(|| {
        Error::usage(format!("--azure discovers nothing: {what} is missing"))
            .hint(format!("set it with {flag}"))
    })
}

/// A name that is one segment of an ARM id, and not an expression of a
/// template.
fn plain(given: Sourced<String>) -> Result<String> {
    let Sourced { value, source } = given;
    let breaks_out = |letter: char| letter.is_control() || "/[]\\%?#".contains(letter);
    if value.contains(breaks_out) {
        return Err(Error::usage(format!(
            "{source} contains a character that names in Azure cannot have"
        )));
    }
    Ok(value)
}
