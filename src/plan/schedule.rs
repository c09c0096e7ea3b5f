use cronexpr::{Crontab, MakeTimestamp, parse_crontab};
use jiff::{SignedDuration, Timestamp};

use crate::error::{Error, Result};
use crate::model::{CronJobFacts, in_words, parse_duration};

/// Schedules are checked this far ahead, which includes a leap year.
const CHECKED_SPAN: SignedDuration = SignedDuration::from_hours(24 * 366 * 5);

/// Intervals shorter than this are skipped.
const SHORT_INTERVAL: SignedDuration = SignedDuration::from_hours(6);

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
    let zone = cron_job.time_zone.as_deref().unwrap_or("UTC");
    match crontab(&cron_job.schedule, zone) {
        Ok(crontab) => after(&crontab, now).map_or(NextRun::Never, NextRun::At),
        Err(_) => NextRun::Unknown,
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

/// Refuses a schedule that cannot be parsed, that never runs, or that could let
/// a token expire. A run skips a token that is valid for longer than
/// `if_expiring_within`. Since the next run may fail, the one after it has to
/// start within that time.
pub fn keeps_alive(
    schedule: &str,
    zone: &str,
    if_expiring_within: SignedDuration,
    now: Timestamp,
) -> Result<()> {
    let named = format!("--schedule `{schedule}`");
    if let Some(interval) = interval(schedule) {
        return if interval * 2 < if_expiring_within {
            Ok(())
        } else {
            let distance = format!("two intervals take {}", in_words(interval * 2));
            Err(too_rare(&named, &distance, if_expiring_within))
        };
    }
    let crontab = crontab(schedule, zone).map_err(|why| {
        Error::usage(format!("{named} in time zone {zone} is not valid: {why}"))
            .hint("use five fields: minute, hour, day of month, month, day of week; \"17 3 * * *\" is daily at 3:17")
    })?;
    let Some(first) = after(&crontab, now) else {
        return Err(Error::usage(format!("{named} never runs: no date matches it"))
            .hint("to run daily, omit --schedule"));
    };
    let [one, two, three] = widest(&crontab, first);
    if three.duration_since(one) < if_expiring_within {
        return Ok(());
    }
    let date = |time: Timestamp| time.strftime("%F %R").to_string();
    let distance = format!(
        "it runs on {}, on {}, and then not before {} (UTC), {} after the first",
        date(one),
        date(two),
        date(three),
        in_words(three.duration_since(one))
    );
    Err(too_rare(&named, &distance, if_expiring_within))
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

/// The three consecutive runs that take the longest time.
fn widest(crontab: &Crontab, first: Timestamp) -> [Timestamp; 3] {
    let next = |time: Timestamp| after(crontab, time).unwrap_or(Timestamp::MAX);
    let mut runs = [first, next(first), next(next(first))];
    let mut widest = runs;
    let end = first.checked_add(CHECKED_SPAN).unwrap_or(Timestamp::MAX);
    while runs[1] < end {
        let [_, two, three] = runs;
        runs = [two, three, next(three)];
        // Of many runs within a short time only the last ones matter.
        if runs[2].duration_since(runs[0]) < SHORT_INTERVAL
            && let Ok(later) = runs[0].checked_add(SHORT_INTERVAL)
        {
            let ahead = next(later);
            if ahead.duration_since(later) < SHORT_INTERVAL {
                runs = [ahead, next(ahead), next(next(ahead))];
            }
        }
        if runs[2].duration_since(runs[0]) > widest[2].duration_since(widest[0]) {
            widest = runs;
        }
    }
    widest
}

fn interval(schedule: &str) -> Option<SignedDuration> {
    let interval = schedule.trim().strip_prefix("@every ")?;
    parse_duration(interval)
        .ok()
        .filter(|it| *it > SignedDuration::ZERO)
}

fn crontab(schedule: &str, zone: &str) -> Result<Crontab, String> {
    // The macros that Kubernetes supports (kubernetes.io, "CronJob").
    let fields = match schedule.trim() {
        "@yearly" | "@annually" => "0 0 1 1 *",
        "@monthly" => "0 0 1 * *",
        "@weekly" => "0 0 * * 0",
        "@daily" | "@midnight" => "0 0 * * *",
        "@hourly" => "0 * * * *",
        fields => fields,
    };
    // The crate would parse a sixth field as the time zone.
    if fields.split_whitespace().count() != 5 {
        return Err("it does not have five fields".to_owned());
    }
    if let Some(part) = unsupported_by_kubernetes(fields) {
        return Err(format!("Kubernetes does not support `{part}`"));
    }
    parse_crontab(&format!("{} {zone}", fields.replace('?', "*"))).map_err(|error| error.to_string())
}

/// The first part that the crate supports and the CronJob controller does not:
/// L, W, # and Sunday as 7 (github.com/robfig/cron, "Special Characters").
fn unsupported_by_kubernetes(fields: &str) -> Option<&str> {
    fields.split_whitespace().enumerate().find_map(|(field, text)| {
        let ranges = text.split(',').map(|item| item.split('/').next().unwrap_or(item));
        ranges.flat_map(|range| range.split('-')).find(|part| {
            let is_name = part.len() == 3 && part.bytes().all(|byte| byte.is_ascii_alphabetic());
            let is_number = part.bytes().all(|byte| byte.is_ascii_digit());
            let is_any = ["*", "?"].contains(part);
            !(is_name || is_number || is_any) || (field == 4 && *part == "7")
        })
    })
}

fn after(crontab: &Crontab, time: Timestamp) -> Option<Timestamp> {
    let next = crontab.find_next(MakeTimestamp(time)).ok()?;
    Some(next.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(schedule: &str, zone: Option<&str>) -> NextRun {
        let cron_job = CronJobFacts {
            namespace: "shop".to_owned(),
            name: "rotate".to_owned(),
            schedule: schedule.to_owned(),
            time_zone: zone.map(str::to_owned),
            suspended: false,
            last_run: "2026-11-25T09:50:00Z".parse().ok(),
            last_success: None,
            running: false,
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
    fn the_time_of_day_depends_on_the_name_alone() {
        assert_eq!(daily("shop", "apim-shg-rotate"), daily("shop", "apim-shg-rotate"));
        assert_ne!(daily("shop", "apim-shg-rotate"), daily("bank", "apim-shg-rotate"));
        assert_eq!(refusal(&daily("shop", "apim-shg-rotate"), "Etc/UTC", 15), None);
    }
}
