//! The file that lists the gateways that may be rotated.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::typed::check_name;
use crate::cluster::valid_namespace;
use crate::error::{Error, Result};
use crate::model::{GatewayId, WorkloadKind, WorkloadRef};

/// The gateways listed in a file.
#[derive(Debug, Default)]
pub struct GatewayList {
    file: String,
    gateways: BTreeMap<Entry, Vec<GatewayId>>,
}

/// A workload that may be rotated: the context of its cluster, if the line names
/// one, its namespace and its reference.
type Entry = (Option<String>, String, WorkloadRef);

impl GatewayList {
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Error::usage(format!("--gateways {} cannot be read: {error}", path.display()))
        })?;
        Self::parse(path, &text)
    }

    /// One line per gateway: namespace, `TYPE/NAME` and ARM id, after the context
    /// if the line is for one cluster only. `#` begins a comment.
    fn parse(path: &Path, text: &str) -> Result<Self> {
        let file = path.display().to_string();
        let mut gateways = BTreeMap::new();
        let text = text.trim_start_matches('\u{feff}');
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.split('#').next().unwrap_or_default();
            let words: Vec<&str> = line.split_whitespace().collect();
            let wrong = |why: &str| {
                Error::usage(format!("{file}, line {number}: {why}"))
                    .hint("a line consists of a namespace, the TYPE/NAME of the workload and the ARM id of the gateway")
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
                    let kind = WorkloadKind::parse(kind)?;
                    let name = name.to_owned();
                    check_name(&name).is_ok().then_some(WorkloadRef { kind, name })
                })
                .ok_or_else(|| wrong(&format!("`{workload}` is not the TYPE/NAME of a workload")))?;
            valid_namespace(namespace).map_err(|error| wrong(&error.to_string()))?;
            let id = GatewayId::parse(id).map_err(|error| wrong(&error.to_string()))?;
            let entry = (context, (*namespace).to_owned(), workload);
            gateways.entry(entry).or_insert_with(Vec::new).push(id);
        }
        if gateways.is_empty() {
            return Err(Error::usage(format!("{file} names no gateway")));
        }
        Ok(Self { file, gateways })
    }

    /// Refuses a gateway that is not listed for exactly these workloads.
    pub fn check(
        &self,
        context: Option<&str>,
        namespace: &str,
        workloads: &[WorkloadRef],
        id: &GatewayId,
    ) -> Result<()> {
        if workloads.is_empty() {
            return Err(Error::refused(format!(
                "no workload in namespace {namespace} runs the gateway {id}, so none of {} is for it",
                self.file
            )));
        }
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
                        "{workload} in namespace {namespace} names the gateway {id}, but {} lists {} for it",
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

    /// Whether the file lists this workload.
    pub fn has(&self, namespace: &str, workload: &WorkloadRef) -> bool {
        self.workloads().any(|known| known == (namespace, workload))
    }

    /// The listed workloads, by namespace and name.
    pub fn workloads(&self) -> impl Iterator<Item = (&str, &WorkloadRef)> {
        let places: BTreeSet<_> = self
            .gateways
            .keys()
            .map(|(_, namespace, workload)| (namespace.as_str(), workload))
            .collect();
        places.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    const ID: &str =
        "/subscriptions/s/resourceGroups/rg/providers/Microsoft.ApiManagement/service/svc/gateways/gw";

    fn parse(text: &str) -> Result<GatewayList> {
        GatewayList::parse(Path::new("fleet.txt"), text)
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
        assert!(forged.to_string().contains("but fleet.txt lists"), "{forged}");
    }

    #[test]
    fn a_mark_of_the_byte_order_is_no_part_of_the_namespace() {
        let listed = parse(&format!("\u{feff}shop deploy/gw {ID}\r\n")).unwrap();
        let id = GatewayId::parse(ID).unwrap();
        assert!(listed.check(None, "shop", &gw(), &id).is_ok());
        assert!(listed.check(None, "shop", &[], &id).is_err());
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
            (
                &format!("shop deploy/ {ID}"),
                "line 1: `deploy/` is not the TYPE/NAME",
            ),
            (&format!("sh_op deploy/gw {ID}"), "line 1: "),
            (
                &format!("\nshop job/gw {ID}"),
                "line 2: `job/gw` is not the TYPE/NAME",
            ),
            (
                "shop deploy/gw /subscriptions/s",
                "line 1: `/subscriptions/s` is not the ARM id",
            ),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.kind(), Kind::Usage);
            assert!(error.to_string().contains(why), "{error}");
        }
    }
}
