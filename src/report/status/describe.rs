//! One gateway in full, as `kubectl describe` shows an object: a fact a line, and in brackets
//! where it was read. It says everything that `-o json` says.

mod entra;
mod layout;

use jiff::{SignedDuration, Timestamp};

use super::json::unread;
use super::rows::Row;
use super::table::{auth, severity};
use crate::model::request::ConnectionFlags;
use crate::model::{
    Auth, AzureFacts, CronJobFacts, Fact, GatewayFacts, Presented, SecretFacts, annotation, counted,
    human_duration, setting,
};
use crate::plan::{ExpirySource, next_run};
use crate::report::table::Severity;
use layout::{NONE, Section, UNKNOWN, sourced};

pub(super) fn describe(row: &Row, connection: &ConnectionFlags, now: Timestamp) -> String {
    let Row {
        facts, assessment, ..
    } = row;
    let mut all = Section::default();
    all.line("Name", &facts.workload.name);
    all.line("Namespace", &facts.namespace);
    all.line("Workload", &facts.workload.to_string());
    all.line("Container", &facts.container);
    all.line("Image", &facts.image);
    all.line("Auth", auth(facts.auth));
    let verdict = assessment.verdict;
    all.colored("Verdict", &format!("{verdict:?}"), severity(verdict));
    all.section("Reasons", reasons(row));
    credential(&mut all, row, now);
    gateway(&mut all, facts);
    pods(&mut all, facts);
    cron_jobs(&mut all, facts, now);
    azure(&mut all, facts);
    if let Some(sign_in) = facts.entra() {
        all.section("Entra", entra::section(facts, sign_in, assessment));
    }
    let unread = unread(facts, assessment);
    if !unread.is_empty() {
        let mut section = Section::default();
        for fact in unread {
            let right = if fact.forbidden { "forbidden: " } else { "" };
            section.line(fact.part, &format!("{right}{}", fact.reason));
        }
        all.section("Unread", section);
    }
    let fix = assessment
        .fix
        .as_ref()
        .map(|fix| connection.in_command(fix).to_string());
    all.line("Fix", fix.as_deref().unwrap_or(NONE));
    all.text()
}

/// Why the verdict is what it is, and what else is wrong.
fn reasons(row: &Row) -> Section {
    let assessment = &row.assessment;
    let mut section = Section::default();
    section.line(&format!("{:?}", assessment.verdict), &assessment.reason);
    for (verdict, why) in &assessment.others {
        section.line(&format!("{verdict:?}"), why);
    }
    section
}

fn credential(all: &mut Section, row: &Row, now: Timestamp) {
    let facts = &row.facts;
    let stored = facts.secret_facts();
    match row.assessment.expiry {
        Some(expiry) => {
            let begins = expiry.begins.map(|begins| when(begins, now));
            all.optional("Begins", begins.as_deref());
            let place = sourced(&when(expiry.expires, now), &read_from(facts, expiry.source));
            let severity = if expiry.expires <= now {
                Severity::Bad
            } else {
                Severity::None
            };
            all.colored("Expires", &place, severity);
            if let Ok(due) = expiry.expires.checked_sub(expiry.due) {
                all.line("Due", &when(due, now));
            }
        }
        None if facts.auth == Auth::WorkloadIdentity => all.line("Expires", "never"),
        None => all.line(
            "Expires",
            facts.presented.as_ref().err().map_or(UNKNOWN, |why| why.cell()),
        ),
    }
    let secret = facts.secret.as_ref().map(|(name, key)| {
        let place = sourced(&format!("secret/{name}, key {key}"), "pod spec");
        (name, place)
    });
    all.line("Secret", secret.as_ref().map_or(NONE, |(_, place)| place));
    let Some((stored, (name, _))) = stored.zip(secret) else {
        return;
    };
    let owner = stored.owner.as_ref().map(|owner| owner.name.as_str());
    all.line("Owner", owner.unwrap_or(NONE));
    match stored.slot() {
        Some(slot) => {
            let annotation = format!("annotation {} of secret/{name}", annotation::LAST_USED_KEY);
            all.line("Key Slot", &sourced(slot.as_str(), &annotation));
        }
        None if facts.auth == Auth::Token => all.line("Key Slot", UNKNOWN),
        None => {}
    }
    rotated(all, stored, name, now);
}

/// When the credential was written, and by whom.
fn rotated(all: &mut Section, stored: &SecretFacts, secret: &str, now: Timestamp) {
    let managed = format!("managed fields of secret/{secret}");
    let written = stored.written().map(|written| {
        let place = if stored.marks.rotated_at == Some(written) {
            format!("annotation {} of secret/{secret}", annotation::ROTATED_AT)
        } else {
            managed.clone()
        };
        sourced(&when(written, now), &place)
    });
    all.line("Rotated At", written.as_deref().unwrap_or(UNKNOWN));
    let writer = stored.last_writer.as_deref();
    let writer = writer.map(|writer| sourced(writer, &managed));
    all.line("Rotated By", writer.as_deref().unwrap_or(UNKNOWN));
}

/// Where the expiry is known from.
fn read_from(facts: &GatewayFacts, source: ExpirySource) -> String {
    let place = match (&facts.presented, &facts.secret) {
        (Ok(Presented::Inline { location, .. }), _) => location.clone(),
        (_, Some((name, key))) => format!("secret/{name}, key {key}"),
        (_, None) => String::new(),
    };
    match source {
        ExpirySource::Token => format!("token in {place}"),
        ExpirySource::Annotation => {
            let name = facts.secret.as_ref().map_or("", |(name, _)| name);
            format!("annotation {} of secret/{name}", annotation::EXPIRES_AT)
        }
        ExpirySource::Certificate => {
            let name = facts.secret.as_ref().map_or("", |(name, _)| name);
            format!("certificate in secret/{name}")
        }
        ExpirySource::Graph => "Microsoft Graph".to_owned(),
    }
}

