//! The interval of `@every`: a duration as Go reads it (`time.ParseDuration`),
//! which is at least a second (github.com/robfig/cron, `Every`).

use jiff::SignedDuration;

const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    // The micro sign and the Greek letter.
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// The longest duration, in nanoseconds, and one more, which is the longest
/// negative one.
const LONGEST: u64 = 1 << 63;

pub(super) fn parse(text: &str) -> Option<SignedDuration> {
    let (is_negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let nanoseconds = if rest == "0" { 0 } else { sum(rest)? };
    if nanoseconds == LONGEST && !is_negative {
        return None;
    }
    let seconds = if is_negative {
        0
    } else {
        nanoseconds / 1_000_000_000
    };
    let seconds = i64::try_from(seconds).ok()?;
    Some(SignedDuration::from_secs(seconds.max(1)))
}

/// Numbers with units, in nanoseconds.
fn sum(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut sum = 0_u64;
    loop {
        let (whole, after_whole) = digits(rest);
        let (fraction, after) = match after_whole.strip_prefix('.') {
            Some(after) => digits(after),
            None => ("", after_whole),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let end = after.find(|next: char| next == '.' || next.is_ascii_digit());
        let (name, after) = after.split_at(end.unwrap_or(after.len()));
        let (_, unit) = UNITS.iter().find(|(unit, _)| *unit == name)?;
        let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        let value = whole.checked_mul(*unit)?.checked_add(part(fraction, *unit))?;
        sum = sum.checked_add(value).filter(|sum| *sum <= LONGEST)?;
        if after.is_empty() {
            return Some(sum);
        }
        rest = after;
    }
}

fn digits(text: &str) -> (&str, &str) {
    let end = text.find(|next: char| !next.is_ascii_digit());
    text.split_at(end.unwrap_or(text.len()))
}

/// The fraction of a unit, in nanoseconds, rounded as Go does (`leadingFraction`).
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "it is positive and not more than a unit"
)]
fn part(fraction: &str, unit: u64) -> u64 {
    let (mut value, mut scale) = (0_u64, 1.0);
    for digit in fraction.bytes() {
        let longer = value * 10 + u64::from(digit - b'0');
        if longer > LONGEST {
            break;
        }
        value = longer;
        scale *= 10.0;
        if value > (LONGEST - 1) / 10 {
            break;
        }
    }
    (value as f64 * (unit as f64 / scale)) as u64
}
