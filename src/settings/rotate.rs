use std::time::Duration;

use clap::ArgMatches;
use clap::ValueEnum;
use jiff::SignedDuration;

use super::typed::Typed;
use super::{AzureSettings, FleetSettings, selection};
use crate::cli::{RotateArgs, TargetArgs};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::model::request::{DryRun, OutputFormat, ProveMode, TargetRequest};
use crate::model::{KeyChoice, MAX_LIFE, in_words};
use crate::plan::{FollowUp, PUT_BACK_TIME, Policy};

/// A token that lives for less would lapse while it is being proved.
const SHORTEST_LIFE: SignedDuration = SignedDuration::from_mins(10);

/// The settings of one `rotate`.
#[derive(Debug)]
pub struct RotateSettings {
    /// What was said about the target.
    pub target: TargetRequest,
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
        let target = target_request(&args.target, &typed, as_script)?;
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

/// A time in which a rotation can come to an end.
pub(super) fn checked_timeout(timeout: SignedDuration) -> Result<Duration> {
    let long_enough = Duration::try_from(timeout)
        .ok()
        .filter(|timeout| *timeout >= 2 * PUT_BACK_TIME);
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

/// The gateway that the flags and variables name.
pub(super) fn target_request(args: &TargetArgs, typed: &Typed<'_>, as_script: bool) -> Result<TargetRequest> {
    // Several targets are a fleet, which looks for them by itself.
    let workload = selection::one_target(args, typed)?;
    Ok(TargetRequest {
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
