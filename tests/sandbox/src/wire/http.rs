//! HTTP/1.1 by hand, since a server that keeps to it can break none of its rules.

use std::fmt::Write as _;
use std::io;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use axum::http::{self, HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri, request};
use futures::StreamExt as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::fault::Answer;

/// Larger heads and bodies than these are not read; no request of a test comes near them.
const LONGEST_HEAD: usize = 64 << 10;
const LARGEST_BODY: usize = 16 << 20;

/// A request with its whole body.
#[derive(Clone)]
pub(super) struct Request {
    pub(super) parts: request::Parts,
    pub(super) body: Bytes,
    /// The host name, if there is a choice of them, with path and query.
    pub(super) uri: String,
}

/// Reads a request; none when the client has closed the connection.
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin), host: &str) -> io::Result<Option<Request>> {
    let Some(head) = read_head(stream).await? else {
        return Ok(None);
    };
    let mut lines = head.lines();
    let mut words = lines.next().unwrap_or_default().split(' ');
    let mut next = || words.next().ok_or(io::ErrorKind::InvalidData);
    let method: Method = next()?.parse().map_err(io::Error::other)?;
    let uri: Uri = next()?.parse().map_err(io::Error::other)?;
    let (mut parts, ()) = http::Request::new(()).into_parts();
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let name: HeaderName = name.parse().map_err(io::Error::other)?;
        let value = HeaderValue::from_str(value.trim()).map_err(io::Error::other)?;
        parts.headers.append(name, value);
    }
    if parts.headers.contains_key(TRANSFER_ENCODING) {
        return Err(io::Error::other("the wire reads no chunked request"));
    }
    let length = parts.headers.get(CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0).min(LARGEST_BODY)];
    stream.read_exact(&mut body).await?;
    (parts.method, parts.uri) = (method, uri);
    Ok(Some(Request {
        uri: format!("{host}{}", parts.uri),
        body: body.into(),
        parts,
    }))
}

/// Reads byte by byte, since the body follows.
async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<String>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) if head.len() < LONGEST_HEAD => head.push(byte),
            Err(_) if head.is_empty() => return Ok(None),
            Ok(_) => return Err(io::ErrorKind::InvalidData.into()),
            Err(error) => return Err(error),
        }
    }
    String::from_utf8(head).map(Some).map_err(io::Error::other)
}

/// The bytes of an answer that are wrong in no way.
pub(super) async fn bytes(answer: Response<Body>, of: &Method) -> io::Result<Vec<u8>> {
    let (mut parts, body) = answer.into_parts();
    let body = to_bytes(body, LARGEST_BODY).await.map_err(io::Error::other)?;
    if of != Method::HEAD {
        parts.headers.insert(CONTENT_LENGTH, body.len().into());
    }
    let mut bytes = head(parts.status, &parts.headers).into_bytes();
    bytes.extend_from_slice(&body);
    Ok(bytes)
}

/// Sends an answer part by part, as a watch needs it.
pub(super) async fn send(
    stream: &mut (impl AsyncWrite + Unpin),
    answer: Response<Body>,
    of: &Method,
) -> io::Result<()> {
    let (mut parts, body) = answer.into_parts();
    let bodyless = of == Method::HEAD || parts.status == StatusCode::NO_CONTENT;
    let chunked = !bodyless && !parts.headers.contains_key(CONTENT_LENGTH);
    if chunked {
        parts
            .headers
            .insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    stream
        .write_all(head(parts.status, &parts.headers).as_bytes())
        .await?;
    let mut body = body.into_data_stream();
    while let Some(part) = body.next().await {
        let part = part.map_err(io::Error::other)?;
        // An empty chunk would be the last.
        if chunked && !part.is_empty() {
            stream
                .write_all(format!("{:x}\r\n", part.len()).as_bytes())
                .await?;
        }
        stream.write_all(&part).await?;
        if chunked && !part.is_empty() {
            stream.write_all(b"\r\n").await?;
        }
        stream.flush().await?;
    }
    if chunked {
        stream.write_all(b"0\r\n\r\n").await?;
    }
    stream.flush().await
}

fn head(status: StatusCode, headers: &HeaderMap) -> String {
    let mut head = format!("HTTP/1.1 {status}\r\n");
    for (name, value) in headers.iter().filter(|(name, _)| *name != CONNECTION) {
        let _ = write!(head, "{name}: {}\r\n", String::from_utf8_lossy(value.as_bytes()));
    }
    head + "\r\n"
}

impl Answer {
    pub(super) fn into_response(self) -> Response<Body> {
        let length = self.body.len();
        let mut answer = Response::new(Body::from(self.body));
        *answer.status_mut() = StatusCode::from_u16(self.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        answer.headers_mut().insert(CONTENT_LENGTH, length.into());
        for (name, value) in self.headers {
            if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(&value)) {
                answer.headers_mut().insert(name, value);
            }
        }
        answer
    }
}
