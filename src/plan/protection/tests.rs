use super::super::fixture::{DAY, cron_job, now};
use super::*;

/// 2027-01-15 08:00 UTC.
fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn changed(change: impl Fn(&mut CronJobFacts)) -> CronJobFacts {
    let mut facts = cron_job();
    change(&mut facts);
    facts
}

fn scheduled(schedule: &str, days: i32) -> CronJobFacts {
    changed(|facts| {
        schedule.clone_into(&mut facts.schedule);
        facts.window = DAY * days;
    })
}

#[test]
fn a_schedule_that_lets_the_token_die_is_named_with_the_dates() {
    let problem = |schedule: &str, days: i32, expires: &str| {
        problem(&scheduled(schedule, days), Some(at(expires)), now())
    };
    for (schedule, days) in [
        ("0 3 * * *", 15),
        ("0 3 * * 1", 15),
        ("@every 12h", 15),
        ("0 3 1-31/7 * *", 15),
        ("0 9 1,10,20 * *", 30),
        ("0 */24 * * *", 15),
        ("*/60 3 * * *", 15),
        // On the days of either field.
        ("0 3 */10 * 1", 15),
        ("TZ=Europe/Berlin 0 3 * * *", 15),
    ] {
        assert_eq!(
            problem(schedule, days, "2027-02-14T08:00:00Z"),
            None,
            "{schedule}"
        );
    }
    assert_eq!(
        problem("0 3 1 * *", 15, "2027-02-20T03:00:00Z").unwrap(),
        "the token expires on 2027-02-20 03:00 UTC, and no run of cronjob/apim-rotate rotates it before: it is due from \
         2027-02-05 03:00 UTC on, 15 days before it expires, and the run after that is on 2027-03-01 03:00 UTC"
    );
    assert_eq!(
        problem("0 3 1 * *", 15, "2027-01-20T03:00:00Z").unwrap(),
        "the token expires on 2027-01-20 03:00 UTC, before the next run of cronjob/apim-rotate on 2027-02-01 03:00 UTC"
    );
    // This token is rotated in time, and a later one is not.
    let later = problem("0 3 1 * *", 15, "2027-02-10T03:00:00Z").unwrap();
    assert!(
        later.contains("could let the token expire") && later.contains("15 days"),
        "{later}"
    );
    // Every run rotates, and one that fails lets the token expire.
    assert!(
        problem("0 9 1,15 * *", 30, "2027-02-14T08:00:00Z")
            .unwrap()
            .contains("31 days after the first")
    );
    assert!(
        problem("@every 192h", 15, "2027-02-14T08:00:00Z")
            .unwrap()
            .contains("two intervals take 16 days")
    );
    assert!(
        problem("0 0 31 2 *", 15, "2027-02-14T08:00:00Z")
            .unwrap()
            .contains("never runs")
    );
    for odd in ["never", "0 3 L * *", "@every 1d", "TZ=UTC"] {
        assert!(
            problem(odd, 15, "2027-02-14T08:00:00Z")
                .unwrap()
                .contains("is not valid"),
            "{odd}"
        );
    }
}

#[test]
fn the_time_zone_counts() {
    let mut facts = scheduled("0 3 * * *", 15);
    facts.time_zone = Some("Australia/Lord_Howe".to_owned());
    assert_eq!(problem(&facts, Some(now() + DAY * 30), now()), None);
    facts.time_zone = Some("Nowhere/Land".to_owned());
    assert!(
        problem(&facts, None, now())
            .unwrap()
            .contains("no such time zone")
    );
}

/// Why the record of a daily CronJob, created 40 days ago, does not show that it
/// works.
fn record_of(last_run: Option<&str>, last_success: Option<&str>, running: bool, now: &str) -> Option<String> {
    let facts = changed(|facts| {
        facts.created = Some(at("2027-01-01T00:00:00Z"));
        facts.last_run = last_run.map(at);
        facts.last_success = last_success.map(at);
        facts.running = running;
    });
    problem(&facts, Some(at(now) + DAY * 20), at(now))
}

