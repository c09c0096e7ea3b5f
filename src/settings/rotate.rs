use std::time::Duration;

use clap::ArgMatches;
use clap::ValueEnum;
use jiff::SignedDuration;

use super::typed::Typed;
use super::{AzureSettings, FleetSettings, selection};
use crate::cli::{RotateArgs, TargetArgs};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::model::request::{DryRun, ProveMode, RotateFormat, TargetRequest};
use crate::model::{KeyChoice, MAX_LIFE, in_words};
use crate::plan::{FollowUp, PUT_BACK_TIME, Policy};

/// A token of a shorter life could expire while it is proved.
const SHORTEST_LIFE: SignedDuration = SignedDuration::from_mins(10);

/// The settings of one `rotate`.
#[derive(Debug)]
pub struct RotateSettings {
    pub target: TargetRequest,
    /// Set for several gateways.
    pub fleet: Option<FleetSettings>,
    pub policy: Policy,
    pub prove: Option<ProveMode>,
    /// How long the rotation of one gateway may take.
    pub timeout: Duration,
    pub dry_run: DryRun,
    /// Whether to check the right to mint where no token is due.
    pub check_azure: bool,
    /// Whether to write Events; never set in a dry run.
    pub events: bool,
    pub output: RotateFormat,
    pub azure: AzureSettings,
    /// Warnings about the settings themselves.
    pub warnings: Vec<String>,
}

impl RotateSettings {
    /// Checks the flags of `rotate` and completes them from the variables.
    /// `as_script` is set if the program was called by the script's name.
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
            return Err(Error::usage("--prove needs the restart that --no-restart skips"));
        }
        if args.output == RotateFormat::Gateways && args.dry_run == DryRun::None {
            return Err(Error::usage(
                "-o gateways prints what a dry run has found; add --dry-run",
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
            check_azure: args.check_azure,
            events: args.events && args.dry_run == DryRun::None,
            output: args.output,
            azure: AzureSettings::resolve(&args.azure, &typed, &mut warnings)?,
            warnings,
        })
    }
}

/// Refuses a timeout in which a rotation cannot finish.
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

/// The namespace of the script's variable, for when no flag sets one.
pub fn script_namespace(environment: &Environment) -> Option<String> {
    environment.get("NAMESPACE").map(str::to_owned)
}

pub(super) fn policy(args: &RotateArgs, typed: &Typed<'_>) -> Result<Policy> {
    let mut key = args.token_key;
    if typed.is_default("token-key")
        && let Some(word) = typed.environment.get("TOKEN_KEY")
    {
        key = KeyChoice::from_str(word, true).map_err(|_| {
            Error::usage(format!(
                "the variable TOKEN_KEY is `{word}`; the values are last, rotate, primary and secondary"
            ))
        })?;
    }
    let life = args.expiry;
    if life > MAX_LIFE {
        return Err(Error::usage(format!(
            "--expiry is {}, but Azure allows 30 days at most",
            in_words(life)
        )));
    }
    if life < SHORTEST_LIFE {
        return Err(Error::usage("--expiry is too short: the minimum is 10 minutes"));
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
                "{flag} {} is not less than --expiry {}: every token would be due as soon as it is minted",
                in_words(limit),
                in_words(life)
            )));
        }
        if flag == "--if-older-than" && limit >= life {
            return Err(Error::usage(format!(
                "{flag} {} is not less than --expiry {}: a token would expire before it is due",
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
    // A fleet discovers its targets by itself.
    let workload = selection::one_target(args, typed)?;
    Ok(TargetRequest {
        secret_alone: as_script && workload.is_none(),
        workload,
        secret: typed.text("token-secret", args.token_secret.as_ref(), &["TOKEN_SECRET"]),
        gateway: typed.text(
            "apim-gateway",
            args.gateway.apim_gateway.as_ref(),
            &["APIM_GATEWAY"],
        ),
        service: typed.text(
            "apim-instance",
            args.gateway.instance.apim_instance.as_ref(),
            &["APIM_INSTANCE"],
        ),
        resource_group: typed.text(
            "resource-group",
            args.gateway.instance.resource_group.as_ref(),
            &["RESOURCE_GROUP"],
        ),
        subscription: typed.text(
            "subscription-id",
            args.gateway.instance.subscription_id.as_ref(),
            &["SUBSCRIPTION_ID"],
        ),
    })
}
