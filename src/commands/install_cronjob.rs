//! `install-cronjob`: find what is to be rotated, see that it can be, apply.

mod federate;
mod legacy;
mod mint;
mod objects;
mod run_now;
mod targets;

use std::fmt::Write as _;

use clap::ArgMatches;
use serde_json::Value;

use super::{Context, connect, local_now};
use crate::cli::InstallCronjobArgs;
use crate::cluster::{Cluster, explain, objects::reference, valid_namespace};
use crate::discover::evidence::Named;
use crate::discover::installed::{CronJobs, cron_jobs};
use crate::error::{Error, Result};
use crate::manifest::cronjob::{AUDIENCE, Installation, PodIdentity, pod};
use crate::manifest::{MANAGER, cronjob};
use crate::model::request::{DryRun, KubeConnection, ObjectFormat};
use crate::output::Output;
use crate::settings::{InstallSettings, Targets, rotate_request};
use crate::yaml::to_documents;
use objects::{Change, Objects};

/// Runs `install-cronjob`; returns the exit code.
pub(super) async fn run(
    args: &InstallCronjobArgs,
    matches: &ArgMatches,
    kube: &KubeConnection,
    context: &Context,
) -> Result<u8> {
    let mut settings = InstallSettings::resolve(args, matches, &context.environment, local_now())?;
    if settings.dry_run == DryRun::Client
        && let Some(targets) = settings.told()
    {
        let namespace = match &kube.namespace {
            Some(namespace) => {
                valid_namespace(namespace)?;
                namespace.clone()
            }
            None => connect(kube, context).await?.namespace,
        };
        return render(&settings, &namespace, targets, &context.output);
    }
    let cluster = connect(kube, context).await?;
    let before = cron_jobs(&cluster, &settings.name, rotate_request).await?;
    if let Some(warning) = &before.warning {
        context.output.warning(warning);
    }
    if legacy::is_legacy(&before, &settings.name) {
        legacy::complete(&mut settings.target, &before);
    }
    let (targets, named) = targets::find(&cluster, &settings, &before, &context.output).await?;
    refuse_rivals(&cluster, &targets, &before)?;
    if settings.dry_run == DryRun::Client {
        return render(&settings, &cluster.namespace, targets, &context.output);
    }
    let installation = settings.installation(&cluster.namespace, targets);
    install(&settings, &cluster, &installation, (before, named), context).await
}

/// Applies what differs, and runs it if that was asked for.
async fn install(
    settings: &InstallSettings,
    cluster: &Cluster,
    installation: &Installation,
    (before, named): (CronJobs, Vec<Named>),
    context: &Context,
) -> Result<u8> {
    let output = &context.output;
    let mut objects = Objects::read(cluster, settings, installation, before).await?;
    objects.judge(settings, output)?;
    objects.rehearse().await?;
    if objects.changes("CronJob") {
        admitted(cluster, installation, output).await?;
    }
    // A run that follows tells it better.
    let is_new = objects.any_change() && !settings.run_now;
    if is_new {
        mint::refuse_powerless(settings, cluster, &named, output).await?;
    }
    if settings.dry_run == DryRun::None && (objects.any_change() || settings.run_now) {
        context.interrupt.object_written.set(true);
    }
    let applied = objects.apply(settings.dry_run).await;
    applied.map_err(|error| match settings.dry_run {
        DryRun::None => objects.stays(error),
        DryRun::Client | DryRun::Server => error,
    })?;
    print(&objects, settings, output)?;
    match installation.identity {
        PodIdentity::Workload { .. } if objects.any_change() => {
            let token = if is_new && settings.dry_run == DryRun::None {
                cluster
                    .account_token(&installation.name, AUDIENCE)
                    .await
                    .ok()
                    .flatten()
            } else {
                None
            };
            federate::tell(cluster, installation, token.as_ref(), output).await;
            match token {
                Some(token) => mint::tell_powerless(settings, token, &named, output).await,
                None if is_new => mint::unchecked("no token of the ServiceAccount is to be had", output),
                None => {}
            }
        }
        PodIdentity::Managed { .. } if is_new => {
            mint::unchecked("only the pods have that identity", output);
        }
        _ => {}
    }
    if settings.run_now {
        let cron_job = objects.applied("CronJob");
        return run_now::run(cluster, &installation.name, cron_job, output).await;
    }
    Ok(0)
}

