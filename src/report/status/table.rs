//! The gateways as a table, a row each.

use comfy_table::Cell;
use jiff::{SignedDuration, Timestamp};

use super::{Row, StatusReport, last_result};
use crate::model::{Auth, CronJobFacts, Fact, GatewayFacts, SecretFacts, in_words};
use crate::plan::{Verdict, next_run};
use crate::report::table::{Tone, cell, render};

pub(super) use crate::report::table::Widths;

const NONE: &str = "<none>";
const UNKNOWN: &str = "<unknown>";

/// The whole table.
pub(super) fn table(report: &StatusReport, wide: bool) -> String {
    rows(report, wide, !report.layout.no_headers, &mut Widths::new())
}

/// The rows, under their heads or below others of these widths.
pub(super) fn rows(report: &StatusReport, wide: bool, heads: bool, widths: &mut Widths) -> String {
    if report.rows.is_empty() {
        return String::new();
    }
    let mut names = Vec::new();
    let cells = report.rows.iter().map(|row| {
        let columns = columns(report, row, wide);
        names = columns.iter().map(|(name, _)| *name).collect();
        columns.into_iter().map(|(_, cell)| cell).collect()
    });
    let cells: Vec<Vec<Cell>> = cells.collect();
    render(heads.then_some(names.as_slice()), cells, widths)
}

/// A row's cells under the names of their columns.
fn columns(report: &StatusReport, row: &Row, wide: bool) -> Vec<(&'static str, Cell)> {
    let facts = &row.facts;
    let stored = facts.stored();
    let plain = |text: &str| cell(text, Tone::Plain);
    let or_none = |text: Option<&str>| plain(text.unwrap_or(NONE));
    let name = if report.with_kind {
        facts.workload.to_string()
    } else {
        facts.workload.name.clone()
    };
    let mut columns = Vec::new();
    if report.layout.with_namespace {
        columns.push(("NAMESPACE", plain(&facts.namespace)));
    }
    let slot = stored.and_then(SecretFacts::slot).map(|slot| slot.to_string());
    columns.extend([
        ("NAME", plain(&name)),
        ("AUTH", plain(facts.auth.as_str())),
        ("EXPIRES-IN", expires_in(row, report.now)),
        (
            "KEY",
            plain(
                slot.as_deref()
                    .unwrap_or(if facts.auth == Auth::Token { UNKNOWN } else { NONE }),
            ),
        ),
        ("READY", ready(facts)),
        ("STALE", stale(facts)),
        (
            "VERDICT",
            if row.deleted {
                cell("Deleted", Tone::Caution)
            } else {
                cell(
                    &format!("{:?}", row.assessment.verdict),
                    tone(row.assessment.verdict),
                )
            },
        ),
    ]);
    if report.layout.with_azure {
        columns.extend(azure(facts));
    }
    if wide {
        let secret = facts.secret.as_ref().map(|(name, _)| name.as_str());
        let cron_job = facts.cron_job.as_ref();
        columns.extend([
            ("SERVICE", part(&facts.service)),
            ("GATEWAY", part(&facts.gateway)),
            ("SECRET", or_none(secret)),
            ("IMAGE", plain(&facts.image)),
            (
                "OWNER",
                or_none(stored.and_then(|stored| stored.owner.as_deref())),
            ),
            ("ROTATED", ago(stored.and_then(SecretFacts::written), report.now)),
            (
                "ROTATED-BY",
                or_none(stored.and_then(|stored| stored.last_writer.as_deref())),
            ),
            (
                "CRONJOB",
                match cron_job {
                    Ok(cron_job) => or_none(cron_job.as_ref().map(|cron_job| cron_job.name.as_str())),
                    Err(gap) => plain(gap.cell()),
                },
            ),
            (
                "LAST-RUN",
                last_run(cron_job.ok().and_then(Option::as_ref), report.now),
            ),
            (
                "NEXT-RUN",
                next(cron_job.ok().and_then(Option::as_ref), report.now),
            ),
            ("REASON", plain(&row.assessment.reason)),
        ]);
    }
    columns
}

