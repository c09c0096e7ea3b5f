//! A controller that never leaves the status of a Deployment alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use apim_sandbox::azure::Azure;
use apim_sandbox::wait;
use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use tokio::task::JoinHandle;

use crate::case::{Case, LIMIT};

const PAUSE: Duration = Duration::from_millis(200);

/// Writes the status five times a second until it is dropped.
pub(crate) struct Restless {
    writes: Arc<AtomicU32>,
    task: JoinHandle<()>,
}

impl Drop for Restless {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Restless {
    /// How often it has written.
    pub(crate) fn writes(&self) -> u32 {
        self.writes.load(Ordering::Relaxed)
    }
}

impl Case {
    /// Changes the resourceVersion of a Deployment, and not its generation, five times a second.
    /// Returns as soon as that goes on.
    pub(crate) async fn restless(&self, name: &str) -> Restless {
        let writes = Arc::new(AtomicU32::new(0));
        let restless = Restless {
            task: tokio::spawn(write(
                self.azure(),
                self.deployments(),
                name.to_owned(),
                writes.clone(),
            )),
            writes,
        };
        let written = wait::until("a write of the restless controller", LIMIT, async || {
            Ok((restless.writes() > 0).then_some(()))
        });
        written.await.unwrap();
        restless
    }
}

async fn write(azure: &Azure, deployments: Api<Deployment>, name: String, writes: Arc<AtomicU32>) {
    let mut ticks = tokio::time::interval(PAUSE);
    loop {
        ticks.tick().await;
        // The controller of Deployments keeps the conditions of others.
        let now = azure.now().to_string();
        let condition = json!({
            "type": "Restless", "status": "True", "reason": "Ticked", "lastUpdateTime": now,
            "message": writes.load(Ordering::Relaxed).to_string(),
        });
        let patch = Patch::Strategic(json!({"status": {"conditions": [condition]}}));
        let params = PatchParams {
            field_manager: Some("restless".to_owned()),
            ..PatchParams::default()
        };
        if deployments.patch_status(&name, &params, &patch).await.is_ok() {
            writes.fetch_add(1, Ordering::Relaxed);
        }
    }
}