/// Two that rotate one gateway would restart it twice.
fn refuse_rivals(cluster: &Cluster, targets: &Targets, before: &CronJobs) -> Result<()> {
    let namespace = &cluster.namespace;
    for workload in &targets.workloads {
        let rival = targets
            .secrets
            .iter()
            .find_map(|secret| before.rival(namespace, workload, secret));
        if let Some(rival) = rival {
            return Err(Error::refused(format!(
                "cronjob/{rival} in namespace {namespace} rotates {workload} already, and two would restart it twice"
            ))
            .hint(format!("change that one, with --name {rival}, if it was installed by this command"))
            .hint(format!("or remove it first: kubectl -n {namespace} delete cronjob {rival}")));
        }
    }
    Ok(())
}

/// Sees that the namespace would let such a pod in: Pod Security, quotas and
/// webhooks are asked when a Job makes its pod, and nobody looks at a Job at
/// night.
async fn admitted(cluster: &Cluster, installation: &Installation, output: &Output) -> Result<()> {
    let Err(error) = cluster.create(&pod(installation), MANAGER, true).await else {
        return Ok(());
    };
    let namespace = &cluster.namespace;
    match &error {
        kube::Error::Api(status) if status.is_forbidden() && status.message.contains(" cannot create ") => {
            output.note(&format!(
                "whether namespace {namespace} admits the pods is unchecked, since this user may not create pods"
            ));
            Ok(())
        }
        kube::Error::Api(status) if status.is_forbidden() => {
            let message = status.message.clone();
            Err(Error::refused(format!(
                "namespace {namespace} does not admit the pods: {message}"
            ))
            .hint("make room in the quota, or change the policy that refuses them"))
        }
        _ => Err(explain(
            error,
            &format!("rehearsing a pod in namespace {namespace}"),
        )),
    }
}

/// What would be installed, without asking anybody about it.
fn render(settings: &InstallSettings, namespace: &str, targets: Targets, output: &Output) -> Result<u8> {
    let installation = settings.installation(namespace, targets);
    let wanted = objects::wanted(settings, &installation);
    let changes: Vec<(&Value, Change)> = wanted.iter().map(|object| (object, Change::Created)).collect();
    output.data(&shown(&changes, settings, output)?)?;
    Ok(0)
}

fn print(objects: &Objects<'_>, settings: &InstallSettings, output: &Output) -> Result<()> {
    let mut text = String::new();
    if settings.diff {
        text += &objects.diff()?;
    }
    let changes: Vec<(&Value, Change)> = objects.changes_of().collect();
    text += &shown(&changes, settings, output)?;
    output.data(&text)
}

fn shown(changes: &[(&Value, Change)], settings: &InstallSettings, output: &Output) -> Result<String> {
    let suffix = match settings.dry_run {
        DryRun::None => "",
        DryRun::Client => " (dry run)",
        DryRun::Server => " (server dry run)",
    };
    let mut text = String::new();
    match settings.output {
        ObjectFormat::Json | ObjectFormat::Yaml => text += &whole(changes, settings.output, output)?,
        ObjectFormat::Name => {
            for (object, change) in changes {
                if *change != Change::Unchanged {
                    text += &reference(object);
                    text.push('\n');
                }
            }
        }
        ObjectFormat::Table => {
            for (object, change) in changes {
                // Writing to a String cannot fail.
                let _ = writeln!(text, "{} {}{suffix}", reference(object), change.as_str());
            }
        }
    }
    Ok(text)
}

/// The objects themselves, but for a Secret of ours: no output holds a secret.
fn whole(changes: &[(&Value, Change)], format: ObjectFormat, output: &Output) -> Result<String> {
    let wanted = changes.iter().filter(|(_, change)| *change != Change::Deleted);
    let objects = wanted.map(|(object, _)| *object);
    let (secrets, shown): (Vec<&Value>, Vec<&Value>) = objects.partition(|object| object["kind"] == "Secret");
    for secret in secrets {
        let name = secret["metadata"]["name"].as_str().unwrap_or_default();
        let namespace = secret["metadata"]["namespace"].as_str().unwrap_or_default();
        output.warning(&format!(
            "secret/{name} is left out, because no output holds a secret; create it: kubectl -n {namespace} create secret \
             generic {name} --from-file={}=FILE",
            cronjob::CLIENT_SECRET_KEY
        ));
    }
    if format == ObjectFormat::Json {
        let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": shown});
        return Ok(format!("{list:#}\n"));
    }
    to_documents(&shown)
}
