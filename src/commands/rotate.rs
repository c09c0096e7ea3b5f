//! `rotate`: discovers, decides, applies and reports.

mod consent;
mod events;
mod fleet;
mod parallel;
mod pending;
mod print;
mod run;
mod steps;

use std::sync::Arc;

use clap::ArgMatches;
use tokio::time::Instant;

use super::sign_in::{Preparation, SigningIn, sign_in, signing_in};
use super::{Context, connect_until};
use crate::cli::RotateArgs;
use crate::cluster::Cluster;
use crate::discover::directory::Directory;
use crate::discover::{self, TargetFacts};
use crate::error::Result;
use crate::model::request::KubeConnection;
use crate::plan::{self, Need};
use crate::report::RotationReport;
use crate::report::TerminationMessage;
use crate::settings::{RotateSettings, script_debug, script_namespace};
use events::Events;
use print::{local_zone, print};
use run::{Azure, Run, Target};
use steps::{Sources, print_gateway, print_target};

/// Runs `rotate`; returns the exit code.
pub(super) async fn run(
    args: &RotateArgs,
    matches: &ArgMatches,
    kube: &KubeConnection,
    context: &Context,
) -> Result<u8> {
    let settings = RotateSettings::resolve(args, matches, &context.environment, context.as_script)?;
    for warning in &settings.warnings {
        context.output.warning(warning);
    }
    let mut kube = kube.clone();
    let mut namespace_set_by = kube.namespace.as_ref().map(|_| "--namespace");
    if kube.namespace.is_none() {
        kube.namespace = script_namespace(&context.environment);
        namespace_set_by = kube.namespace.as_ref().map(|_| "NAMESPACE");
        if let Some(namespace) = &kube.namespace {
            note_common_word(&format!("--namespace {namespace}"), "NAMESPACE", context);
        }
    }
    if !args.debug && script_debug(&context.environment) {
        note_common_word("--debug", "DEBUG", context);
    }
    let events = Events::new(settings.events, &context.environment);
    let result = match &settings.fleet {
        Some(fleet) => Box::pin(fleet::run(&settings, fleet, &kube, context, &events)).await,
        None => one(&settings, &kube, namespace_set_by, context, &events).await,
    };
    events.finish(&context.output).await;
    result
}

/// Two of the script's variables are common words, which may be set for something
/// else. Under the script's own name they are expected.
fn note_common_word(setting: &str, variable: &str, context: &Context) {
    if !context.as_script {
        context.output.note(&format!("using {setting} from {variable}"));
    }
}

/// Rotates the one gateway that is meant.
async fn one(
    settings: &RotateSettings,
    kube: &KubeConnection,
    namespace_set_by: Option<&'static str>,
    context: &Context,
    events: &Events,
) -> Result<u8> {
    let deadline = Instant::now() + settings.timeout;
    // What is not due needs nothing of Azure.
    let ahead = if settings.policy.is_conditional() {
        None
    } else {
        SigningIn::start(&settings.azure, deadline)
    };
    let cluster = connect_until(deadline, kube, context).await?;
    let mut found = match discover::target(&cluster, &settings.target).await {
        Ok(found) => found,
        Err(error) => {
            if let Some(workload) = settings.target.exact_workload() {
                let report = RotationReport::without_secret(&cluster.namespace, workload, &error);
                events.record_unread(&cluster, workload, &report);
            }
            return Err(error);
        }
    };
    for warning in &found.warnings {
        context.output.warning(warning);
    }
    let sources = print_target(&found, &cluster, namespace_set_by, &context.output);
    let report = match rotate(settings, &cluster, &mut found, sources, ahead, context, deadline).await {
        Ok(report) => report,
        Err(error) => {
            events.record(
                &cluster,
                &found,
                &RotationReport::stopped(&found.snapshot, &error),
            );
            return Err(error);
        }
    };
    events.record(&cluster, &found, &report);
    let report = report.reaching(&context.connection).run_by(found.gateways());
    let text = report.render(settings.output, cluster.now(), &local_zone(&context.environment))?;
    print(&text, context)?;
    context.set_termination_message(TerminationMessage::of(&report));
    Ok(report.exit_code())
}

/// Rotates the gateway, or completes an unfinished rotation, if that is needed.
async fn rotate(
    settings: &RotateSettings,
    cluster: &Cluster,
    found: &mut TargetFacts,
    mut sources: Sources,
    ahead: Option<SigningIn>,
    context: &Context,
    deadline: Instant,
) -> Result<RotationReport> {
    let output = &context.output;
    let mut warnings = plan::preflight(&found.snapshot, &settings.policy)?;
    let report = match plan::need(&found.snapshot, &settings.policy, cluster.now()) {
        Need::Nothing(reason) if !settings.check_azure => RotationReport::not_due(&found.snapshot, reason),
        need => {
            let named = found.gateway(cluster, &settings.target).await?;
            print_gateway(&named, output, &mut sources);
            let (arm, preparation) = match need {
                // These need Azure only if a credential is refused.
                Need::Completion(_) | Need::PutBack(_) => (
                    sign_in(&settings.azure, named.cloud, deadline, false).await?,
                    Preparation::done(),
                ),
                _ => signing_in(ahead, &settings.azure, named.cloud, deadline).await?,
            };
            let azure = Azure {
                arm,
                preparation,
                directory: Arc::new(Directory::default()),
            };
            let run = Run {
                settings,
                target: &settings.target,
                cluster,
                azure: &azure,
                found,
                output,
                context,
                deadline,
            };
            let target = Target {
                named: &named,
                id: None,
            };
            run.execute(&need, &target, &mut warnings).await?
        }
    };
    for warning in &warnings {
        output.warning(warning);
    }
    let warnings = found.warnings.iter().cloned().chain(warnings).collect();
    Ok(report.with(sources, warnings))
}
