//! Schedules of five fields, as the CronJob controller runs them
//! (github.com/robfig/cron, `SpecSchedule`).

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::clock::{Clock, Endless};
use super::field::{self, Field};

/// The controller looks as many years ahead.
const SEARCHED_YEARS: i16 = 5;

const SEARCHED_DAYS: usize = 366 * 5;

const SEARCHED: SignedDuration = SignedDuration::from_hours(24 * 366 * 5);

/// For schedules of a few days in four years.
const SEARCHED_DAYS_FOR_RARE: usize = 366 * 20;

/// More steps than any search needs that ends.
const STEPS: u32 = 20_000;

const MINUTES_OF_A_DAY: i64 = 24 * 60;

/// A schedule in a time zone.
#[derive(Clone, Debug)]
pub(super) struct Crontab {
    minutes: Field,
    hours: Field,
    days: Field,
    months: Field,
    weekdays: Field,
    zone: TimeZone,
}

impl Crontab {
    pub(super) fn parse(fields: &str, zone: TimeZone) -> Result<Self, String> {
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let &[minutes, hours, days, months, weekdays] = fields.as_slice() else {
            return Err("it does not have five fields".to_owned());
        };
        Ok(Self {
            minutes: Field::parse(minutes, &field::MINUTES)?,
            hours: Field::parse(hours, &field::HOURS)?,
            days: Field::parse(days, &field::DAYS)?,
            months: Field::parse(months, &field::MONTHS)?,
            weekdays: Field::parse(weekdays, &field::WEEKDAYS)?,
            zone,
        })
    }

    /// The first run after a time. Where the controller would search for ever, it
    /// has no run.
    pub(super) fn after(&self, time: Timestamp) -> Option<Timestamp> {
        self.search(time).ok().flatten()
    }

    /// The search of the controller, step by step (`SpecSchedule.Next`): where
    /// clocks change, it skips runs that other ways of counting find.
    pub(super) fn search(&self, after: Timestamp) -> Result<Option<Timestamp>, Endless> {
        let needed = [self.minutes, self.hours, self.months];
        if needed.iter().any(|field| field.is_empty()) {
            return Ok(None);
        }
        let clock = &mut Clock::after(after, &self.zone, STEPS);
        let last_year = clock.local()?.year() + SEARCHED_YEARS;
        while clock.local()?.year() <= last_year {
            if self.seek_month(clock)?
                && self.seek_day(clock)?
                && self.seek_hour(clock)?
                && self.seek_minute(clock)?
                && seek_second(clock)?
            {
                return Ok(clock.time());
            }
        }
        Ok(None)
    }

