//! `status` from end to end.

mod azure;
mod cron_jobs;
mod describe;
mod entra;
mod fix;
pub(crate) mod gallery;
mod hostile;
mod large;
mod metrics;
mod owners;
mod picture;
mod rights;
mod vanished;
mod watch;

use apim_sandbox::azure::Slot;
use apim_sandbox::manifests::{GatewayManifest, apply};
use k8s_openapi::api::batch::v1::CronJob;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::case::{Case, DAY};
use crate::run::Ended;

impl Ended {
    /// The gateway of a list by the name of its workload.
    pub(crate) fn gateway(&self, name: &str) -> Value {
        let list = self.json();
        let items = list["items"].as_array().unwrap();
        let found = items.iter().find(|item| item["workload"]["name"] == name);
        found.unwrap_or_else(|| panic!("no {name} in {list:#}")).clone()
    }

    /// Each gateway with its verdict.
    pub(crate) fn verdicts(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let list = self.json();
        let items = list["items"].as_array().unwrap();
        items
            .iter()
            .map(|item| (text(&item["workload"]["name"]), text(&item["verdict"])))
            .collect()
    }
}

impl Case {
    /// A portal deployment of this name, without a pod, whose token is valid
    /// for `days`.
    fn gateway(&self, name: &str, days: i32) -> GatewayManifest {
        let token = self.token(Slot::Primary, DAY * days);
        GatewayManifest::portal(name, &self.endpoint(), &token).replicas(0)
    }

    /// A CronJob that rotates, and does not start while the test runs.
    async fn cron_job(&self, container: &Value) {
        let hour = (self.azure().now().as_second() / 3600 + 12) % 24;
        let mut container = container.clone();
        container["name"] = json!("rotate");
        let object = json!({
            "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "apim-rotate"},
            "spec": {
                "schedule": format!("17 {hour} * * *"),
                "jobTemplate": {"spec": {"template": {"spec": {
                    "restartPolicy": "Never", "containers": [container]}}}},
            },
        });
        apply(&self.client, &self.namespace, object).await.unwrap();
        self.has_succeeded("apim-rotate").await;
    }

    /// Records that a Job of a CronJob has just succeeded.
    pub(crate) async fn has_succeeded(&self, cron_job: &str) {
        let now = self.azure().now();
        record(
            &self.client,
            &self.namespace,
            cron_job,
            &json!({"lastSuccessfulTime": now}),
        )
        .await;
    }
}

/// Writes the status of a CronJob.
async fn record(client: &Client, namespace: &str, cron_job: &str, status: &Value) {
    let cron_jobs: Api<CronJob> = Api::namespaced(client.clone(), namespace);
    let patch = Patch::Merge(json!({"status": status}));
    cron_jobs
        .patch_status(cron_job, &PatchParams::default(), &patch)
        .await
        .unwrap();
}
