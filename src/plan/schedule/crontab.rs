//! Schedules of five fields, as the CronJob controller reads them
//! (github.com/robfig/cron, `ParseStandard`). Every search is by days and ends
//! after a limited number of them, whatever the time zone does.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp};

/// The controller looks as many years ahead.
const SEARCHED_DAYS: usize = 366 * 5;

/// For schedules of a few days in four years.
const SEARCHED_DAYS_FOR_RARE: usize = 366 * 20;

const MINUTES_OF_A_DAY: i64 = 24 * 60;

/// Clocks change by less than this.
const CLOCK_CHANGE: SignedDuration = SignedDuration::from_hours(24);

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// The values that a field matches.
#[derive(Clone, Copy, Debug, Default)]
struct Field {
    bits: u64,
    /// Whether it restricts nothing, being `*` or `?`.
    any: bool,
}

impl Field {
    fn has(self, value: i8) -> bool {
        u32::try_from(value).is_ok_and(|value| value < 64 && self.bits & (1 << value) != 0)
    }
}

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
    pub(super) fn parse(fields: &str, zone: &str) -> Result<Self, String> {
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let &[minutes, hours, days, months, weekdays] = fields.as_slice() else {
            return Err("it does not have five fields".to_owned());
        };
        Ok(Self {
            minutes: field(minutes, 0, 59, &[])?,
            hours: field(hours, 0, 23, &[])?,
            days: field(days, 1, 31, &[])?,
            months: field(months, 1, 12, &MONTHS)?,
            weekdays: field(weekdays, 0, 6, &WEEKDAYS)?,
            zone: TimeZone::get(zone).map_err(|_| "there is no such time zone".to_owned())?,
        })
    }

    /// The first run after a time.
    pub(super) fn after(&self, time: Timestamp) -> Option<Timestamp> {
        let local = self.zone.to_datetime(time);
        // When clocks are set back, a time of the day before may come again.
        let earliest = local.checked_sub(CLOCK_CHANGE).ok()?;
        let times = self.times();
        let mut days = days_from(earliest.date()).take(SEARCHED_DAYS);
        days.find_map(|day| {
            if !self.runs_on(day) {
                return None;
            }
            let runs = times.iter().map(|at| day.to_datetime(*at));
            runs.filter(|run| *run >= earliest)
                .filter_map(|run| self.at(run, time))
                .min()
        })
    }

    /// The three consecutive runs that take the longest time, from the day of the
    /// first run on. A run of which there is none is at the end of time.
    pub(super) fn widest(&self, first: Timestamp) -> [Timestamp; 3] {
        let from = self.zone.to_datetime(first).date();
        // In minutes, which are much faster than dates.
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
            let zoned = run.and_then(|run| run.to_zoned(self.zone.clone()));
            zoned.map_or(Timestamp::MAX, |zoned| zoned.timestamp())
        };
        match widest {
            Some(runs) => runs.map(at),
            None => [first, self.after(first).unwrap_or(Timestamp::MAX), Timestamp::MAX],
        }
    }

    /// Whether it runs on a day. If both fields of days restrict something, one
    /// that matches is enough.
    fn runs_on(&self, day: Date) -> bool {
        let of_month = self.days.has(day.day());
        let of_week = self.weekdays.has(day.weekday().to_sunday_zero_offset());
        let matches = if self.days.any || self.weekdays.any {
            of_month && of_week
        } else {
            of_month || of_week
        };
        matches && self.months.has(day.month())
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

    /// The instant of a run, if it is after a time. A local time that clocks skip
    /// has none, and one that they repeat has two.
    fn at(&self, run: DateTime, after: Timestamp) -> Option<Timestamp> {
        let ambiguous = self.zone.to_ambiguous_timestamp(run);
        let instants = match ambiguous.offset() {
            AmbiguousOffset::Gap { .. } => return None,
            AmbiguousOffset::Unambiguous { .. } => [ambiguous.compatible().ok()?; 2],
            AmbiguousOffset::Fold { .. } => [ambiguous.earlier().ok()?, ambiguous.later().ok()?],
        };
        instants.into_iter().find(|instant| *instant > after)
    }
}

fn wider(widest: Option<[i64; 3]>, runs: &[i64]) -> Option<[i64; 3]> {
    let &[one, two, three] = runs else { return widest };
    let is_wider = widest.is_none_or(|[first, _, last]| three - one > last - first);
    if is_wider { Some([one, two, three]) } else { widest }
}

fn days_from(first: Date) -> impl Iterator<Item = Date> {
    std::iter::successors(Some(first), |day| day.tomorrow().ok())
}

/// Parses a list of values, ranges and steps.
fn field(text: &str, least: u8, most: u8, names: &[&str]) -> Result<Field, String> {
    let mut field = Field::default();
    for item in text.split(',') {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (item, None),
        };
        let value = |part: &str| {
            let name = names.iter().position(|name| name.eq_ignore_ascii_case(part));
            let name = name.and_then(|at| u8::try_from(at).ok()?.checked_add(least));
            let is_number = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            let number = part.parse().ok().filter(|_| is_number);
            let value = name.or(number).filter(|value| (least..=most).contains(value));
            value.ok_or_else(|| {
                format!("Kubernetes does not support `{part}`, which is not from {least} to {most}")
            })
        };
        let any = matches!(range, "*" | "?");
        let (from, to) = match range.split_once('-') {
            _ if any => (least, most),
            Some((from, to)) => (value(from)?, value(to)?),
            // With a step, one value begins a range.
            None if step.is_some() => (value(range)?, most),
            None => (value(range)?, value(range)?),
        };
        let wrong = || format!("Kubernetes does not support `{item}`");
        let step: usize = match step {
            Some(step) => step.parse().ok().filter(|step| *step > 0).ok_or_else(wrong)?,
            None => 1,
        };
        if from > to {
            return Err(wrong());
        }
        field.any |= any && step == 1;
        for value in (from..=to).step_by(step) {
            field.bits |= 1 << value;
        }
    }
    Ok(field)
}