/// Which gateway in Azure it is.
fn gateway(all: &mut Section, facts: &GatewayFacts) {
    all.line(
        "Endpoint",
        &match &facts.endpoint {
            // What a Secret holds is never shown.
            Some((_, place)) if place.starts_with("secret/") => format!("in {place}"),
            Some((endpoint, place)) => {
                sourced(endpoint, &format!("setting {} in {place}", setting::ENDPOINT))
            }
            None => UNKNOWN.to_owned(),
        },
    );
    let by_secret = facts.secret.as_ref().map_or("", |(name, _)| name);
    let recorded = format!("annotation {} of secret/{by_secret}", annotation::GATEWAY);
    let service = match (&facts.endpoint, &facts.recorded) {
        (None, Some(_)) => recorded.clone(),
        _ => format!("setting {}", setting::ENDPOINT),
    };
    all.line("Service", &fact(&facts.service, &service));
    let named = match facts.claims() {
        Some(_) => "token".to_owned(),
        None => format!("setting {}", setting::GATEWAY_NAME),
    };
    all.line("Gateway", &fact(&facts.gateway, &named));
    let id = facts.recorded.as_ref();
    let id = id.map(|id| sourced(&id.to_string(), &recorded));
    all.line("ARM ID", id.as_deref().unwrap_or(NONE));
}

fn pods(all: &mut Section, facts: &GatewayFacts) {
    let wanted = counted(usize::try_from(facts.wanted).unwrap_or(0), "pod", "pods");
    let severity = if facts.ready < facts.wanted {
        Severity::Bad
    } else {
        Severity::None
    };
    all.colored("Ready", &format!("{} of {wanted}", facts.ready), severity);
    match &facts.pods {
        Ok(pods) => {
            all.lines("Stale Pods", pods.stale.iter().map(String::as_str));
            if !pods.unsure.is_empty() {
                all.lines("Unsure Pods", pods.unsure.iter().map(String::as_str));
            }
        }
        Err(unavailable) => all.line("Stale Pods", unavailable.cell()),
    }
    all.optional("Rollout", facts.still_replaces.as_deref());
}

/// Those that rotate the gateway, in time or not.
fn cron_jobs(all: &mut Section, facts: &GatewayFacts, now: Timestamp) {
    let found = match &facts.cron_jobs {
        Ok(found) => found,
        Err(unavailable) => return all.line("CronJobs", unavailable.cell()),
    };
    if found.is_empty() {
        let none = match &facts.not_counted {
            Some(why) => format!("{NONE} ({why})"),
            None => NONE.to_owned(),
        };
        return all.line("CronJobs", &none);
    }
    let mut section = Section::default();
    for cron_job in found {
        let name = format!("{}/{}", cron_job.namespace, cron_job.name);
        section.section(&name, one_cron_job(cron_job, now));
    }
    all.section("CronJobs", section);
}

fn one_cron_job(cron_job: &CronJobFacts, now: Timestamp) -> Section {
    let mut section = Section::default();
    section.line("Schedule", &cron_job.schedule);
    section.optional("Time Zone", cron_job.time_zone.as_deref());
    section.line("Suspended", if cron_job.suspended { "yes" } else { "no" });
    let last = cron_job.last_run.zip(cron_job.last_result());
    let last = last.map(|(time, result)| format!("{}, {result:?}", when(time, now)));
    section.line("Last Run", last.as_deref().unwrap_or(NONE));
    let success = cron_job.last_success.map(|time| when(time, now));
    section.line("Last Success", success.as_deref().unwrap_or("never"));
    let next = next_run(cron_job, now).time().map(|time| when(time, now));
    section.line("Next Run", next.as_deref().unwrap_or(UNKNOWN));
    section
}

/// What Azure has of the gateway, if it was asked.
fn azure(all: &mut Section, facts: &GatewayFacts) {
    let AzureFacts {
        exists,
        location,
        apis,
        tier,
        min_api_version,
    } = match &facts.azure {
        None => return,
        Some(Err(unavailable)) => return all.line("In Azure", unavailable.cell()),
        Some(Ok(azure)) => azure,
    };
    let (exists, severity) = if *exists {
        ("yes", Severity::Good)
    } else {
        ("no", Severity::Bad)
    };
    all.colored("In Azure", exists, severity);
    all.line("Location", location.as_deref().unwrap_or(NONE));
    match apis {
        Ok(apis) => all.lines("APIs", apis.iter().map(String::as_str)),
        Err(unavailable) => all.line("APIs", unavailable.cell()),
    }
    all.line("Tier", tier);
    all.line("Min API Version", min_api_version.as_deref().unwrap_or(NONE));
}

fn fact(fact: &Fact<String>, place: &str) -> String {
    match fact {
        Ok(text) => sourced(text, place),
        Err(unavailable) => unavailable.cell().to_owned(),
    }
}

/// A time, and how far away it is.
fn when(time: Timestamp, now: Timestamp) -> String {
    let away = time.duration_since(now);
    let far = human_duration(away.abs());
    let far = if away > SignedDuration::ZERO {
        format!("in {far}")
    } else {
        format!("{far} ago")
    };
    format!("{} ({far})", time.strftime("%F %T UTC"))
}

#[cfg(test)]
mod tests;
