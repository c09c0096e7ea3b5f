use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use super::*;
use crate::azure::transport::http::client as http_client;
use crate::retry::Decision;

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
        prefer: None,
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

#[tokio::test]
async fn no_broken_answer_hangs_or_is_taken_for_one() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-le",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{\"val",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 9\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\ncontent-length: -2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\n{}",
        "HTTP/9.1 200 OK\r\n\r\n",
        "\0\0\0\0",
    ] {
        let error = error("http", Some(answer)).await;
        assert!(
            matches!(
                error,
                Error::Transport {
                    fault: Fault::Broken,
                    ..
                }
            ),
            "{answer:?}: {error}"
        );
    }
    // The rest belongs to no request.
    let twice =
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]";
    assert_eq!(answered("http", Some(twice)).await.unwrap().body, b"{}");
}

#[tokio::test]
async fn an_answer_that_would_fill_the_memory_is_not_read_to_its_end() {
    let body = " ".repeat(LARGEST + 1);
    for head in ["content-length: 99999999", "connection: close"] {
        let answer = format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{body}").leak();
        let error = error("http", Some(answer)).await;
        assert!(
            error.to_string().ends_with("the answer is larger than 4 MiB"),
            "{error}"
        );
        assert_eq!(error.retry_decision(), Decision::Stop);
    }
}

/// The time is the runtime's, which passes at once while nothing else happens.
#[tokio::test(start_paused = true)]
async fn an_attempt_ends_after_its_time_whatever_has_arrived() {
    for begin in ["", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{"] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(begin.as_bytes());
            // The connection stays until the test is over.
            let _ = ended.recv();
        });
        let call = Call::get(
            "read gateway `gw`".into(),
            "gateway `gw`".into(),
            Url::parse(&format!("http://127.0.0.1:{port}/path")).unwrap(),
        );
        let begun = tokio::time::Instant::now();
        let error = call
            .send(&http_client(None).unwrap(), None, |_, _| ())
            .await
            .err()
            .unwrap();
        assert_eq!(begun.elapsed().as_secs(), ATTEMPT.as_secs());
        let expected = "cannot read gateway `gw`: 127.0.0.1 did not answer within 30 s";
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.retry_decision(), Decision::Retry);
        drop(end);
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
