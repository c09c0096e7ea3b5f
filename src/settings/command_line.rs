//! The command line of another run, such as that of a CronJob.

use std::ffi::OsString;

use clap::error::ErrorKind;
use jiff::SignedDuration;

use super::azure::cloud_of_pods;
use super::fleet::FleetSettings;
use super::rotate::{checked_timeout, policy, script_namespace, target_request};
use super::typed::Typed;
use crate::cli::{self, Cli, Command, KubeArgs, Parsed, RotateArgs};
use crate::environment::{Environment, PREFIX};
use crate::model::request::{
    CloudRequest, CommandLine, DryRun, Invocation, Program, RotateRequest, Selection, UNKNOWN,
};
use crate::model::{CloudName, MAX_LIFE, PROGRAM, SCRIPT, Sourced, cleaned};
use crate::plan::Policy;
use crate::script;

/// The variables of ours that decide neither what is rotated nor when.
const WITHOUT_EFFECT: [&str; 13] = [
    "APIM_GATEWAY",
    "APIM_INSTANCE",
    "AZURE_CA_FILE",
    "CLIENT_ID",
    "CLIENT_SECRET",
    "CLIENT_SECRET_FILE",
    "CLIENT_SECRET_PASSWORD_FILE",
    "COLOR",
    "RESOURCE_GROUP",
    "SUBSCRIPTION_ID",
    "TENANT",
    "TERMINATION_LOG",
    "VERBOSE",
];

/// What a container makes `rotate` do, read by the parsers that it runs itself.
/// No file is read, and no word is repeated in a reason: any may be a secret.
pub fn rotate_request(run: &Invocation) -> CommandLine {
    let read = read(run).unwrap_or_else(|other| other);
    let mut words = run.words.iter();
    if read == not_valid() && words.any(|word| word.contains(UNKNOWN)) {
        return unclear("its command line contains values that are not known");
    }
    read
}

fn nothing(why: &str) -> CommandLine {
    CommandLine::RotatesNothing(why.to_owned())
}

fn unclear(why: impl Into<String>) -> CommandLine {
    CommandLine::NotUnderstood(why.into())
}

fn not_valid() -> CommandLine {
    unclear("its command line is not valid, so `rotate` would exit with code 2")
}

/// `Err` for a line that rotates nothing for certain.
fn read(run: &Invocation) -> Result<CommandLine, CommandLine> {
    let environment = environment(run)?;
    if environment.get(cli::COMPLETION_VARIABLE).is_some() && run.program != Program::Script {
        return Err(nothing("it completes the words of a shell"));
    }
    let name = match run.program {
        Program::Ours => PROGRAM,
        Program::Link | Program::Script => SCRIPT,
    };
    let mut line: Vec<OsString> = vec![name.into()];
    line.extend(run.words.iter().map(OsString::from));
    if run.program != Program::Ours {
        line = script::translate(&line, &environment).map_err(|_| not_valid())?;
    }
    let typed = parsed(name, &line)?;
    if let Some(("rotate", matches)) = typed.matches.subcommand()
        && run.variables.keys().any(|name| name.starts_with(PREFIX))
    {
        let variables = |name: &str| environment.get(name).map(str::to_owned);
        let root = cli::command(name, &["rotate"], &|_| None);
        let rotate = root.find_subcommand("rotate");
        let words = rotate.map(|rotate| cli::as_words(rotate, matches, &variables));
        // What follows two dashes is a target.
        let end = line.iter().position(|word| word == "--").unwrap_or(line.len());
        line.splice(end..end, words.into_iter().flatten());
    }
    let Parsed { cli, matches, .. } = parsed(name, &line)?;
    let Cli { command, kube, .. } = cli;
    let (Some(Command::Rotate(args)), Some((_, matches))) = (command, matches.subcommand()) else {
        return Err(nothing("it runs another command than `rotate`"));
    };
    if args.dry_run != DryRun::None {
        return Err(nothing("it is a dry run"));
    }
    refuse_other_clusters(&kube, &args, &environment)?;
    let typed = Typed {
        matches,
        environment: &environment,
    };
    request(&args, &typed, kube.namespace, run.program).map(|request| CommandLine::Rotates(Box::new(request)))
}

/// A command line without the variables of this process.
fn parsed(name: &str, line: &[OsString]) -> Result<Parsed, CommandLine> {
    cli::parse(name, line, &|_| None).map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            nothing("it prints the help")
        }
        ErrorKind::DisplayVersion => nothing("it prints the version"),
        _ => not_valid(),
    })
}

/// The variables that the program reads. The script does not know ours.
fn environment(run: &Invocation) -> Result<Environment, CommandLine> {
    let is_read = |name: &str| run.program != Program::Script || !name.starts_with(PREFIX);
    let variables = run.variables.iter().filter(|(name, _)| is_read(name));
    for (name, value) in variables.clone() {
        let Some(ours) = name.strip_prefix(PREFIX) else {
            continue;
        };
        if value.contains(UNKNOWN) && !WITHOUT_EFFECT.contains(&ours) {
            let name = cleaned(name);
            return Err(unclear(format!("the value of its variable {name} is not known")));
        }
    }
    Ok(variables
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect())
}

