//! The output of `status --watch`: a gateway is printed again when it changes, with the time and
//! with what has changed. On a terminal, all of them are drawn in place.

mod changes;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use console::truncate_str;
use jiff::Timestamp;

use super::rows::{Row, StatusReport, TableOptions, several_kinds, sort};
use super::table::{Columns, Widths, rows, table};
use crate::error::{Error, Result};
use crate::model::request::{SortBy, StatusFormat};
use crate::model::{GatewayFacts, WorkloadRef, counted, one_line};
use crate::plan::{assess, next_change};

/// The most changes that are shown below the table on a terminal.
const MAX_SHOWN: usize = 5;

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
    /// Whether all gateways were listed, so that a further one is new.
    listed: bool,
    /// The latest changes as lines, the newest first.
    latest: VecDeque<String>,
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
            listed: false,
            latest: VecDeque::new(),
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
            let change = match self.rows.get(&key) {
                Some(before) if before.same_as(&row) => None,
                Some(before) => Some(row.changes_since(before)),
                None if self.listed => Some("new".to_owned()),
                None => Some("<none>".to_owned()),
            };
            if change.is_some() {
                changed.push(Row {
                    change,
                    ..row.clone()
                });
            }
            self.rows.insert(key, row);
        }
        for key in gone {
            if let Some(row) = self.rows.remove(&key) {
                changed.push(Row {
                    deleted: true,
                    change: Some("deleted".to_owned()),
                    ..row
                });
            }
        }
        let text = self.render(changed, now);
        self.listed = true;
        text
    }

    /// The gateways whose verdict has changed with the time, as text.
    pub fn update_verdicts(&mut self, now: Timestamp) -> Result<String> {
        let mut changed = Vec::new();
        for row in self.rows.values_mut() {
            let assessment = assess(&row.facts, now);
            if assessment.verdict != row.assessment.verdict {
                let before = row.clone();
                row.assessment = assessment;
                changed.push(Row {
                    change: Some(row.changes_since(&before)),
                    ..row.clone()
                });
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

    /// All gateways as a table, and below it what has changed last, for a terminal of this size:
    /// rows and columns. No line is longer, and one row is left for the cursor.
    pub fn screen(&self, now: Timestamp, (height, width): (usize, usize)) -> String {
        let mut rows: Vec<Row> = self.rows.values().cloned().collect();
        sort(&mut rows, self.sort_by);
        let report = self.report(rows, now);
        let table = self::table(&report, Columns::of(self.format), Some(width));
        let mut lines: Vec<&str> = table.lines().collect();
        let below = match self.latest.len() {
            0 => 0,
            latest => latest + 1,
        };
        // The table matters more than what was before it.
        let below = Some(below.min(height / 2))
            .filter(|below| *below > 1)
            .unwrap_or(0);
        let room = height.saturating_sub(below + 1).max(1);
        let hidden = match lines.len().checked_sub(room) {
            Some(over) if over > 0 => {
                lines.truncate(room - 1);
                format!("... {}", counted(over + 1, "more row", "more rows"))
            }
            _ => String::new(),
        };
        lines.extend(Some(hidden.as_str()).filter(|hidden| !hidden.is_empty()));
        let latest = self.latest.iter().map(String::as_str);
        lines.extend([""].into_iter().chain(latest).take(below));
        let fitting = lines.into_iter().map(|line| truncate_str(line, width, "…"));
        fitting
            .flat_map(|line| [line.into_owned(), "\n".to_owned()])
            .collect()
    }

    fn report(&self, rows: Vec<Row>, now: Timestamp) -> StatusReport {
        StatusReport {
            rows,
            gaps: Vec::new(),
            options: self.options.clone(),
            with_kind: self.with_kind,
            now,
        }
    }

    /// Remembers what was printed of changes.
    fn remember(&mut self, report: &StatusReport) {
        if !self.listed {
            return;
        }
        let time = report.now.strftime("%TZ");
        for row in &report.rows {
            let place = if self.options.with_namespace {
                format!("{}/", row.facts.namespace)
            } else {
                String::new()
            };
            let change = row.change.as_deref().unwrap_or_default();
            let line = format!("{time}  {place}{}  {change}", report.name(row));
            self.latest.push_front(one_line(&line).into_owned());
        }
        self.latest.truncate(MAX_SHOWN);
    }

    fn render(&mut self, mut rows: Vec<Row>, now: Timestamp) -> Result<String> {
        if rows.is_empty() {
            return Ok(String::new());
        }
        sort(&mut rows, self.sort_by);
        // A kind that was printed once is always printed, since a name without
        // it would look like another gateway.
        self.with_kind |= several_kinds(self.rows.keys().map(|(_, workload, _)| workload));
        let report = self.report(rows, now);
        self.remember(&report);
        match self.format {
            StatusFormat::Name => Ok(report.names()),
            StatusFormat::Json => lines(&report),
            format => {
                let headers = std::mem::take(&mut self.headers_pending);
                Ok(self::rows(
                    &report,
                    Columns::of(format),
                    headers,
                    &mut self.widths,
                ))
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

#[cfg(test)]
mod tests;
