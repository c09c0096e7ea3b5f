//! Logs that cannot be read, or not as text.

use std::time::{Duration, Instant};

use apim_sandbox::wire::{Action, Answer, Fault, Wire};

use super::SHORT;
use crate::case::Case;
use crate::run::Ended;

/// A rotation of a healthy gateway, whose requests for logs meet this.
async fn with_logs(name: &str, action: Action, arguments: &[&str], code: i32) -> Ended {
    let case = Case::new(name).await;
    case.deploy(&case.portal()).await;
    let wire: Wire = case.sandbox.wire(&case.kubeconfig_path()).await.unwrap();
    wire.fault(Fault::on("/log?", action));
    let path = wire.kubeconfig_path().display().to_string();
    let line = [
        &["rotate", "--kubeconfig", &path, "-n", &case.namespace],
        arguments,
    ]
    .concat();
    let ended = case.apim(&line).exits(code).await;
    case.rolled_out("gw").await;
    ended
}

#[tokio::test]
async fn a_log_that_fails_proves_nothing() {
    let ended = with_logs("log-500", Action::status(500), &SHORT, 3).await;
    ended.says(&[
        "the pods are ready, but reading the log of pod gw-",
        "at the deadline",
    ]);
    assert!(!ended.stderr.contains("no log shows"), "{}", ended.stderr);
}

#[tokio::test]
async fn a_log_that_hangs_does_not_hold_the_run() {
    let begun = Instant::now();
    let ended = with_logs("log-hangs", Action::Hang, &SHORT, 3).await;
    ended.says(&["the pods are ready, but reading the log of pod gw-"]);
    assert!(begun.elapsed() < Duration::from_mins(1), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn bytes_that_are_no_text_do_not_hide_an_event() {
    let log = b"[Info] caf\xe9\n[Error] [ConfigurationApiV2NotAvailable], statusCode: 401\n";
    let action = Action::Answer(Answer::bytes(200, "text/plain", log));
    let ended = with_logs("log-bytes", action, &SHORT, 5).await;
    ended.says(&["logs ConfigurationApiV2NotAvailable"]);
}

#[tokio::test]
async fn noise_does_not_hide_an_event() {
    let noise = "[Info] nothing of interest\n".repeat(12_000);
    let log = noise + "[Error] [ConfigurationApiV2NotAvailable], statusCode: 401\n";
    let action = Action::Answer(Answer::text(200, "text/plain", &log));
    let ended = with_logs("log-noise", action, &SHORT, 5).await;
    ended.says(&["logs ConfigurationApiV2NotAvailable"]);
}
