//! What containers have written, kept in memory.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::watch;

/// Namespace, pod and container.
pub(crate) type Key = (String, String, String);

/// The logs of every container on the node.
#[derive(Default)]
pub(crate) struct LogStore {
    logs: Mutex<HashMap<Key, Arc<ContainerLog>>>,
}

impl LogStore {
    /// The log of a container, created when there is none.
    pub(crate) fn open(&self, key: Key) -> Arc<ContainerLog> {
        lock(&self.logs).entry(key).or_default().clone()
    }

    pub(crate) fn get(&self, key: &Key) -> Option<Arc<ContainerLog>> {
        lock(&self.logs).get(key).cloned()
    }

    /// Drops the logs of a pod and ends the requests that follow them.
    pub(crate) fn remove(&self, namespace: &str, pod: &str) {
        lock(&self.logs).retain(|(its_namespace, its_pod, _), log| {
            let removed = its_namespace == namespace && its_pod == pod;
            if removed {
                log.close();
            }
            !removed
        });
    }
}

/// The log of one container over all its instances.
#[derive(Default)]
pub(crate) struct ContainerLog {
    instances: Mutex<VecDeque<Vec<Line>>>,
    written: watch::Sender<Progress>,
}

/// What followers of a log wait for.
#[derive(Default, Clone, Copy)]
pub(crate) struct Progress {
    /// Whether nothing more will be written.
    pub(crate) closed: bool,
    lines: usize,
}

/// One line and when it was written.
#[derive(Clone)]
pub(crate) struct Line {
    pub(crate) time: Timestamp,
    pub(crate) text: String,
}

impl ContainerLog {
    /// Begins the log of a new instance; of the earlier ones only the last is kept.
    pub(crate) fn begin(&self) {
        let mut instances = lock(&self.instances);
        instances.push_back(Vec::new());
        while instances.len() > 2 {
            instances.pop_front();
        }
    }

    pub(crate) fn write(&self, text: String) {
        if let Some(lines) = lock(&self.instances).back_mut() {
            lines.push(Line {
                time: Timestamp::now(),
                text,
            });
        }
        self.written.send_modify(|progress| progress.lines += 1);
    }

    pub(crate) fn write_all(&self, lines: Vec<String>) {
        for line in lines {
            self.write(line);
        }
    }

    /// The lines of the present instance or the one before it, or nothing if
    /// there has been none.
    pub(crate) fn lines(&self, previous: bool) -> Option<Vec<Line>> {
        let instances = lock(&self.instances);
        let index = instances.len().checked_sub(if previous { 2 } else { 1 })?;
        instances.get(index).cloned()
    }

    pub(crate) fn progress(&self) -> watch::Receiver<Progress> {
        self.written.subscribe()
    }

    /// Marks the log as complete, which ends the requests that follow it.
    pub(crate) fn close(&self) {
        self.written.send_modify(|progress| progress.closed = true);
    }
}

/// A panic while the lock was held can only have lost a line.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
