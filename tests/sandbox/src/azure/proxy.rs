//! An HTTP proxy that takes Azure's host names to the emulator.
//!
//! With `HTTPS_PROXY` set to it a client uses the real names and the real port, and meets the emulator.

use std::io;

use axum::http::{Method, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::cloud::Site;
use super::request::Request;
use super::server::Server;

/// A longer head is not that of a CONNECT.
const LONGEST_HEAD: usize = 16 * 1024;

pub(super) async fn listen(server: Server, listener: TcpListener) {
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(tunnel(server.clone(), stream));
        }
    }
}

/// Answers a CONNECT, and then is the TLS listener for the rest of the connection.
async fn tunnel(server: Server, mut stream: TcpStream) -> io::Result<()> {
    if connect(&server, &mut stream).await?.is_some() {
        server.serve(stream, true).await;
    }
    Ok(())
}

/// Answers a CONNECT, and returns the host name in it unless it was refused.
pub(super) async fn connect(server: &Server, stream: &mut TcpStream) -> io::Result<Option<String>> {
    let head = read_head(stream).await?;
    let mut words = head.split_whitespace();
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if method != Method::CONNECT.as_str() {
        refuse(stream, StatusCode::METHOD_NOT_ALLOWED).await?;
        return Ok(None);
    }
    let (host, port) = target.rsplit_once(':').unwrap_or((target, ""));
    let port_fits = match Site::of(host) {
        Some(Site::Direct) => port == server.emulator.addr.port().to_string(),
        Some(_) => port == "443",
        None => false,
    };
    if !port_fits {
        log_refusal(server, host, target);
        refuse(stream, StatusCode::FORBIDDEN).await?;
        return Ok(None);
    }
    stream
        .write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
        .await?;
    Ok(Some(host.to_owned()))
}

/// Reads byte by byte, for what comes after the head belongs to the tunnel.
async fn read_head(stream: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == LONGEST_HEAD {
            return Err(io::ErrorKind::InvalidData.into());
        }
        head.push(stream.read_u8().await?);
    }
    String::from_utf8(head).map_err(io::Error::other)
}

async fn refuse(stream: &mut TcpStream, status: StatusCode) -> io::Result<()> {
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    stream.shutdown().await
}

/// Shows in the log that a client meant to leave the emulated Azure.
fn log_refusal(server: &Server, host: &str, target: &str) {
    let mut state = server.emulator.state();
    let time = state.clock.now();
    let ticket = state.requests.arrive(Request {
        time,
        host: host.to_owned(),
        method: Method::CONNECT.to_string(),
        path: target.to_owned(),
        operation: None,
        principal: None,
        gateway: None,
        status: None,
        proxied: true,
        correlation_id: String::new(),
    });
    state.requests.answer(ticket, StatusCode::FORBIDDEN.as_u16());
}
