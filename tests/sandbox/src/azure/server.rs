//! The TLS listener.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::http::Response;
use axum::http::request::Parts;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::emulator::Emulator;
use super::exchange::{Call, Outcome, exchange};
use super::proxy;

/// Larger bodies than this are not read; no request to the emulated services comes near it.
const LARGEST_BODY: usize = 1 << 20;

/// The parts that are needed to serve a connection.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) emulator: Arc<Emulator>,
    pub(super) tls: TlsAcceptor,
}

impl Server {
    pub(super) async fn listen(self, listener: TcpListener) {
        loop {
            // A connection that ended before it was accepted is the client's affair.
            if let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(self.clone().serve(stream, false));
            }
        }
    }

    /// Serves a connection from the TLS handshake to its end.
    pub(super) async fn serve(self, stream: TcpStream, proxied: bool) {
        // The answers are small and each is awaited, which is where Nagle's algorithm costs most.
        let _ = stream.set_nodelay(true);
        let reset = Arc::new(AtomicBool::new(false));
        let wire = Wire {
            stream,
            reset: reset.clone(),
        };
        // A client that does not trust the certificate hangs up, and reports it itself.
        let Ok(stream) = self.tls.accept(wire).await else {
            return;
        };
        let service = service_fn(|request| {
            let (emulator, reset) = (self.emulator.clone(), reset.clone());
            async move {
                let (parts, body) = request.into_parts();
                let answer = answer(emulator, parts, Body::new(body), proxied).await;
                // Only a fault lets the emulator break a connection.
                reset.store(answer.is_err(), Ordering::Relaxed);
                answer
            }
        });
        // The only error that is ours is the reset or the cut body that a fault asked for.
        let _ = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service)
            .await;
    }
}

/// The emulator's answer; an error is a connection that it resets.
async fn answer(
    emulator: Arc<Emulator>,
    parts: Parts,
    body: Body,
    proxied: bool,
) -> io::Result<Response<Body>> {
    let body = axum::body::to_bytes(body, LARGEST_BODY)
        .await
        .map_err(io::Error::other)?;
    let call = Call::new(&emulator, parts, body, proxied);
    // Azure does what it was asked even when the client has hung up meanwhile, hence a task of its own.
    match tokio::spawn(exchange(emulator, call))
        .await
        .map_err(io::Error::other)?
    {
        Outcome::Answer(response) => Ok(response),
        Outcome::Reset => Err(io::ErrorKind::ConnectionReset.into()),
    }
}

/// The emulator as a wire in front of it needs it: the parts of a connection one by one.
pub(crate) struct Front(pub(super) Server);

impl Front {
    /// Answers the CONNECT of a client and returns the host name in it.
    pub(crate) async fn connect(&self, stream: &mut TcpStream) -> io::Result<String> {
        let host = proxy::connect(&self.0, stream).await?;
        host.ok_or_else(|| io::ErrorKind::PermissionDenied.into())
    }

    pub(crate) fn acceptor(&self) -> &TlsAcceptor {
        &self.0.tls
    }

    /// The answer to a request that came through a proxy.
    pub(crate) async fn answer(&self, parts: Parts, body: Bytes) -> io::Result<Response<Body>> {
        answer(self.0.emulator.clone(), parts, Body::from(body), true).await
    }
}

/// A TCP stream that can end with a reset instead of an orderly close.
struct Wire {
    stream: TcpStream,
    reset: Arc<AtomicBool>,
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.reset.load(Ordering::Relaxed) {
            // Without the option the client sees an orderly close, which it must survive as well.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
