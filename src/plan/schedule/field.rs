//! A field of a schedule, as the parser of the CronJob controller reads it
//! (github.com/robfig/cron, `getField`).

/// The values that a field may have.
pub(super) struct Bounds {
    least: u8,
    most: u8,
    /// Instead of numbers, from `least` on.
    names: &'static [&'static str],
}

pub(super) const MINUTES: Bounds = Bounds::of(0, 59, &[]);
pub(super) const HOURS: Bounds = Bounds::of(0, 23, &[]);
pub(super) const DAYS: Bounds = Bounds::of(1, 31, &[]);
pub(super) const MONTHS: Bounds = Bounds::of(
    1,
    12,
    &[
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ],
);
pub(super) const WEEKDAYS: Bounds = Bounds::of(0, 6, &["sun", "mon", "tue", "wed", "thu", "fri", "sat"]);

/// The values that a field matches.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Field {
    bits: u64,
    /// Whether it restricts nothing, being `*` or `?`.
    pub(super) any: bool,
}

impl Bounds {
    const fn of(least: u8, most: u8, names: &'static [&'static str]) -> Self {
        Self { least, most, names }
    }

    /// A number or a name.
    fn value(&self, text: &str) -> Result<u8, String> {
        // As Go does: of a character that becomes two, the first one.
        let lower = |text: char| text.to_lowercase().next().unwrap_or(text);
        let is_name = |name: &&str| text.chars().map(lower).eq(name.chars());
        let named = self.names.iter().position(is_name);
        let named = named.and_then(|at| u8::try_from(at).ok()?.checked_add(self.least));
        let number = || u8::try_from(text.parse::<i64>().ok()?).ok();
        named
            .or_else(number)
            .filter(|value| (self.least..=self.most).contains(value))
            .ok_or_else(|| {
                format!(
                    "Kubernetes does not support `{text}`, which is not from {} to {}",
                    self.least, self.most
                )
            })
    }
}

impl Field {
    /// Values, ranges and steps between commas; more commas than values are
    /// allowed, and without any value nothing matches.
    pub(super) fn parse(text: &str, bounds: &Bounds) -> Result<Self, String> {
        let mut field = Self::default();
        for item in text.split(',').filter(|item| !item.is_empty()) {
            field.add(item, bounds)?;
        }
        Ok(field)
    }

    fn add(&mut self, item: &str, bounds: &Bounds) -> Result<(), String> {
        let wrong = || format!("Kubernetes does not support `{item}`");
        let mut parts = item.split('/');
        let (range, step) = (parts.next().unwrap_or_default(), parts.next());
        let mut ends = range.split('-');
        let (low, high) = (ends.next().unwrap_or_default(), ends.next());
        // What follows a star up to the step is not read.
        let any = matches!(low, "*" | "?");
        if parts.next().is_some() || (ends.next().is_some() && !any) {
            return Err(wrong());
        }
        let (from, to) = match high {
            _ if any => (bounds.least, bounds.most),
            Some(high) => (bounds.value(low)?, bounds.value(high)?),
            // With a step, one value begins a range.
            None if step.is_some() => (bounds.value(low)?, bounds.most),
            None => (bounds.value(low)?, bounds.value(low)?),
        };
        let step: i64 = step.map_or(Ok(1), |step| step.parse().map_err(|_| wrong()))?;
        let step = usize::try_from(step).ok().filter(|step| *step > 0);
        let step = step.ok_or_else(wrong)?;
        if from > to {
            return Err(wrong());
        }
        self.any |= any && step == 1;
        for value in (from..=to).step_by(step) {
            self.bits |= 1 << value;
        }
        Ok(())
    }

    /// How far the next value that matches is from this one, or else the end.
    pub(super) fn distance(self, value: i8, end: i8) -> i64 {
        let next = (value + 1..end).find(|next| self.has(*next));
        i64::from(next.unwrap_or(end) - value)
    }

    pub(super) fn is_empty(self) -> bool {
        self.bits == 0
    }

    pub(super) fn has(self, value: i8) -> bool {
        u32::try_from(value).is_ok_and(|value| value < 64 && self.bits & (1 << value) != 0)
    }
}
