//! Answers of the API server, read as they arrive and within limits: users of
//! the cluster decide how large its objects are.

use futures::{AsyncBufRead, AsyncBufReadExt};
use http::Request;
use serde::de::{DeserializeOwned, Error as _};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::Cluster;

/// Larger objects are in memory one at a time.
const LARGE: usize = 256 * 1024;

/// No object is larger: etcd stores 1.5 MiB of each, and JSON needs up to six
/// bytes for one.
const LARGEST: usize = 12 * 1024 * 1024;

/// Only its holder has a large object in memory. The process has one, whatever
/// clusters it reads.
static TURN: Semaphore = Semaphore::const_new(1);

/// The bytes of one object.
#[derive(Default)]
pub(super) struct Gathered {
    bytes: Vec<u8>,
    permit: Option<SemaphorePermit<'static>>,
}

impl Gathered {
    /// Adds bytes. If they make the object a large one, this waits until no
    /// other is in memory.
    pub(super) async fn add(&mut self, bytes: &[u8]) -> Result<(), kube::Error> {
        let length = self.bytes.len() + bytes.len();
        if length > LARGEST {
            return Err(foreign("an object is larger than any that an API server stores"));
        }
        if length > LARGE && self.permit.is_none() {
            self.permit = TURN.acquire().await.ok();
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// Parses the object, and frees its bytes.
    pub(super) fn parsed<T: DeserializeOwned>(&mut self) -> Result<T, kube::Error> {
        let parsed = serde_json::from_slice(&self.bytes).map_err(kube::Error::SerdeError);
        self.bytes = Vec::new();
        self.permit = None;
        parsed
    }
}

impl Cluster {
    /// Sends a request and reads the object that it is answered with.
    pub(super) async fn answered<T: DeserializeOwned>(
        &self,
        request: Request<Vec<u8>>,
    ) -> Result<T, kube::Error> {
        let mut body = Box::pin(self.client.request_stream(request).await?);
        let mut object = Gathered::default();
        loop {
            let bytes = next_bytes(&mut body).await?;
            if bytes.is_empty() {
                return object.parsed();
            }
            let length = bytes.len();
            object.add(bytes).await?;
            body.consume_unpin(length);
        }
    }

    /// Reads the object at a path, and retries as for every read.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, kube::Error> {
        let request = || {
            Request::get(path)
                .body(Vec::new())
                .map_err(kube::Error::HttpError)
        };
        self.reading(async || self.answered(request()?).await).await
    }
}

/// The bytes that have arrived; none at the end.
pub(super) async fn next_bytes(body: &mut (impl AsyncBufRead + Unpin)) -> Result<&[u8], kube::Error> {
    body.fill_buf().await.map_err(kube::Error::ReadEvents)
}

/// The error of an answer that no API server gives.
pub(super) fn foreign(why: &str) -> kube::Error {
    kube::Error::SerdeError(serde_json::Error::custom(why))
}
