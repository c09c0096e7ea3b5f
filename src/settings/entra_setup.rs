//! The settings of `entra setup`.

use std::time::Duration;

use clap::ArgMatches;
use jiff::SignedDuration;
use uuid::Uuid;

use super::AzureSettings;
use super::rotate::{checked_timeout, target_request};
use super::selection::named_workloads;
use super::typed::{Typed, check_name};
use crate::cli::TargetArgs;
use crate::cli::entra::EntraSetupArgs;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::model::entra::{AppRequest, SetupRequest};
use crate::model::quote::shell_word;
use crate::model::request::{DryRun, OutputFormat, TargetRequest};
use crate::model::{in_words, is_azure_name, one_line};

/// The longest names in Azure/azure-rest-api-specs, `serviceName` and `gatewayId`.
const LONGEST_INSTANCE: usize = 50;
const LONGEST_GATEWAY: usize = 80;

/// The longest display name of an app (learn.microsoft.com, "application resource
/// type").
const LONGEST_APP_NAME: usize = 256;

/// The longest audience (learn.microsoft.com, "Workload identity federation
/// considerations").
const LONGEST_AUDIENCE: usize = 600;

/// A credential of a shorter life would be due as soon as it is made.
const SHORTEST_LIFE: SignedDuration = SignedDuration::from_hours(24);

/// What is printed in place of being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Print {
    Az,
    /// What removes a set-up.
    AzUndo,
    Bicep,
}

/// The settings of one `entra setup`.
#[derive(Debug)]
pub struct EntraSetupSettings {
    pub target: TargetRequest,
    pub request: SetupRequest,
    /// Microsoft Graph, in place of that of the cloud.
    pub graph_url: Option<String>,
    pub print: Option<Print>,
    pub dry_run: DryRun,
    /// Whether to wait for the proof by the pods.
    pub wait: bool,
    pub timeout: Duration,
    pub output: OutputFormat,
    pub azure: AzureSettings,
    /// Warnings about the settings themselves.
    pub warnings: Vec<String>,
}

impl EntraSetupSettings {
    /// Checks the flags of `entra setup`. `can_ask` is whether there is somebody at a
    /// terminal: without, what stands in a cluster does not decide where rights are
    /// granted.
    pub fn resolve(
        args: &EntraSetupArgs,
        matches: &ArgMatches,
        environment: &Environment,
        can_ask: bool,
    ) -> Result<Self> {
        let typed = Typed { matches, environment };
        let mut warnings = Vec::new();
        let named = TargetArgs {
            target: args.target.clone(),
            k8s_object: args.k8s_object.clone(),
            token_secret: None,
            gateway: args.gateway.clone(),
        };
        if named_workloads(&named)?.names.len() > 1 {
            return Err(Error::usage(
                "name one workload: each gateway is set up by itself",
            ));
        }
        let target = TargetRequest {
            // A variable may name the Secret of a token.
            secret: None,
            ..target_request(&named, &typed, false)?
        };
        check_target(&target)?;
        let print = match (args.print_az, args.undo, args.print_bicep) {
            (true, true, _) => Some(Print::AzUndo),
            (true, false, _) => Some(Print::Az),
            (false, _, true) => Some(Print::Bicep),
            (false, _, false) => None,
        };
        let writes = print.is_none() && args.dry_run == DryRun::None;
        if !can_ask {
            require_target(&target)?;
            if writes && !args.yes {
                return Err(Error::usage("there is no terminal to ask on")
                    .hint("consent with --yes, or look first with --dry-run"));
            }
        }
        Ok(Self {
            request: request(args)?,
            target,
            graph_url: args.graph_url.as_deref().map(graph_url).transpose()?,
            print,
            dry_run: args.dry_run,
            wait: !args.no_wait,
            timeout: checked_timeout(args.timeout).map_err(|_| too_short(args.timeout))?,
            output: args.output,
            azure: AzureSettings::resolve(&args.azure, &typed, &mut warnings)?,
            warnings,
        })
    }
}

