//! The settings of a rotation of several gateways.

use std::path::PathBuf;

use super::selection::selection;
use crate::cli::{FleetArgs, RotateArgs};
use crate::error::{Error, Result};
use crate::model::request::{Selection, TargetRequest};
use crate::plan::FollowUp;

/// How many gateways to rotate, and how.
#[derive(Debug)]
pub struct FleetSettings {
    pub selection: Selection,
    /// Contexts of the kubeconfig, by name or glob; empty for the current one.
    pub contexts: Vec<String>,
    /// The file that lists the gateways that may be rotated.
    pub gateways: Option<PathBuf>,
    /// Whether to rotate without confirmation.
    pub yes: bool,
    /// How many gateways may be rotated at once.
    pub max_parallel: usize,
    /// How many of them may belong to one API Management instance.
    pub max_parallel_per_instance: usize,
    /// How many gateways are rotated and proved before the others.
    pub canary: usize,
    /// After how many failures no other rotation starts; a share of the fleet if
    /// this is `None`.
    pub max_failures: Option<usize>,
    /// How often a gateway that failed is tried again.
    pub retries: u8,
    /// Whether to use all requests that Azure grants.
    pub burst: bool,
    pub no_headers: bool,
}

impl FleetSettings {
    /// `None` if one gateway is requested.
    pub(super) fn resolve(
        args: &RotateArgs,
        target: &TargetRequest,
        follow_up: FollowUp,
    ) -> Result<Option<Self>> {
        let fleet = &args.fleet;
        let selection = selection(&fleet.select, &args.target.target)?;
        let many = fleet.all
            || selection.everywhere
            || selection.labels.is_some()
            || selection.names.len() > 1
            || !fleet.contexts.is_empty();
        if !many {
            refuse_flags_of_many(fleet)?;
            return Ok(None);
        }
        if fleet.all && !selection.names.is_empty() {
            return Err(Error::usage(
                "--all selects every gateway of the namespace; leave the names out",
            ));
        }
        refuse_what_is_of_one(target, &selection)?;
        let canary = match (fleet.canary, follow_up) {
            (Some(1..), FollowUp::Nothing | FollowUp::Restart) => {
                return Err(Error::usage(
                    "--canary waits for the proof of a gateway, which --no-wait and --no-restart skip",
                ));
            }
            (count, FollowUp::Prove) => count.unwrap_or(1),
            (_, _) => 0,
        };
        Ok(Some(Self {
            selection,
            contexts: fleet.contexts.clone(),
            gateways: fleet.gateways.clone(),
            yes: fleet.yes,
            max_parallel: usize::from(fleet.max_parallel),
            max_parallel_per_instance: usize::from(fleet.max_parallel_per_instance),
            canary,
            max_failures: fleet.max_failures.map(|count| count as usize),
            retries: fleet.retries.unwrap_or(0),
            burst: fleet.burst,
            no_headers: fleet.no_headers,
        }))
    }
}

fn refuse_flags_of_many(fleet: &FleetArgs) -> Result<()> {
    let of_many = [
        ("--gateways", fleet.gateways.is_some()),
        ("--canary", fleet.canary.is_some()),
        ("--max-failures", fleet.max_failures.is_some()),
        ("--retries", fleet.retries.is_some()),
    ];
    match of_many.iter().find(|(_, given)| *given) {
        None => Ok(()),
        Some((flag, _)) => Err(Error::usage(format!("{flag} is for several gateways")).hint(
            "select several: -A for all namespaces, --all for one namespace, -l for labels, or several names",
        )),
    }
}

/// Refuses what can name only one gateway, whatever flag or variable sets it.
fn refuse_what_is_of_one(target: &TargetRequest, selection: &Selection) -> Result<()> {
    let workload = target.workload.as_ref().map(|it| &it.source);
    let one = [
        ("the workload", workload.filter(|_| selection.names.is_empty())),
        ("the Secret", target.secret.as_ref().map(|it| &it.source)),
        ("the gateway", target.gateway.as_ref().map(|it| &it.source)),
    ];
    match one.into_iter().find_map(|(what, source)| Some((what, source?))) {
        None => Ok(()),
        Some((what, source)) => Err(Error::usage(format!(
            "{source} names {what}, but several gateways are to be rotated"
        ))
        .hint("leave it out or unset it: it is discovered for each gateway")),
    }
}
