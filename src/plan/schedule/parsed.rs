//! A schedule as Kubernetes parses it (`ParseStandard` of github.com/robfig/cron,
//! and `spec.timeZone`).

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::crontab::Crontab;
use super::{clock, interval, zone};

#[derive(Clone, Debug)]
pub(super) enum Schedule {
    Crontab(Crontab),
    /// `@every`.
    Every(SignedDuration),
}

/// What is not valid, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Invalid {
    Schedule(String),
    TimeZone(String),
}

impl Invalid {
    pub(in super::super) fn why(&self) -> &str {
        match self {
            Self::Schedule(why) | Self::TimeZone(why) => why,
        }
    }
}

impl Schedule {
    /// Of a CronJob that is to be created.
    pub(super) fn new(schedule: &str, zone: &str) -> Result<Self, Invalid> {
        let zone = zone::load_new(zone).map_err(Invalid::TimeZone)?;
        if schedule.contains("TZ") {
            let why = "Kubernetes does not support a time zone in the schedule; use --time-zone";
            return Err(Invalid::Schedule(why.to_owned()));
        }
        Self::in_zone(schedule, zone).map_err(Invalid::Schedule)
    }

    /// Of a CronJob in a cluster. One that was created before the API server refused
    /// that may have a time zone in its schedule, and still runs.
    pub(super) fn existing(schedule: &str, zone: Option<&str>) -> Result<Self, Invalid> {
        let zone = zone.map(zone::load).transpose().map_err(Invalid::TimeZone)?;
        let parsed = match zone {
            Some(zone) if !schedule.contains("TZ") => Self::in_zone(schedule.trim(), zone),
            _ => Self::parse(schedule),
        };
        parsed.map_err(Invalid::Schedule)
    }

    /// With or without a time zone before it.
    fn parse(text: &str) -> Result<Self, String> {
        let prefix = ["TZ=", "CRON_TZ="];
        let Some(rest) = prefix.iter().find_map(|prefix| text.strip_prefix(prefix)) else {
            return Self::in_zone(text, TimeZone::UTC);
        };
        let (zone, rest) = rest
            .split_once(' ')
            .ok_or_else(|| format!("there is nothing after the time zone in `{text}`"))?;
        Self::in_zone(rest.trim(), zone::load(zone)?)
    }

    fn in_zone(text: &str, zone: TimeZone) -> Result<Self, String> {
        // The macros that Kubernetes supports (kubernetes.io, "CronJob").
        let fields = match text {
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            fields => fields,
        };
        if let Some(text) = fields.strip_prefix("@every ") {
            let interval = interval::parse(text).ok_or_else(|| {
                format!("`{text}` is not an interval for Kubernetes; write days in hours, as in `@every 24h`")
            })?;
            return Ok(Self::Every(interval));
        }
        if fields.starts_with('@') {
            return Err(format!("Kubernetes does not support `{fields}`"));
        }
        Crontab::parse(fields, zone).map(Self::Crontab)
    }

    /// The first run after a time, by the second.
    pub(super) fn after(&self, time: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Crontab(crontab) => crontab.after(time),
            Self::Every(interval) => {
                let second = clock::second(time);
                Timestamp::from_second(second).ok()?.checked_add(*interval).ok()
            }
        }
    }
}
