use cronexpr::{MakeTimestamp, parse_crontab};
use jiff::{SignedDuration, Timestamp};

use crate::model::{CronJobFacts, parse_duration};

/// When a CronJob starts its next Job; `None` when it is suspended, or when
/// its schedule is not understood or never comes.
pub fn next_run(cron_job: &CronJobFacts, now: Timestamp) -> Option<Timestamp> {
    if cron_job.suspended {
        return None;
    }
    let schedule = cron_job.schedule.trim();
    // The controller counts `@every` from the last run.
    if let Some(interval) = schedule.strip_prefix("@every ") {
        let interval = parse_duration(interval)
            .ok()
            .filter(|it| *it > SignedDuration::ZERO)?;
        let last = cron_job.last_run.unwrap_or(now);
        return last.checked_add(interval).ok().map(|next| next.max(now));
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
    let crontab = parse_crontab(&format!("{} {zone}", fields.replace('?', "*"))).ok()?;
    crontab
        .find_next(MakeTimestamp(now))
        .ok()
        .map(|next| next.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(schedule: &str, zone: Option<&str>) -> Option<String> {
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
        assert_eq!(next_run(&suspended, now), None);
        next_run(&cron_job, now).map(|next| next.to_string())
    }

    #[test]
    fn every_form_of_a_schedule() {
        for (schedule, zone, expected) in [
            ("17 3 * * *", None, Some("2026-11-26T03:17:00Z")),
            ("17 3 * * ?", None, Some("2026-11-26T03:17:00Z")),
            ("0 0 */25 * *", None, Some("2026-11-26T00:00:00Z")),
            ("0 9 * * MON", Some("Europe/Berlin"), Some("2026-11-30T08:00:00Z")),
            ("@daily", None, Some("2026-11-26T00:00:00Z")),
            ("@hourly", None, Some("2026-11-25T11:00:00Z")),
            ("@every 30m", None, Some("2026-11-25T10:20:00Z")),
            ("@every 5m", None, Some("2026-11-25T10:07:30Z")),
            ("0 0 31 2 *", None, None),
            ("never", None, None),
            ("0 0 * * *", Some("Nowhere/Land"), None),
        ] {
            assert_eq!(next(schedule, zone).as_deref(), expected, "{schedule}");
        }
    }
}
