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

/// What to look at, and how to show it.
#[derive(Debug)]
pub struct StatusSettings {
    /// Which workloads.
    pub selection: Selection,
    /// How they are printed.
    pub output: StatusFormat,
    /// Whether the table begins with its data.
    pub no_headers: bool,
    /// In which order.
    pub sort_by: SortBy,
    /// Whether to go on.
    pub watch: bool,
    /// Within which time an expiry is an alarm.
    pub fail_within: Option<SignedDuration>,
    /// How to sign in to Azure, where it is to be asked.
    pub azure: Option<AzureSettings>,
    /// What the user should know about the settings themselves.
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
                "--watch prints a table, names or JSON, one object a line",
            ));
        }
        if args.watch && args.ask_azure {
            return Err(Error::usage(
                "--watch looks at the cluster alone; leave --azure out",
            ));
        }
        let azure = if args.ask_azure {
            Some(AzureSettings::resolve(&args.azure, &typed, &mut warnings)?)
        } else {
            None
        };
        Ok(Self {
            selection: selection(&args.select, &args.target)?,
            output: args.output,
            no_headers: args.no_headers,
            sort_by: args.sort_by,
            watch: args.watch,
            fail_within: args.fail_within,
            azure,
            warnings,
        })
    }
}
