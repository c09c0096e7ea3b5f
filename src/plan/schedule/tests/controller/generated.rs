//! Schedules that are valid, nearly so, and not at all, in time zones of every
//! kind, from times near the changes of their clocks.

use apim_sandbox::control_plane::schedules::Question;
use jiff::tz::{TimeZone, db};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// Clocks that change at midnight, by half an hour, by two hours, for a month, or
/// not any more.
const SPECIAL: &[&str] = &[
    "Africa/Cairo",
    "Africa/Casablanca",
    "Africa/Monrovia",
    "America/Asuncion",
    "America/Godthab",
    "America/Havana",
    "America/New_York",
    "America/Santiago",
    "America/Sao_Paulo",
    "America/Scoresbysund",
    "America/St_Johns",
    "Antarctica/Troll",
    "Asia/Amman",
    "Asia/Beirut",
    "Asia/Calcutta",
    "Asia/Kathmandu",
    "Asia/Pyongyang",
    "Asia/Tehran",
    "Atlantic/Azores",
    "Australia/Eucla",
    "Australia/Lord_Howe",
    "EST5EDT",
    "Etc/GMT+12",
    "Etc/GMT-14",
    "Etc/UTC",
    "Europe/Berlin",
    "Europe/Dublin",
    "Europe/Kiev",
    "Pacific/Apia",
    "Pacific/Chatham",
    "Pacific/Fakaofo",
    "Pacific/Kiritimati",
    "Pacific/Kwajalein",
    "Pacific/Norfolk",
    "UTC",
];

/// Not `Europe//Berlin`, which is refused, but where it is in use depends on whether
/// time zones are files.
const WRONG_ZONES: &[&str] = &[
    "",
    "+01:00",
    "../Europe/Berlin",
    "-Europe/Berlin",
    "/etc/localtime",
    "America/Nowhere_That_Is",
    "Etc/GMT+25",
    "Etc/Unknown",
    "Europe",
    "Europe/",
    "Europe/Berlin ",
    "Europe\\Berlin",
    "GMT+1",
    "LOCAL",
    "Local",
    "Nowhere/Land",
    "TZ",
    "UTC+1",
    "Z",
    "europe/berlin",
    "local",
    "utc",
    "zone.tab",
];

/// Items of fields at the edge of what is valid.
const ODD_ITEMS: &[&str] = &[
    "",
    "*",
    "*-",
    "*-*",
    "*-5",
    "*-x",
    "*-5/2",
    "*/0",
    "*/1",
    "*/+2",
    "*/-1",
    "*/007",
    "*/24",
    "*/31",
    "*/60",
    "*/100",
    "*/9223372036854775807",
    "*/9223372036854775808",
    "*/x",
    "*/",
    "**",
    "+3",
    "-0",
    "-3",
    "/5",
    "0",
    "007",
    "0x1",
    "1-",
    "1-2-3",
    "1-2/3/4",
    "1.5",
    "1/2/3",
    "1_0",
    "2#1",
    "5-1",
    "5-5",
    "5/1",
    "5L",
    "60",
    "7",
    "24",
    "32",
    "13",
    "99999999999999999999",
    "?",
    "?/1",
    "?/2",
    "?-3",
    "@",
    "JAN",
    "FR\u{130}",
    "Sun",
    "mon-fri",
    "MON-WED/2",
    "sat-sun",
    "jan-DEC",
    "dec/2",
    "sunday",
    "L",
    "W",
    "15W",
    "H",
    "R",
    "\u{661}",
    "\u{ff11}",
    "é",
];

const MACROS: &[&str] = &[
    "@yearly",
    "@annually",
    "@monthly",
    "@weekly",
    "@daily",
    "@midnight",
    "@hourly",
    "@Daily",
    "@daily ",
    " @daily",
    "@reboot",
    "@",
    "@every",
    "@every ",
    "@hourly 1",
    "\t@weekly",
];

