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

/// What is to be printed.
#[derive(Debug)]
pub enum RenderSettings {
    /// A role in Azure, in one of its forms.
    Azure(AzureForm, AzureRights),
    /// Objects of Kubernetes.
    Kubernetes(KubernetesRights),
}

/// The rights in Kubernetes.
#[derive(Debug)]
pub struct KubernetesRights {
    /// The name of every object.
    pub name: String,
    /// What they are rights to.
    pub covered: Covered,
    /// The key of the Secrets that holds the credential, if that was said.
    pub secret_key: Option<String>,
    /// Whether pods and their logs are read as proof.
    pub prove_logs: bool,
    /// Whether Events are written.
    pub events: bool,
    /// Whether policies narrow what a write may change.
    pub admission_policy: bool,
}

/// The objects that the rights are to.
#[derive(Debug)]
pub enum Covered {
    /// All of them were told.
    Told(Vec<WorkloadRef>, Vec<String>),
    /// One gateway, to be discovered.
    One(Box<TargetRequest>),
    /// Several of a namespace, to be discovered.
    Many(Selection),
    /// Those of a file, with these labels, wherever they are.
    Listed(GatewayList, Option<String>),
    /// Whatever there is.
    Everything,
}

impl RenderSettings {
    /// Checks the flags of `render-rbac`.
    pub fn resolve(args: &RenderRbacArgs, matches: &ArgMatches, environment: &Environment) -> Result<Self> {
        if let Some(form) = args.azure.azure {
            let typed = Typed { matches, environment };
            if !args.target.is_empty() || !args.token_secret.is_empty() {
                return Err(Error::usage(
                    "--azure is about Azure, which knows neither workloads nor Secrets",
                )
                .hint("leave the target out, or --azure"));
            }
            return Ok(Self::Azure(form, azure_rights(&args.azure, &typed)?));
        }
        check_name(&args.name).map_err(|why| Error::usage(format!("--name: {why}")))?;
        if args.name.len() > LONGEST_NAME {
            return Err(Error::usage(format!(
                "--name has {} characters; a CronJob of that name may have {LONGEST_NAME}",
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
            "--scope cluster is for the gateways of all namespaces; leave the names out",
        )
        .hint("name those that may be rotated in a file, with --gateways FILE"));
    }
    if let Some(file) = &args.gateways {
        return Ok(Covered::Listed(GatewayList::read(file)?, args.selector.clone()));
    }
    for (flag, is_given) in [
        ("--admission-policy", args.admission_policy),
        ("--selector", args.selector.is_some()),
    ] {
        if is_given {
            return Err(Error::usage(format!(
                "{flag} needs to know the gateways, and --scope cluster is for whatever there is"
            ))
            .hint("name them in a file, with --gateways FILE"));
        }
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
    let exactly = selection.names.iter().map(|ask| match &ask.value {
        WorkloadRequest::Exact(workload) => Some(workload.clone()),
        WorkloadRequest::ByName(_) => None,
    });
    let exactly: Option<Vec<WorkloadRef>> = exactly.collect();
    let exactly = exactly.filter(|workloads| !workloads.is_empty());
    let key_is_known = !args.admission_policy || args.secret_key.is_some();
    if let (Some(workloads), false, true) = (exactly, args.token_secret.is_empty(), key_is_known) {
        return Ok(Covered::Told(workloads, args.token_secret.clone()));
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
            "--token-secret names the Secrets of several gateways, but not everything else is named",
        )
        .hint("name each workload as TYPE/NAME, and with --admission-policy the --secret-key")
        .hint("or leave --token-secret out: then the Secrets are discovered")),
    }
}

fn azure_rights(args: &AzureRoleArgs, typed: &Typed<'_>) -> Result<AzureRights> {
    if args.for_discovery && args.role != AzureRole::TokenOperator {
        return Err(Error::usage("--for-discovery is for --role token-operator"));
    }
    let subscription = typed.text("subscription-id", args.subscription_id.as_ref(), &[]);
    let group = typed.text("resource-group", args.resource_group.as_ref(), &[]);
    let service = typed.text("apim-instance", args.apim_instance.as_ref(), &[]);
    let gateway = typed.text("apim-gateway", args.apim_gateway.as_ref(), &[]);
    let subscription = needed("the subscription", "--subscription-id", subscription)?;
    let told = Uuid::parse_str(&subscription.value).map_err(|_| {
        Error::usage(format!(
            "{} `{}` is no id of a subscription, which is a UUID",
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
            Error::usage(format!("--principal-id `{id}` is no object id, which is a UUID"))
                .hint("for an app: az ad sp show --id CLIENT_ID --query id")
        })
    });
    Ok(AzureRights {
        role: args.role,
        target: RoleTarget {
            subscription: told.to_string(),
            resource_group: plain(group)?,
            service: service.map(plain).transpose()?,
            gateway: gateway.map(plain).transpose()?,
        },
        principal: principal.transpose()?,
        for_discovery: args.for_discovery,
    })
}

fn needed(what: &str, flag: &str, told: Option<Sourced<String>>) -> Result<Sourced<String>> {
    told.ok_or_else(|| {
        Error::usage(format!("--azure asks nobody, so {what} must be named"))
            .hint(format!("name it with {flag}"))
    })
}

/// A name that is one segment of an ARM id, and no expression of a template.
fn plain(told: Sourced<String>) -> Result<String> {
    let Sourced { value, source } = told;
    let breaks_out = |letter: char| letter.is_control() || "/[]\\%?#".contains(letter);
    if value.contains(breaks_out) {
        return Err(Error::usage(format!(
            "{source} holds a character that no name in Azure has"
        )));
    }
    Ok(value)
}
