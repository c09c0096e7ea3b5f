//! The gateways as a table with one row for each.

use comfy_table::Cell;
use console::measure_text_width;
use jiff::{SignedDuration, Timestamp};

use super::rows::{Row, StatusReport};
use crate::model::entra::Mode;
use crate::model::request::StatusFormat;
use crate::model::{Auth, CronJobFacts, Fact, GatewayFacts, JobResult, SecretFacts, human_duration};
use crate::plan::{Verdict, next_run};
use crate::report::table::{Severity, cell, render};

pub(super) use crate::report::table::Widths;

const NONE: &str = "<none>";
const UNKNOWN: &str = "<unknown>";

/// Which columns there are.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Columns {
    Usual,
    /// Without `AUTH`, which never changes, for a terminal that is too narrow.
    Fewer,
    Wide,
}

impl Columns {
    pub(super) fn of(format: StatusFormat) -> Self {
        match format {
            StatusFormat::Wide => Self::Wide,
            _ => Self::Usual,
        }
    }
}

/// All rows, for a terminal of this width if it is one.
pub(super) fn table(report: &StatusReport, columns: Columns, width: Option<usize>) -> String {
    let draw = |columns| rows(report, columns, !report.options.no_headers, &mut Widths::new());
    let table = draw(columns);
    let is_wider = |width| table.lines().any(|line| measure_text_width(line) > width);
    if columns == Columns::Usual && width.is_some_and(is_wider) {
        return draw(Columns::Fewer);
    }
    table
}

/// Rows with or without headers. They align with earlier rows of these widths.
pub(super) fn rows(report: &StatusReport, shown: Columns, with_headers: bool, widths: &mut Widths) -> String {
    if report.rows.is_empty() {
        return String::new();
    }
    let mut headers = Vec::new();
    let cells = report.rows.iter().map(|row| {
        let columns = columns(report, row, shown);
        headers = columns.iter().map(|(header, _)| *header).collect();
        columns.into_iter().map(|(_, cell)| cell).collect()
    });
    let cells: Vec<Vec<Cell>> = cells.collect();
    render(with_headers.then_some(headers.as_slice()), cells, widths)
}

/// As `entra setup` calls its mode. The other outputs keep the word that they have always
/// had for a certificate.
pub(super) const fn auth(auth: Auth) -> &'static str {
    match auth {
        Auth::Certificate => Mode::AppCertificate.as_str(),
        auth => auth.as_str(),
    }
}