fn request(args: &EntraSetupArgs) -> Result<SetupRequest> {
    let names = [
        ("--service-account", &args.service_account),
        ("--secret", &args.secret),
    ];
    for (flag, name) in names {
        if let Some(name) = name {
            check_name(name).map_err(|why| Error::usage(format!("{flag}: {why}")))?;
        }
    }
    if args.service_account.as_deref() == Some("default") {
        return Err(Error::usage(
            "--service-account default: every pod that names no other uses it, so it gets no rights in Azure",
        )
        .hint("give another name; the ServiceAccount is created if it does not exist"));
    }
    if args.secret_lifetime < SHORTEST_LIFE {
        return Err(Error::usage(
            "--secret-lifetime is too short: the minimum is 1 day",
        ));
    }
    check_audiences(args)?;
    if let Some(location) = args
        .location_name
        .as_ref()
        .filter(|it| !is_text(it, LONGEST_APP_NAME))
    {
        return Err(Error::usage(format!(
            "--location-name `{}` is not a name",
            one_line(location)
        )));
    }
    let request = SetupRequest {
        mode: args.mode,
        app: app(args)?,
        service_account: args.service_account.clone(),
        secret: args.secret.clone(),
        secret_lifetime: args.secret_lifetime,
        enable_identity: args.enable_identity,
        location_name: args.location_name.clone(),
        token_audience: args.token_audience.clone(),
        federation_audience: args.federation_audience.clone(),
        yes: args.yes,
    };
    if let Some((mode, flag)) = args
        .mode
        .and_then(|mode| Some((mode, request.without_effect(mode)?)))
    {
        return Err(Error::usage(format!(
            "{flag} has no effect with --mode {}",
            mode.as_str()
        )));
    }
    Ok(request)
}

fn check_audiences(args: &EntraSetupArgs) -> Result<()> {
    for (flag, audience) in [
        ("--token-audience", &args.token_audience),
        ("--federation-audience", &args.federation_audience),
    ] {
        let is_valid = |it: &String| !it.is_empty() && it.len() <= LONGEST_AUDIENCE && is_one_word(it);
        if let Some(audience) = audience.as_ref().filter(|it| !is_valid(it)) {
            return Err(Error::usage(format!(
                "{flag} `{}` is not an audience",
                one_line(audience)
            )));
        }
    }
    Ok(())
}

fn app(args: &EntraSetupArgs) -> Result<AppRequest> {
    match (&args.create_app, &args.app) {
        (Some(_), Some(_)) => Err(Error::usage("--create-app and --app exclude each other")),
        (Some(name), None) if is_text(name, LONGEST_APP_NAME) => Ok(AppRequest::Create(name.clone())),
        (Some(name), None) => Err(Error::usage(format!(
            "--create-app `{}` is not a name of 1 to {LONGEST_APP_NAME} printable characters",
            one_line(name)
        ))),
        (None, Some(id)) => Uuid::parse_str(id).map(AppRequest::Existing).map_err(|_| {
            Error::usage(format!(
                "--app `{}` is not a client id, which is a GUID",
                one_line(id)
            ))
            .hint("show it: az ad app list --show-mine --query \"[].{name:displayName, app:appId}\" -o table")
        }),
        (None, None) => Err(Error::usage("the app of the gateway is not given")
            .hint("create one with --create-app NAME")
            .hint("or name one that exists with --app CLIENT-ID")),
    }
}

/// What a user may call something: it is shown, quoted and sent as it is.
fn is_text(text: &str, longest: usize) -> bool {
    !text.trim().is_empty() && text.chars().count() <= longest && one_line(text) == text
}

fn is_one_word(text: &str) -> bool {
    one_line(text) == text && !text.contains(char::is_whitespace)
}

