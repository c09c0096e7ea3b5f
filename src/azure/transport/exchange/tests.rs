use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use super::*;
use crate::azure::transport::http::client as http_client;

/// The outcome of one request to a server that gives this answer, or to a
/// closed port without one.
async fn answered(scheme: &str, answer: Option<&'static str>) -> Result<Answer, Error> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    match answer {
        Some(answer) => drop(thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 4096]);
            stream.write_all(answer.as_bytes()).unwrap();
        })),
        None => drop(listener),
    }
    let call = Call {
        purpose: "read gateway `gw`".into(),
        what: "gateway `gw`".into(),
        method: Method::GET,
        url: Url::parse(&format!("{scheme}://127.0.0.1:{port}/path?secret=1")).unwrap(),
        body: None,
    };
    call.send(&http_client(None).unwrap(), Some("access-token"), |_, _| ())
        .await
}

async fn error(scheme: &str, answer: Option<&'static str>) -> Error {
    let error = answered(scheme, answer).await.err().unwrap();
    let shown = format!("{error} {error:?}");
    assert!(
        !shown.contains("access-token") && !shown.contains("secret=1"),
        "{shown}"
    );
    error
}

#[tokio::test]
async fn a_success_is_passed_on() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
    assert_eq!(answered("http", Some(answer)).await.unwrap().body, b"{}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let answer = "HTTP/1.1 307 Moved\r\nlocation: https://evil.example/x\r\ncontent-length: 0\r\n\r\n";
    let error = error("http", Some(answer)).await;
    assert!(
        matches!(&error, Error::Wire { flaw: Flaw::Form, .. }) && error.to_string().contains("evil.example"),
        "{error}"
    );
}

#[tokio::test]
async fn each_refusal_has_its_error() {
    let gone = "HTTP/1.1 404 Not Found\r\nx-ms-correlation-request-id: c-1\r\ncontent-length: 63\r\n\r\n\
                {\"error\":{\"code\":\"ResourceNotFound\",\"message\":\"It is gone.\" } }";
    assert_eq!(
        error("http", Some(gone)).await.to_string(),
        "gateway `gw` was not found: Azure answered 404 ResourceNotFound: It is gone \
         (GET /path, correlation id c-1)"
    );
    let strange = "HTTP/1.1 404 Not Found\r\ncontent-length: 6\r\n\r\n<html>";
    assert!(matches!(error("http", Some(strange)).await, Error::Status { .. }));
    let busy = "HTTP/1.1 429 Busy\r\nretry-after: 3\r\ncontent-length: 0\r\n\r\n";
    let Error::Throttled { refusal } = error("http", Some(busy)).await else {
        panic!("not throttled")
    };
    assert_eq!(refusal.retry_after.unwrap().as_secs(), 3);
}

#[tokio::test]
async fn a_failed_connection_and_a_broken_one_are_different_faults() {
    let cut = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"value\":";
    for (scheme, answer, expected) in [
        ("http", None, Fault::Connect),
        ("https", Some("HTTP/1.1 400 Bad Request\r\n\r\n"), Fault::Connect),
        ("http", Some(""), Fault::Broken),
        ("http", Some(cut), Fault::Broken),
    ] {
        let error = error(scheme, answer).await;
        assert!(
            matches!(&error, Error::Transport { fault, .. } if *fault == expected),
            "{error}"
        );
    }
}

#[test]
fn an_untrusted_certificate_is_found_inside_an_io_error() {
    let refused = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
    assert!(certificate_refused(&io::Error::other(refused.clone())) && certificate_refused(&refused));
    assert!(!certificate_refused(&io::Error::other(
        rustls::Error::DecryptError
    )));
}
