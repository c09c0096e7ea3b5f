use std::fs;

use futures::future::join_all;

use super::*;
use crate::cluster::inputs::ConnectInputs;
use crate::cluster::kubeconfig::Exec;
use crate::cluster::tls::Trust;

/// A session whose plugin answers with `answer` and counts its runs in a file.
fn session(runs: &Path, answer: &str) -> Session {
    let exec = Exec {
        api_version: "client.authentication.k8s.io/v1".to_owned(),
        command: "sh".to_owned(),
        args: vec![
            "-c".to_owned(),
            format!("echo run >>'{}'; {answer}", runs.display()),
        ],
        ..Exec::default()
    };
    let path = |name: &str| (name == "PATH").then(|| "/bin:/usr/bin".to_owned());
    let inputs = ConnectInputs::new(&path, false, Timestamp::UNIX_EPOCH);
    let plugin = Plugin::new(exec, None, inputs).unwrap();
    let transport = Transport {
        trust: Trust::Anyone,
        server_name: None,
        proxy: None,
        read_timeout: None,
    };
    let since = (Timestamp::UNIX_EPOCH, None);
    Session::new(
        Authorization::Plugin(plugin),
        transport,
        None,
        ServerClock::default(),
        since,
    )
    .unwrap()
}

fn token(expires: &str) -> String {
    let status = format!(r#"{{"token":"t","expirationTimestamp":{expires}}}"#);
    format!(r#"echo '{{"apiVersion":"client.authentication.k8s.io/v1","status":{status}}}'"#)
}

fn count(runs: &Path) -> usize {
    fs::read_to_string(runs).unwrap().lines().count()
}

#[tokio::test]
async fn many_requests_sign_in_once_and_a_refusal_asks_for_one_more() {
    let dir = tempfile::tempdir().unwrap();
    let runs = dir.path().join("runs");
    let session = session(&runs, &token("null"));
    let numbers = join_all((0..20).map(|_| session.sign_in(None))).await;
    assert!(numbers.into_iter().all(|number| number.unwrap() == 1));
    assert_eq!(count(&runs), 1);

    // All that were under way with the first one are refused.
    assert!((0..20).all(|_| session.refused(1)));
    assert_eq!(session.sign_in(None).await.unwrap(), 2);
    assert!(session.refused(1), "there is another one already");
    assert!(!session.refused(2), "it is new, and refused too");
    assert_eq!(session.sign_in(None).await.unwrap(), 2);
    assert_eq!(count(&runs), 2);
}

#[tokio::test]
async fn a_credential_that_has_expired_is_not_used_again() {
    let dir = tempfile::tempdir().unwrap();
    let runs = dir.path().join("runs");
    let session = session(&runs, &token("\"1970-01-01T00:10:00Z\""));
    assert_eq!(session.sign_in(None).await.unwrap(), 1);
    let mut headers = http::HeaderMap::new();
    headers.insert(
        http::header::DATE,
        HeaderValue::from_static("Thu, 01 Jan 1970 00:09:00 GMT"),
    );
    session.clock.observe(&headers);
    assert_eq!(session.sign_in(None).await.unwrap(), 1);
    headers.insert(
        http::header::DATE,
        HeaderValue::from_static("Thu, 01 Jan 1970 00:11:00 GMT"),
    );
    session.clock.observe(&headers);
    // The next one counts until the server refuses it: its clock may be ahead of the plugin's.
    assert_eq!(session.sign_in(None).await.unwrap(), 2);
    assert_eq!(session.sign_in(None).await.unwrap(), 2);
    assert_eq!(count(&runs), 2);
}

#[tokio::test]
async fn a_failure_is_shared() {
    let dir = tempfile::tempdir().unwrap();
    let runs = dir.path().join("runs");
    let session = session(&runs, "echo no >&2; exit 3");
    for outcome in join_all((0..20).map(|_| session.sign_in(None))).await {
        assert!(outcome.unwrap_err().to_string().ends_with("exit code 3: no"));
    }
    assert_eq!(count(&runs), 1);
}
