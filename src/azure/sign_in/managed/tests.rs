use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::Instant;

use azure_core::http::Method;

use super::*;
use crate::azure::transport::http::local_client;
use crate::retry::Decision;

/// The outcome of one answer of the endpoint.
async fn answered(status: &str, body: &str) -> Result<Vec<u8>, Error> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]);
        stream.write_all(answer.as_bytes()).unwrap();
    });
    let url = format!("http://127.0.0.1:{port}/msi/token?resource=r");
    let request = Request::new(url.parse().unwrap(), Method::Get);
    let exchanged = transport(false).exchange(&request).await;
    exchanged.map(|(_, answer)| answer.body)
}

fn transport(probe: bool) -> LocalTransport {
    LocalTransport {
        http: local_client().unwrap(),
        purpose: "sign in as the managed identity of this machine".into(),
        failure: FailureSlot::default(),
        probe,
    }
}

#[tokio::test]
async fn each_answer_has_its_outcome() {
    let token = r#"{"access_token":"t","expires_on":"1","resource":"r","token_type":"Bearer"}"#;
    assert_eq!(answered("200 OK", token).await.unwrap(), token.as_bytes());
    let none = r#"{"error":"invalid_request","error_description":"Identity not found"}"#;
    let error = answered("400 Bad Request", none).await.unwrap_err();
    assert!(matches!(error, Error::NoIdentity { .. }), "{error:?}");
    assert!(error.to_string().contains("Identity not found"), "{error}");
    for (status, decision) in [
        ("410 Gone", Decision::Retry),
        ("429 Too Many Requests", Decision::Retry),
        ("500 Internal Server Error", Decision::Retry),
        ("403 Forbidden", Decision::Stop),
    ] {
        assert_eq!(
            answered(status, "{}").await.unwrap_err().retry_decision(),
            decision,
            "{status}"
        );
    }
    let error = answered("200 OK", "<html>").await.unwrap_err();
    assert!(error.to_string().contains("HTML instead of JSON"), "{error}");
}

#[tokio::test]
async fn a_probe_without_an_answer_is_short() {
    // The backlog accepts the connection, but nothing answers.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
    let begun = Instant::now();
    let error = transport(true).probe(&url).await.unwrap_err();
    assert!(begun.elapsed() < PROBE_TIMEOUT * 2, "{:?}", begun.elapsed());
    assert!(error.to_string().contains("not on Azure"), "{error}");
}
