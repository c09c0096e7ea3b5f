//! The result of a run over many gateways.

mod item;

use std::collections::BTreeMap;

use comfy_table::Cell;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::gateway_list::gateway_list;
use super::rotation::{ErrorLine, OutcomeName, RotationReport, to_json};
use super::table::render;
use crate::error::{Error, Kind, Result};
use crate::model::counted;
use crate::model::request::RotateFormat;
use crate::yaml::to_yaml;

/// The output of `-o json` and `-o yaml`. A version gets new fields, but never
/// changes existing ones.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FleetReport {
    api_version: &'static str,
    pub(super) kind: &'static str,
    exit_code: u8,
    dry_run: bool,
    pub(super) counts: Counts,
    items: Vec<RotationReport>,
    #[serde(skip)]
    failure: Kind,
}

/// Numbers of gateways by outcome.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Counts {
    /// Includes completed rotations of earlier runs.
    rotated: usize,
    not_due: usize,
    /// Without a token.
    skipped: usize,
    /// Refused before a token was minted.
    refused: usize,
    failed: usize,
    /// Not started because others had failed.
    not_begun: usize,
}

impl FleetReport {
    /// Sorts the results by context, namespace and name.
    pub fn new(mut items: Vec<RotationReport>, dry_run: bool) -> Self {
        items.sort_by(|one, other| one.sort_key().cmp(&other.sort_key()));
        let mut counts = Counts::default();
        for item in &mut items {
            item.dry_run = dry_run;
            *match item.outcome {
                OutcomeName::NotDue => &mut counts.not_due,
                OutcomeName::Skipped => &mut counts.skipped,
                OutcomeName::NotBegun => &mut counts.not_begun,
                OutcomeName::Refused => &mut counts.refused,
                _ if item.is_failure() => &mut counts.failed,
                _ => &mut counts.rotated,
            } += 1;
        }
        let all_fine = counts.refused + counts.failed + counts.not_begun == 0;
        Self {
            api_version: "kubectl-apim/v1",
            kind: "RotationList",
            exit_code: if all_fine { 0 } else { Kind::Partial.exit_code() },
            dry_run,
            counts,
            items,
            failure: Kind::Partial,
        }
    }

    /// The run failed before any rotation, with this error for each gateway that
    /// needs one.
    pub fn failed_with(&mut self, error: &Error) {
        self.failure = error.kind();
        self.exit_code = error.kind().exit_code();
    }

    pub fn exit_code(&self) -> u8 {
        self.exit_code
    }

    /// The counts in one line.
    pub fn summary(&self) -> String {
        let Counts {
            rotated,
            not_due,
            skipped,
            refused,
            failed,
            not_begun,
        } = self.counts;
        let done = if self.dry_run { "to rotate" } else { "rotated" };
        let parts = [
            (rotated, done),
            (not_due, "not due"),
            (skipped, "without a token"),
            (refused, "refused"),
            (failed, "failed"),
            (not_begun, "not begun"),
        ];
        let shown = parts.iter().filter(|(count, what)| *count > 0 || *what == done);
        let shown: Vec<String> = shown.map(|(count, what)| format!("{count} {what}")).collect();
        let gateways = counted(self.items.len(), "gateway", "gateways");
        format!("{gateways}: {}", shown.join(", "))
    }

    /// Every error once, with all gateways that failed with it.
    pub fn errors(&self) -> Vec<Error> {
        let mut groups: BTreeMap<(u8, String), Vec<(&RotationReport, &ErrorLine)>> = BTreeMap::new();
        for item in &self.items {
            if let (Some(error), true) = (&item.error, item.outcome != OutcomeName::Skipped) {
                groups
                    .entry((item.exit_code, item.without_own_names(&error.message)))
                    .or_default()
                    .push((item, error));
            }
        }
        let errors = groups.into_values().filter_map(|items| {
            let (first, error) = *items.first()?;
            let names: Vec<String> = items.iter().map(|(item, _)| item.name()).collect();
            let same = items.iter().all(|(_, other)| other.message == error.message);
            let message = match (items.len(), same) {
                (1, _) => format!("{}: {}", first.name(), error.message),
                (many, true) => format!("{many} gateways ({}): {}", names.join(", "), error.message),
                // The messages name different objects.
                (many, false) => format!(
                    "{many} gateways ({}) for the same reason; of the first: {}",
                    names.join(", "),
                    error.message
                ),
            };
            let hints = error.hints.iter();
            Some(hints.fold(Error::new(self.failure, message), Error::hint))
        });
        errors.collect()
    }

    /// The report as text, with a line feed at the end unless it is empty.
    pub fn render(
        &self,
        format: RotateFormat,
        no_headers: bool,
        now: Timestamp,
        zone: &TimeZone,
    ) -> Result<String> {
        match format {
            RotateFormat::Table => Ok(self.table(false, no_headers, now)),
            RotateFormat::Wide => Ok(self.table(true, no_headers, now)),
            RotateFormat::Name => {
                let names = self
                    .items
                    .iter()
                    .map(|item| item.render(RotateFormat::Name, now, zone));
                names.collect()
            }
            RotateFormat::Gateways => Ok(gateway_list(&self.items)),
            RotateFormat::Yaml => to_yaml(self),
            RotateFormat::Json => to_json(self),
        }
    }

    fn table(&self, wide: bool, no_headers: bool, now: Timestamp) -> String {
        let with_context = self.items.iter().any(|item| item.context.is_some());
        let mut headers = Vec::new();
        let rows = self.items.iter().map(|item| {
            let columns = item.columns(with_context, wide, now);
            headers = columns.iter().map(|(header, _)| *header).collect();
            columns.into_iter().map(|(_, cell)| cell).collect()
        });
        let rows: Vec<Vec<Cell>> = rows.collect();
        if rows.is_empty() {
            return String::new();
        }
        render((!no_headers).then_some(headers.as_slice()), rows, &mut Vec::new())
    }
}