const DURATIONS: &[&str] = &[
    "1d",
    "1w",
    "24h",
    "12h",
    "1h30m",
    "1.5h",
    "0.1s",
    ".5m",
    "5.m",
    "1h1h",
    "90s",
    "1999ms",
    "1us",
    "1\u{b5}s",
    "1\u{3bc}s",
    "1ns",
    "0",
    "+0",
    "-0",
    "-1h",
    "+1h",
    "--1h",
    "1",
    "",
    "h",
    ".h",
    "1h ",
    " 1h",
    "1H",
    "1h-1m",
    "2562047h47m16.854775807s",
    "2562047h47m16.854775808s",
    "-2562047h47m16.854775808s",
    "9223372036854775807ns",
    "9223372036854775808ns",
    "1e3s",
    "0.999999999999999999999s",
    "1.0000000000000000000009h",
    "00000000001h",
    "61m",
    "1h0m0.5s",
    "1000000000000000000000h",
];

const GARBAGE: &[&str] = &[
    "",
    " ",
    "never",
    "* * * *",
    "* * * * * *",
    "*****",
    "0 3 * * * UTC",
    "TZ=",
    "TZ=0",
    "TZ=UTC",
    "CRON_TZ=UTC",
    "TZ= * * * * *",
    "TZ=UTC ",
    "TZ=UTC @daily",
    "tz=UTC * * * * *",
    "CRON_TZ=Europe/Berlin  0 3 * * *",
    "TZ=UTC\t0 3 * * *",
    "TZ=Local 0 3 * * *",
    "0 3 * * * TZ",
    " TZ=UTC 0 3 * * *",
    "TZ=UTC TZ=UTC 0 3 * * *",
    "0 3 * * MON#2",
    "0 3 L * *",
    "\u{feff}0 3 * * *",
    "0\u{200b} 3 * * *",
    ", 3 * * *",
    "0 , * * *",
    "0 3 , * *",
    "0 3 , * 1",
    "0 3 * , *",
    "0 3 * * ,",
    "0 3 1 * ,",
    "0 0 31 2 *",
    "0 0 30 2 ?",
    "0 0 29 2 *",
    "0 0 31 4,6,9,11 ?",
];

/// The same questions for the same seed.
pub(super) fn questions(seed: u64, count: usize, runs: usize) -> Vec<Question> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let strategy = question(runs);
    (0..count)
        .map(|_| strategy.new_tree(&mut runner).unwrap().current())
        .collect()
}

fn question(runs: usize) -> impl Strategy<Value = Question> {
    let parts = (schedule(), prefix(), time_zone(), start());
    parts.prop_map(move |(schedule, prefix, time_zone, start)| {
        let of_prefix = prefix.split_once('=').map(|(_, zone)| zone.trim_end());
        let zone = of_prefix.or(time_zone.as_deref()).unwrap_or_default();
        let time = start.time(&TimeZone::get(zone).unwrap_or(TimeZone::UTC));
        Question {
            schedule: prefix.clone() + &schedule,
            time_zone,
            seconds: time.as_second(),
            nanoseconds: time.subsec_nanosecond(),
            runs,
        }
    })
}

fn schedule() -> impl Strategy<Value = String> {
    prop_oneof![
        84 => fields(),
        5 => select(MACROS).prop_map(str::to_owned),
        6 => select(DURATIONS).prop_map(|duration| format!("@every {duration}")),
        5 => select(GARBAGE).prop_map(str::to_owned),
    ]
}

/// Five fields between spaces of all kinds.
fn fields() -> impl Strategy<Value = String> {
    let space = prop_oneof![
        30 => Just(" "),
        1 => select(&["  ", "\t", "\n", "\u{a0}", "\u{85}", "\u{2003}", ", ", "\u{b}"][..]),
    ];
    let around = prop_oneof![30 => Just(""), 1 => select(&[" ", "\t", "\u{3000}"][..])];
    let fields = (
        field(0, 59, &[]),
        field(0, 23, &[]),
        days(field(1, 31, &[])),
        days(field(1, 12, &["jan", "Feb", "JUN", "dec"])),
        days(field(0, 6, &["sun", "Mon", "WED", "sat"])),
    );
    (
        fields,
        [space.clone(), space.clone(), space.clone(), space],
        around,
    )
        .prop_map(
            |((minute, hour, day, month, weekday), [one, two, three, four], around)| {
                format!("{around}{minute}{one}{hour}{two}{day}{three}{month}{four}{weekday}{around}")
            },
        )
}