/// A header and the cell of one row below it.
type Column = (&'static str, Cell);

/// Those of a usual row fit into 80 columns if all sign in by tokens and the name is no longer
/// than 14; without `AUTH` if it is no longer than 20.
fn columns(report: &StatusReport, row: &Row, shown: Columns) -> Vec<Column> {
    let facts = &row.facts;
    let mut columns = Vec::new();
    if row.change.is_some() {
        columns.push(("TIME", plain(&report.now.strftime("%FT%TZ").to_string())));
    }
    if report.options.with_namespace {
        columns.push(("NAMESPACE", plain(&facts.namespace)));
    }
    columns.push(("NAME", plain(&report.name(row))));
    if shown != Columns::Fewer {
        columns.push(("AUTH", plain(auth(facts.auth))));
    }
    columns.extend([
        ("EXPIRES-IN", expires_in(row, report.now)),
        ("KEY", key_slot(facts)),
        ("READY", ready(facts)),
        ("STALE", stale(facts)),
        ("VERDICT", verdict(row)),
    ]);
    if report.options.with_azure {
        columns.extend(azure(facts));
    }
    if shown == Columns::Wide {
        columns.extend(wide_columns(row, report.now));
    }
    if let Some(change) = &row.change {
        columns.push(("CHANGE", plain(change)));
    }
    columns
}

fn wide_columns(row: &Row, now: Timestamp) -> [Column; 12] {
    let facts = &row.facts;
    let stored = facts.secret_facts();
    let secret = facts.secret.as_ref().map(|(name, _)| name.as_str());
    let owner = stored.and_then(|stored| Some(stored.owner.as_ref()?.name.as_str()));
    let last_writer = stored.and_then(|stored| stored.last_writer.as_deref());
    let cron_job = row.assessment.cron_job(facts);
    [
        ("SERVICE", fact(&facts.service)),
        ("GATEWAY", fact(&facts.gateway)),
        ("SECRET", or_none(secret)),
        ("IMAGE", plain(&facts.image)),
        ("OWNER", or_none(owner)),
        ("ROTATED", ago(stored.and_then(SecretFacts::written), now)),
        ("ROTATED-BY", or_none(last_writer)),
        (
            "CRONJOB",
            match &facts.cron_jobs {
                Ok(_) => or_none(cron_job.map(|cron_job| cron_job.name.as_str())),
                Err(unavailable) => plain(unavailable.cell()),
            },
        ),
        ("LAST-RUN", last_run(cron_job, now)),
        ("LAST-SUCCESS", last_success(cron_job, now)),
        ("NEXT-RUN", next(cron_job, now)),
        ("REASON", plain(&row.assessment.reason)),
    ]
}

fn plain(text: &str) -> Cell {
    cell(text, Severity::None)
}

fn or_none(text: Option<&str>) -> Cell {
    plain(text.unwrap_or(NONE))
}

fn fact(fact: &Fact<String>) -> Cell {
    match fact {
        Ok(text) => plain(text),
        Err(unavailable) => plain(unavailable.cell()),
    }
}

fn key_slot(facts: &GatewayFacts) -> Cell {
    match facts.stored().and_then(SecretFacts::slot) {
        Some(slot) => plain(slot.as_str()),
        None if facts.auth == Auth::Token => plain(UNKNOWN),
        None => plain(NONE),
    }
}

fn verdict(row: &Row) -> Cell {
    if row.deleted {
        return cell("Deleted", Severity::Warning);
    }
    let verdict = row.assessment.verdict;
    cell(&format!("{verdict:?}"), severity(verdict))
}

pub(super) fn severity(verdict: Verdict) -> Severity {
    match verdict {
        Verdict::Healthy => Severity::Good,
        Verdict::Expired
        | Verdict::CannotSignIn
        | Verdict::RestartOwed
        | Verdict::Blocked
        | Verdict::StalePods
        | Verdict::Expiring => Severity::Bad,
        _ => Severity::Warning,
    }
}

fn expires_in(row: &Row, now: Timestamp) -> Cell {
    let Some(expiry) = row.assessment.expiry else {
        let unread = row
            .facts
            .entra()
            .and_then(|sign_in| sign_in.stored.as_ref()?.as_ref().err());
        let text = match (&row.facts.presented, unread) {
            (Ok(_), _) if row.facts.auth == Auth::WorkloadIdentity => "never",
            (Err(unavailable), _) | (_, Some(unavailable)) => unavailable.cell(),
            (Ok(_), None) => UNKNOWN,
        };
        return plain(text);
    };
    let left = expiry.expires.duration_since(now);
    if left <= SignedDuration::ZERO {
        return cell(&format!("{} ago", human_duration(left.abs())), Severity::Bad);
    }
    let severity = match row.assessment.verdict {
        Verdict::Expiring => Severity::Bad,
        Verdict::Due => Severity::Warning,
        _ => Severity::None,
    };
    cell(&human_duration(left), severity)
}

fn ready(facts: &GatewayFacts) -> Cell {
    let severity = if facts.ready < facts.wanted {
        Severity::Bad
    } else {
        Severity::None
    };
    cell(&format!("{}/{}", facts.ready, facts.wanted), severity)
}

fn stale(facts: &GatewayFacts) -> Cell {
    match &facts.pods {
        Err(unavailable) => plain(unavailable.cell()),
        Ok(pods) if pods.stale.is_empty() && !pods.unsure.is_empty() => plain(UNKNOWN),
        Ok(pods) if pods.stale.is_empty() => plain("0"),
        Ok(pods) => cell(&pods.stale.len().to_string(), Severity::Bad),
    }
}

/// Clocks may differ, so what has happened may seem to be ahead.
fn age(time: Timestamp, now: Timestamp) -> String {
    let age = now.duration_since(time).max(SignedDuration::ZERO);
    format!("{} ago", human_duration(age))
}

fn ago(time: Option<Timestamp>, now: Timestamp) -> Cell {
    let text = time.map(|time| age(time, now));
    plain(text.as_deref().unwrap_or(UNKNOWN))
}

fn last_run(cron_job: Option<&CronJobFacts>, now: Timestamp) -> Cell {
    let last = cron_job.and_then(|cron_job| Some((cron_job.last_result()?, cron_job.last_run?)));
    let Some((result, time)) = last else {
        return plain(NONE);
    };
    let severity = if result == JobResult::Failed {
        Severity::Bad
    } else {
        Severity::None
    };
    cell(&format!("{result:?} {}", age(time, now)), severity)
}

fn last_success(cron_job: Option<&CronJobFacts>, now: Timestamp) -> Cell {
    match cron_job.map(|cron_job| cron_job.last_success) {
        None => plain(NONE),
        Some(None) => cell("never", Severity::Warning),
        Some(success) => ago(success, now),
    }
}

fn next(cron_job: Option<&CronJobFacts>, now: Timestamp) -> Cell {
    match cron_job {
        None => plain(NONE),
        Some(cron_job) if cron_job.suspended => cell("suspended", Severity::Warning),
        Some(cron_job) => match next_run(cron_job, now).time() {
            Some(time) => plain(&format!("in {}", human_duration(time.duration_since(now)))),
            None => plain(UNKNOWN),
        },
    }
}

fn azure(facts: &GatewayFacts) -> Vec<Column> {
    let headers = ["IN-AZURE", "LOCATION", "APIS", "TIER", "MIN-API-VERSION"];
    let cells = match &facts.azure {
        Some(Ok(azure)) => [
            if azure.exists {
                cell("yes", Severity::Good)
            } else {
                cell("no", Severity::Bad)
            },
            plain(azure.location.as_deref().unwrap_or(NONE)),
            match &azure.apis {
                Ok(apis) => plain(&apis.len().to_string()),
                Err(unavailable) => plain(unavailable.cell()),
            },
            plain(&azure.tier),
            plain(azure.min_api_version.as_deref().unwrap_or(NONE)),
        ],
        Some(Err(unavailable)) => [(); 5].map(|()| plain(unavailable.cell())),
        None => [(); 5].map(|()| plain(UNKNOWN)),
    };
    headers.into_iter().zip(cells).collect()
}

#[cfg(test)]
mod tests;
