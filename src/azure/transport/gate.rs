use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use tokio::sync::watch;
use tower::{Layer, Service};

/// Holds back the connections of a client: they are made, and nothing is sent
/// until the gate is opened.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<watch::Sender<bool>>);

impl Gate {
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    async fn opened(&self) {
        // The sender is alive as long as this is.
        let _ = self.0.subscribe().wait_for(|open| *open).await;
    }
}

impl<S> Layer<S> for Gate {
    type Service = Gated<S>;

    fn layer(&self, connector: S) -> Gated<S> {
        Gated {
            connector,
            gate: self.clone(),
        }
    }
}

/// A connector behind a gate.
#[derive(Clone)]
pub struct Gated<S> {
    connector: S,
    gate: Gate,
}

impl<S, R> Service<R> for Gated<S>
where
    S: Service<R, Future: Send + 'static, Response: Send, Error: Send>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.connector.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let connecting = self.connector.call(request);
        let gate = self.gate.clone();
        Box::pin(async move {
            let connection = connecting.await?;
            gate.opened().await;
            Ok(connection)
        })
    }
}
