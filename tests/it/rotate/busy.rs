//! An API server, or Azure, that asks to wait, and answers that cannot get better.

use std::time::{Duration, Instant};

use apim_sandbox::azure::Action as AzureAction;
use apim_sandbox::wire::{Action, Fault, Seen, Wire};
use http::Method;

use crate::case::Case;

/// The write itself, and not its dry run.
const WRITE: &str = "/secrets/gw-token?&fieldManager";
const DRY_RUN: &str = "/secrets/gw-token?&dryRun";

async fn idle(name: &str) -> (Case, Wire) {
    let case = Case::new(name).await;
    case.deploy(&case.idle_portal()).await;
    let wire = case.sandbox.wire(&case.kubeconfig_path()).await.unwrap();
    (case, wire)
}

/// The times between requests, each of which followed a refusal.
fn waits(seen: &[Seen]) -> Vec<Duration> {
    let pairs = seen.windows(2);
    pairs.map(|pair| pair[1].at.duration_since(pair[0].at)).collect()
}

#[tokio::test]
async fn no_request_comes_before_the_wait_of_an_overloaded_api_server() {
    let wait = Duration::from_secs(3);
    for (method, path) in [
        (Method::GET, "/secrets/gw-token"),
        (Method::PATCH, DRY_RUN),
        (Method::PATCH, WRITE),
    ] {
        let (case, wire) = idle("overloaded").await;
        wire.fault(
            Fault::on(path, Action::throttle(Some(3)))
                .method(method.clone())
                .once(),
        );
        let run = case.apim(&["rotate", "deploy/gw", "--no-wait"]).through(&wire);
        run.exits(0).await;
        let refused = wire.seen_of(&method, path).remove(0).at;
        for seen in wire.seen().iter().filter(|seen| seen.at > refused) {
            assert!(
                seen.at.duration_since(refused) >= wait,
                "{method} {path}: {seen:?}"
            );
        }
    }
}

#[tokio::test]
async fn an_overloaded_api_server_is_named_and_its_wait() {
    let (case, wire) = idle("overloaded-long").await;
    wire.fault(Fault::on("/secrets/gw-token", Action::throttle(Some(900))));
    let run = case.apim(&["rotate", "deploy/gw"]).through(&wire);
    let ended = case.fails_untouched(run, 1).await;
    ended.says(&[
        "reading secret/gw-token",
        "the API server is overloaded (429), and asks to wait 900 seconds",
    ]);
    assert_eq!(wire.seen_of(&Method::GET, "/secrets/gw-token").len(), 1);
}

#[tokio::test]
async fn a_wait_of_no_time_makes_no_storm() {
    let (case, wire) = idle("no-time").await;
    let fault = Fault::on("/secrets/gw-token", Action::throttle(Some(0))).method(Method::GET);
    wire.fault(fault.times(3));
    case.disturb_mint(AzureAction::retry_after(429, 0), 3);
    let begun = Instant::now();
    let run = case.apim(&["rotate", "deploy/gw", "--no-wait"]).through(&wire);
    run.exits(0).await;
    // At least 0.5 + 1 + 2 s for each of the two servers.
    let waits = waits(&wire.seen_of(&Method::GET, "/secrets/gw-token")[..4]);
    for (wait, least) in waits.iter().zip([500, 1_000, 2_000]) {
        assert!(*wait >= Duration::from_millis(least), "{waits:?}");
    }
    assert!(begun.elapsed() >= Duration::from_secs(7), "{:?}", begun.elapsed());
    assert_eq!(case.mints(), 4);
}

#[tokio::test]
async fn a_page_instead_of_an_answer_ends_the_run_and_is_not_logged() {
    for action in [Action::html(), Action::wrong_types()] {
        let (case, wire) = idle("page").await;
        wire.fault(Fault::on("/secrets/gw-token", action));
        let run = case.apim(&["rotate", "deploy/gw", "-v=9"]).through(&wire);
        let ended = case.fails_untouched(run, 1).await;
        ended.says(&["the answer is not what a Kubernetes API server sends"]);
        for part in [
            "Please sign in",
            "Sign in to the network",
            "invalid type",
            "retrying",
        ] {
            assert!(!ended.stderr.contains(part), "{part} in\n{}", ended.stderr);
        }
        assert_eq!(wire.seen_of(&Method::GET, "/secrets/gw-token").len(), 1);
    }
}

#[tokio::test]
async fn a_rehearsal_that_fails_once_is_repeated() {
    for action in [Action::status(503), Action::Reset, Action::CutBody] {
        let (case, wire) = idle("rehearsal").await;
        for path in [DRY_RUN, "/deployments/gw?&dryRun"] {
            wire.fault(Fault::on(path, action.clone()).method(Method::PATCH).once());
        }
        let run = case.apim(&["rotate", "deploy/gw", "--no-wait"]).through(&wire);
        run.exits(0).await;
        assert_eq!(wire.seen_of(&Method::PATCH, DRY_RUN).len(), 2, "{action:?}");
    }
}

#[tokio::test]
async fn a_rehearsal_that_hangs_is_named() {
    let (case, wire) = idle("rehearsal-hangs").await;
    wire.fault(Fault::on(DRY_RUN, Action::Hang));
    let line = ["rotate", "deploy/gw", "--request-timeout", "2s"];
    let ended = case.fails_untouched(case.apim(&line).through(&wire), 1).await;
    ended.says(&[
        "rehearsing the write of secret/gw-token",
        "it did not answer in time",
    ]);
}
