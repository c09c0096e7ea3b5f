//! From what was typed to what it means: flags and variables become checked
//! settings, each with its source. No network.

mod azure;
mod fleet;
mod gateway_list;
mod install_cronjob;
mod render_rbac;
mod selection;
mod status;

pub use azure::{AzureSettings, CloudAsk};
pub use fleet::FleetSettings;
pub use gateway_list::GatewayList;
pub use install_cronjob::{InstallSettings, Targets};
pub use render_rbac::{Covered, KubernetesRights, RenderSettings};
pub use selection::Selection;
pub use status::StatusSettings;

use std::time::Duration;

use clap::ArgMatches;
use clap::ValueEnum;
use clap::parser::ValueSource;
use jiff::SignedDuration;

use crate::cli::{DryRun, LogFormat, OutputFormat, ProveMode, RotateArgs, TargetArgs, variable_of};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::model::{KeyChoice, MAX_LIFE, Source, Sourced, WorkloadRef, in_words};
use crate::plan::{FollowUp, Policy};

/// A token that lives for less would lapse while it is being proved.
const SHORTEST_LIFE: SignedDuration = SignedDuration::from_mins(10);

/// The room that a run keeps before its deadline for putting a refused
/// credential back.
pub const PUT_BACK_ROOM: Duration = Duration::from_secs(30);

/// The settings of one `rotate`.
#[derive(Debug)]
pub struct RotateSettings {
    /// What was said about the target.
    pub target: TargetSettings,
    /// Which gateways, where several are meant.
    pub fleet: Option<FleetSettings>,
    /// What was asked of the rotation.
    pub policy: Policy,
    /// How to prove the credential, if that was said.
    pub prove: Option<ProveMode>,
    /// How long the rotation may take.
    pub timeout: Duration,
    /// What may be sent.
    pub dry_run: DryRun,
    /// Whether Events are written, which a dry run never does.
    pub events: bool,
    /// How the result is printed.
    pub output: OutputFormat,
    /// How to sign in to Azure.
    pub azure: AzureSettings,
    /// What the user should know about the settings themselves.
    pub warnings: Vec<String>,
}

/// What was said about the target; the rest is discovered.
#[derive(Clone, Debug, Default)]
pub struct TargetSettings {
    /// The workload.
    pub workload: Option<Sourced<WorkloadAsk>>,
    /// The Secret.
    pub secret: Option<Sourced<String>>,
    /// The gateway's id.
    pub gateway: Option<Sourced<String>>,
    /// The API Management instance.
    pub service: Option<Sourced<String>>,
    /// Its resource group.
    pub resource_group: Option<Sourced<String>>,
    /// Its subscription.
    pub subscription: Option<Sourced<String>>,
    /// Whether the Secret is all there is to it: the script restarted nothing
    /// where no workload was told, and may not list any.
    pub secret_alone: bool,
}

/// A workload as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorkloadAsk {
    /// By kind and name.
    Exactly(WorkloadRef),
    /// By name, of any kind.
    Named(String),
}

impl RotateSettings {
    /// Checks the flags of `rotate` and completes them from the variables;
    /// `as_script` when the program was called by the script's name.
    pub fn resolve(
        args: &RotateArgs,
        matches: &ArgMatches,
        environment: &Environment,
        as_script: bool,
    ) -> Result<Self> {
        let typed = Typed { matches, environment };
        let mut warnings = Vec::new();
        let timeout = checked_timeout(args.timeout)?;
        if args.no_restart && matches.value_source("prove").is_some() {
            return Err(Error::usage(
                "--prove proves a restart, which --no-restart leaves to something else",
            ));
        }
        let policy = policy(args, &typed)?;
        let target = TargetSettings::resolve(&args.target, &typed, as_script)?;
        Ok(Self {
            fleet: FleetSettings::resolve(args, &target, policy.follow_up)?,
            policy,
            target,
            prove: args.prove,
            timeout,
            dry_run: args.dry_run,
            events: args.events && args.dry_run == DryRun::None,
            output: args.output,
            azure: AzureSettings::resolve(&args.azure, &typed, &mut warnings)?,
            warnings,
        })
    }
}

/// How the log is written where no flag says it: by the variable, else for
/// machines in a pod, whose log is collected, unless a person sits at its
/// terminal. The users of the script read its text wherever it runs.
pub fn log_format(environment: &Environment, as_script: bool, at_terminal: bool) -> LogFormat {
    let variable = environment.get(&variable_of("log-format"));
    if let Some(told) = variable.and_then(|word| LogFormat::from_str(word, false).ok()) {
        told
    } else if environment.in_pod() && !as_script && !at_terminal {
        LogFormat::Json
    } else {
        LogFormat::Text
    }
}

/// A time in which a rotation can come to an end.
fn checked_timeout(timeout: SignedDuration) -> Result<Duration> {
    let long_enough = Duration::try_from(timeout)
        .ok()
        .filter(|timeout| *timeout >= 2 * PUT_BACK_ROOM);
    long_enough.ok_or_else(|| {
        Error::usage(format!(
            "--timeout {} is too short: proving a token and, if it is refused, putting the old one back takes at least 1 \
             minute",
            in_words(timeout)
        ))
    })
}

/// The namespace by the script's variable, for when no flag named one.
pub fn script_namespace(environment: &Environment) -> Option<String> {
    environment.get("NAMESPACE").map(str::to_owned)
}

/// Whether the script's variable asks for a debug log.
pub fn script_debug(environment: &Environment) -> bool {
    environment
        .get("DEBUG")
        .is_some_and(|value| value == "1" || value.eq_ignore_ascii_case("true"))
}