#[test]
fn a_record_without_a_success_within_a_period_protects_nothing() {
    let (first, second) = ("2027-01-01T03:17:00Z", "2027-01-02T03:17:00Z");
    let (first_done, second_done) = ("2027-01-01T03:17:40Z", "2027-01-02T03:17:40Z");
    assert_eq!(
        record_of(Some(first), Some(first_done), false, "2027-01-02T03:00:00Z"),
        None
    );
    assert_eq!(
        record_of(Some(second), Some(second_done), false, "2027-01-02T09:00:00Z"),
        None
    );
    assert_eq!(
        record_of(Some(second), Some(first_done), true, "2027-01-02T03:19:00Z"),
        None
    );
    for (found, why) in [
        (
            record_of(Some(second), Some(first_done), false, "2027-01-02T03:20:00Z"),
            "the last run of cronjob/apim-rotate, on 2027-01-02 03:17 UTC, failed; its last success was on 2027-01-01 03:17 UTC",
        ),
        (
            record_of(Some(first), None, false, "2027-01-01T03:20:00Z"),
            "the last run of cronjob/apim-rotate, on 2027-01-01 03:17 UTC, failed; it has never succeeded",
        ),
        (
            record_of(None, None, false, "2027-01-01T04:17:00Z"),
            "cronjob/apim-rotate did not run on 2027-01-01 03:17 UTC, when it should have; it has never succeeded",
        ),
        (
            record_of(Some(first), Some(first_done), false, "2027-01-27T00:00:00Z"),
            "cronjob/apim-rotate did not run on 2027-01-02 03:17 UTC, when it should have; its last success was on 2027-01-01 03:17 \
             UTC",
        ),
        (
            record_of(Some(second), Some(first_done), true, "2027-01-03T04:17:00Z"),
            "the run of cronjob/apim-rotate that began on 2027-01-02 03:17 UTC has not ended; its last success was on 2027-01-01 \
             03:17 UTC",
        ),
        (
            record_of(
                Some("2027-01-26T03:17:00Z"),
                Some(first_done),
                false,
                "2027-01-27T00:00:00Z",
            ),
            "the last run of cronjob/apim-rotate, on 2027-01-26 03:17 UTC, failed; its last success was on 2027-01-01 03:17 UTC",
        ),
    ] {
        assert_eq!(found.as_deref(), Some(why));
    }
}

#[test]
fn a_new_one_protects_nothing_until_its_first_success() {
    for (last_run, running, now) in [
        (None, false, "2027-01-01T03:00:00Z"),
        (None, false, "2027-01-01T04:16:00Z"),
        (Some("2027-01-01T03:17:00Z"), true, "2027-01-01T03:20:00Z"),
    ] {
        assert_eq!(
            record_of(last_run, None, running, now).as_deref(),
            Some("cronjob/apim-rotate has not succeeded yet, so nothing shows that it can rotate")
        );
    }
    // A Job that was started by hand counts.
    let by_hand = "2027-01-01T02:00:00Z";
    assert_eq!(
        record_of(None, Some(by_hand), false, "2027-01-01T03:00:00Z"),
        None
    );
}

#[test]
fn a_run_that_goes_on_does_not_hide_the_one_before_it() {
    let (third, done) = ("2027-01-03T03:17:00Z", "2027-01-01T03:17:40Z");
    let found = record_of(Some(third), Some(done), true, "2027-01-03T03:18:00Z");
    let why = "cronjob/apim-rotate runs, but its run on 2027-01-02 03:17 UTC failed or did not begin; its last success was on \
               2027-01-01 03:17 UTC";
    assert_eq!(found.as_deref(), Some(why));
    assert!(record_of(Some(third), None, true, "2027-01-03T03:18:00Z").is_some());
    // A run that ended late hides nothing.
    let late = "2027-01-02T03:20:00Z";
    assert_eq!(
        record_of(Some(third), Some(late), true, "2027-01-03T03:18:00Z"),
        None
    );
}

