//! What `status` has to say, as text.

mod prometheus;
mod stream;
mod table;

pub use stream::Stream;

use jiff::Timestamp;
use serde::Serialize;

use super::rotation::to_json;
use crate::cli::{SortBy, StatusFormat};
use crate::error::Result;
use crate::model::{
    Auth, AzureFacts, CronJobFacts, Fact, GatewayFacts, GatewayId, KeySlot, SecretFacts, Unavailable,
    WorkloadKind, WorkloadRef, in_words,
};
use crate::plan::{Assessment, Verdict, assess, next_run};
use crate::yaml::to_yaml;

/// Gateways with their verdicts.
pub struct StatusReport {
    rows: Vec<Row>,
    layout: Layout,
    /// Whether the workloads are of several kinds.
    with_kind: bool,
    now: Timestamp,
}

/// What the table shows.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    /// Whether the rows are of several namespaces.
    pub with_namespace: bool,
    /// Whether Azure was asked.
    pub with_azure: bool,
    /// Whether it begins with its data.
    pub no_headers: bool,
}

/// One gateway.
#[derive(Clone)]
struct Row {
    facts: GatewayFacts,
    assessment: Assessment,
    /// Whether it is there no more, and this is what was known of it.
    deleted: bool,
}

/// The rows of one run, as `-o json` and `-o yaml` print them. Fields are
/// added to a version, never changed; what is unknown is left out and its
/// reason is in `unread`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct List<'a> {
    api_version: &'static str,
    kind: &'static str,
    items: Vec<Item<'a>>,
}

/// One gateway, as JSON and YAML have it.
#[derive(PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Item<'a> {
    api_version: &'static str,
    kind: &'static str,
    /// Left out unless a watch has seen it go.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    deleted: bool,
    namespace: &'a str,
    workload: Workload<'a>,
    container: &'a str,
    image: &'a str,
    auth: &'static str,
    verdict: Verdict,
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_in_seconds: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_slot: Option<KeySlot>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rotated_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rotated_by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a GatewayId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<SecretKey<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<&'a str>,
    pods: Pods<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cron_job: Option<CronJob<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    azure: Option<&'a AzureFacts>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unread: Vec<Unread<'a>>,
}

#[derive(PartialEq, Serialize)]
struct Workload<'a> {
    kind: WorkloadKind,
    name: &'a str,
}

#[derive(PartialEq, Serialize)]
struct SecretKey<'a> {
    name: &'a str,
    key: &'a str,
}

#[derive(PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Pods<'a> {
    wanted: i32,
    ready: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    stale: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unsure: Option<&'a [String]>,
}

#[derive(PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct CronJob<'a> {
    namespace: &'a str,
    name: &'a str,
    schedule: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_zone: Option<&'a str>,
    suspended: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_run: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_result: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_run: Option<Timestamp>,
}

/// A part that could not be read, and why.
#[derive(PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Unread<'a> {
    part: &'static str,
    forbidden: bool,
    reason: &'a str,
}

impl StatusReport {
    /// Judges the gateways and puts them in order.
    pub fn new(gateways: Vec<GatewayFacts>, sort_by: SortBy, layout: Layout, now: Timestamp) -> Self {
        let rows = gateways.into_iter().map(|facts| Row::new(facts, now));
        let mut rows: Vec<Row> = rows.collect();
        sort(&mut rows, sort_by);
        Self {
            with_kind: several_kinds(rows.iter().map(|row| &row.facts.workload)),
            rows,
            layout,
            now,
        }
    }

    /// The report as text, ending in a line feed unless it is empty.
    pub fn render(&self, format: StatusFormat) -> Result<String> {
        match format {
            StatusFormat::Table => Ok(table::table(self, false)),
            StatusFormat::Wide => Ok(table::table(self, true)),
            StatusFormat::Name => Ok(self.names()),
            StatusFormat::Prometheus => Ok(prometheus::metrics(self)),
            StatusFormat::Yaml => to_yaml(&self.list()),
            StatusFormat::Json => to_json(&self.list()),
        }
    }

    /// Every gateway that is an alarm, with the reason.
    pub fn alarms(&self, within: jiff::SignedDuration) -> Vec<String> {
        let alarming = |row: &&Row| crate::plan::is_alarm(&row.facts, &row.assessment, within, self.now);
        let line = |row: &Row| {
            let Assessment { verdict, reason, .. } = &row.assessment;
            let GatewayFacts {
                namespace, workload, ..
            } = &row.facts;
            // Of a milder verdict it is the time, or what cannot be seen, that
            // makes it an alarm.
            let lapses = |expires_at: &Timestamp| expires_at.duration_since(self.now) <= within;
            let expires_at = row.facts.claims().map(|claims| claims.expires_at).filter(lapses);
            let reason = match expires_at.filter(|_| !verdict.is_alarm()) {
                Some(expires_at) => {
                    format!(
                        "the token expires in {}",
                        in_words(expires_at.duration_since(self.now))
                    )
                }
                None => match &row.facts.pods {
                    Err(unavailable) if !verdict.is_alarm() => unavailable.why().to_owned(),
                    _ => reason.clone(),
                },
            };
            format!("{workload} in namespace {namespace}: {verdict:?}: {reason}")
        };
        self.rows.iter().filter(alarming).map(line).collect()
    }

    /// The commands that mend the worst gateways, and how many more there are.
    pub fn fixes(&self, most: usize) -> (Vec<String>, usize) {
        let mut wrong: Vec<&Row> = self
            .rows
            .iter()
            .filter(|row| row.assessment.fix.is_some())
            .collect();
        wrong.sort_by_key(|row| row.assessment.verdict);
        let line = |row: &&Row| {
            let Assessment { verdict, fix, .. } = &row.assessment;
            let fix = fix.as_deref().unwrap_or_default();
            let GatewayFacts {
                namespace, workload, ..
            } = &row.facts;
            let place = if self.layout.with_namespace {
                format!("{} in {namespace}", workload.name)
            } else {
                workload.name.clone()
            };
            format!("{place} is {verdict:?}: {fix}")
        };
        (
            wrong.iter().take(most).map(line).collect(),
            wrong.len().saturating_sub(most),
        )
    }

