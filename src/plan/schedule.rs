mod crontab;

use jiff::{SignedDuration, Timestamp};

use crate::error::{Error, Result};
use crate::model::{CronJobFacts, in_words, parse_duration};
use crontab::Crontab;

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
    // The controller counts `@every` from the last run.
    if let Some(interval) = interval(&cron_job.schedule) {
        let last = cron_job.last_run.unwrap_or(now);
        let next = last.checked_add(interval).ok();
        return next.map_or(NextRun::Unknown, |next| NextRun::At(next.max(now)));
    }
    first_after(cron_job, now)
}

/// The first run after a time, whether the CronJob is suspended or not. The runs
/// of an interval are those that follow `time` at once.
pub(super) fn first_after(cron_job: &CronJobFacts, time: Timestamp) -> NextRun {
    if let Some(interval) = interval(&cron_job.schedule) {
        let next = time.checked_add(interval).ok();
        return next.map_or(NextRun::Unknown, NextRun::At);
    }
    match parse(&cron_job.schedule, zone_of(cron_job)) {
        Ok(crontab) => crontab.after(time).map_or(NextRun::Never, NextRun::At),
        Err(_) => NextRun::Unknown,
    }
}

/// Without a time zone, the controller manager uses its own, which is nearly
/// always UTC.
fn zone_of(cron_job: &CronJobFacts) -> &str {
    cron_job.time_zone.as_deref().unwrap_or("UTC")
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
    Invalid(String),
    /// No date matches it.
    NeverRuns,
}

/// The longest time that three consecutive runs take. A run skips a token that is
/// not due, and since the next run may fail, the one after it has to start before
/// the token expires.
pub(super) fn distance(schedule: &str, zone: &str, now: Timestamp) -> Result<Distance, NoDistance> {
    if let Some(interval) = interval(schedule) {
        let length = interval.checked_mul(2).unwrap_or(SignedDuration::MAX);
        let text = format!("two intervals take {}", in_words(length));
        return Ok(Distance { length, text });
    }
    let crontab = parse(schedule, zone).map_err(NoDistance::Invalid)?;
    let first = crontab.after(now).ok_or(NoDistance::NeverRuns)?;
    let [one, two, three] = crontab.widest(first);
    let date = |time: Timestamp| time.strftime("%F %R").to_string();
    let length = three.duration_since(one);
    let text = format!(
        "it runs on {}, on {}, and then not before {} (UTC), {} after the first",
        date(one),
        date(two),
        date(three),
        in_words(length)
    );
    Ok(Distance { length, text })
}

/// The same for a CronJob.
pub(super) fn distance_of(cron_job: &CronJobFacts, now: Timestamp) -> Result<Distance, NoDistance> {
    distance(&cron_job.schedule, zone_of(cron_job), now)
}

