//! The output of `status --watch`: a gateway is printed again when it changes.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::json::Item;
use super::rows::{Row, StatusReport, TableOptions, several_kinds, sort};
use super::table::{Widths, rows};
use crate::error::{Error, Result};
use crate::model::request::{ConnectionFlags, SortBy, StatusFormat};
use crate::model::{GatewayFacts, WorkloadRef};
use crate::plan::{assess, next_change};

/// The gateways in the state that was printed last.
pub struct WatchReport {
    rows: BTreeMap<Key, Row>,
    format: StatusFormat,
    sort_by: SortBy,
    options: TableOptions,
    /// Whether names include the kind, because there were several kinds.
    with_kind: bool,
    /// Whether the headers are not printed yet.
    headers_pending: bool,
    widths: Widths,
}

/// A namespace, a workload, and the index among its containers that run a
/// gateway.
type Key = (String, WorkloadRef, usize);

impl WatchReport {
    pub fn new(format: StatusFormat, sort_by: SortBy, options: TableOptions) -> Self {
        Self {
            rows: BTreeMap::new(),
            format,
            sort_by,
            headers_pending: !options.no_headers,
            options,
            with_kind: false,
            widths: Widths::new(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub fn has_gateway_in(&self, namespace: &str) -> bool {
        self.rows.keys().any(|(of_row, ..)| of_row == namespace)
    }

    /// Whether a CronJob of this namespace rotates a gateway.
    pub fn has_cron_job_in(&self, namespace: &str) -> bool {
        self.rows.values().any(|row| {
            let mut cron_jobs = row.facts.cron_jobs.iter().flatten();
            cron_jobs.any(|cron_job| cron_job.namespace == namespace)
        })
    }

    /// The changed gateways as text. `gateways` are those of the given
    /// namespaces, or of all namespaces.
    pub fn update(
        &mut self,
        namespaces: Option<&BTreeSet<String>>,
        gateways: Vec<GatewayFacts>,
        now: Timestamp,
    ) -> Result<String> {
        let was_read =
            |(namespace, ..): &Key| namespaces.is_none_or(|namespaces| namespaces.contains(namespace));
        let mut gone: BTreeSet<Key> = self.rows.keys().filter(|key| was_read(key)).cloned().collect();
        let mut changed = Vec::new();
        let mut containers: BTreeMap<(String, WorkloadRef), usize> = BTreeMap::new();
        for facts in gateways {
            let workload = (facts.namespace.clone(), facts.workload.clone());
            let index = containers.entry(workload.clone()).or_default();
            let key = (workload.0, workload.1, *index);
            *index += 1;
            gone.remove(&key);
            let row = Row::new(facts, now);
            if !self.rows.get(&key).is_some_and(|before| before.same_as(&row)) {
                changed.push(row.clone());
            }
            self.rows.insert(key, row);
        }
        for key in gone {
            if let Some(row) = self.rows.remove(&key) {
                changed.push(Row { deleted: true, ..row });
            }
        }
        self.render(changed, now)
    }

    /// The gateways whose verdict has changed with the time, as text.
    pub fn update_verdicts(&mut self, now: Timestamp) -> Result<String> {
        let mut changed = Vec::new();
        for row in self.rows.values_mut() {
            let assessment = assess(&row.facts, now);
            if assessment.verdict != row.assessment.verdict {
                row.assessment = assessment;
                changed.push(row.clone());
            }
        }
        self.render(changed, now)
    }

    /// The next time at which a verdict can change without any change in the
    /// cluster.
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let rows = self.rows.values();
        rows.filter_map(|row| next_change(&row.facts, now)).min()
    }

    fn render(&mut self, mut rows: Vec<Row>, now: Timestamp) -> Result<String> {
        if rows.is_empty() {
            return Ok(String::new());
        }
        sort(&mut rows, self.sort_by);
        // A kind that was printed once is always printed, since a name without
        // it would look like another gateway.
        self.with_kind |= several_kinds(self.rows.keys().map(|(_, workload, _)| workload));
        let report = StatusReport {
            rows,
            gaps: Vec::new(),
            options: self.options.clone(),
            with_kind: self.with_kind,
            now,
        };
        match self.format {
            StatusFormat::Name => Ok(report.names()),
            StatusFormat::Json => lines(&report),
            format => {
                let headers = std::mem::take(&mut self.headers_pending);
                let wide = format == StatusFormat::Wide;
                Ok(self::rows(&report, wide, headers, &mut self.widths))
            }
        }
    }
}

/// One JSON object per line, so that a reader can find the end of each.
fn lines(report: &StatusReport) -> Result<String> {
    let mut text = String::new();
    for row in &report.rows {
        let line = serde_json::to_string(&row.item(&report.options.connection, report.now))
            .map_err(|error| Error::failed("cannot write the status as JSON").caused_by(error))?;
        text += &line;
        text.push('\n');
    }
    Ok(text)
}

impl Row {
    /// Compares everything that does not change with the time alone.
    fn same_as(&self, other: &Self) -> bool {
        self.timeless() == other.timeless()
    }

    fn timeless(&self) -> Item<'_> {
        let mut item = self.item(&ConnectionFlags::default(), Timestamp::UNIX_EPOCH);
        item.reason = "";
        item.expires_in_seconds = None;
        item.unprotected = item.unprotected.map(|_| "");
        if let Some(cron_job) = &mut item.cron_job {
            cron_job.next_run = None;
        }
        item
    }
}

#[cfg(test)]
mod tests;
