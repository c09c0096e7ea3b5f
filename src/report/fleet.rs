//! What a run over many gateways has to say, as text.

use std::collections::BTreeMap;

use comfy_table::Cell;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::rotation::{Ending, ErrorLine, RotationReport, WorkloadLine, to_json};
use super::table::{Tone, cell, render};
use crate::error::{Error, Kind, Result};
use crate::model::request::OutputFormat;
use crate::model::{Snapshot, WorkloadRef, in_words};
use crate::yaml::to_yaml;

const NONE: &str = "<none>";

/// The results of one run, as `-o json` and `-o yaml` print them. Fields are
/// added to a version, never changed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FleetReport {
    api_version: &'static str,
    pub(super) kind: &'static str,
    exit_code: u8,
    dry_run: bool,
    pub(super) counts: Counts,
    items: Vec<RotationReport>,
}

/// How many gateways came to which end.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Counts {
    /// Rotated, or an earlier rotation of theirs completed.
    rotated: usize,
    not_due: usize,
    /// Without a token to rotate.
    skipped: usize,
    /// Refused before anything was minted.
    refused: usize,
    /// Failed in any other way.
    failed: usize,
    /// Not begun, because others had failed.
    not_begun: usize,
}

impl FleetReport {
    /// The results in the order of their places.
    pub fn new(mut items: Vec<RotationReport>, dry_run: bool) -> Self {
        items.sort_by(|one, other| one.place().cmp(&other.place()));
        let mut counts = Counts::default();
        for item in &mut items {
            item.dry_run = dry_run;
            *match item.outcome {
                Ending::NotDue => &mut counts.not_due,
                Ending::Skipped => &mut counts.skipped,
                Ending::NotBegun => &mut counts.not_begun,
                Ending::Refused => &mut counts.refused,
                _ if item.is_failure() => &mut counts.failed,
                _ => &mut counts.rotated,
            } += 1;
        }
        let all_well = counts.refused + counts.failed + counts.not_begun == 0;
        Self {
            api_version: "kubectl-apim/v1",
            kind: "RotationList",
            exit_code: if all_well { 0 } else { Kind::Partial.exit_code() },
            dry_run,
            counts,
            items,
        }
    }

    /// The exit code that the run ends with.
    pub fn exit_code(&self) -> u8 {
        self.exit_code
    }

    /// What came of it in one line.
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
        let told = parts.iter().filter(|(count, what)| *count > 0 || *what == done);
        let told: Vec<String> = told.map(|(count, what)| format!("{count} {what}")).collect();
        format!("{} gateways: {}", self.items.len(), told.join(", "))
    }

    /// Every error once, with the gateways that met it.
    pub fn errors(&self) -> Vec<Error> {
        let mut groups: BTreeMap<(u8, String), Vec<(&RotationReport, &ErrorLine)>> = BTreeMap::new();
        for item in &self.items {
            if let (Some(error), true) = (&item.error, item.outcome != Ending::Skipped) {
                groups
                    .entry((item.exit_code, item.general(&error.message)))
                    .or_default()
                    .push((item, error));
            }
        }
        let errors = groups.into_values().map(|met| {
            let (first, error) = met[0];
            let places: Vec<String> = met.iter().map(|(item, _)| item.name()).collect();
            let message = if met.len() == 1 {
                format!("{}: {}", first.name(), error.message)
            } else {
                format!(
                    "{} gateways ({}): {}",
                    met.len(),
                    places.join(", "),
                    error.message
                )
            };
            error
                .hints
                .iter()
                .fold(Error::new(Kind::Partial, message), Error::hint)
        });
        errors.collect()
    }

    /// The report as text, ending in a line feed unless it is empty.
    pub fn render(
        &self,
        format: OutputFormat,
        no_headers: bool,
        now: Timestamp,
        zone: &TimeZone,
    ) -> Result<String> {
        match format {
            OutputFormat::Table => Ok(self.table(false, no_headers, now)),
            OutputFormat::Wide => Ok(self.table(true, no_headers, now)),
            OutputFormat::Name => {
                let names = self
                    .items
                    .iter()
                    .map(|item| item.render(OutputFormat::Name, now, zone));
                names.collect()
            }
            OutputFormat::Yaml => to_yaml(self),
            OutputFormat::Json => to_json(self),
        }
    }

    fn table(&self, wide: bool, no_headers: bool, now: Timestamp) -> String {
        let several = self.items.iter().any(|item| item.context.is_some());
        let mut heads = Vec::new();
        let rows = self.items.iter().map(|item| {
            let columns = item.columns(several, wide, now);
            heads = columns.iter().map(|(head, _)| *head).collect();
            columns.into_iter().map(|(_, cell)| cell).collect()
        });
        let rows: Vec<Vec<Cell>> = rows.collect();
        if rows.is_empty() {
            return String::new();
        }
        render((!no_headers).then_some(heads.as_slice()), rows, &mut Vec::new())
    }
}

impl RotationReport {
    /// A gateway of a fleet that has no token to rotate.
    pub fn skipped(namespace: &str, workload: &WorkloadRef, why: &Error) -> Self {
        Self {
            reason: Some(why.to_string()),
            ..Self::bare(namespace, vec![WorkloadLine::of(workload)], Ending::Skipped)
        }
    }

    /// A gateway of a fleet whose credential cannot be reached.
    pub fn without_secret(namespace: &str, workload: &WorkloadRef, why: &Error) -> Self {
        Self::bare(namespace, vec![WorkloadLine::of(workload)], Ending::Failed).because(why)
    }