/// Every day, for the most part.
fn days(field: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    prop_oneof![3 => Just("*".to_owned()), 4 => field]
}

fn field(least: u8, most: u8, names: &'static [&'static str]) -> impl Strategy<Value = String> {
    let number = move || (least..=most).prop_map(|number| number.to_string());
    let range = move || {
        (least..=most, least..=most).prop_map(|(one, two)| format!("{}-{}", one.min(two), one.max(two)))
    };
    let step = || prop_oneof![1_u8..12, 1_u8..70];
    let name = if names.is_empty() {
        number().boxed()
    } else {
        select(names).prop_map(str::to_owned).boxed()
    };
    let item = prop_oneof![
        4 => Just("*".to_owned()),
        8 => number(),
        2 => range(),
        2 => step().prop_map(|step| format!("*/{step}")),
        1 => (number(), step()).prop_map(|(number, step)| format!("{number}/{step}")),
        1 => (range(), step()).prop_map(|(range, step)| format!("{range}/{step}")),
        1 => name,
        1 => select(ODD_ITEMS).prop_map(str::to_owned),
    ];
    let comma = prop_oneof![20 => Just(","), 1 => Just(",,")];
    let list = (prop::collection::vec(item, 1..4), comma).prop_map(|(items, comma)| items.join(comma));
    prop_oneof![
        2 => Just("*".to_owned()),
        4 => number(),
        4 => list,
    ]
}

/// A time zone before the schedule, as CronJobs had it.
fn prefix() -> impl Strategy<Value = String> {
    let zone = prop_oneof![6 => select(SPECIAL), 1 => select(WRONG_ZONES)];
    prop_oneof![
        12 => Just(String::new()),
        1 => (select(&["TZ=", "CRON_TZ="][..]), zone).prop_map(|(name, zone)| format!("{name}{zone} ")),
    ]
}

fn time_zone() -> impl Strategy<Value = Option<String>> {
    let all: Vec<String> = db().available().map(|name| name.to_string()).collect();
    assert!(all.len() > 100, "this test needs time zones: install tzdata");
    prop_oneof![
        4 => Just(None),
        10 => select(SPECIAL).prop_map(|zone| Some(zone.to_owned())),
        4 => select(all).prop_map(Some),
        2 => select(WRONG_ZONES).prop_map(|zone| Some(zone.to_owned())),
    ]
}

/// A time, or how far it is from a change of clocks.
#[derive(Clone, Debug)]
struct Start {
    time: Timestamp,
    from_change: Option<SignedDuration>,
}

fn start() -> impl Strategy<Value = Start> {
    let time = (
        0_i64..4_102_444_800,
        prop_oneof![3 => Just(0), 1 => 0_i32..1_000_000_000],
    )
        .prop_map(|(second, nanosecond)| Timestamp::new(second, nanosecond).unwrap());
    let minutes = prop_oneof![-4320_i64..240, -180_i64..180].prop_map(SignedDuration::from_mins);
    (time, prop::option::weighted(0.7, minutes)).prop_map(|(time, from_change)| Start { time, from_change })
}

impl Start {
    fn time(&self, zone: &TimeZone) -> Timestamp {
        let change = zone.following(self.time).next().map(|change| change.timestamp());
        let mut time = match (self.from_change, change) {
            (Some(distance), Some(change)) => change + distance,
            _ => self.time,
        };
        while skips_a_day(zone, time) {
            time += SignedDuration::from_hours(24 * 366 * 8);
        }
        time
    }
}

/// Whether clocks skip a day while the controller searches for five runs, which
/// then may never end.
fn skips_a_day(zone: &TimeZone, time: Timestamp) -> bool {
    let days = |days: i64| SignedDuration::from_hours(24 * days);
    let (begin, end) = (time - days(40), time + days(366 * 26));
    let mut before = zone.to_offset(begin);
    zone.following(begin)
        .take_while(|change| change.timestamp() < end)
        .any(|change| {
            let offset = change.offset();
            let skipped = offset.seconds() - before.seconds();
            before = offset;
            skipped > 12 * 3600
        })
}