    fn names(&self) -> String {
        let names: Vec<String> = self
            .rows
            .iter()
            .map(|row| row.facts.workload.to_string())
            .collect();
        names.iter().flat_map(|name| [name.as_str(), "\n"]).collect()
    }

    fn list(&self) -> List<'_> {
        List {
            api_version: "kubectl-apim/v1",
            kind: "GatewayStatusList",
            items: self.rows.iter().map(|row| row.item(self.now)).collect(),
        }
    }
}

fn several_kinds<'a>(mut workloads: impl Iterator<Item = &'a WorkloadRef>) -> bool {
    let first = workloads.next().map(|workload| workload.kind);
    workloads.any(|workload| Some(workload.kind) != first)
}

/// Puts rows in order that are by namespace and name. What cannot be told
/// comes before what can: it may be worse.
fn sort(rows: &mut [Row], by: SortBy) {
    match by {
        SortBy::Name => {}
        SortBy::ExpiresIn => rows.sort_by_key(|row| row.facts.claims().map(|claims| claims.expires_at)),
        SortBy::Verdict => rows.sort_by_key(|row| row.assessment.verdict),
        SortBy::RotatedAt => rows.sort_by_key(|row| row.facts.stored().and_then(SecretFacts::written)),
    }
}

impl Row {
    fn new(facts: GatewayFacts, now: Timestamp) -> Self {
        Self {
            assessment: assess(&facts, now),
            facts,
            deleted: false,
        }
    }

    fn item(&self, now: Timestamp) -> Item<'_> {
        let facts = &self.facts;
        let stored = facts.stored();
        let expires_at = facts.claims().map(|claims| claims.expires_at);
        let pods = facts.pods.as_ref().ok();
        Item {
            api_version: "kubectl-apim/v1",
            kind: "GatewayStatus",
            deleted: self.deleted,
            namespace: &facts.namespace,
            workload: Workload {
                kind: facts.workload.kind,
                name: &facts.workload.name,
            },
            container: &facts.container,
            image: &facts.image,
            auth: match facts.auth {
                Auth::Unknown => "unknown",
                auth => auth.as_str(),
            },
            verdict: self.assessment.verdict,
            reason: &self.assessment.reason,
            fix: self.assessment.fix.as_deref(),
            expires_at,
            expires_in_seconds: expires_at.map(|expires_at| expires_at.duration_since(now).as_secs()),
            key_slot: stored.and_then(SecretFacts::slot),
            rotated_at: stored.and_then(SecretFacts::written),
            rotated_by: stored.and_then(|stored| stored.last_writer.as_deref()),
            gateway: facts.gateway.as_deref().ok(),
            service: facts.service.as_deref().ok(),
            id: facts.recorded.as_ref(),
            secret: facts.secret.as_ref().map(|(name, key)| SecretKey { name, key }),
            owner: stored.and_then(|stored| stored.owner.as_deref()),
            pods: Pods {
                wanted: facts.wanted,
                ready: facts.ready,
                stale: pods.map(|pods| pods.stale.as_slice()),
                unsure: pods
                    .map(|pods| pods.unsure.as_slice())
                    .filter(|unsure| !unsure.is_empty()),
            },
            cron_job: facts
                .cron_job
                .as_ref()
                .ok()
                .and_then(Option::as_ref)
                .map(|cron_job| CronJob::of(cron_job, now)),
            azure: facts.azure.as_ref().and_then(|azure| azure.as_ref().ok()),
            unread: facts.unread(),
        }
    }
}

impl<'a> CronJob<'a> {
    fn of(facts: &'a CronJobFacts, now: Timestamp) -> Self {
        Self {
            namespace: &facts.namespace,
            name: &facts.name,
            schedule: &facts.schedule,
            time_zone: facts.time_zone.as_deref(),
            suspended: facts.suspended,
            last_run: facts.last_run,
            last_result: last_result(facts),
            next_run: next_run(facts, now).time(),
        }
    }
}

/// How the last Job ended, by the times alone, so that no Job need be read.
fn last_result(facts: &CronJobFacts) -> Option<&'static str> {
    let last_run = facts.last_run?;
    Some(if facts.running {
        "Running"
    } else if facts.last_success.is_some_and(|success| success >= last_run) {
        "Succeeded"
    } else {
        "Failed"
    })
}

impl GatewayFacts {
    /// The parts that could not be read, and why.
    fn unread(&self) -> Vec<Unread<'_>> {
        fn unavailable<T>(part: &Fact<T>) -> Option<&Unavailable> {
            part.as_ref().err()
        }
        let azure = self.azure.as_ref().and_then(|azure| azure.as_ref().ok());
        let parts = [
            ("credential", unavailable(&self.presented)),
            ("gateway", unavailable(&self.gateway)),
            ("service", unavailable(&self.service)),
            ("pods", unavailable(&self.pods)),
            ("cronJob", unavailable(&self.cron_job)),
            ("azure", self.azure.as_ref().and_then(unavailable)),
            ("apis", azure.and_then(|azure| unavailable(&azure.apis))),
        ];
        let unread = parts.into_iter().filter_map(|(part, unavailable)| {
            let unavailable = unavailable?;
            Some(Unread {
                part,
                forbidden: matches!(unavailable, Unavailable::Forbidden(_)),
                reason: unavailable.why(),
            })
        });
        unread.collect()
    }
}
