//! The flags of `render-rbac`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::InstanceArgs;
use crate::model::request::{AzureForm, ProveMode};
use crate::model::{AzureRole, DEFAULT_NAME};

/// How far the rights reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum RightsScope {
    /// Named objects in one namespace
    #[default]
    Namespace,
    /// All namespaces, as for `rotate -A`
    Cluster,
}

/// Print the minimal rights for a scheduled rotation, in Kubernetes or in Azure
///
/// Prints a ServiceAccount, a Role that may get and patch the named Secret and workload and nothing else, and a
/// RoleBinding; with --azure, a custom role in Azure and its assignment instead. Nothing is changed. If you name the
/// workload as TYPE/NAME and the Secret with --token-secret, the cluster is not contacted either; otherwise both are
/// discovered as `rotate` does. The same flags always print the same text, so it can be kept in Git.
#[derive(Args, Debug)]
#[command(before_help = "Examples:
  kubectl apim render-rbac | kubectl apply -f -        # apply the rights
  kubectl apim render-rbac deploy/gw -n shop -t token  # do not ask the cluster
  kubectl apim render-rbac --admission-policy          # also limit writes
  kubectl apim render-rbac --scope cluster -n ops      # rights for `rotate -A`
  kubectl apim render-rbac --azure bicep -s ID -r rg-apim -a contoso -g gw")]
#[command(
    after_long_help = "The Role does not include reading the ConfigMap that may name the API Management
instance: run `rotate` with --apim-instance.

Exit codes:
  0  done
  1  error
  2  invalid command line or variable
  4  a gateway has no token to rotate"
)]
pub struct RenderRbacArgs {
    /// Workloads, as NAME, TYPE/NAME or TYPE NAME; by default the gateway of the namespace
    #[arg(value_name = "TARGET")]
    pub target: Vec<String>,

    /// Secret that holds the token; can be repeated
    #[arg(short = 't', long, value_name = "NAME")]
    pub token_secret: Vec<String>,

    /// Key of the Secrets that holds the token, for --admission-policy without contacting the cluster
    #[arg(long, value_name = "KEY", requires = "admission_policy")]
    pub secret_key: Option<String>,

    /// All gateways in the namespace
    #[arg(long, conflicts_with = "target")]
    pub all: bool,

    /// Only workloads with these labels, such as app=gw,tier!=test
    #[arg(short = 'l', long, value_name = "LABELS")]
    pub selector: Option<String>,

    /// Name that the printed objects get with -rights at its end, or -fleet with --scope cluster
    #[arg(long, default_value = DEFAULT_NAME, value_name = "NAME")]
    pub name: String,

    /// How the rotation proves the token; `logs` adds the rights to list pods and read their logs
    #[arg(long, value_enum, default_value = "rollout", value_name = "HOW")]
    pub prove: ProveMode,

    /// Add the right to create Events
    #[arg(long)]
    pub events: bool,

    /// Scope of the rights
    #[arg(long, value_enum, default_value_t, value_name = "SCOPE")]
    pub scope: RightsScope,

    /// File that lists the gateways that may be rotated, one per line: namespace, TYPE/NAME, ARM id
    ///
    /// For --scope cluster. Only workloads can then be listed in all namespaces. The Secrets, the ConfigMaps and the
    /// workloads to restart are named, in a Role for each namespace.
    #[arg(long, value_name = "FILE")]
    pub gateways: Option<PathBuf>,

    /// Add policies that limit the account to changing the credential and the annotations of a rotation
    ///
    /// RBAC covers whole objects: an account that may patch a workload may also change its image. Requires Kubernetes 1.30.
    #[arg(long)]
    pub admission_policy: bool,

    #[command(flatten)]
    pub azure: AzureRoleArgs,
}

/// A role in Azure.
#[derive(Args, Debug)]
#[command(next_help_heading = "Azure options")]
pub struct AzureRoleArgs {
    /// Print a custom role in Azure and its assignment instead, without contacting the cluster or Azure;
    /// without --apim-gateway for all gateways of the instance
    #[arg(long, value_enum, value_name = "FORM")]
    pub azure: Option<AzureForm>,

    /// Role to print
    #[arg(long, value_enum, default_value_t, value_name = "ROLE")]
    pub role: AzureRole,

    /// Add a role that can find the subscription and the resource group by the instance's name
    #[arg(long)]
    pub for_discovery: bool,

    /// Object id of the principal to assign the role to; by default a parameter
    #[arg(long, value_name = "ID")]
    pub principal_id: Option<String>,

    /// Existing role to assign instead of a new one, by its id in Azure
    #[arg(long, value_name = "ID")]
    pub role_definition_id: Option<String>,

    /// Gateway in API Management; can be repeated
    #[arg(short = 'g', long, value_name = "NAME")]
    pub apim_gateway: Vec<String>,

    #[command(flatten)]
    pub instance: InstanceArgs,
}