fn part(part: &Fact<String>) -> Cell {
    let text = match part {
        Ok(text) => text,
        Err(gap) => gap.cell(),
    };
    cell(text, Tone::Plain)
}

fn tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Healthy => Tone::Good,
        Verdict::Expired | Verdict::RestartOwed | Verdict::StalePods | Verdict::Expiring => Tone::Bad,
        _ => Tone::Caution,
    }
}

fn expires_in(row: &Row, now: Timestamp) -> Cell {
    let Some(claims) = row.facts.claims() else {
        let text = match &row.facts.presented {
            Err(gap) => gap.cell(),
            Ok(_) if row.assessment.verdict == Verdict::Healthy => "never",
            Ok(_) => UNKNOWN,
        };
        return cell(text, Tone::Plain);
    };
    let left = claims.expires_at.duration_since(now);
    if left <= SignedDuration::ZERO {
        return cell(&format!("expired {} ago", in_words(left)), Tone::Bad);
    }
    let tone = match row.assessment.verdict {
        Verdict::Expiring => Tone::Bad,
        Verdict::Due => Tone::Caution,
        _ => Tone::Plain,
    };
    cell(&in_words(left), tone)
}

fn ready(facts: &GatewayFacts) -> Cell {
    let tone = if facts.ready < facts.wanted {
        Tone::Bad
    } else {
        Tone::Plain
    };
    cell(&format!("{}/{}", facts.ready, facts.wanted), tone)
}

fn stale(facts: &GatewayFacts) -> Cell {
    match &facts.pods {
        Err(gap) => cell(gap.cell(), Tone::Plain),
        Ok(pods) if pods.stale.is_empty() && !pods.unsure.is_empty() => cell(UNKNOWN, Tone::Plain),
        Ok(pods) if pods.stale.is_empty() => cell("0", Tone::Plain),
        Ok(pods) => cell(&pods.stale.len().to_string(), Tone::Bad),
    }
}

fn ago(time: Option<Timestamp>, now: Timestamp) -> Cell {
    let text = time.map(|time| format!("{} ago", in_words(now.duration_since(time))));
    cell(text.as_deref().unwrap_or(UNKNOWN), Tone::Plain)
}

fn last_run(cron_job: Option<&CronJobFacts>, now: Timestamp) -> Cell {
    let ended = cron_job.and_then(|cron_job| Some((last_result(cron_job)?, cron_job.last_run?)));
    let Some((result, time)) = ended else {
        return cell(NONE, Tone::Plain);
    };
    let tone = if result == "Failed" {
        Tone::Bad
    } else {
        Tone::Plain
    };
    cell(
        &format!("{result} {} ago", in_words(now.duration_since(time))),
        tone,
    )
}

fn next(cron_job: Option<&CronJobFacts>, now: Timestamp) -> Cell {
    match cron_job {
        None => cell(NONE, Tone::Plain),
        Some(cron_job) if cron_job.suspended => cell("suspended", Tone::Caution),
        Some(cron_job) => match next_run(cron_job, now).time() {
            Some(time) => cell(&format!("in {}", in_words(time.duration_since(now))), Tone::Plain),
            None => cell(UNKNOWN, Tone::Plain),
        },
    }
}

fn azure(facts: &GatewayFacts) -> Vec<(&'static str, Cell)> {
    let heads = ["IN-AZURE", "LOCATION", "APIS", "TIER", "MIN-API-VERSION"];
    let plain = |text: &str| cell(text, Tone::Plain);
    let cells = match &facts.azure {
        Some(Ok(azure)) => [
            if azure.exists {
                cell("yes", Tone::Good)
            } else {
                cell("no", Tone::Bad)
            },
            plain(azure.location.as_deref().unwrap_or(NONE)),
            match &azure.apis {
                Ok(apis) => plain(&apis.len().to_string()),
                Err(gap) => plain(gap.cell()),
            },
            plain(&azure.tier),
            plain(azure.min_api_version.as_deref().unwrap_or(NONE)),
        ],
        Some(Err(gap)) => [(); 5].map(|()| plain(gap.cell())),
        None => [(); 5].map(|()| plain(UNKNOWN)),
    };
    heads.into_iter().zip(cells).collect()
}
