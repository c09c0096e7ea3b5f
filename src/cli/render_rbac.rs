//! The flags of `render-rbac`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::ProveMode;
use crate::manifest::DEFAULT_NAME;
use crate::model::AzureRole;

/// How far the rights reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum RightsScope {
    /// The named objects of one namespace
    #[default]
    Namespace,
    /// All namespaces, as for `rotate -A`
    Cluster,
}

/// The form of a role in Azure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AzureForm {
    /// An ARM template
    Json,
    /// Bicep
    Bicep,
    /// Terraform, by the provider azurerm
    Terraform,
    /// A shell script that calls the Azure CLI
    Az,
}

/// Print the least rights that a scheduled rotation works with, in Kubernetes or in Azure
///
/// A ServiceAccount, a Role that allows to get and patch the named Secret and workload and nothing else, and what binds
/// them. With --azure the custom role and its assignment instead. Nothing is changed. Nothing is asked of the cluster
/// either if the workload is named as TYPE/NAME and the Secret by --token-secret; else both are discovered, as by
/// `rotate`. The same question has the same answer, so it can be kept in Git.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  kubectl apim render-rbac | kubectl apply -f -         for the gateway of the current namespace
  kubectl apim render-rbac deploy/gw -n shop -t token   all is named: no request, as for Git
  kubectl apim render-rbac --admission-policy           also limit what a write may change
  kubectl apim render-rbac --scope cluster -n ops       for `rotate -A`
  kubectl apim render-rbac --azure bicep -s SUBSCRIPTION -r rg-apim -a contoso -g gw

The Role does not let the rotation read the ConfigMap that may name the API
Management instance: name it to `rotate`, with --apim-instance.

Exit codes:
  0  done
  1  error
  2  wrong command line or variable
  4  a gateway that has no token to rotate")]
pub struct RenderRbacArgs {
    /// The workloads: NAME, TYPE/NAME or TYPE NAME, several of them; the gateway of the namespace when absent
    #[arg(value_name = "TARGET")]
    pub target: Vec<String>,

    /// The Secrets that hold the tokens; may be repeated
    #[arg(short = 't', long, value_name = "NAME")]
    pub token_secret: Vec<String>,

    /// The key of the Secrets that holds the token, for --admission-policy without a request
    #[arg(long, value_name = "KEY", requires = "admission_policy")]
    pub secret_key: Option<String>,

    /// All gateways of the namespace
    #[arg(long, conflicts_with = "target")]
    pub all: bool,

    /// Only workloads with these labels, as for kubectl: app=gw,tier!=test
    #[arg(short = 'l', long, value_name = "LABELS")]
    pub selector: Option<String>,

    /// The name of everything that is printed
    #[arg(long, default_value = DEFAULT_NAME, value_name = "NAME")]
    pub name: String,

    /// `logs` adds the rights to list pods and to read their logs
    #[arg(long, value_enum, default_value = "rollout", value_name = "HOW")]
    pub prove: ProveMode,

    /// Add the right to write Events
    #[arg(long)]
    pub events: bool,

    /// How far the rights reach
    #[arg(long, value_enum, default_value_t, value_name = "SCOPE")]
    pub scope: RightsScope,

    /// A file with the gateways that may be rotated, a line each: namespace, TYPE/NAME, ARM id
    ///
    /// With --scope cluster: only workloads may then be listed everywhere. Secrets, ConfigMaps and the workloads to
    /// restart are named, in a Role for each namespace.
    #[arg(long, value_name = "FILE")]
    pub gateways: Option<PathBuf>,

    /// Add policies that let the account change the credential, the annotations of a rotation and nothing else
    ///
    /// RBAC knows whole objects: whoever may patch a workload may change its image. It takes Kubernetes 1.30.
    #[arg(long)]
    pub admission_policy: bool,

    /// The role in Azure instead
    #[command(flatten)]
    pub azure: AzureRoleArgs,
}

/// A role in Azure.
#[derive(Args, Debug)]
#[command(next_help_heading = "Azure options")]
pub struct AzureRoleArgs {
    /// Print a custom role in Azure and its assignment instead; nothing is asked
    #[arg(long, value_enum, value_name = "FORM")]
    pub azure: Option<AzureForm>,

    /// Which role
    #[arg(long, value_enum, default_value_t, value_name = "ROLE")]
    pub role: AzureRole,

    /// Add a role that finds the subscription and the resource group by the instance's name
    #[arg(long)]
    pub for_discovery: bool,

    /// The object id of whom the role is for; a parameter when absent
    #[arg(long, value_name = "ID")]
    pub principal_id: Option<String>,

    /// The gateway's id in API Management; all gateways of the instance when absent
    #[arg(short = 'g', long, value_name = "NAME")]
    pub apim_gateway: Option<String>,

    /// The API Management instance
    #[arg(short = 'a', long, value_name = "NAME")]
    pub apim_instance: Option<String>,

    /// The resource group of the instance
    #[arg(short = 'r', long, value_name = "NAME")]
    pub resource_group: Option<String>,

    /// The subscription of the instance
    #[arg(short = 's', long, value_name = "ID")]
    pub subscription_id: Option<String>,
}
