//! `uninstall-cronjob`: find by the labels, show, ask, remove.

use std::io::{BufRead, IsTerminal};

use super::{Context, connect};
use crate::cli::UninstallCronjobArgs;
use crate::cluster::objects::reference_of;
use crate::cluster::{Cluster, explain, valid_name};
use crate::error::{Error, Result};
use crate::manifest::labels;
use crate::model::request::{DryRun, KubeConnection};
use crate::output::Output;

/// What an installation may consist of, what runs first.
const KINDS: [&str; 6] = [
    "CronJob",
    "NetworkPolicy",
    "RoleBinding",
    "Role",
    "ServiceAccount",
    "Secret",
];

/// An object that is to go.
struct Found {
    kind: &'static str,
    name: String,
    uid: String,
}

/// Runs `uninstall-cronjob`; returns the exit code.
pub(super) async fn run(args: &UninstallCronjobArgs, kube: &KubeConnection, context: &Context) -> Result<u8> {
    valid_name(&args.name)?;
    let output = &context.output;
    let cluster = connect(kube, context).await?;
    let found = find(&cluster, &args.name, output).await?;
    if found.is_empty() {
        output.note(&format!(
            "nothing that is called {} was installed in namespace {}",
            args.name, cluster.namespace
        ));
        return Ok(0);
    }
    if args.dry_run == DryRun::None {
        if !args.yes {
            ask(&found, &cluster, output)?;
        }
        context.interrupt.object_written.set(true);
    }
    let suffix = match args.dry_run {
        DryRun::None => "",
        DryRun::Client => " (dry run)",
        DryRun::Server => " (server dry run)",
    };
    for Found { kind, name, uid } in &found {
        let reference = reference_of(kind, name);
        if args.dry_run != DryRun::Client {
            let removed = cluster
                .remove(kind, name, uid, args.dry_run == DryRun::Server)
                .await;
            match removed {
                // Somebody else was faster.
                Err(kube::Error::Api(status)) if status.is_not_found() => continue,
                removed => removed.map_err(|error| explain(error, &format!("removing {reference}")))?,
            }
        }
        output.data(&format!("{reference} deleted{suffix}\n"))?;
    }
    Ok(0)
}

async fn find(cluster: &Cluster, name: &str, output: &Output) -> Result<Vec<Found>> {
    let ours = labels(name);
    let telling = ours
        .iter()
        .filter(|(label, _)| label.ends_with("/managed-by") || label.ends_with("/instance"));
    let selector: Vec<String> = telling.map(|(label, value)| format!("{label}={value}")).collect();
    let selector = selector.join(",");
    let mut found = Vec::new();
    for kind in KINDS {
        match cluster.labelled(kind, &selector).await {
            Ok(objects) => found.extend(objects.into_iter().map(|(name, uid)| Found { kind, name, uid })),
            // Most installations have neither, and few users may list Secrets.
            Err(kube::Error::Api(status))
                if status.is_forbidden() && ["Secret", "NetworkPolicy"].contains(&kind) =>
            {
                output.warning(&format!(
                    "this user may not list objects of kind {kind}; if one was installed, it stays: kubectl -n {} delete \
                     {} -l {selector}",
                    cluster.namespace,
                    kind.to_lowercase()
                ));
            }
            Err(error) => {
                let doing = format!(
                    "listing objects of kind {kind} in namespace {}",
                    cluster.namespace
                );
                return Err(explain(error, &doing));
            }
        }
    }
    Ok(found)
}

/// Sees that somebody wants this.
fn ask(found: &[Found], cluster: &Cluster, output: &Output) -> Result<()> {
    for Found { kind, name, .. } in found {
        output.note(&format!("  {}", reference_of(kind, name)));
    }
    let (stdin, stderr) = (std::io::stdin(), std::io::stderr());
    if !(stdin.is_terminal() && stderr.is_terminal()) {
        return Err(
            Error::usage("there is no terminal to ask whether these objects are to be removed")
                .hint("say --yes, or look first with --dry-run"),
        );
    }
    output.question(&format!(
        "Remove these {} objects of namespace {}? [y/N] ",
        found.len(),
        cluster.namespace
    ));
    let mut answer = String::new();
    let read = stdin.lock().read_line(&mut answer);
    if read.is_ok() && matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
        return Ok(());
    }
    Err(Error::failed("not confirmed; nothing was changed"))
}
