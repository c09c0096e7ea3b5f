//! The settings of a rotation of many gateways.

use std::path::PathBuf;

use super::selection::selection;
use crate::cli::RotateArgs;
use crate::error::{Error, Result};
use crate::model::request::{Selection, TargetRequest};
use crate::plan::FollowUp;

/// How many gateways to rotate, and how.
#[derive(Debug)]
pub struct FleetSettings {
    /// Which workloads.
    pub selection: Selection,
    /// In which contexts of the kubeconfig, by name or glob; empty for the
    /// current one.
    pub contexts: Vec<String>,
    /// The file of the gateways that may be rotated.
    pub gateways: Option<PathBuf>,
    /// Whether nobody needs to be asked.
    pub yes: bool,
    /// How many gateways may be under way at once.
    pub max_parallel: usize,
    /// How many of them may belong to one instance.
    pub max_parallel_per_instance: usize,
    /// How many gateways go before the others.
    pub canary: usize,
    /// After how many failures no other gateway is begun; a share of the
    /// fleet if that was not said.
    pub max_failures: Option<usize>,
    /// Whether all that Azure grants may be used.
    pub burst: bool,
    /// Whether tables begin with their data.
    pub no_headers: bool,
}

impl FleetSettings {
    /// `None` when one gateway is meant.
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
            let of_many = [
                ("--gateways", fleet.gateways.is_some()),
                ("--canary", fleet.canary.is_some()),
                ("--max-failures", fleet.max_failures.is_some()),
            ];
            return match of_many.iter().find(|(_, given)| *given) {
                None => Ok(None),
                Some((flag, _)) => Err(Error::usage(format!("{flag} is for several gateways"))
                    .hint("say which: -A for all namespaces, --all for one, -l for labels, or name several")),
            };
        }
        if fleet.all && !selection.names.is_empty() {
            return Err(Error::usage(
                "--all means every gateway of the namespace; leave the names out",
            ));
        }
        let one = [
            (
                "the workload",
                target
                    .workload
                    .as_ref()
                    .filter(|_| selection.names.is_empty())
                    .map(|it| &it.source),
            ),
            ("the Secret", target.secret.as_ref().map(|it| &it.source)),
            ("the gateway", target.gateway.as_ref().map(|it| &it.source)),
        ];
        if let Some((what, source)) = one.into_iter().find_map(|(what, source)| Some((what, source?))) {
            return Err(Error::usage(format!(
                "{source} names {what}, but several gateways are to be rotated"
            ))
            .hint("leave it out or unset it; what belongs to a gateway is discovered"));
        }
        let canary = match (fleet.canary, follow_up) {
            (Some(1..), FollowUp::Nothing | FollowUp::Restart) => {
                return Err(Error::usage(
                    "--canary waits until a gateway is proved, which --no-wait and --no-restart leave out",
                ));
            }
            (asked, FollowUp::Prove) => asked.unwrap_or(1),
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
            burst: fleet.burst,
            no_headers: fleet.no_headers,
        }))
    }
}