fn graph_url(url: &str) -> Result<String> {
    let rest = url.strip_prefix("https://").unwrap_or_default();
    if rest.is_empty() || !is_one_word(url) || rest.contains(['?', '#', '@', '\'', '"']) {
        return Err(Error::usage(format!(
            "--graph-url `{}` is not an https URL",
            one_line(url)
        )));
    }
    Ok(url.trim_end_matches('/').to_owned())
}

/// The flags of the target, each with its value.
fn named(target: &TargetRequest) -> [(&'static str, Option<&String>); 4] {
    [
        (
            "--subscription-id",
            target.subscription.as_ref().map(|it| &it.value),
        ),
        (
            "--resource-group",
            target.resource_group.as_ref().map(|it| &it.value),
        ),
        ("--apim-instance", target.service.as_ref().map(|it| &it.value)),
        ("--apim-gateway", target.gateway.as_ref().map(|it| &it.value)),
    ]
}

fn check_target(target: &TargetRequest) -> Result<()> {
    for (flag, value) in named(target) {
        if let Some(value) = value.filter(|value| !is_azure_name(value)) {
            return Err(Error::usage(format!(
                "{flag} `{}` is not a name in Azure",
                one_line(value)
            )));
        }
    }
    if let Some(id) = target
        .subscription
        .as_ref()
        .map(|it| &it.value)
        .filter(|it| Uuid::try_parse(it).is_err())
    {
        let text = format!(
            "--subscription-id `{}` is not the id of a subscription",
            one_line(id)
        );
        return Err(Error::usage(text).hint(format!(
            "find the id: az account show --subscription {} --query id -o tsv",
            shell_word(id)
        )));
    }
    let refused =
        |flag: &str, value: &str, why: &str| Err(Error::usage(format!("{flag} `{}` {why}", one_line(value))));
    if let Some(name) = target.service.as_ref().filter(|it| !is_instance(&it.value)) {
        let why = "is not the name of an instance: that has 1 to 50 letters, digits and dashes, begins with a letter and does not end with a dash";
        return refused("--apim-instance", &name.value, why);
    }
    match &target.gateway {
        Some(name) if name.value == "managed" => {
            let why = "is the gateway that Azure runs for the instance, and not a self-hosted one";
            refused("--apim-gateway", &name.value, why)
        }
        Some(name) if !is_gateway(&name.value) => {
            let why = "is not the name of a gateway: that has 1 to 80 characters and is neither blank, `.` nor `..`";
            refused("--apim-gateway", &name.value, why)
        }
        _ => Ok(()),
    }
}

/// Whether an instance may have the name (Azure/azure-rest-api-specs, `serviceName`).
fn is_instance(name: &str) -> bool {
    let is_inner = |it: char| it.is_ascii_alphanumeric() || it == '-';
    name.len() <= LONGEST_INSTANCE
        && name.starts_with(|it: char| it.is_ascii_alphabetic())
        && name.chars().all(is_inner)
        && !name.ends_with('-')
}

/// Whether a gateway may have the name (Azure/azure-rest-api-specs, `gatewayId`). The two
/// names of folders would be those of another resource.
fn is_gateway(name: &str) -> bool {
    !name.trim().is_empty() && name.chars().count() <= LONGEST_GATEWAY && name != "." && name != ".."
}

fn require_target(target: &TargetRequest) -> Result<()> {
    let missing: Vec<&str> = named(target)
        .into_iter()
        .filter(|(_, value)| value.is_none())
        .map(|(flag, _)| flag)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::usage(format!(
        "without a terminal, the cluster does not decide where rights are granted: {} {} missing",
        missing.join(", "),
        if missing.len() == 1 { "is" } else { "are" }
    ))
    .hint("give the gateway in full: -s SUBSCRIPTION -r GROUP -a INSTANCE -g GATEWAY"))
}

/// For a set-up, which has no token.
fn too_short(timeout: SignedDuration) -> Error {
    Error::usage(format!(
        "--timeout {} is too short: proving the credential and, if it is refused, putting the workload back takes at \
         least 1 minute",
        in_words(timeout)
    ))
}

#[cfg(test)]
mod tests;
