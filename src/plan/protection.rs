//! Whether a CronJob rotates a token before it expires, by its schedule and by
//! its record.

use jiff::{SignedDuration, Timestamp};

use super::schedule::{Invalid, NoDistance, distance_of, first_after, interval, keeps_alive};
use super::{NextRun, daily, next_run};
use crate::model::{CronJobFacts, JobResult, in_words};

/// How late a Job may start or end.
const PATIENCE: SignedDuration = SignedDuration::from_hours(1);

/// The CronJob on which a token depends most, by its index, and why it does not
/// protect the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Protection {
    pub(super) cron_job: Option<usize>,
    pub(super) problem: Option<String>,
}

/// Of several CronJobs one that protects the token is enough. Without one, the
/// first that is not suspended counts.
pub(super) fn protection(
    cron_jobs: &[CronJobFacts],
    expires: Option<Timestamp>,
    now: Timestamp,
) -> Protection {
    let mut first: Option<(usize, String)> = None;
    for (index, cron_job) in cron_jobs.iter().enumerate() {
        let Some(problem) = problem(cron_job, expires, now) else {
            return Protection {
                cron_job: Some(index),
                problem: None,
            };
        };
        let is_better = first.as_ref().is_none_or(|(first, _)| {
            let suspended = |index: usize| cron_jobs.get(index).is_some_and(|other| other.suspended);
            suspended(*first) && !cron_job.suspended
        });
        if is_better {
            first = Some((index, problem));
        }
    }
    match first {
        Some((index, problem)) => Protection {
            cron_job: Some(index),
            problem: Some(problem),
        },
        None => Protection {
            cron_job: None,
            problem: Some("no CronJob was found that rotates the token".to_owned()),
        },
    }
}

/// Why a CronJob does not keep a token alive.
fn problem(cron_job: &CronJobFacts, expires: Option<Timestamp>, now: Timestamp) -> Option<String> {
    let CronJobFacts { name, window, .. } = cron_job;
    if cron_job.suspended {
        return Some(format!("cronjob/{name} is suspended"));
    }
    let distance = match distance_of(cron_job, now) {
        Ok(distance) => distance,
        Err(NoDistance::Invalid(invalid)) => {
            return Some(format!(
                "when cronjob/{name} runs is unknown, because its schedule or its time zone is not valid: {}",
                invalid.why()
            ));
        }
        Err(NoDistance::NeverRuns) => {
            return Some(format!("cronjob/{name} never runs: no date matches its schedule"));
        }
    };
    if let Some(expires) = expires
        && let Some(why) = expires_before(cron_job, expires, now)
    {
        return Some(why);
    }
    if distance.length >= *window {
        return Some(format!(
            "the schedule of cronjob/{name} could let the token expire: {}. A token that is valid after the first run may \
             be valid for only {}, and the second run may fail",
            distance.text,
            in_words(*window)
        ));
    }
    record(cron_job, now)
}

/// Why the token expires before a run rotates it.
fn expires_before(cron_job: &CronJobFacts, expires: Timestamp, now: Timestamp) -> Option<String> {
    let CronJobFacts { name, window, .. } = cron_job;
    let next = next_run(cron_job, now).time()?;
    let due = expires.checked_sub(*window).ok()?;
    let rotates = rotating_run(cron_job, next, due);
    let rotates_in_time = match rotates {
        NextRun::At(rotates) => rotates < expires,
        NextRun::Never | NextRun::Unknown => false,
    };
    if rotates_in_time {
        return None;
    }
    let expiry = date(expires);
    let later = rotates.time().map_or_else(
        || "there is no run after that".to_owned(),
        |run| format!("the run after that is on {}", date(run)),
    );
    Some(if next >= expires {
        format!(
            "the token expires on {expiry}, before the next run of cronjob/{name} on {}",
            date(next)
        )
    } else {
        format!(
            "the token expires on {expiry}, and no run of cronjob/{name} rotates it before: it is due from {} on, {} before \
             it expires, and {later}",
            date(due),
            in_words(*window)
        )
    })
}

/// The first run that finds the token due, from the next run on.
fn rotating_run(cron_job: &CronJobFacts, next: Timestamp, due: Timestamp) -> NextRun {
    let missing = due.duration_since(next);
    if missing <= SignedDuration::ZERO {
        return NextRun::At(next);
    }
    if let Some(interval) = interval(cron_job) {
        let interval = interval.as_secs().max(1);
        let rest = missing.as_secs() % interval;
        let wait = if rest == 0 { 0 } else { interval - rest };
        let run = due.checked_add(SignedDuration::from_secs(wait)).ok();
        return run.map_or(NextRun::Never, NextRun::At);
    }
    let before = due.checked_sub(SignedDuration::from_secs(1)).unwrap_or(due);
    first_after(cron_job, before)
}