/// Refuses a schedule that cannot be parsed, that never runs, or that could let
/// a token expire. A run skips a token that is valid for longer than
/// `if_expiring_within`.
pub fn keeps_alive(
    schedule: &str,
    zone: &str,
    if_expiring_within: SignedDuration,
    now: Timestamp,
) -> Result<()> {
    let named = format!("--schedule `{schedule}`");
    match distance(schedule, zone, now) {
        Ok(distance) if distance.length < if_expiring_within => Ok(()),
        Ok(distance) => Err(too_rare(&named, &distance.text, if_expiring_within)),
        Err(NoDistance::Invalid(why)) => Err(Error::usage(format!(
            "{named} in time zone {zone} is not valid: {why}"
        ))
        .hint("use five fields: minute, hour, day of month, month, day of week; \"17 3 * * *\" is daily at 3:17")),
        Err(NoDistance::NeverRuns) => Err(Error::usage(format!("{named} never runs: no date matches it"))
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

/// The interval of a schedule that has no fields.
pub(super) fn interval(schedule: &str) -> Option<SignedDuration> {
    let interval = schedule.trim().strip_prefix("@every ")?;
    parse_duration(interval)
        .ok()
        .filter(|it| *it > SignedDuration::ZERO)
}

fn parse(schedule: &str, zone: &str) -> Result<Crontab, String> {
    // The macros that Kubernetes supports (kubernetes.io, "CronJob").
    let fields = match schedule.trim() {
        "@yearly" | "@annually" => "0 0 1 1 *",
        "@monthly" => "0 0 1 * *",
        "@weekly" => "0 0 * * 0",
        "@daily" | "@midnight" => "0 0 * * *",
        "@hourly" => "0 * * * *",
        fields => fields,
    };
    Crontab::parse(fields, zone)
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    fn next(schedule: &str, zone: Option<&str>) -> NextRun {
        let cron_job = CronJobFacts {
            namespace: "shop".to_owned(),
            name: "rotate".to_owned(),
            schedule: schedule.to_owned(),
            time_zone: zone.map(str::to_owned),
            last_run: "2026-11-25T09:50:00Z".parse().ok(),
            ..fixture::cron_job()
        };
        let now = "2026-11-25T10:07:30Z".parse().unwrap();
        let suspended = CronJobFacts {
            suspended: true,
            ..cron_job.clone()
        };
        assert_eq!(next_run(&suspended, now), NextRun::Never);
        next_run(&cron_job, now)
    }

    #[test]
    fn every_form_of_a_schedule() {
        let at = |time: &str| NextRun::At(time.parse().unwrap());
        for (schedule, zone, expected) in [
            ("17 3 * * *", None, at("2026-11-26T03:17:00Z")),
            ("17 3 * * ?", None, at("2026-11-26T03:17:00Z")),
            ("0 0 */25 * *", None, at("2026-11-26T00:00:00Z")),
            ("0 9 * * MON", Some("Europe/Berlin"), at("2026-11-30T08:00:00Z")),
            ("@daily", None, at("2026-11-26T00:00:00Z")),
            ("@hourly", None, at("2026-11-25T11:00:00Z")),
            ("@every 30m", None, at("2026-11-25T10:20:00Z")),
            ("@every 5m", None, at("2026-11-25T10:07:30Z")),
            ("0 0 31 2 *", None, NextRun::Never),
            ("never", None, NextRun::Unknown),
            ("0 0 * * *", Some("Nowhere/Land"), NextRun::Unknown),
        ] {
            assert_eq!(next(schedule, zone), expected, "{schedule}");
        }
    }

    fn refusal(schedule: &str, zone: &str, days: i64) -> Option<String> {
        let now = "2026-11-25T10:07:30Z".parse().unwrap();
        let within = SignedDuration::from_hours(24 * days);
        keeps_alive(schedule, zone, within, now)
            .err()
            .map(|error| error.to_string())
    }

    #[test]
    fn a_schedule_whose_second_run_is_too_late_is_refused_with_the_dates() {
        for schedule in [
            "17 3 * * *",
            "0 9 * * 1",
            "0 9 * JAN-DEC mon-FRI,0/2",
            "0 9 ? * ?",
            "* * * * *",
            "*/5 8-17 * * 1-5",
            "0 0 */3 * *",
            "@daily",
            "@every 12h",
        ] {
            assert_eq!(refusal(schedule, "Etc/UTC", 15), None, "{schedule}");
        }
        let refused = refusal("0 0 */25 * *", "Etc/UTC", 15).unwrap();
        assert!(
            refused
                .contains("on 2026-12-01 00:00, on 2026-12-26 00:00, and then not before 2027-01-01 00:00"),
            "{refused}"
        );
        assert!(refused.contains("31 days after the first"), "{refused}");
        for schedule in ["0 9 1,15 * *", "@monthly", "* * 1 1 *", "0 9 29 2 *", "@every 8d"] {
            let refused = refusal(schedule, "Europe/Berlin", 15).unwrap();
            assert!(refused.contains("could let a token expire"), "{refused}");
        }
        assert!(refusal("0 3 * * *", "Etc/UTC", 2).is_some());
    }

    #[test]
    fn a_schedule_that_is_not_valid_or_never_runs_is_refused() {
        for (schedule, zone, why) in [
            ("0 0 31 2 *", "Etc/UTC", "never runs"),
            ("never", "Etc/UTC", "five fields"),
            ("0 3 * * * UTC", "Etc/UTC", "five fields"),
            ("61 3 * * *", "Etc/UTC", "is not valid"),
            ("0 3 * * *", "Nowhere/Land", "is not valid"),
            ("0 3 * * 7", "Etc/UTC", "does not support `7`"),
            ("0 3 L * *", "Etc/UTC", "does not support `L`"),
            ("0 3 1-15W * *", "Etc/UTC", "does not support `15W`"),
            ("0 3 * * MON,FRI#2", "Etc/UTC", "does not support `FRI#2`"),
        ] {
            let refused = refusal(schedule, zone, 15).unwrap();
            assert!(refused.contains(why), "{schedule}: {refused}");
        }
    }

    #[test]
    fn no_time_zone_and_no_schedule_is_searched_for_ever() {
        // At the end of summer time clocks go back by half an hour.
        let at = |time: &str| NextRun::At(time.parse().unwrap());
        let zone = Some("Australia/Lord_Howe");
        assert_eq!(next("0 3 5 4 *", zone), at("2027-04-04T16:30:00Z"));
        assert_eq!(next("15 2 3 10 *", zone), at("2028-10-02T15:15:00Z"));
        assert_eq!(refusal("0 3 * * *", "Australia/Lord_Howe", 15), None);
        for schedule in [
            "* * * * *",
            "0 3 1 * *",
            "*/7 1-2 29 2 *",
            "0 0 31 2 *",
            "@every 1s",
            "59 23 31 12 6",
        ] {
            for zone in [
                "Australia/Lord_Howe",
                "Africa/Casablanca",
                "Asia/Kathmandu",
                "Pacific/Apia",
                "Antarctica/Troll",
            ] {
                let _ = (next(schedule, Some(zone)), refusal(schedule, zone, 15));
            }
        }
    }

    #[test]
    fn times_that_clocks_skip_or_repeat() {
        let first = |schedule: &str, zone: &str, after: &str| {
            let found = Crontab::parse(schedule, zone)
                .unwrap()
                .after(after.parse().unwrap());
            found.unwrap().to_string()
        };
        let berlin = "Europe/Berlin";
        // There is no 2:30 on 2027-03-28.
        assert_eq!(
            first("30 2 * * *", berlin, "2027-03-27T12:00:00Z"),
            "2027-03-29T00:30:00Z"
        );
        // There are two on 2027-10-31.
        assert_eq!(
            first("30 2 * * *", berlin, "2027-10-30T12:00:00Z"),
            "2027-10-31T00:30:00Z"
        );
        assert_eq!(
            first("30 2 * * *", berlin, "2027-10-31T00:30:00Z"),
            "2027-10-31T01:30:00Z"
        );
        assert_eq!(
            first("30 2 * * *", berlin, "2027-10-31T01:30:00Z"),
            "2027-11-01T01:30:00Z"
        );
        // A day that Samoa skipped.
        assert_eq!(
            first("0 12 30 12 *", "Pacific/Apia", "2011-12-01T00:00:00Z"),
            "2012-12-29T22:00:00Z"
        );
    }

    #[test]
    fn fields_match_as_for_the_controller() {
        for (schedule, expected) in [
            ("0 0 13 * 5", "2026-11-27"),
            ("0 0 13 * *", "2026-12-13"),
            ("0 0 */20 * 5", "2026-11-27"),
            ("0 0 * * 5", "2026-11-27"),
            ("0 0 ? FEB Mon-Wed", "2027-02-01"),
            ("0 0 28/2 * *", "2026-11-28"),
            ("0 0 *,13 * 1", "2026-11-30"),
        ] {
            let found = next(schedule, None).time().unwrap();
            assert_eq!(found.strftime("%F").to_string(), expected, "{schedule}");
        }
        for wrong in ["", "1-", "-1", "5-1", "*/0", "1/x", "+1", "1,,2", "jan", "1-2-3"] {
            let schedule = format!("{wrong} 0 * * *");
            assert_eq!(next(&schedule, None), NextRun::Unknown, "{wrong}");
        }
    }

    #[test]
    fn the_widest_distance_is_that_of_all_runs_one_by_one() {
        let now: Timestamp = "2026-11-25T10:07:30Z".parse().unwrap();
        for schedule in [
            "0 3 * * *",
            "0 3 1 * *",
            "0 3,9 1,15 * *",
            "0 3 */25 * *",
            "0 1,2,20 * * 1",
            "7 4 31 * *",
        ] {
            let crontab = Crontab::parse(schedule, "UTC").unwrap();
            let first = crontab.after(now).unwrap();
            let runs: Vec<Timestamp> = std::iter::successors(Some(first), |run| crontab.after(*run))
                .take(400)
                .collect();
            let length = |runs: &[Timestamp]| runs[2].duration_since(runs[0]);
            let widest = runs.windows(3).map(length).max().unwrap();
            assert_eq!(length(&crontab.widest(first)), widest, "{schedule}");
        }
    }

    #[test]
    fn the_time_of_day_depends_on_the_name_alone() {
        assert_eq!(daily("shop", "apim-shg-rotate"), daily("shop", "apim-shg-rotate"));
        assert_ne!(daily("shop", "apim-shg-rotate"), daily("bank", "apim-shg-rotate"));
        assert_eq!(refusal(&daily("shop", "apim-shg-rotate"), "Etc/UTC", 15), None);
    }
}
