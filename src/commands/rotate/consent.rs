//! Who may be rotated: over several namespaces a fleet needs consent, since
//! whoever can write a Secret there could name another team's gateway in it.

use std::collections::BTreeMap;
use std::io::{BufRead, IsTerminal};
use std::path::Path;

use crate::error::{Error, Result};
use crate::model::{GatewayId, WorkloadKind, WorkloadRef};
use crate::output::Output;
use crate::settings::FleetSettings;

/// What was consented to.
pub(super) enum Consent {
    /// Everything that was found.
    All,
    /// These workloads, each for the one gateway.
    Listed(Listed),
}

/// The gateways of a file.
#[derive(Debug, Default)]
pub(super) struct Listed {
    file: String,
    gateways: BTreeMap<Entry, Vec<GatewayId>>,
}

/// A workload that may be rotated, for each of the gateways that it runs: the context of its cluster, where the line
/// names one, its namespace, and its kind and name.
type Entry = (Option<String>, String, WorkloadRef);

/// The file, read before anything is asked; without one the answer to the
/// question is yet to come.
pub(super) fn listed(fleet: &FleetSettings) -> Result<Option<Listed>> {
    let Some(path) = &fleet.gateways else {
        return Ok(None);
    };
    let text = std::fs::read_to_string(path)
        .map_err(|error| Error::usage(format!("--gateways {} cannot be read: {error}", path.display())))?;
    Listed::parse(path, &text).map(Some)
}

/// Sees that somebody consents to rotating these gateways, of several
/// namespaces.
pub(super) async fn ask(lines: &[String], places: usize, output: &Output) -> Result<()> {
    let (stdin, stderr) = (std::io::stdin(), std::io::stderr());
    if !(stdin.is_terminal() && stderr.is_terminal()) {
        return Err(Error::usage(format!(
            "{} gateways in {places} namespaces would be rotated, and there is no terminal to ask",
            lines.len()
        ))
        .hint("name those that may be rotated in a file, with --gateways FILE")
        .hint("or say --yes: then whoever can write Secrets in these namespaces is trusted"));
    }
    for line in lines {
        output.note(line);
    }
    output.question(&format!(
        "Rotate these {} gateways in {places} namespaces? [y/N] ",
        lines.len()
    ));
    if matches!(answer().await.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
        return Ok(());
    }
    Err(Error::failed("not confirmed; nothing was changed"))
}

/// A line of standard input. It is read on a thread of its own, so that a
/// signal meanwhile ends the run.
async fn answer() -> String {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = std::io::stdin().lock().read_line(&mut line);
        // Whoever waited may have gone.
        let _ = sender.send(read.map(|_| line).unwrap_or_default());
    });
    receiver.await.unwrap_or_default()
}

