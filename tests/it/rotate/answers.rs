//! Azure, or something that answers instead of it, sends an unusable answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use apim_sandbox::azure::{Action, Fault, Operation};
use tokio::net::TcpListener;

use crate::case::Case;

async fn idle(name: &str) -> Case {
    let case = Case::new(name).await;
    case.deploy(&case.idle_portal()).await;
    case
}

/// A fault that only this test meets.
fn fault(case: &Case, operation: Operation, action: Action) -> Fault {
    let matching = match operation {
        Operation::GetGateway | Operation::GenerateToken => &case.gateway.service,
        _ => &case.principal.client_id,
    };
    Fault::on(operation, action).matching(matching)
}

const OPERATIONS: [Operation; 4] = [
    Operation::SignIn,
    Operation::ResourceGraph,
    Operation::GetGateway,
    Operation::GenerateToken,
];

#[tokio::test]
async fn one_bad_answer_is_retried() {
    for action in [
        Action::Html200,
        Action::Empty200,
        Action::CutBody,
        Action::ResetAfter,
    ] {
        let case = idle("retried").await;
        for operation in OPERATIONS {
            case.azure().fault(fault(&case, operation, action.clone()).once());
        }
        let ended = case.apim(&["rotate", "-o", "json"]).exits(0).await;
        assert_eq!(ended.json()["outcome"], "Rotated", "{action:?}");
    }
}

/// Sees that a run under a lasting fault ends in time and has written nothing.
async fn fails_in_time(operation: Operation, action: Action, says: &[&str]) {
    let case = idle("not-retried").await;
    case.azure().fault(fault(&case, operation, action));
    let before = case.versions().await;
    let begun = std::time::Instant::now();
    let ended = case.apim(&["rotate", "--timeout", "1m"]).exits(1).await;
    assert!(begun.elapsed().as_secs() < 75, "{:?}", begun.elapsed());
    ended.says(says);
    assert_eq!(case.versions().await, before, "{operation:?}");
}

#[tokio::test]
async fn html_in_every_answer() {
    let says = ["HTML instead of JSON", "proxy"];
    futures::future::join_all(OPERATIONS.map(|operation| fails_in_time(operation, Action::Html200, &says)))
        .await;
}

#[tokio::test]
async fn an_empty_body_in_every_answer() {
    let says = ["empty body"];
    futures::future::join_all(OPERATIONS.map(|operation| fails_in_time(operation, Action::Empty200, &says)))
        .await;
}

#[tokio::test]
async fn an_answer_that_is_always_truncated() {
    let says = ["the connection to ", " broke"];
    futures::future::join_all(OPERATIONS.map(|operation| fails_in_time(operation, Action::CutBody, &says)))
        .await;
}

#[tokio::test]
async fn a_redirect_to_another_host_is_not_followed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap();
    let seen = Arc::new(AtomicUsize::new(0));
    let count = seen.clone();
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    for scheme in ["http", "https"] {
        let to = format!("{scheme}://{host}/elsewhere");
        let runs = OPERATIONS.map(|operation| {
            let action = Action::Redirect { to: to.clone() };
            fails_in_time(operation, action, &["redirect to 127.0.0.1", "not followed"])
        });
        futures::future::join_all(runs).await;
    }
    assert_eq!(
        seen.load(Ordering::Relaxed),
        0,
        "a request was sent to the other host"
    );
}

#[tokio::test]
async fn an_invalid_proxy_or_ca() {
    let case = idle("proxy").await;
    let text = case.file("words.pem", "these are words").display().to_string();
    for (name, value, says) in [
        (
            "HTTPS_PROXY",
            "http://127.0.0.1:1",
            &["no connection", "HTTPS_PROXY"][..],
        ),
        ("HTTPS_PROXY", "::nonsense::", &["HTTPS_PROXY is not the address"]),
        (
            "SSL_CERT_FILE",
            "/does/not/exist",
            &["SSL_CERT_FILE", "/does/not/exist"],
        ),
        ("SSL_CERT_FILE", &text, &["SSL_CERT_FILE", &text]),
        (
            "KUBECTL_APIM_AZURE_CA_FILE",
            "/does/not/exist",
            &["/does/not/exist"],
        ),
        ("KUBECTL_APIM_AZURE_CA_FILE", &text, &[&text]),
    ] {
        let run = case.apim(&["rotate", "--timeout", "1m"]).env(name, value);
        let ended = case.fails_untouched(run, 1).await;
        ended.says(says);
    }
}