/// What was typed, with the variables that may stand in for it.
struct Typed<'a> {
    matches: &'a ArgMatches,
    environment: &'a Environment,
}

impl Typed<'_> {
    /// The value of a flag or else of the first variable that is set.
    fn text(&self, long: &str, value: Option<&String>, variables: &[&str]) -> Option<Sourced<String>> {
        let value = value.filter(|value| !value.is_empty());
        match value {
            Some(value) => Some(Sourced::new(value.clone(), self.flag_or_its_variable(long))),
            None => self.variable(variables),
        }
    }

    fn variable(&self, variables: &[&str]) -> Option<Sourced<String>> {
        let found = |name: &&str| {
            Some(Sourced::new(
                self.environment.get(name)?.to_owned(),
                variable(name),
            ))
        };
        variables.iter().find_map(found)
    }

    fn flag_or_its_variable(&self, long: &str) -> Source {
        match self.matches.value_source(&long.replace('-', "_")) {
            Some(ValueSource::EnvVariable) => Source::Variable(variable_of(long)),
            _ => Source::Flag(long.to_owned()),
        }
    }

    fn is_default(&self, long: &str) -> bool {
        self.matches.value_source(&long.replace('-', "_")) == Some(ValueSource::DefaultValue)
    }
}

fn variable(name: &str) -> Source {
    Source::Variable(name.to_owned())
}

fn policy(args: &RotateArgs, typed: &Typed<'_>) -> Result<Policy> {
    let mut key = args.token_key;
    if typed.is_default("token-key")
        && let Some(word) = typed.environment.get("TOKEN_KEY")
    {
        key = KeyChoice::from_str(word, true).map_err(|_| {
            Error::usage(format!(
                "the variable TOKEN_KEY says `{word}`; it may say last, rotate, primary or secondary"
            ))
        })?;
    }
    let life = args.expiry;
    if life > MAX_LIFE {
        return Err(Error::usage(format!(
            "--expiry is {}, but Azure grants a token 30 days at most",
            in_words(life)
        )));
    }
    if life < SHORTEST_LIFE {
        return Err(Error::usage(
            "--expiry is too short: a token must live for at least 10 minutes",
        ));
    }
    for (flag, limit) in [
        ("--if-expiring-within", args.if_expiring_within),
        ("--if-older-than", args.if_older_than),
    ] {
        let Some(limit) = limit else { continue };
        if limit < SignedDuration::ZERO {
            return Err(Error::usage(format!("{flag} is negative")));
        }
        if flag == "--if-expiring-within" && limit >= life {
            return Err(Error::usage(format!(
                "{flag} {} is no less than --expiry {}: every token would be due as soon as it is minted",
                in_words(limit),
                in_words(life)
            )));
        }
        if flag == "--if-older-than" && limit >= life {
            return Err(Error::usage(format!(
                "{flag} {} is no less than --expiry {}: a token would lapse before it is due",
                in_words(limit),
                in_words(life)
            )));
        }
    }
    Ok(Policy {
        key,
        life,
        if_expiring_within: args.if_expiring_within,
        if_older_than: args.if_older_than,
        force: args.force,
        follow_up: match (args.no_restart, args.no_wait) {
            (true, _) => FollowUp::Nothing,
            (false, true) => FollowUp::Restart,
            (false, false) => FollowUp::Prove,
        },
        adopt: args.adopt,
    })
}

impl TargetSettings {
    /// The workload that was told by kind and name.
    pub fn exact_workload(&self) -> Option<&WorkloadRef> {
        match &self.workload.as_ref()?.value {
            WorkloadAsk::Exactly(workload) => Some(workload),
            WorkloadAsk::Named(_) => None,
        }
    }

    fn resolve(args: &TargetArgs, typed: &Typed<'_>, as_script: bool) -> Result<Self> {
        // Several targets are a fleet, which looks for them by itself.
        let workload = selection::one_target(args, typed)?;
        Ok(Self {
            secret_alone: as_script && workload.is_none(),
            workload,
            secret: typed.text("token-secret", args.token_secret.as_ref(), &["TOKEN_SECRET"]),
            gateway: typed.text("apim-gateway", args.apim_gateway.as_ref(), &["APIM_GATEWAY"]),
            service: typed.text("apim-instance", args.apim_instance.as_ref(), &["APIM_INSTANCE"]),
            resource_group: typed.text(
                "resource-group",
                args.resource_group.as_ref(),
                &["RESOURCE_GROUP"],
            ),
            subscription: typed.text(
                "subscription-id",
                args.subscription_id.as_ref(),
                &["SUBSCRIPTION_ID"],
            ),
        })
    }
}

fn check_name(name: &str) -> Result<(), String> {
    crate::cluster::valid_name(name).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_logs_for_machines_unless_somebody_says_otherwise() {
        use LogFormat::{Json, Text};
        let pod = Environment::from([("KUBERNETES_SERVICE_HOST", "10.0.0.1")]);
        assert_eq!(log_format(&Environment::default(), false, false), Text);
        assert_eq!(log_format(&pod, false, false), Json);
        assert_eq!(log_format(&pod, false, true), Text);
        assert_eq!(log_format(&pod, true, false), Text);
        let told =
            |word| Environment::from([("KUBERNETES_SERVICE_HOST", "10.0.0.1"), ("APIM_LOG_FORMAT", word)]);
        assert_eq!(log_format(&told("text"), false, false), Text);
        assert_eq!(log_format(&told("json"), true, true), Json);
        assert_eq!(log_format(&told("nonsense"), false, false), Json);
    }
}
