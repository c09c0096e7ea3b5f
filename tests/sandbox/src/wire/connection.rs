//! One connection, from its first request to its end.

use std::io;
use std::time::Duration;

use axum::body::Body;
use axum::http::Response;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::Shared;
use super::fault::{Action, Fault};
use super::http::{self, Request};

/// The time between two bytes of an answer that drips.
const BETWEEN_BYTES: Duration = Duration::from_secs(1);

/// What follows a request on its connection.
enum Next {
    Request,
    /// An orderly end.
    Close,
    Reset,
}

/// Answers requests until one of them, or the client, ends the connection.
pub(super) async fn serve(shared: &Shared, mut stream: TlsStream<TcpStream>, host: &str) {
    loop {
        let next = match http::read(&mut stream, host).await {
            Ok(Some(request)) => answer(shared, &mut stream, request).await,
            Ok(None) | Err(_) => Ok(Next::Close),
        };
        match next {
            Ok(Next::Request) => {}
            Ok(Next::Close) => {
                let _ = stream.shutdown().await;
                return;
            }
            // A server that went away, or a client that did; it is too late for an answer.
            Ok(Next::Reset) | Err(_) => {
                let _ = stream.get_ref().0.set_zero_linger();
                return;
            }
        }
    }
}

async fn answer(shared: &Shared, stream: &mut TlsStream<TcpStream>, request: Request) -> io::Result<Next> {
    let fault = shared.arrived(&request);
    shared.travel().await;
    let method = request.parts.method.clone();
    let Some(Fault {
        action, after_effect, ..
    }) = fault
    else {
        http::send(stream, shared.upstream.answer(request).await?, &method).await?;
        return Ok(Next::Request);
    };
    let mut sent = None;
    if after_effect {
        sent = Some(shared.upstream.answer(request.clone()).await?);
    }
    match action {
        Action::Answer(answer) => http::send(stream, answer.into_response(), &method).await?,
        Action::Delay(time) => {
            tokio::time::sleep(time).await;
            http::send(stream, sent_or_send(shared, sent, request).await?, &method).await?;
        }
        Action::Hang => return hang(stream).await,
        Action::Reset | Action::Refuse => return Ok(Next::Reset),
        Action::Duplicate => {
            sent_or_send(shared, sent, request.clone()).await?;
            http::send(stream, shared.upstream.answer(request).await?, &method).await?;
        }
        Action::CutHeader | Action::CutBody | Action::Drip | Action::AnswerTwice => {
            let answer = http::bytes(sent_or_send(shared, sent, request).await?, &method).await?;
            return spoil(stream, &answer, &action).await;
        }
    }
    Ok(Next::Request)
}

async fn sent_or_send(
    shared: &Shared,
    sent: Option<Response<Body>>,
    request: Request,
) -> io::Result<Response<Body>> {
    match sent {
        Some(answer) => Ok(answer),
        None => shared.upstream.answer(request).await,
    }
}

/// Sends the bytes of an answer in a way that no server should.
async fn spoil(stream: &mut TlsStream<TcpStream>, answer: &[u8], action: &Action) -> io::Result<Next> {
    let body = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .map_or(0, |end| end + 4);
    match action {
        Action::Drip => {
            for byte in answer {
                stream.write_all(&[*byte]).await?;
                stream.flush().await?;
                tokio::time::sleep(BETWEEN_BYTES).await;
            }
            return Ok(Next::Request);
        }
        Action::CutHeader => stream.write_all(&answer[..body / 2]).await?,
        Action::CutBody => stream.write_all(&answer[..body.midpoint(answer.len())]).await?,
        _ => {
            stream.write_all(answer).await?;
            stream.write_all(answer).await?;
            stream.flush().await?;
            return Ok(Next::Request);
        }
    }
    Ok(Next::Close)
}

/// Reads and answers nothing until the client has had enough.
async fn hang(stream: &mut TlsStream<TcpStream>) -> io::Result<Next> {
    let mut ignored = [0; 1024];
    while stream.read(&mut ignored).await? > 0 {}
    Ok(Next::Close)
}