    /// Moves to the next month that matches, and is false where a new year has
    /// begun.
    fn seek_month(&self, clock: &mut Clock<'_>) -> Result<bool, Endless> {
        while !self.months.has(clock.local()?.month()) {
            if !clock.has_moved {
                clock.has_moved = true;
                clock.set(clock.local()?.date().first_of_month(), Time::midnight())?;
            }
            clock.add_month()?;
            if clock.local()?.month() == 1 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The same for the day; false where a new month has begun.
    fn seek_day(&self, clock: &mut Clock<'_>) -> Result<bool, Endless> {
        while !self.matches(clock.local()?.date()) {
            if !clock.has_moved {
                clock.has_moved = true;
                clock.set(clock.local()?.date(), Time::midnight())?;
            }
            clock.add_day()?;
            // Clocks may skip midnight.
            let hour = i64::from(clock.local()?.hour());
            let hours = if hour > 12 { 24 - hour } else { -hour };
            if hours != 0 {
                clock.add(hours * 3600)?;
            }
            if clock.local()?.day() == 1 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The same for the hour; false where a new day has begun.
    fn seek_hour(&self, clock: &mut Clock<'_>) -> Result<bool, Endless> {
        while !self.hours.has(clock.local()?.hour()) {
            if !clock.has_moved {
                clock.has_moved = true;
                let local = clock.local()?;
                let hour = Time::new(local.hour(), 0, 0, 0).map_err(|_| Endless)?;
                clock.set(local.date(), hour)?;
            }
            let hour = clock.local()?.hour();
            clock.add_often(3600, self.hours.distance(hour, 24))?;
            if clock.local()?.hour() == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The same for the minute; false where a new hour has begun.
    fn seek_minute(&self, clock: &mut Clock<'_>) -> Result<bool, Endless> {
        while !self.minutes.has(clock.local()?.minute()) {
            if !clock.has_moved {
                clock.has_moved = true;
                clock.truncate_to_minute();
            }
            let minute = clock.local()?.minute();
            clock.add_often(60, self.minutes.distance(minute, 60))?;
            if clock.local()?.minute() == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The three consecutive runs that take the longest time, from the day of the
    /// first run on. A run of which there is none is at the end of time.
    pub(super) fn widest(&self, first: Timestamp) -> [Timestamp; 3] {
        let by_days = self.widest_by_days(first);
        let widest = self.widest_around_changes(first, by_days);
        widest.unwrap_or_else(|| [first, self.after(first).unwrap_or(Timestamp::MAX), Timestamp::MAX])
    }

    /// As if clocks never changed, and by minutes, which are much faster than dates.
    fn widest_by_days(&self, first: Timestamp) -> Option<[Timestamp; 3]> {
        let from = self.zone.to_datetime(first).date();
        let minutes = |time: &Time| i64::from(time.hour()) * 60 + i64::from(time.minute());
        let times: Vec<i64> = self.times().iter().map(minutes).collect();
        let mut widest: Option<[i64; 3]> = None;
        // The last runs so far, at most two.
        let mut runs: Vec<i64> = Vec::with_capacity(4);
        for (number, day) in (0..).zip(days_from(from).take(SEARCHED_DAYS_FOR_RARE)) {
            if number > SEARCHED_DAYS && widest.is_some() {
                break;
            }
            if !self.runs_on(day) {
                continue;
            }
            let midnight = i64::try_from(number).unwrap_or_default() * MINUTES_OF_A_DAY;
            // Three runs within one day are the same on each.
            let begin = if runs.is_empty() { times.len() } else { 2 };
            runs.extend(times.iter().take(begin).map(|time| midnight + time));
            for three in runs.windows(3) {
                widest = wider(widest, three);
            }
            if times.len() > 1 {
                runs.clear();
                let last = times.len().saturating_sub(2);
                runs.extend(times.iter().skip(last).map(|time| midnight + time));
            } else {
                runs.drain(..runs.len().saturating_sub(2));
            }
        }
        let at = |run: i64| {
            let run = from.at(0, 0, 0, 0).checked_add(SignedDuration::from_mins(run));
            run.map_or(Timestamp::MAX, |run| self.instant(run))
        };
        widest.map(|runs| runs.map(at))
    }

    /// These runs, or ones around a change of clocks that take longer, since the
    /// controller may skip some there.
    fn widest_around_changes(
        &self,
        first: Timestamp,
        by_days: Option<[Timestamp; 3]>,
    ) -> Option<[Timestamp; 3]> {
        let mut widest = by_days;
        let length = |[one, _, three]: [Timestamp; 3]| three.duration_since(one);
        for change in self.zone.following(first) {
            let change = change.timestamp();
            if change.duration_since(first) > SEARCHED {
                break;
            }
            let mut one = self.second_before(change).unwrap_or(first).max(first);
            let mut next = self.after(one);
            for _ in 0..3 {
                let (Some(two), Some(three)) = (next, next.and_then(|two| self.after(two))) else {
                    break;
                };
                let runs = [one, two, three];
                if widest.is_none_or(|widest| length(runs) > length(widest)) {
                    widest = Some(runs);
                }
                (one, next) = (two, Some(three));
            }
        }
        widest
    }

    /// The last run but one before a change of clocks.
    fn second_before(&self, change: Timestamp) -> Option<Timestamp> {
        let times = self.times();
        let mut day = self.zone.to_datetime(change).date();
        let mut is_second = false;
        for _ in 0..SEARCHED_DAYS {
            let times = if self.runs_on(day) { times.as_slice() } else { &[] };
            for time in times.iter().rev() {
                let run = self.instant(day.to_datetime(*time));
                if run < change && is_second {
                    return Some(run);
                }
                is_second |= run < change;
            }
            day = day.yesterday().ok()?;
        }
        None
    }

    fn instant(&self, run: DateTime) -> Timestamp {
        let instant = self.zone.to_timestamp(run);
        instant.unwrap_or(Timestamp::MAX)
    }

    fn runs_on(&self, day: Date) -> bool {
        self.months.has(day.month()) && self.matches(day)
    }

    /// Whether a day of a month matches. If both fields of days restrict something,
    /// one that matches is enough.
    fn matches(&self, day: Date) -> bool {
        let of_month = self.days.has(day.day());
        let of_week = self.weekdays.has(day.weekday().to_sunday_zero_offset());
        if self.days.any || self.weekdays.any {
            of_month && of_week
        } else {
            of_month || of_week
        }
    }

    /// The times of a day on which it runs.
    fn times(&self) -> Vec<Time> {
        let hours = (0..24).filter(|hour| self.hours.has(*hour));
        let minutes = |hour: i8| {
            let minutes = (0..60).filter(|minute| self.minutes.has(*minute));
            minutes.filter_map(move |minute| Time::new(hour, minute, 0, 0).ok())
        };
        hours.flat_map(minutes).collect()
    }
}

/// The same for the second, which is always 0; false where a new minute has begun.
fn seek_second(clock: &mut Clock<'_>) -> Result<bool, Endless> {
    while clock.local()?.second() != 0 {
        clock.has_moved = true;
        let second = clock.local()?.second();
        clock.add_often(1, 60 - i64::from(second))?;
        if clock.local()?.second() == 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

fn wider(widest: Option<[i64; 3]>, runs: &[i64]) -> Option<[i64; 3]> {
    let &[one, two, three] = runs else { return widest };
    let is_wider = widest.is_none_or(|[first, _, last]| three - one > last - first);
    if is_wider { Some([one, two, three]) } else { widest }
}

fn days_from(first: Date) -> impl Iterator<Item = Date> {
    std::iter::successors(Some(first), |day| day.tomorrow().ok())
}
