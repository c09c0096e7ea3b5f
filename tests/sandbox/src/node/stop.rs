//! The wish that a pod may end.

use std::time::Duration;

use tokio::sync::watch;

/// Asks a pod to stop.
pub(crate) struct Stopper(watch::Sender<Option<Duration>>);

impl Stopper {
    pub(crate) fn new() -> (Self, Stop) {
        let (sender, receiver) = watch::channel(None);
        (Self(sender), Stop(receiver))
    }

    /// Asks the pod to stop within `grace` and waits until nothing of it runs any more.
    pub(crate) async fn stop(self, grace: Duration) {
        self.0.send_replace(Some(grace));
        self.0.closed().await;
    }
}

/// What a pod's tasks listen to; each holds one for as long as it runs.
#[derive(Clone)]
pub(crate) struct Stop(watch::Receiver<Option<Duration>>);

impl Stop {
    /// Resolves as soon as the pod is to stop, to the time that it has for that.
    pub(crate) async fn wait(&self) -> Duration {
        let grace = self.0.clone().wait_for(Option::is_some).await.map(|grace| *grace);
        match grace {
            Ok(grace) => grace.unwrap_or_default(),
            // The other side is gone, and this task is about to be aborted.
            Err(_) => std::future::pending().await,
        }
    }

    pub(crate) fn is_asked(&self) -> bool {
        self.0.borrow().is_some()
    }

    /// The future's value, or nothing if the pod is to stop before it has one.
    pub(crate) async fn unless<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            value = future => Some(value),
            _ = self.wait() => None,
        }
    }
}
