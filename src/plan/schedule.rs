mod clock;
mod crontab;
mod field;
mod interval;
mod parsed;
mod zone;

use jiff::{SignedDuration, Timestamp};

use crate::error::{Error, Result};
use crate::model::{CronJobFacts, in_words};
pub(super) use parsed::Invalid;
use parsed::Schedule;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextRun {
    At(Timestamp),
    /// The CronJob is suspended, or no date matches its schedule.
    Never,
    /// The schedule or the time zone cannot be parsed.
    Unknown,
}

impl NextRun {
    pub fn time(self) -> Option<Timestamp> {
        match self {
            Self::At(time) => Some(time),
            Self::Never | Self::Unknown => None,
        }
    }
}

/// When a CronJob starts its next Job.
pub fn next_run(cron_job: &CronJobFacts, now: Timestamp) -> NextRun {
    if cron_job.suspended {
        return NextRun::Never;
    }
    // The controller counts `@every` from the last run, and the first one from the
    // creation. What it has missed it starts at once.
    match interval(cron_job).and(cron_job.last_run.or(cron_job.created)) {
        Some(last) => match first_after(cron_job, last) {
            NextRun::At(next) => NextRun::At(next.max(now)),
            other => other,
        },
        None => first_after(cron_job, now),
    }
}

/// The first run after a time, whether the CronJob is suspended or not. The runs
/// of an interval are those that follow `time` at once.
pub(super) fn first_after(cron_job: &CronJobFacts, time: Timestamp) -> NextRun {
    match parsed(cron_job) {
        Ok(schedule) => schedule.after(time).map_or(NextRun::Never, NextRun::At),
        Err(_) => NextRun::Unknown,
    }
}

fn parsed(cron_job: &CronJobFacts) -> Result<Schedule, Invalid> {
    Schedule::existing(&cron_job.schedule, cron_job.time_zone.as_deref())
}

/// The interval of a schedule that has no fields.
pub(super) fn interval(cron_job: &CronJobFacts) -> Option<SignedDuration> {
    match parsed(cron_job) {
        Ok(Schedule::Every(interval)) => Some(interval),
        Ok(Schedule::Crontab(_)) | Err(_) => None,
    }
}

/// A daily schedule whose time is derived from the namespace and the name, so
/// that many clusters and namespaces do not call Azure at the same time.
pub fn daily(namespace: &str, name: &str) -> String {
    // FNV-1a: the same in every release, so that a schedule stays the same.
    let bytes = namespace.bytes().chain([b'/']).chain(name.bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{} {} * * *", hash % 60, hash / 60 % 24)
}

/// The longest time that three consecutive runs take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Distance {
    pub(super) length: SignedDuration,
    /// It in words, with the dates.
    pub(super) text: String,
}

/// Why there is no distance between the runs of a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NoDistance {
    Invalid(Invalid),
    /// No date matches it.
    NeverRuns,
}

/// The longest time that three consecutive runs take. A run skips a token that is
/// not due, and since the next run may fail, the one after it has to start before
/// the token expires.
fn distance(schedule: &Schedule, now: Timestamp) -> Option<Distance> {
    let crontab = match schedule {
        Schedule::Crontab(crontab) => crontab,
        Schedule::Every(interval) => {
            let length = interval.checked_mul(2).unwrap_or(SignedDuration::MAX);
            let text = format!("two intervals take {}", in_words(length));
            return Some(Distance { length, text });
        }
    };
    let [one, two, three] = crontab.widest(crontab.after(now)?);
    let date = |time: Timestamp| time.strftime("%F %R").to_string();
    let length = three.duration_since(one);
    let text = format!(
        "it runs on {}, on {}, and then not before {} (UTC), {} after the first",
        date(one),
        date(two),
        date(three),
        in_words(length)
    );
    Some(Distance { length, text })
}

/// The same for a CronJob.
pub(super) fn distance_of(cron_job: &CronJobFacts, now: Timestamp) -> Result<Distance, NoDistance> {
    let schedule = parsed(cron_job).map_err(NoDistance::Invalid)?;
    distance(&schedule, now).ok_or(NoDistance::NeverRuns)
}

/// Refuses a schedule that Kubernetes refuses, that never runs, or that could let
/// a token expire. A run skips a token that is valid for longer than
/// `if_expiring_within`.
pub fn keeps_alive(
    schedule: &str,
    zone: &str,
    if_expiring_within: SignedDuration,
    now: Timestamp,
) -> Result<()> {
    let named = format!("--schedule `{schedule}`");
    let parsed = Schedule::new(schedule, zone).map_err(|invalid| match invalid {
        Invalid::Schedule(why) => Error::usage(format!(
            "{named} in time zone {zone} is not valid: {why}"
        ))
        .hint("use five fields: minute, hour, day of month, month, day of week; \"17 3 * * *\" is daily at 3:17"),
        Invalid::TimeZone(why) => Error::usage(format!("--time-zone `{zone}` is not valid: {why}"))
            .hint("use a name such as Europe/Berlin; Etc/GMT-1 is one hour ahead of UTC all year"),
    })?;
    match distance(&parsed, now) {
        Some(distance) if distance.length < if_expiring_within => Ok(()),
        Some(distance) => Err(too_rare(&named, &distance.text, if_expiring_within)),
        None => Err(Error::usage(format!("{named} never runs: no date matches it"))
            .hint("to run daily, omit --schedule")),
    }
}

fn too_rare(named: &str, distance: &str, within: SignedDuration) -> Error {
    Error::usage(format!(
        "{named} could let a token expire: {distance}. A token that is not due on the first run may be valid for only {}, \
         and the second run may fail",
        in_words(within)
    ))
    .hint("to run daily, omit --schedule")
    .hint("or rotate earlier, with a longer --if-expiring-within")
}

#[cfg(test)]
mod tests;