    /// A context of the kubeconfig whose gateways could not be looked for.
    pub fn out_of_reach(context: &str, why: &Error) -> Self {
        Self::bare(NONE, Vec::new(), Ending::Failed)
            .because(why)
            .of(Some(context))
    }

    /// A gateway of a fleet whose rotation ended before its first effect.
    pub fn stopped(snapshot: &Snapshot, why: &Error) -> Self {
        Self {
            expires_at: snapshot.secret.claims().map(|claims| claims.expires_at),
            ..Self::new(snapshot, Ending::Failed)
        }
        .because(why)
    }

    /// A gateway of a fleet whose turn did not come.
    pub fn not_begun(snapshot: &Snapshot, why: &str) -> Self {
        Self {
            reason: Some(why.to_owned()),
            expires_at: snapshot.secret.claims().map(|claims| claims.expires_at),
            exit_code: Kind::Partial.exit_code(),
            ..Self::new(snapshot, Ending::NotBegun)
        }
    }

    /// The same, in this context of the kubeconfig.
    #[must_use]
    pub fn of(mut self, context: Option<&str>) -> Self {
        self.context = context.map(str::to_owned);
        self
    }

    fn because(mut self, why: &Error) -> Self {
        if why.kind() == Kind::Refused {
            self.outcome = Ending::Refused;
        }
        self.exit_code = why.kind().exit_code();
        self.error = Some(ErrorLine::of(why));
        self
    }

    /// Whether it was refused before anything was minted.
    pub fn is_refusal(&self) -> bool {
        self.outcome == Ending::Refused
    }

    /// Whether it failed in any other way.
    pub fn is_failure(&self) -> bool {
        self.error.is_some() && !self.is_refusal()
    }

    /// What came of it in one line.
    pub fn line(&self) -> String {
        let name = self.name();
        let ended = format!("{:?}", self.outcome);
        match (&self.error, self.expires_at) {
            (Some(error), _) => format!("{name}: {ended}: {}", error.message),
            (None, Some(expires_at)) => format!("{name}: {ended}, expires {expires_at}"),
            (None, None) => format!("{name}: {ended}"),
        }
    }

    /// The namespace and the Secret, or where there is none the workload.
    fn name(&self) -> String {
        let context = self.context.as_deref();
        let object = match (&self.secret, self.workloads.first()) {
            (Some(secret), _) => format!("secret/{}", secret.name),
            (None, Some(workload)) => workload.reference().to_string(),
            (None, None) => return format!("context {}", context.unwrap_or_default()),
        };
        let context = context.map(|context| format!("{context}/")).unwrap_or_default();
        format!("{context}{}/{object}", self.namespace)
    }

    fn place(&self) -> (Option<&str>, &str, String) {
        (self.context.as_deref(), &self.namespace, self.name())
    }

    /// A message without what is this gateway's own, so that the same trouble
    /// of several is told once.
    fn general(&self, message: &str) -> String {
        let mut own: Vec<&str> = vec![&self.namespace];
        own.extend(self.secret.as_ref().map(|secret| secret.name.as_str()));
        own.extend(self.workloads.iter().map(|workload| workload.name.as_str()));
        if let Some(gateway) = &self.gateway {
            own.extend([gateway.name.as_str(), gateway.service.name.as_str()]);
        }
        own.sort_by_key(|name| std::cmp::Reverse(name.len()));
        let message = message.split(", correlation id ").next().unwrap_or(message);
        own.iter()
            .fold(message.to_owned(), |message, name| message.replace(name, "…"))
    }

    fn columns(&self, several: bool, wide: bool, now: Timestamp) -> Vec<(&'static str, Cell)> {
        let plain = |text: &str| cell(text, Tone::Plain);
        let or_none = |text: Option<String>| plain(text.as_deref().unwrap_or(NONE));
        let mut columns = Vec::new();
        if several {
            columns.push(("CONTEXT", or_none(self.context.clone())));
        }
        let workloads: Vec<String> = self
            .workloads
            .iter()
            .map(|line| line.reference().to_string())
            .collect();
        let expires_in = self.expires_at.map(|expires_at| {
            let left = expires_at.duration_since(now);
            if left.is_negative() {
                format!("expired {} ago", in_words(left))
            } else {
                in_words(left)
            }
        });
        let tone = match self.outcome {
            _ if self.error.is_some() && self.outcome != Ending::Refused => Tone::Bad,
            Ending::Refused | Ending::NotBegun => Tone::Caution,
            Ending::Rotated | Ending::Completed => Tone::Good,
            _ => Tone::Plain,
        };
        columns.extend([
            ("NAMESPACE", plain(&self.namespace)),
            ("WORKLOADS", plain(&workloads.join(","))),
            (
                "SECRET",
                or_none(self.secret.as_ref().map(|secret| secret.name.clone())),
            ),
            ("SLOT", or_none(self.key_slot.map(|slot| slot.to_string()))),
            ("EXPIRES-IN", or_none(expires_in)),
            ("OUTCOME", cell(&format!("{:?}", self.outcome), tone)),
        ]);
        if wide {
            let gateway = self.gateway.as_ref();
            let reason = self.error.as_ref().map(|error| error.message.clone());
            columns.extend([
                ("GATEWAY", or_none(gateway.map(|id| id.name.clone()))),
                ("SERVICE", or_none(gateway.map(|id| id.service.name.clone()))),
                (
                    "REASON",
                    or_none(
                        reason
                            .or_else(|| self.reason.clone())
                            .or_else(|| self.proof.clone()),
                    ),
                ),
            ]);
        }
        columns
    }
}
