mod controller;

use jiff::tz::TimeZone;

use super::super::fixture;
use super::clock::Endless;
use super::crontab::Crontab;
use super::*;

fn next(schedule: &str, zone: Option<&str>) -> NextRun {
    let cron_job = CronJobFacts {
        namespace: "shop".to_owned(),
        name: "rotate".to_owned(),
        schedule: schedule.to_owned(),
        time_zone: zone.map(str::to_owned),
        last_run: "2026-11-25T09:50:00Z".parse().ok(),
        ..fixture::cron_job()
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

fn crontab(schedule: &str, zone: &str) -> Crontab {
    Crontab::parse(schedule, TimeZone::get(zone).unwrap()).unwrap()
}

fn now() -> Timestamp {
    "2026-11-25T10:07:30Z".parse().unwrap()
}

fn refusal(schedule: &str, zone: &str, days: i64) -> Option<String> {
    let within = SignedDuration::from_hours(24 * days);
    keeps_alive(schedule, zone, within, now())
        .err()
        .map(|error| error.to_string())
}

#[test]
fn a_schedule_whose_second_run_is_too_late_is_refused_with_the_dates() {
    for schedule in [
        "17 3 * * *",
        "0 9 * * 1",
        "0 9 * JAN-DEC mon-FRI,0/2",
        "0 9 ? * ?",
        "* * * * *",
        "*/5 8-17 * * 1-5",
        "0 0 */3 * *",
        "@daily",
        "@every 12h",
    ] {
        assert_eq!(refusal(schedule, "Etc/UTC", 15), None, "{schedule}");
    }
    let refused = refusal("0 0 */25 * *", "Etc/UTC", 15).unwrap();
    assert!(
        refused.contains("on 2026-12-01 00:00, on 2026-12-26 00:00, and then not before 2027-01-01 00:00"),
        "{refused}"
    );
    assert!(refused.contains("31 days after the first"), "{refused}");
    for schedule in [
        "0 9 1,15 * *",
        "@monthly",
        "* * 1 1 *",
        "0 9 29 2 *",
        "@every 192h",
    ] {
        let refused = refusal(schedule, "Europe/Berlin", 15).unwrap();
        assert!(refused.contains("could let a token expire"), "{refused}");
    }
    assert!(refusal("0 3 * * *", "Etc/UTC", 2).is_some());
}

#[test]
fn a_schedule_that_is_not_valid_or_never_runs_is_refused() {
    for (schedule, zone, why) in [
        ("0 0 31 2 *", "Etc/UTC", "never runs"),
        ("never", "Etc/UTC", "five fields"),
        ("0 3 * * * UTC", "Etc/UTC", "five fields"),
        ("61 3 * * *", "Etc/UTC", "is not valid"),
        ("0 3 * * *", "Nowhere/Land", "is not valid"),
        ("0 3 * * 7", "Etc/UTC", "does not support `7`"),
        ("0 3 L * *", "Etc/UTC", "does not support `L`"),
        ("0 3 1-15W * *", "Etc/UTC", "does not support `15W`"),
        ("0 3 * * MON,FRI#2", "Etc/UTC", "does not support `FRI#2`"),
    ] {
        let refused = refusal(schedule, zone, 15).unwrap();
        assert!(refused.contains(why), "{schedule}: {refused}");
    }
}

#[test]
fn what_kubernetes_runs_is_accepted() {
    for schedule in [
        "0 */24 * * *",
        "*/60 * * * *",
        "0 3 */1 * *",
        "0 3 */10 * 1",
        "@every 24h",
        "@every 1.5h",
        "@every +36h30m",
    ] {
        assert_eq!(refusal(schedule, "Etc/UTC", 15), None, "{schedule}");
    }
    for zone in [
        "UTC",
        "Etc/GMT+12",
        "EST5EDT",
        "Asia/Calcutta",
        "Australia/Lord_Howe",
    ] {
        assert_eq!(refusal("0 3 * * *", zone, 15), None, "{zone}");
    }
}

#[test]
fn what_kubernetes_refuses_is_refused_with_the_right_way() {
    for (schedule, zone, why) in [
        ("@every 1d", "Etc/UTC", "as in `@every 24h`"),
        ("@every 12 h", "Etc/UTC", "`12 h` is not an interval"),
        ("@every 1w", "Etc/UTC", "`1w` is not an interval"),
        ("@Daily", "Etc/UTC", "does not support `@Daily`"),
        ("@reboot", "Etc/UTC", "does not support `@reboot`"),
        (" @daily", "Etc/UTC", "five fields"),
        ("TZ=Europe/Berlin 0 3 * * *", "Etc/UTC", "use --time-zone"),
        ("CRON_TZ=UTC @daily", "Etc/UTC", "use --time-zone"),
        ("0 3 * * *", "+01:00", "--time-zone `+01:00` is not valid"),
        ("0 3 * * *", "UTC+1", "--time-zone `UTC+1` is not valid"),
        ("0 3 * * *", "europe/berlin", "the name is `Europe/Berlin`"),
        ("0 3 * * *", "utc", "the name is `UTC`"),
        ("0 3 * * *", "Local", "no such time zone"),
        ("0 3 * * *", "", "no such time zone"),
        ("0 3 * * *", "../Europe/Berlin", "no such time zone"),
        ("0 3 * * *", "Europe//Berlin", "no such time zone"),
        ("0 3 * * *", "Europe/./Berlin", "no such time zone"),
        ("0 3 * * *", "Etc/Unknown", "no such time zone"),
    ] {
        let refused = refusal(schedule, zone, 15).unwrap();
        assert!(refused.contains(why), "{schedule} in {zone}: {refused}");
    }
}

#[test]
fn a_time_zone_in_the_schedule_of_an_old_cron_job_counts() {
    let at = |time: &str| NextRun::At(time.parse().unwrap());
    for (schedule, zone, expected) in [
        ("TZ=Europe/Berlin 0 9 * * *", None, at("2026-11-26T08:00:00Z")),
        (
            "CRON_TZ=America/New_York @daily",
            None,
            at("2026-11-26T05:00:00Z"),
        ),
        (
            "TZ=UTC   0 9 * * *",
            Some("Europe/Berlin"),
            at("2026-11-26T09:00:00Z"),
        ),
        ("TZ=Asia/Kathmandu @every 30m", None, at("2026-11-25T10:20:00Z")),
        ("TZ= 0 9 * * *", None, at("2026-11-26T09:00:00Z")),
        ("TZ=Nowhere/Land 0 9 * * *", None, NextRun::Unknown),
        ("TZ=UTC 0 9 * * *", Some("Nowhere/Land"), NextRun::Unknown),
        ("TZ=UTC", None, NextRun::Unknown),
        ("TZ=", None, NextRun::Unknown),
        ("tz=UTC 0 9 * * *", None, NextRun::Unknown),
    ] {
        assert_eq!(next(schedule, zone), expected, "{schedule}");
    }
}

#[test]
fn an_interval_is_a_duration_of_go_and_at_least_a_second() {
    let interval = |text: &str| interval::parse(text).map(|interval| interval.as_secs());
    for (text, seconds) in [
        ("1h30m", 5400),
        ("1.5h", 5400),
        (".5m", 30),
        ("90s", 90),
        ("1h1h", 7200),
        ("1999ms", 1),
        ("1\u{b5}s", 1),
        ("0", 1),
        ("-5h", 1),
        ("+2m", 120),
        ("2562047h47m16.854775807s", 9_223_372_036),
    ] {
        assert_eq!(interval(text), Some(seconds), "{text}");
    }
    for text in [
        "", "1", "1d", "h", ".h", "1h 30m", "1H", "--1h", "+", "2562048h", "1e3s",
    ] {
        assert_eq!(interval(text), None, "{text}");
    }
}

#[test]
fn a_run_that_clocks_skip_makes_the_distance_longer() {
    // At 2:30 there is no run on the last Sunday of March in Berlin, and in Cairo
    // no run at all on the last Friday of April.
    for (schedule, zone) in [("30 2 * * *", "Europe/Berlin"), ("0 0 * * *", "Africa/Cairo")] {
        assert!(refusal(schedule, zone, 2).is_some());
        let text = keeps_alive(schedule, zone, SignedDuration::from_hours(60), now()).unwrap_err();
        assert!(
            text.to_string().contains("2 days 23 hours after the first"),
            "{text}"
        );
    }
    let within = SignedDuration::from_hours(60);
    assert!(keeps_alive("30 4 * * *", "Europe/Berlin", within, now()).is_ok());
}

#[test]
fn no_time_zone_and_no_schedule_is_searched_for_ever() {
    // At the end of summer time clocks go back by half an hour.
    let at = |time: &str| NextRun::At(time.parse().unwrap());
    let zone = Some("Australia/Lord_Howe");
    assert_eq!(next("0 3 5 4 *", zone), at("2027-04-04T16:30:00Z"));
    assert_eq!(next("15 2 3 10 *", zone), at("2028-10-02T15:15:00Z"));
    assert_eq!(refusal("0 3 * * *", "Australia/Lord_Howe", 15), None);
    for schedule in [
        "* * * * *",
        "0 3 1 * *",
        "*/7 1-2 29 2 *",
        "0 0 31 2 *",
        "@every 1s",
        "59 23 31 12 6",
    ] {
        for zone in [
            "Australia/Lord_Howe",
            "Africa/Casablanca",
            "Asia/Kathmandu",
            "Pacific/Apia",
            "Antarctica/Troll",
        ] {
            let _ = (next(schedule, Some(zone)), refusal(schedule, zone, 15));
        }
    }
}

#[test]
fn times_that_clocks_skip_or_repeat() {
    let first = |schedule: &str, zone: &str, after: &str| {
        let found = crontab(schedule, zone).after(after.parse().unwrap());
        found.unwrap().to_string()
    };
    let berlin = "Europe/Berlin";
    // There is no 2:30 on 2027-03-28.
    assert_eq!(
        first("30 2 * * *", berlin, "2027-03-27T12:00:00Z"),
        "2027-03-29T00:30:00Z"
    );
    // There are two on 2027-10-31.
    assert_eq!(
        first("30 2 * * *", berlin, "2027-10-30T12:00:00Z"),
        "2027-10-31T00:30:00Z"
    );
    assert_eq!(
        first("30 2 * * *", berlin, "2027-10-31T00:30:00Z"),
        "2027-10-31T01:30:00Z"
    );
    assert_eq!(
        first("30 2 * * *", berlin, "2027-10-31T01:30:00Z"),
        "2027-11-01T01:30:00Z"
    );
    // On a day that Samoa skipped, the controller would search for ever.
    let samoa = crontab("0 12 31 12 *", "Pacific/Apia");
    assert_eq!(
        samoa.search("2011-12-01T00:00:00Z".parse().unwrap()),
        Err(Endless)
    );
    assert_eq!(samoa.after("2011-12-01T00:00:00Z".parse().unwrap()), None);
    assert_eq!(
        first("0 12 31 12 *", "Pacific/Apia", "2012-01-01T00:00:00Z"),
        "2012-12-30T22:00:00Z"
    );
    // In Cairo clocks skip midnight, and with it the controller the whole day.
    assert_eq!(
        first("0 3 24-26 4 *", "Africa/Cairo", "2026-04-22T12:00:00Z"),
        "2026-04-25T00:00:00Z"
    );
}

#[test]
fn fields_match_as_for_the_controller() {
    for (schedule, expected) in [
        ("0 0 13 * 5", "2026-11-27"),
        ("0 0 13 * *", "2026-12-13"),
        ("0 0 */20 * 5", "2026-11-27"),
        ("0 0 * * 5", "2026-11-27"),
        ("0 0 ? FEB Mon-Wed", "2027-02-01"),
        ("0 0 28/2 * *", "2026-11-28"),
        ("0 0 *,13 * 1", "2026-11-30"),
        // Steps that are longer than the field.
        ("0 */24 * * *", "2026-11-26"),
        ("*/60 0 * * *", "2026-11-26"),
        ("0 0 */40 * *", "2026-12-01"),
        // A step restricts, so that either day is enough.
        ("0 3 */10 * 1", "2026-11-30"),
        ("0 3 1 * */2", "2026-11-26"),
        ("0 3 */1 * 1", "2026-11-30"),
        // What the parser overlooks.
        ("0 0 *-31 * *", "2026-11-26"),
        ("+0 0,, 028 * *", "2026-11-28"),
        ("0 0 , * 6", "2026-11-28"),
    ] {
        let found = next(schedule, None).time().unwrap();
        assert_eq!(found.strftime("%F").to_string(), expected, "{schedule}");
    }
    for wrong in [
        "", "1-", "-1", "5-1", "*/0", "1/x", "jan", "1-2-3", "*/-1", "1/2/3", "1_0", "60",
    ] {
        let schedule = format!("{wrong} 0 * * *");
        assert_eq!(next(&schedule, None), NextRun::Unknown, "{wrong}");
    }
}

#[test]
fn the_widest_distance_is_that_of_all_runs_one_by_one() {
    let now: Timestamp = "2026-11-25T10:07:30Z".parse().unwrap();
    for schedule in [
        "0 3 * * *",
        "0 3 1 * *",
        "0 3,9 1,15 * *",
        "0 3 */25 * *",
        "0 1,2,20 * * 1",
        "7 4 31 * *",
    ] {
        let crontab = crontab(schedule, "UTC");
        let first = crontab.after(now).unwrap();
        let runs: Vec<Timestamp> = std::iter::successors(Some(first), |run| crontab.after(*run))
            .take(400)
            .collect();
        let length = |runs: &[Timestamp]| runs[2].duration_since(runs[0]);
        let widest = runs.windows(3).map(length).max().unwrap();
        assert_eq!(length(&crontab.widest(first)), widest, "{schedule}");
    }
}

#[test]
fn the_time_of_day_depends_on_the_name_alone() {
    assert_eq!(daily("shop", "apim-shg-rotate"), daily("shop", "apim-shg-rotate"));
    assert_ne!(daily("shop", "apim-shg-rotate"), daily("bank", "apim-shg-rotate"));
    assert_eq!(refusal(&daily("shop", "apim-shg-rotate"), "Etc/UTC", 15), None);
}
