//! Times in a time zone, with the arithmetic of Go's package `time`: the search
//! for a run makes its steps with it, and goes astray where it does.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// A second that moves on, in a time zone.
pub(super) struct Clock<'a> {
    zone: &'a TimeZone,
    second: i64,
    /// Whether the search has moved it, so that its smaller units are the least.
    pub(super) has_moved: bool,
    /// How often it may move yet.
    steps: u32,
}

/// The search has moved so often that it will not end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Endless;

/// The second that a time is in.
pub(super) fn second(time: Timestamp) -> i64 {
    time.as_second() - i64::from(time.subsec_nanosecond() < 0)
}

impl<'a> Clock<'a> {
    /// The next full second after a time.
    pub(super) fn after(time: Timestamp, zone: &'a TimeZone, steps: u32) -> Self {
        Self {
            zone,
            second: second(time) + 1,
            has_moved: false,
            steps,
        }
    }

    pub(super) fn time(&self) -> Option<Timestamp> {
        Timestamp::from_second(self.second).ok()
    }

    pub(super) fn local(&self) -> Result<DateTime, Endless> {
        Ok(self.zone.to_datetime(self.time().ok_or(Endless)?))
    }

    /// `Time.Add`.
    pub(super) fn add(&mut self, seconds: i64) -> Result<(), Endless> {
        self.steps = self.steps.checked_sub(1).ok_or(Endless)?;
        self.second += seconds;
        Ok(())
    }

    /// Adds a unit as often, or only once if clocks change before that.
    pub(super) fn add_often(&mut self, unit: i64, count: i64) -> Result<(), Endless> {
        let changes = self.offset(self.second)? != self.offset(self.second + unit * count)?;
        self.add(if changes { unit } else { unit * count })
    }

    /// `Time.Truncate` by minutes, which do not depend on the time zone.
    pub(super) fn truncate_to_minute(&mut self) {
        self.second -= self.second.rem_euclid(60);
    }

    /// `time.Date`. A time that clocks skip becomes one before or after them.
    pub(super) fn set(&mut self, day: Date, time: Time) -> Result<(), Endless> {
        let civil = Offset::UTC.to_timestamp(day.to_datetime(time));
        let civil = civil.map_err(|_| Endless)?.as_second();
        let offset = match self.offset(civil)? {
            0 => 0,
            offset => self.offset(civil - offset)?,
        };
        self.second = civil - offset;
        Ok(())
    }

    fn offset(&self, second: i64) -> Result<i64, Endless> {
        let time = Timestamp::from_second(second).map_err(|_| Endless)?;
        Ok(i64::from(self.zone.to_offset(time).seconds()))
    }

    /// `Time.AddDate(0, 1, 0)`.
    pub(super) fn add_month(&mut self) -> Result<(), Endless> {
        let local = self.local()?;
        let (year, month) = match local.month() {
            12 => (local.year() + 1, 1),
            month => (local.year(), month + 1),
        };
        let first = Date::new(year, month, 1).map_err(|_| Endless)?;
        // A day that the month does not have is in the next one.
        let day = first.checked_add(DAY * i32::from(local.day() - 1));
        self.add(0)?;
        self.set(day.map_err(|_| Endless)?, local.time())
    }

    /// `Time.AddDate(0, 0, 1)`.
    pub(super) fn add_day(&mut self) -> Result<(), Endless> {
        let local = self.local()?;
        self.add(0)?;
        self.set(local.date().tomorrow().map_err(|_| Endless)?, local.time())
    }
}