#[test]
fn the_record_of_an_interval() {
    let facts = |last_success: &str| {
        changed(|facts| {
            "@every 6h".clone_into(&mut facts.schedule);
            facts.last_run = Some(at("2027-01-14T02:00:00Z"));
            facts.last_success = Some(at(last_success));
        })
    };
    let record = |last_success: &str, now: &str| record(&facts(last_success), at(now));
    assert_eq!(record("2027-01-14T02:01:00Z", "2027-01-14T08:30:00Z"), None);
    assert!(record("2027-01-14T02:01:00Z", "2027-01-14T09:30:00Z").is_some());
    assert!(record("2027-01-13T20:01:00Z", "2027-01-14T03:30:00Z").is_some());
}

#[test]
fn of_several_one_that_protects_is_enough() {
    let suspended = changed(|facts| facts.suspended = true);
    let rare = scheduled("0 3 1 * *", 15);
    let expires = Some(now() + DAY * 30);
    let of = |cron_jobs: &[CronJobFacts]| {
        let Protection { cron_job, problem } = protection(cron_jobs, expires, now());
        (cron_job, problem.is_some())
    };
    assert_eq!(of(&[]), (None, true));
    assert_eq!(
        of(&[suspended.clone(), rare.clone(), cron_job()]),
        (Some(2), false)
    );
    assert_eq!(of(&[suspended.clone(), rare.clone()]), (Some(1), true));
    assert_eq!(of(std::slice::from_ref(&suspended)), (Some(0), true));
    assert_eq!(of(&[rare, suspended]), (Some(0), true));
}

#[test]
fn a_daily_schedule_mends_one_that_is_too_rare() {
    assert!(better_schedule(&scheduled("0 3 1 * *", 15), now()).is_some());
    assert!(better_schedule(&scheduled("never", 15), now()).is_some());
    assert!(better_schedule(&scheduled("0 3 1 * *", 2), now()).is_none());
    assert!(better_schedule(&cron_job(), now()).is_none());
    assert!(better_schedule(&scheduled("TZ=Nowhere/Land 0 3 * * *", 15), now()).is_some());
    let nowhere = changed(|facts| facts.time_zone = Some("Nowhere/Land".to_owned()));
    assert!(better_schedule(&nowhere, now()).is_none());
}

#[test]
fn a_schedule_that_became_denser_counts_from_its_change() {
    let facts = |last_run: &str, last_success: &str, changed: &str, running: bool| {
        let mut facts = cron_job();
        facts.created = Some(at("2027-01-01T00:00:00Z"));
        facts.last_run = Some(at(last_run));
        facts.last_success = Some(at(last_success));
        facts.changed = Some(at(changed));
        facts.running = running;
        facts
    };
    // Weekly until the 10th, and since then daily at 3:17.
    let (weekly, done, changed) = (
        "2027-01-04T03:17:00Z",
        "2027-01-04T03:17:40Z",
        "2027-01-10T12:00:00Z",
    );
    let waits = facts(weekly, done, changed, false);
    assert_eq!(record(&waits, at("2027-01-10T12:01:00Z")), None);
    assert_eq!(record(&waits, at("2027-01-11T04:16:00Z")), None);
    assert!(
        record(&waits, at("2027-01-11T04:17:00Z"))
            .unwrap()
            .contains("did not run on 2027-01-11 03:17")
    );
    // It runs, for the last time that it missed.
    let runs = facts("2027-01-10T03:17:00Z", done, changed, true);
    assert_eq!(record(&runs, at("2027-01-10T12:01:00Z")), None);
    assert!(
        record(&runs, at("2027-01-11T04:17:00Z"))
            .unwrap()
            .contains("has not ended")
    );
    // One Job replaces another, and none ends.
    let replaced = facts("2027-01-13T03:17:00Z", done, changed, true);
    assert!(
        record(&replaced, at("2027-01-13T04:00:00Z"))
            .unwrap()
            .contains("has not ended")
    );
    // A change does not excuse a CronJob forever.
    let old = facts(weekly, done, "2027-02-08T12:00:00Z", false);
    assert!(
        record(&old, at("2027-02-08T12:01:00Z"))
            .unwrap()
            .contains("did not run")
    );
    // Nor one that has failed.
    let failed = facts("2027-01-10T03:17:00Z", done, changed, false);
    assert!(
        record(&failed, at("2027-01-10T12:01:00Z"))
            .unwrap()
            .contains("failed")
    );
}