/// Why what a CronJob did so far does not show that it works.
fn record(cron_job: &CronJobFacts, now: Timestamp) -> Option<String> {
    let CronJobFacts {
        name,
        last_run,
        last_success,
        ..
    } = cron_job;
    let since = match last_success {
        Some(success) => format!("its last success was on {}", date(*success)),
        None => "it has never succeeded".to_owned(),
    };
    if let (Some(JobResult::Failed), Some(run)) = (cron_job.last_result(), last_run) {
        return Some(format!(
            "the last run of cronjob/{name}, on {}, failed; {since}",
            date(*run)
        ));
    }
    let [first, end] = runs_to_see(cron_job);
    let is_over = |run: Option<Timestamp>| run.is_some_and(|run| run <= now);
    let missing = match (cron_job.last_result(), last_run) {
        (Some(JobResult::Running), Some(run)) if is_over(end) => Some(format!(
            "the run of cronjob/{name} that began on {} has not ended; {since}",
            date(*run)
        )),
        // While a run goes on, the one before it counts.
        (Some(JobResult::Running), Some(run)) => {
            let before = first_to_succeed(cron_job).filter(|before| before < run);
            before.map(|before| {
                format!(
                    "cronjob/{name} runs, but its run on {} failed or did not begin; {since}",
                    date(before)
                )
            })
        }
        (Some(JobResult::Running), None) => None,
        _ if is_over(first) => {
            let expected = first.and_then(|first| first.checked_sub(PATIENCE).ok());
            let expected = expected.map(date).unwrap_or_default();
            Some(format!(
                "cronjob/{name} did not run on {expected}, when it should have; {since}"
            ))
        }
        _ => None,
    };
    missing.or_else(|| {
        let is_unproved = last_success.is_none();
        is_unproved
            .then(|| format!("cronjob/{name} has not succeeded yet, so nothing shows that it can rotate"))
    })
}

/// The first run after the last success, or since it was created. Runs count from the
/// last change too: its schedule may have been another one before.
fn first_to_succeed(cron_job: &CronJobFacts) -> Option<Timestamp> {
    let known = cron_job.last_success.or(cron_job.created)?;
    first_after(cron_job, since_change(cron_job, known)).time()
}

/// The time, or that of a later change. Any CronJob that protected the token had a
/// success within the window, so that a change excuses none that is older.
fn since_change(cron_job: &CronJobFacts, time: Timestamp) -> Timestamp {
    let changed = cron_job.changed.unwrap_or(time);
    let counts = changed.duration_since(time) <= cron_job.window;
    if counts { changed.max(time) } else { time }
}

/// When the run that is due, and the end of the one that is running, must have
/// shown in its status.
fn runs_to_see(cron_job: &CronJobFacts) -> [Option<Timestamp>; 2] {
    let next = |time: Timestamp| first_after(cron_job, time).time();
    let first = first_to_succeed(cron_job);
    // Jobs that replace each other start again and again, and never end.
    let second = first.and_then(next);
    let started = cron_job.last_run.map(|run| since_change(cron_job, run));
    let after_start = started.and_then(next);
    let end = second.into_iter().chain(after_start).min();
    [first, end].map(|run| run?.checked_add(PATIENCE).ok())
}

/// The times from now on at which a CronJob may begin or cease to protect a
/// token.
pub(super) fn changes(cron_job: &CronJobFacts, now: Timestamp) -> Vec<Timestamp> {
    let next = next_run(cron_job, now).time();
    let times = runs_to_see(cron_job).into_iter().chain([next]);
    times.flatten().filter(|time| *time > now).collect()
}

/// A schedule that keeps the tokens alive, instead of one that does not. It does
/// not mend a time zone.
pub(super) fn better_schedule(cron_job: &CronJobFacts, now: Timestamp) -> Option<String> {
    let CronJobFacts {
        namespace,
        name,
        window,
        ..
    } = cron_job;
    let daily = daily(namespace, name);
    let is_good = match distance_of(cron_job, now) {
        Ok(distance) => distance.length < *window,
        Err(NoDistance::Invalid(Invalid::TimeZone(_))) => return None,
        Err(NoDistance::Invalid(Invalid::Schedule(_)) | NoDistance::NeverRuns) => false,
    };
    (!is_good && keeps_alive(&daily, "UTC", *window, now).is_ok()).then_some(daily)
}

fn date(time: Timestamp) -> String {
    time.strftime("%F %R UTC").to_string()
}

#[cfg(test)]
mod tests;
