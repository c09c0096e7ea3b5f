use cronexpr::{MakeTimestamp, parse_crontab};
use jiff::{SignedDuration, Timestamp};

use crate::model::{CronJobFacts, parse_duration};

/// When a CronJob starts its next Job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextRun {
    /// At this time.
    At(Timestamp),
    /// Never: it is suspended, or its schedule names no day that comes.
    Never,
    /// Its schedule or its time zone is not understood.
    Unknown,
}

impl NextRun {
    /// The time, where there is one.
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
    let schedule = cron_job.schedule.trim();
    // The controller counts `@every` from the last run.
    if let Some(interval) = schedule.strip_prefix("@every ") {
        let interval = parse_duration(interval)
            .ok()
            .filter(|it| *it > SignedDuration::ZERO);
        let last = cron_job.last_run.unwrap_or(now);
        let next = interval.and_then(|interval| last.checked_add(interval).ok());
        return next.map_or(NextRun::Unknown, |next| NextRun::At(next.max(now)));
    }
    // The macros of Kubernetes' schedules (kubernetes.io, "CronJob").
    let fields = match schedule {
        "@yearly" | "@annually" => "0 0 1 1 *",
        "@monthly" => "0 0 1 * *",
        "@weekly" => "0 0 * * 0",
        "@daily" | "@midnight" => "0 0 * * *",
        "@hourly" => "0 * * * *",
        fields => fields,
    };
    let zone = cron_job.time_zone.as_deref().unwrap_or("UTC");
    let Ok(crontab) = parse_crontab(&format!("{} {zone}", fields.replace('?', "*"))) else {
        return NextRun::Unknown;
    };
    match crontab.find_next(MakeTimestamp(now)) {
        Ok(next) => NextRun::At(next.timestamp()),
        Err(_) => NextRun::Never,
    }
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
}
