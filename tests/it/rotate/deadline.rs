//! Servers that never answer, or byte by byte: every run ends by its deadline.

use std::time::{Duration, Instant};

use apim_sandbox::wire::{Action, Fault};
use futures::FutureExt;
use futures::future::{LocalBoxFuture, join_all};
use http::Method;
use tokio::net::TcpListener;

use crate::case::Case;
use crate::run::Run;

/// The shortest time that a rotation may be given.
const TIMEOUT: &str = "1m";
const GRACE: Duration = Duration::from_secs(5);

/// Sees that a run ends in time with one of these exit codes.
async fn ends_in_time(run: Run<'_>, timeout: Duration, codes: &[i32], says: &[&str], what: &str) {
    let begun = Instant::now();
    let ended = run.start().await.ended().await;
    let took = begun.elapsed();
    assert!(took < timeout + GRACE, "{what}: {took:?}\n{}", ended.stderr);
    assert!(
        ended.code.is_some_and(|code| codes.contains(&code)),
        "{what}: {:?}\n{}",
        ended.code,
        ended.stderr
    );
    ended.says(says);
}

async fn api_server(path: &str, method: Method, action: Action, codes: &[i32]) {
    let case = Case::new("hangs").await;
    case.deploy(&case.idle_portal()).await;
    let wire = case.sandbox.wire(&case.kubeconfig_path()).await.unwrap();
    wire.fault(Fault::on(path, action).method(method));
    let run = case.apim(&["rotate", "--timeout", TIMEOUT]).through(&wire);
    let minute = Duration::from_mins(1);
    ends_in_time(run, minute, codes, &["did not answer in time"], path).await;
}

async fn azure(path: &str, action: Action) {
    let case = Case::new("hangs").await;
    case.deploy(&case.idle_portal()).await;
    let wire = case.azure().wire().await.unwrap();
    wire.fault(Fault::on(path, action));
    let run = case.apim(&["rotate", "--timeout", TIMEOUT]).through(&wire);
    ends_in_time(run, Duration::from_mins(1), &[1], &["did not answer"], path).await;
}

/// A connection is accepted, and no handshake follows.
async fn handshake(of_azure: bool) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let case = Case::new("hangs").await;
    case.deploy(&case.idle_portal()).await;
    let server = format!("https://{address}");
    let run = if of_azure {
        let run = case.apim(&["rotate", "--timeout", TIMEOUT]);
        run.env("HTTPS_PROXY", &format!("http://{address}"))
    } else {
        case.apim(&["rotate", "--timeout", TIMEOUT, "--server", &server])
    };
    ends_in_time(run, Duration::from_mins(1), &[1], &[], &server).await;
}

/// All at once: each takes the whole minute.
#[tokio::test]
async fn of_a_rotation() {
    let runs: Vec<LocalBoxFuture<'_, ()>> = vec![
        api_server("/deployments", Method::GET, Action::Hang, &[1]).boxed_local(),
        api_server("/secrets/gw-token", Method::GET, Action::Drip, &[1]).boxed_local(),
        api_server(
            "/secrets/gw-token?&fieldManager",
            Method::PATCH,
            Action::Hang,
            &[1, 7],
        )
        .boxed_local(),
        api_server("/deployments/gw?&fieldManager", Method::PATCH, Action::Hang, &[3]).boxed_local(),
        azure("/oauth2/v2.0/token", Action::Hang).boxed_local(),
        azure("/generateToken", Action::Hang).boxed_local(),
        azure("/generateToken", Action::Drip).boxed_local(),
        handshake(true).boxed_local(),
        handshake(false).boxed_local(),
    ];
    join_all(runs).await;
}

#[tokio::test]
async fn of_an_attempt_towards_azure() {
    let case = Case::new("hangs-once").await;
    case.deploy(&case.idle_portal()).await;
    let wire = case.azure().wire().await.unwrap();
    wire.fault(Fault::on("/generateToken", Action::Hang).once());
    let run = case
        .apim(&["rotate", "--timeout", TIMEOUT, "--no-wait"])
        .through(&wire);
    run.exits(0).await;
}

#[tokio::test]
async fn of_one_request_as_for_kubectl() {
    let case = Case::new("request-timeout").await;
    case.deploy(&case.idle_portal()).await;
    let wire = case.sandbox.wire(&case.kubeconfig_path()).await.unwrap();
    wire.fault(Fault::on("/deployments", Action::Hang));
    wire.fault(Fault::on("/secrets", Action::Hang));
    let limit = ["--request-timeout", "2s"];
    for line in [
        &["rotate"][..],
        &["status"],
        &["install-cronjob", "deploy/gw", "--auth", "managed-identity"],
    ] {
        let run = case.apim(&[line, &limit].concat()).through(&wire);
        let what = line.join(" ");
        ends_in_time(
            run,
            Duration::from_secs(2),
            &[1],
            &["did not answer in time"],
            &what,
        )
        .await;
    }
}