impl Listed {
    /// A line a gateway: namespace, `TYPE/NAME`, ARM id; before them the
    /// context, where it is for one cluster alone. What follows a `#` is left
    /// out.
    fn parse(path: &Path, text: &str) -> Result<Self> {
        let file = path.display().to_string();
        let mut gateways = BTreeMap::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.split('#').next().unwrap_or_default();
            let words: Vec<&str> = line.split_whitespace().collect();
            let wrong = |why: &str| {
                Error::usage(format!("{file}, line {number}: {why}"))
                    .hint("a line has a namespace, TYPE/NAME of the workload and the gateway's ARM id")
            };
            let (context, namespace, workload, id) = match words.as_slice() {
                [] => continue,
                [namespace, workload, id] => (None, namespace, workload, id),
                [context, namespace, workload, id] => (Some((*context).to_owned()), namespace, workload, id),
                _ => return Err(wrong("it does not have three words, or four with the context")),
            };
            let workload = workload
                .split_once('/')
                .and_then(|(kind, name)| {
                    Some(WorkloadRef {
                        kind: WorkloadKind::parse(kind)?,
                        name: name.to_owned(),
                    })
                })
                .ok_or_else(|| wrong(&format!("`{workload}` is no TYPE/NAME of a workload")))?;
            let id = GatewayId::parse(id).map_err(|error| wrong(&error.to_string()))?;
            let entry = (context, (*namespace).to_owned(), workload);
            gateways.entry(entry).or_insert_with(Vec::new).push(id);
        }
        if gateways.is_empty() {
            return Err(Error::usage(format!("{file} names no gateway")));
        }
        Ok(Self { file, gateways })
    }

    /// Refuses what the file does not have in just this way.
    pub(super) fn check(
        &self,
        context: Option<&str>,
        namespace: &str,
        workloads: &[WorkloadRef],
        id: &GatewayId,
    ) -> Result<()> {
        for workload in workloads {
            let find = |context: Option<&str>| {
                let entry = (context.map(str::to_owned), namespace.to_owned(), workload.clone());
                self.gateways.get(&entry)
            };
            match find(context).or_else(|| find(None)) {
                Some(listed) if listed.iter().any(|listed| listed.same_as(id)) => {}
                Some(listed) => {
                    let listed: Vec<String> = listed.iter().map(ToString::to_string).collect();
                    return Err(Error::refused(format!(
                        "{workload} in namespace {namespace} names the gateway {id}, but {} has {} for it",
                        self.file,
                        listed.join(" and ")
                    ))
                    .hint("somebody may have forged what names the gateway; find out who wrote the Secret"));
                }
                None => {
                    return Err(Error::refused(format!(
                        "{workload} in namespace {namespace} is not in {}",
                        self.file
                    ))
                    .hint(format!(
                        "if it may be rotated, add the line: {namespace} {workload} {id}"
                    )));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    const ID: &str =
        "/subscriptions/s/resourceGroups/rg/providers/Microsoft.ApiManagement/service/svc/gateways/gw";

    fn parse(text: &str) -> Result<Listed> {
        Listed::parse(Path::new("fleet.txt"), text)
    }

    fn gw() -> Vec<WorkloadRef> {
        vec![WorkloadRef {
            kind: WorkloadKind::Deployment,
            name: "gw".to_owned(),
        }]
    }

    #[test]
    fn only_the_very_pair_is_let_through() {
        let listed = parse(&format!(
            "# ours\n\nshop deploy/gw {} # a note\n",
            ID.to_uppercase()
        ))
        .unwrap();
        let id = GatewayId::parse(ID).unwrap();
        assert!(listed.check(None, "shop", &gw(), &id).is_ok());
        let elsewhere = listed.check(None, "bank", &gw(), &id).unwrap_err();
        assert_eq!(elsewhere.kind(), Kind::Refused);
        assert_eq!(
            elsewhere.hints(),
            [format!(
                "if it may be rotated, add the line: bank deployment.apps/gw {ID}"
            )]
        );
        let theirs = id.service.gateway("theirs");
        let forged = listed.check(Some("eu"), "shop", &gw(), &theirs).unwrap_err();
        assert!(forged.to_string().contains("but fleet.txt has"), "{forged}");
    }

    #[test]
    fn a_line_with_a_context_is_for_its_cluster_alone() {
        let other = ID.replace("gateways/gw", "gateways/us");
        let listed = parse(&format!("eu shop deploy/gw {ID}\nus shop deploy/gw {other}\n")).unwrap();
        let id = GatewayId::parse(ID).unwrap();
        assert!(listed.check(Some("eu"), "shop", &gw(), &id).is_ok());
        assert!(listed.check(Some("us"), "shop", &gw(), &id).is_err());
        assert!(listed.check(Some("asia"), "shop", &gw(), &id).is_err());
        // A workload may run two gateways.
        let two = parse(&format!("shop deploy/gw {ID}\nshop deploy/gw {other}\n")).unwrap();
        assert!(two.check(None, "shop", &gw(), &id).is_ok());
    }

    #[test]
    fn a_line_that_makes_no_sense_is_named() {
        for (text, why) in [
            ("", "names no gateway"),
            ("shop deploy/gw", "line 1: it does not have three words"),
            (&format!("\nshop job/gw {ID}"), "line 2: `job/gw` is no TYPE/NAME"),
            (
                "shop deploy/gw /subscriptions/s",
                "line 1: `/subscriptions/s` is no ARM id",
            ),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.kind(), Kind::Usage);
            assert!(error.to_string().contains(why), "{error}");
        }
    }
}
