use jiff::{SignedDuration, Span, SpanRelativeTo, Unit};

/// Parses a duration such as `30d`, `720h`, `1w`, `1d12h` or `90 minutes`. A
/// day has 24 hours. Months and years are refused because they have no fixed
/// length, and a number without a unit because it is ambiguous.
pub fn parse_duration(text: &str) -> Result<SignedDuration, String> {
    let examples = "write it like 30d, 720h, 1w or 1d12h";
    let span: Span = text
        .trim()
        .parse()
        .map_err(|_| format!("not a duration; {examples}"))?;
    if span.get_months() != 0 || span.get_years() != 0 {
        return Err(format!("months and years have no fixed length; {examples}"));
    }
    span.to_duration(SpanRelativeTo::days_are_24_hours())
        .map_err(|_| format!("too long; {examples}"))
}

/// A duration in its two largest units, for sentences: `29 days 23 hours`,
/// `4 minutes`. Seconds appear only below a minute. The sign is dropped: the
/// sentence around it has to express it.
pub fn in_words(duration: SignedDuration) -> String {
    let mut seconds = duration.abs().as_secs();
    let mut words: Vec<String> = Vec::new();
    for (unit, length) in [
        (Unit::Day, 86_400),
        (Unit::Hour, 3_600),
        (Unit::Minute, 60),
        (Unit::Second, 1),
    ] {
        let count = seconds / length;
        seconds %= length;
        // "1 minute 5 seconds" has more precision than anyone needs.
        let negligible = unit == Unit::Second && !words.is_empty();
        if count > 0 && words.len() < 2 && !negligible {
            let name = match unit {
                Unit::Day => "day",
                Unit::Hour => "hour",
                Unit::Minute => "minute",
                _ => "second",
            };
            words.push(format!("{count} {name}{}", if count == 1 { "" } else { "s" }));
        } else if !words.is_empty() {
            break;
        }
    }
    if words.is_empty() {
        "0 seconds".to_owned()
    } else {
        words.join(" ")
    }
}

/// A duration in the largest unit that divides it, in the form that
/// [`parse_duration`] reads: `15d`, `36h`, `90m`.
pub fn in_short(duration: SignedDuration) -> String {
    let seconds = duration.as_secs();
    let units = [(86_400, 'd'), (3_600, 'h'), (60, 'm')];
    let whole = units.into_iter().find(|(length, _)| seconds % length == 0);
    let (length, unit) = whole.unwrap_or((1, 's'));
    format!("{}{unit}", seconds / length)
}

/// An age, or the time that is left, as kubectl writes it in a table: `29d`, `3h20m`, `90s`. The
/// rules are those of `HumanDuration` in k8s.io/apimachinery, pkg/util/duration: two or three
/// digits say enough, so the smaller unit goes as the larger one grows.
pub fn human_duration(duration: SignedDuration) -> String {
    let seconds = duration.as_secs();
    let (minutes, hours) = (seconds / 60, seconds / 3_600);
    let (days, years) = (hours / 24, hours / 24 / 365);
    match seconds {
        // A clock may differ by a second.
        ..-1 => "<invalid>".to_owned(),
        -1 => "0s".to_owned(),
        _ if seconds < 120 => format!("{seconds}s"),
        _ if minutes < 10 => with_rest((minutes, "m"), (seconds % 60, "s")),
        _ if minutes < 180 => format!("{minutes}m"),
        _ if hours < 8 => with_rest((hours, "h"), (minutes % 60, "m")),
        _ if hours < 48 => format!("{hours}h"),
        _ if hours < 24 * 8 => with_rest((days, "d"), (hours % 24, "h")),
        _ if days < 365 * 2 => format!("{days}d"),
        _ if days < 365 * 8 => with_rest((years, "y"), (days % 365, "d")),
        _ => format!("{years}y"),
    }
}

