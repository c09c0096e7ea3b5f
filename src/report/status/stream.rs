//! The gateways of a run that goes on: each is shown again when something
//! about it has changed.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::table::{Widths, rows};
use super::{CronJob, Item, Layout, Row, StatusReport, several_kinds, sort};
use crate::error::{Error, Result};
use crate::model::request::{SortBy, StatusFormat};
use crate::model::{GatewayFacts, WorkloadRef};
use crate::plan::{assess, next_change};

/// The gateways as they were shown last.
pub struct Stream {
    rows: BTreeMap<Key, Row>,
    format: StatusFormat,
    sort_by: SortBy,
    layout: Layout,
    /// Whether there have been workloads of several kinds.
    with_kind: bool,
    /// Whether the names of the columns are still to be shown.
    heads: bool,
    widths: Widths,
}

/// A namespace, a workload, and which of its containers that run a gateway.
type Key = (String, WorkloadRef, usize);

impl Stream {
    /// Nothing was shown yet.
    pub fn new(format: StatusFormat, sort_by: SortBy, layout: Layout) -> Self {
        Self {
            rows: BTreeMap::new(),
            format,
            sort_by,
            heads: !layout.no_headers,
            layout,
            with_kind: false,
            widths: Widths::new(),
        }
    }

    /// Whether there is no gateway.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Whether there is a gateway in a namespace.
    pub fn has_gateway_in(&self, namespace: &str) -> bool {
        self.rows.keys().any(|(place, ..)| place == namespace)
    }

    /// Whether a CronJob of this namespace rotates a gateway.
    pub fn has_cron_job_in(&self, namespace: &str) -> bool {
        self.rows.values().any(|row| match &row.facts.cron_job {
            Ok(Some(cron_job)) => cron_job.namespace == namespace,
            _ => false,
        })
    }

    /// What is new, as text, after these namespaces were looked at, or all of
    /// them.
    pub fn update(
        &mut self,
        namespaces: Option<&BTreeSet<String>>,
        found: Vec<GatewayFacts>,
        now: Timestamp,
    ) -> Result<String> {
        let looked_at = |(place, ..): &Key| namespaces.is_none_or(|namespaces| namespaces.contains(place));
        let mut gone: BTreeSet<Key> = self.rows.keys().filter(|key| looked_at(key)).cloned().collect();
        let mut news = Vec::new();
        let mut containers: BTreeMap<(String, WorkloadRef), usize> = BTreeMap::new();
        for facts in found {
            let place = (facts.namespace.clone(), facts.workload.clone());
            let nth = containers.entry(place.clone()).or_default();
            let key = (place.0, place.1, *nth);
            *nth += 1;
            gone.remove(&key);
            let row = Row::new(facts, now);
            if !self.rows.get(&key).is_some_and(|before| before.shows(&row)) {
                news.push(row.clone());
            }
            self.rows.insert(key, row);
        }
        for key in gone {
            if let Some(row) = self.rows.remove(&key) {
                news.push(Row { deleted: true, ..row });
            }
        }
        self.show(news, now)
    }

    /// What time alone has made of the gateways, as text.
    pub fn update_verdicts(&mut self, now: Timestamp) -> Result<String> {
        let mut news = Vec::new();
        for row in self.rows.values_mut() {
            let assessment = assess(&row.facts, now);
            if assessment.verdict != row.assessment.verdict {
                row.assessment = assessment;
                news.push(row.clone());
            }
        }
        self.show(news, now)
    }

    /// When a verdict can next change by time alone.
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let rows = self.rows.values();
        rows.filter_map(|row| next_change(&row.facts, now)).min()
    }

    fn show(&mut self, mut rows: Vec<Row>, now: Timestamp) -> Result<String> {
        if rows.is_empty() {
            return Ok(String::new());
        }
        sort(&mut rows, self.sort_by);
        // Once the kind is shown, it is: a name without would seem another.
        self.with_kind |= several_kinds(self.rows.keys().map(|(_, workload, _)| workload));
        let report = StatusReport {
            rows,
            layout: self.layout.clone(),
            with_kind: self.with_kind,
            now,
        };
        match self.format {
            StatusFormat::Name => Ok(report.names()),
            StatusFormat::Json => lines(&report),
            format => {
                let heads = std::mem::take(&mut self.heads);
                let wide = format == StatusFormat::Wide;
                Ok(self::rows(&report, wide, heads, &mut self.widths))
            }
        }
    }
}

/// An object a line, so that a reader knows where each ends.
fn lines(report: &StatusReport) -> Result<String> {
    let mut text = String::new();
    for row in &report.rows {
        let line = serde_json::to_string(&row.item(report.now))
            .map_err(|error| Error::failed("a status cannot be written as JSON").caused_by(error))?;
        text += &line;
        text.push('\n');
    }
    Ok(text)
}

impl Row {
    /// Whether another row says the same, but for what time alone changes.
    fn shows(&self, other: &Self) -> bool {
        self.lasting() == other.lasting()
    }

    fn lasting(&self) -> Item<'_> {
        let item = self.item(Timestamp::UNIX_EPOCH);
        Item {
            reason: "",
            expires_in_seconds: None,
            cron_job: item.cron_job.map(|cron_job| CronJob {
                next_run: None,
                ..cron_job
            }),
            ..item
        }
    }
}

#[cfg(test)]
mod tests;