/// Refuses what may lead to another cluster than the one of the CronJob.
fn refuse_other_clusters(
    kube: &KubeArgs,
    args: &RotateArgs,
    environment: &Environment,
) -> Result<(), CommandLine> {
    let is_set = |name: &str| environment.get(name).is_some();
    let chosen = [
        ("--contexts", !args.fleet.contexts.is_empty()),
        ("--context", kube.context.is_some()),
        ("--cluster", kube.cluster.is_some()),
        ("--user", kube.user.is_some()),
        ("--server", kube.server.is_some()),
        ("--token", kube.token.is_some()),
        ("--kubeconfig", kube.kubeconfig.is_some()),
        ("--certificate-authority", kube.certificate_authority.is_some()),
        ("--tls-server-name", kube.tls_server_name.is_some()),
        ("the variable KUBECONFIG", is_set("KUBECONFIG")),
        (
            "the variable KUBERNETES_SERVICE_HOST",
            is_set("KUBERNETES_SERVICE_HOST"),
        ),
        (
            "the variable KUBERNETES_SERVICE_PORT",
            is_set("KUBERNETES_SERVICE_PORT"),
        ),
    ];
    if let Some((what, _)) = chosen.into_iter().find(|(_, given)| *given) {
        return Err(unclear(format!("{what} may lead to another cluster")));
    }
    let acts_as_another =
        kube.impersonate.is_some() || kube.impersonate_uid.is_some() || !kube.impersonate_groups.is_empty();
    if acts_as_another {
        return Err(unclear("it acts as another user"));
    }
    Ok(())
}

fn request(
    args: &RotateArgs,
    typed: &Typed<'_>,
    namespace: Option<String>,
    program: Program,
) -> Result<RotateRequest, CommandLine> {
    checked_timeout(args.timeout).map_err(|_| not_valid())?;
    if args.no_restart && typed.matches.value_source("prove").is_some() {
        return Err(not_valid());
    }
    let policy = policy(args, typed).map_err(|_| not_valid())?;
    let target = target_request(&args.target, typed, program != Program::Ours).map_err(|_| not_valid())?;
    let fleet = FleetSettings::resolve(args, &target, policy.follow_up).map_err(|_| not_valid())?;
    let cloud = cloud_of_pods(args.azure.cloud.as_ref()).map_err(|_| not_valid())?;
    let namespace = namespace.or_else(|| script_namespace(typed.environment));
    let value = |given: Option<Sourced<String>>| given.map(|given| given.value);
    let known = |given: Option<Sourced<String>>| value(given).filter(|value| !value.contains(UNKNOWN));
    let (secret, workload) = (value(target.secret), target.workload);
    for (what, value) in [("namespace", &namespace), ("Secret", &secret)] {
        if value.as_ref().is_some_and(|value| value.contains(UNKNOWN)) {
            return Err(unclear(format!("the name of its {what} is not known")));
        }
    }
    let selection = match &fleet {
        Some(fleet) => consented(fleet)?.clone(),
        None => Selection {
            names: workload.into_iter().collect(),
            ..Selection::default()
        },
    };
    Ok(RotateRequest {
        namespace,
        selection,
        secret,
        gateway: known(target.gateway),
        service: known(target.service),
        resource_group: known(target.resource_group),
        subscription: known(target.subscription),
        fleet: fleet.map(|_| cloud.unwrap_or(CloudRequest::Known(CloudName::Public))),
        window: window(&policy, program),
    })
}

/// The gateways of a fleet, if nobody has to confirm their rotation.
fn consented(fleet: &FleetSettings) -> Result<&Selection, CommandLine> {
    if fleet.gateways.is_some() {
        return Err(unclear("what the file of --gateways lists is not known"));
    }
    if fleet.selection.everywhere && !fleet.yes {
        return Err(nothing(
            "it asks for confirmation, which a pod cannot give: it lacks --yes",
        ));
    }
    if fleet.selection.labels.is_some() {
        return Err(unclear(
            "it selects gateways by labels, which only the API server can match",
        ));
    }
    Ok(&fleet.selection)
}

/// How long before its expiry a token may be rotated at the earliest.
fn window(policy: &Policy, program: Program) -> SignedDuration {
    let life = if program == Program::Script {
        MAX_LIFE
    } else {
        policy.life
    };
    let by_age = policy.if_older_than.map(|age| life - age);
    match (policy.if_expiring_within, by_age) {
        (None, None) => life,
        (within, by_age) => within.into_iter().chain(by_age).max().unwrap_or(life),
    }
}

#[cfg(test)]
mod tests;
