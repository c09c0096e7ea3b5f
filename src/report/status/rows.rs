use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use crate::model::request::{ConnectionFlags, SortBy};
use crate::model::{Auth, Gap, GatewayFacts, SecretFacts, WorkloadRef, counted, in_words};
use crate::plan::entra::LinkState;
use crate::plan::{Assessment, assess, credential_in_words, is_alarm};

/// Gateways with their verdicts.
pub struct StatusReport {
    pub(super) rows: Vec<Row>,
    /// What could not be read, beside the facts of the rows.
    pub(super) gaps: Vec<Gap>,
    pub(super) options: TableOptions,
    /// Whether names include the kind, because there are several kinds.
    pub(super) with_kind: bool,
    pub(super) now: Timestamp,
}

/// The optional parts of the table.
#[derive(Clone, Debug, Default)]
pub struct TableOptions {
    pub with_namespace: bool,
    /// Whether there are columns with facts from Azure.
    pub with_azure: bool,
    pub no_headers: bool,
    /// The width of the terminal, if it is one that shows the table.
    pub width: Option<usize>,
    /// What printed commands need to reach the same cluster.
    pub connection: ConnectionFlags,
}

/// One gateway.
#[derive(Clone)]
pub(super) struct Row {
    pub(super) facts: GatewayFacts,
    pub(super) assessment: Assessment,
    /// Whether the gateway is gone. The facts are from before.
    pub(super) deleted: bool,
    /// What has changed, in the output of a watch.
    pub(super) change: Option<String>,
}

impl StatusReport {
    /// Assesses and sorts the gateways.
    pub fn new(
        gateways: Vec<GatewayFacts>,
        gaps: Vec<Gap>,
        sort_by: SortBy,
        options: TableOptions,
        now: Timestamp,
    ) -> Self {
        let rows = gateways.into_iter().map(|facts| Row::new(facts, now));
        let mut rows: Vec<Row> = rows.collect();
        sort(&mut rows, sort_by);
        Self {
            with_kind: several_kinds(rows.iter().map(|row| &row.facts.workload)),
            rows,
            gaps,
            options,
            now,
        }
    }

    /// A line with the reason for every gateway that `--fail-within` fails on.
    pub fn alarms(&self, within: SignedDuration) -> Vec<String> {
        let alarms = self
            .rows
            .iter()
            .filter(|row| is_alarm(&row.facts, &row.assessment, within, self.now));
        let line = |row: &Row| {
            let GatewayFacts {
                namespace, workload, ..
            } = &row.facts;
            format!(
                "{workload} in namespace {namespace}: {:?}: {}",
                row.assessment.verdict,
                row.alarm_reason(within, self.now)
            )
        };
        alarms.map(line).collect()
    }

    /// The commands that fix the worst gateways, at most `max`, and the number
    /// of other gateways with a fix.
    pub fn fixes(&self, max: usize) -> (Vec<String>, usize) {
        let mut rows: Vec<&Row> = self
            .rows
            .iter()
            .filter(|row| row.assessment.fix.is_some())
            .collect();
        rows.sort_by_key(|row| row.assessment.verdict);
        let line = |row: &&Row| {
            let verdict = row.assessment.verdict;
            let fix = row.assessment.fix_text().unwrap_or_default();
            let name = self.name(row);
            if self.options.with_namespace {
                format!("{name} in {} is {verdict:?}; run: {fix}", row.facts.namespace)
            } else {
                format!("{name} is {verdict:?}; run: {fix}")
            }
        };
        (
            rows.iter().take(max).map(line).collect(),
            rows.len().saturating_sub(max),
        )
    }

    /// How many parts of sign-ins could not be read, of gateways that nothing else keeps
    /// from signing in: the table does not show it. `None` if all could be.
    pub fn unchecked(&self) -> Option<String> {
        let unknown = |row: &Row| {
            let is_broken = row.assessment.is_broken();
            row.assessment.unknown_links().filter(|_| !is_broken).count()
        };
        let mut rows = self.rows.iter().filter(|row| unknown(row) > 0);
        let first = rows.next()?;
        let parts = counted(unknown(first), "part of the sign-in", "parts of the sign-in");
        let place = if self.options.with_namespace {
            format!(" in {}", first.facts.namespace)
        } else {
            String::new()
        };
        let others = match rows.count() {
            0 => String::new(),
            others => format!(" and of {}", counted(others, "more gateway", "more gateways")),
        };
        let name = self.name(first);
        Some(format!(
            "{parts} of {name}{place}{others} could not be checked; -o json shows each part with the reason"
        ))
    }

    /// The roles of the sign-ins that grant more than is needed, each once: the table does
    /// not show them.
    pub fn too_wide(&self) -> BTreeSet<&str> {
        let links = self.rows.iter().flat_map(|row| &row.assessment.links);
        links
            .filter_map(|link| match &link.state {
                LinkState::Wide(why) => Some(why.as_str()),
                _ => None,
            })
            .collect()
    }

    /// The name of a row in the table.
    pub(super) fn name(&self, row: &Row) -> String {
        let workload = &row.facts.workload;
        if self.with_kind {
            workload.to_string()
        } else {
            workload.name.clone()
        }
    }
}

pub(super) fn several_kinds<'a>(mut workloads: impl Iterator<Item = &'a WorkloadRef>) -> bool {
    let first = workloads.next().map(|workload| workload.kind);
    workloads.any(|workload| Some(workload.kind) != first)
}

/// Sorts rows that are already sorted by namespace and name. A row without a
/// value comes first, because it may be the worst.
pub(super) fn sort(rows: &mut [Row], by: SortBy) {
    match by {
        SortBy::Name => {}
        SortBy::ExpiresIn => rows.sort_by_key(|row| {
            // What does not expire comes last.
            let never = row.facts.auth == Auth::WorkloadIdentity;
            (never, row.assessment.expiry.map(|expiry| expiry.expires))
        }),
        SortBy::Verdict => rows.sort_by_key(|row| row.assessment.verdict),
        SortBy::RotatedAt => rows.sort_by_key(|row| row.facts.secret_facts().and_then(SecretFacts::written)),
    }
}

impl Row {
    pub(super) fn new(facts: GatewayFacts, now: Timestamp) -> Self {
        Self {
            assessment: assess(&facts, now),
            facts,
            deleted: false,
            change: None,
        }
    }

    /// Why `--fail-within` fails on the gateway. If the verdict alone is not an
    /// alarm, the reason is the expiry or the pods that cannot be listed.
    pub(super) fn alarm_reason(&self, within: SignedDuration, now: Timestamp) -> String {
        let Assessment { verdict, reason, .. } = &self.assessment;
        if verdict.is_alarm() {
            return reason.clone();
        }
        let expiry = self.assessment.expiry;
        let left = expiry.map(|expiry| expiry.expires.duration_since(now));
        match (left.filter(|left| *left <= within), &self.facts.pods) {
            (Some(left), _) => format!(
                "{} expires in {}",
                credential_in_words(self.facts.auth),
                in_words(left)
            ),
            (None, Err(unavailable)) if self.facts.compares_pods() => unavailable.why().to_owned(),
            (None, _) => reason.clone(),
        }
    }
}