/// A number of units, and of the smaller unit unless there is no rest.
fn with_rest((whole, unit): (i64, &str), (rest, smaller): (i64, &str)) -> String {
    match rest {
        0 => format!("{whole}{unit}"),
        _ => format!("{whole}{unit}{rest}{smaller}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn common_notations_are_parsed() {
        let day = SignedDuration::from_hours(24);
        for (text, expected) in [
            ("30d", day * 30),
            ("720h", day * 30),
            ("1w", day * 7),
            ("1d12h", SignedDuration::from_hours(36)),
            ("1d 12h", SignedDuration::from_hours(36)),
            ("90 minutes", SignedDuration::from_mins(90)),
            ("P30D", day * 30),
            ("0d", SignedDuration::ZERO),
            ("-1d", -day),
        ] {
            assert_eq!(parse_duration(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn no_fixed_length_or_no_unit_is_refused() {
        for text in ["", "30", "1mo", "1y", "abc", "d", "999999999999w"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sentences_contain_the_two_largest_units() {
        for (seconds, words) in [
            (0, "0 seconds"),
            (59, "59 seconds"),
            (61, "1 minute"),
            (3_600, "1 hour"),
            (30 * 86_400 - 600, "29 days 23 hours"),
            (86_400 + 120, "1 day"),
            (-7_260, "2 hours 1 minute"),
        ] {
            assert_eq!(in_words(SignedDuration::from_secs(seconds)), words);
        }
    }

    /// The table of `TestHumanDurationBoundaries` in the Go source.
    #[test]
    fn an_age_is_written_as_kubectl_writes_it() {
        let (millisecond, second) = (SignedDuration::from_millis(1), SignedDuration::from_secs(1));
        let (minute, hour) = (SignedDuration::from_mins(1), SignedDuration::from_hours(1));
        let (day, year) = (hour * 24, hour * 24 * 365);
        for (duration, written) in [
            (-second * 2, "<invalid>"),
            (-second * 2 + SignedDuration::from_nanos(1), "0s"),
            (SignedDuration::ZERO, "0s"),
            (second - millisecond, "0s"),
            (minute * 2 - millisecond, "119s"),
            (minute * 2, "2m"),
            (minute * 2 + second, "2m1s"),
            (minute * 10 - millisecond, "9m59s"),
            (minute * 10, "10m"),
            (minute * 10 + second, "10m"),
            (hour * 3 - millisecond, "179m"),
            (hour * 3, "3h"),
            (hour * 3 + minute, "3h1m"),
            (hour * 8 - millisecond, "7h59m"),
            (hour * 8, "8h"),
            (hour * 8 + minute * 59, "8h"),
            (day * 2 - millisecond, "47h"),
            (day * 2, "2d"),
            (day * 2 + hour, "2d1h"),
            (day * 8 - millisecond, "7d23h"),
            (day * 8, "8d"),
            (day * 8 + hour * 23, "8d"),
            (year * 2 - millisecond, "729d"),
            (year * 2, "2y"),
            (year * 2 + hour * 23, "2y"),
            (year * 2 + hour * 23 + minute * 59, "2y"),
            (year * 2 + day - millisecond, "2y"),
            (year * 2 + day, "2y1d"),
            (year * 3, "3y"),
            (year * 7, "7y"),
            (year * 8 - millisecond, "7y364d"),
            (year * 8, "8y"),
            (year * 8 + day * 364, "8y"),
            (year * 9, "9y"),
        ] {
            assert_eq!(human_duration(duration), written, "{duration:?}");
        }
    }

    proptest! {
        #[test]
        fn every_whole_number_of_units_is_parsed(count in 0_i64..10_000, unit in "[smhdw]") {
            let length = match unit.as_str() { "s" => 1, "m" => 60, "h" => 3_600, "d" => 86_400, _ => 604_800 };
            let parsed = parse_duration(&format!("{count}{unit}")).unwrap();
            prop_assert_eq!(parsed.as_secs(), count * length);
        }

        #[test]
        fn the_short_form_is_parsed_again(seconds in 0_i64..10_000_000) {
            let duration = SignedDuration::from_secs(seconds);
            prop_assert_eq!(parse_duration(&in_short(duration)).unwrap(), duration);
        }

        #[test]
        fn parsing_never_panics(text in ".{0,60}") {
            let _ = parse_duration(&text);
        }
    }
}
