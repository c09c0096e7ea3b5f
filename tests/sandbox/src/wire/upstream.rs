//! The servers that a wire can be in front of.

use std::io;

use anyhow::Result;
use axum::body::Body;
use axum::http::header::{AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use axum::http::{Response, StatusCode};
use kube::Client;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::http::Request;
use crate::azure::Front;

/// The server behind a wire.
pub(crate) enum Upstream {
    /// Requests are sent on with the credentials of `client`, whatever their sender has.
    ApiServer {
        client: Client,
        acceptor: TlsAcceptor,
    },
    Azure(Front),
}

impl Upstream {
    /// What comes before TLS; returns the host name that the client asked for, if there is a choice.
    pub(super) async fn greet(&self, stream: &mut TcpStream) -> io::Result<String> {
        match self {
            Self::ApiServer { .. } => Ok(String::new()),
            Self::Azure(front) => front.connect(stream).await,
        }
    }

    pub(super) fn acceptor(&self) -> &TlsAcceptor {
        match self {
            Self::ApiServer { acceptor, .. } => acceptor,
            Self::Azure(front) => front.acceptor(),
        }
    }

    /// The server's answer; an error is a connection that the server broke.
    pub(super) async fn answer(&self, request: Request) -> io::Result<Response<Body>> {
        match self {
            Self::ApiServer { client, .. } => Ok(forward(client, request).await.unwrap_or_else(|error| {
                let mut answer = Response::new(Body::from(format!("the wire got no answer: {error:#}")));
                *answer.status_mut() = StatusCode::BAD_GATEWAY;
                answer
            })),
            Self::Azure(front) => front.answer(request.parts, request.body).await,
        }
    }
}

async fn forward(client: &Client, Request { parts, body, .. }: Request) -> Result<Response<Body>> {
    let mut request = axum::http::Request::new(kube::client::Body::from(body.to_vec()));
    *request.method_mut() = parts.method;
    *request.uri_mut() = parts.uri;
    *request.headers_mut() = parts.headers;
    for of_this_connection in [HOST, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING] {
        request.headers_mut().remove(of_this_connection);
    }
    let mut answer = client.send(request).await?.map(Body::new);
    for of_this_connection in [CONNECTION, TRANSFER_ENCODING] {
        answer.headers_mut().remove(of_this_connection);
    }
    Ok(answer)
}
