//! Generated schedules and time zones, beside what Kubernetes' own code makes of
//! them: the validation of the API server and the CronJob controller.

mod generated;

use apim_sandbox::control_plane::schedules::{Answer, Question, answers};

use super::super::parsed::Schedule;
use super::super::*;

/// How many runs of each schedule are compared.
const RUNS: usize = 5;

const QUESTIONS: usize = 10_000;

/// Questions of the same seed are the same. `SCHEDULES_SEED` sets another one.
const SEED: u64 = 1;

#[test]
fn schedules_run_when_the_controller_runs_them() {
    let seed = seed();
    println!("the seed is {seed}");
    let questions = generated::questions(seed, QUESTIONS, RUNS);
    let Some(theirs) = answers(&questions).unwrap_or_else(|error| panic!("this test needs Go: {error:#}"))
    else {
        println!("skipped: without Go");
        return;
    };
    let pairs = || questions.iter().zip(&theirs);
    let different: Vec<String> = pairs()
        .filter_map(|(question, theirs)| differs(question, theirs))
        .collect();
    assert!(
        different.is_empty(),
        "with the seed {seed}, {} of {QUESTIONS} differ:\n{}",
        different.len(),
        different[..different.len().min(20)].join("\n")
    );
    // The questions are worth asking.
    let count = |is: &dyn Fn(&Question, &Answer) -> bool| {
        let asked = pairs().filter(|(question, theirs)| is(question, theirs));
        asked.count()
    };
    let counts = [
        count(&|_, theirs| theirs.refused.is_empty()),
        count(&|_, theirs| !theirs.refused.is_empty()),
        count(&|question, theirs| question.time_zone.is_some() && theirs.runs.len() == RUNS),
        // Valid, and yet without a run.
        count(&|_, theirs| theirs.unparseable.is_empty() && theirs.runs.is_empty()),
    ];
    assert!(
        counts
            .iter()
            .zip([4_000, 1_000, 2_000, 20])
            .all(|(count, least)| *count >= least),
        "{counts:?}"
    );
}

#[expect(clippy::disallowed_methods, reason = "a test has no Environment")]
fn seed() -> u64 {
    std::env::var("SCHEDULES_SEED").map_or(SEED, |seed| seed.parse().unwrap())
}

/// How our answer differs, if it does.
fn differs(question: &Question, theirs: &Answer) -> Option<String> {
    let zone = question.time_zone.as_deref();
    let new = Schedule::new(&question.schedule, zone.unwrap_or("UTC"));
    let existing = Schedule::existing(&question.schedule, zone);
    let time = Timestamp::new(question.seconds, question.nanoseconds).unwrap();
    let runs: Vec<i64> = existing
        .iter()
        .flat_map(|schedule| {
            let runs = std::iter::successors(schedule.after(time), |run| schedule.after(*run));
            runs.take(RUNS).map(Timestamp::as_second)
        })
        .collect();
    let is_same = new.is_ok() == theirs.refused.is_empty()
        && existing.is_ok() == theirs.unparseable.is_empty()
        && runs == theirs.runs;
    let text = |seconds: &i64| Timestamp::from_second(*seconds).unwrap().to_string();
    (!is_same).then(|| {
        format!(
            "{question:?}\n  theirs: {theirs:?} {:?}\n  ours: {new:?}\n    {existing:?} {:?}",
            theirs.runs.iter().map(text).collect::<Vec<_>>(),
            runs.iter().map(text).collect::<Vec<_>>()
        )
    })
}
