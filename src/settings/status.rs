//! The settings of `status`.

use clap::ArgMatches;
use jiff::SignedDuration;

use super::AzureSettings;
use super::selection::selection;
use super::typed::Typed;
use crate::cli::StatusArgs;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::model::request::{Selection, SortBy, StatusFormat};

/// What follows the gateways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    End,
    /// To keep running and print changes.
    Watch,
    /// To offer the commands that fix the gateways.
    Fix,
}

#[derive(Debug)]
pub struct StatusSettings {
    pub selection: Selection,
    pub output: StatusFormat,
    /// Whether one gateway is shown in full: it is the only one that was named, and no format
    /// was.
    pub in_full: bool,
    pub no_headers: bool,
    pub sort_by: SortBy,
    pub then: Then,
    /// An expiry within this time is an alarm.
    pub fail_within: Option<SignedDuration>,
    /// Set if Azure is to be contacted.
    pub azure: Option<AzureSettings>,
    /// Warnings about the settings themselves.
    pub warnings: Vec<String>,
}

impl StatusSettings {
    /// Checks the flags of `status`.
    pub fn resolve(args: &StatusArgs, matches: &ArgMatches, environment: &Environment) -> Result<Self> {
        let typed = Typed {
            matches,
            environment: &environment.without_script(),
        };
        let mut warnings = Vec::new();
        if args.fail_within.is_some_and(|within| within.is_negative()) {
            return Err(Error::usage("--fail-within is negative"));
        }
        let streams = matches!(args.output, StatusFormat::Yaml | StatusFormat::Prometheus);
        if args.watch && streams {
            return Err(Error::usage(
                "--watch prints a table, names, or JSON with one object per line",
            ));
        }
        if args.watch && args.ask_azure {
            return Err(Error::usage("--watch reads only the cluster; leave --azure out"));
        }
        let is_table = matches!(args.output, StatusFormat::Table | StatusFormat::Wide);
        if args.fix && !is_table {
            return Err(Error::usage(
                "--fix asks below a table, which -o table and -o wide print",
            ));
        }
        let azure = if args.ask_azure {
            Some(AzureSettings::resolve(&args.azure, &typed, &mut warnings)?)
        } else {
            None
        };
        let selection = selection(&args.select, &args.target)?;
        let asks_table = args.watch || args.no_headers || !typed.is_default("output");
        Ok(Self {
            in_full: selection.names.len() == 1 && !asks_table,
            selection,
            output: args.output,
            no_headers: args.no_headers,
            sort_by: args.sort_by,
            then: match (args.watch, args.fix) {
                (true, _) => Then::Watch,
                (_, true) => Then::Fix,
                _ => Then::End,
            },
            fail_within: args.fail_within,
            azure,
            warnings,
        })
    }
}
