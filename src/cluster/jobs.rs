//! A running Job and the logs of its pods.

use futures::{AsyncBufReadExt, TryStreamExt};
use k8s_openapi::api::core::v1::{ContainerState, Pod};
use kube::Api;
use kube::api::LogParams;
use kube::core::{Expression, Selector};
use serde::Deserialize;

use super::Cluster;
use super::lean::{Element, few, text};

/// The label that a Job's pods have.
const JOB_NAME: &str = "job-name";

/// How a Job ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// One of its pods succeeded.
    Complete,
    /// The Job controller gave up, with this message.
    Failed(String),
}

/// What is read of a Job.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Job {
    status: Status,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    #[serde(deserialize_with = "few")]
    conditions: Vec<Condition>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Condition {
    #[serde(rename = "type", deserialize_with = "text")]
    kind: String,
    #[serde(deserialize_with = "text")]
    status: String,
    #[serde(deserialize_with = "text")]
    message: String,
}

impl Element for Condition {}

impl Cluster {
    /// How a Job ended; `None` while it runs.
    pub async fn job_end(&self, name: &str) -> Result<Option<End>, kube::Error> {
        let path = format!("/apis/batch/v1/namespaces/{}/jobs/{name}", self.namespace);
        let job: Job = self.get(&path).await?;
        let mut conditions = job.status.conditions.into_iter();
        Ok(conditions.find_map(|condition| {
            let holds = condition.status == "True";
            match condition.kind.as_str() {
                "Complete" if holds => Some(End::Complete),
                "Failed" if holds => Some(End::Failed(condition.message)),
                _ => None,
            }
        }))
    }

    /// The pods of a Job, the oldest first.
    pub async fn pods_of_job(&self, name: &str) -> Result<Vec<Pod>, kube::Error> {
        let of_job = Expression::Equal(JOB_NAME.to_owned(), name.to_owned());
        let mut pods = self.pods(&Selector::from_iter([of_job])).await?;
        pods.sort_by_key(|pod| pod.metadata.creation_timestamp.as_ref().map(|created| created.0));
        Ok(pods)
    }

    /// Reads a container's log to its end, line by line.
    pub async fn follow_log(
        &self,
        pod: &str,
        container: &str,
        mut line: impl FnMut(&str),
    ) -> Result<(), kube::Error> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        let params = LogParams {
            container: Some(container.to_owned()),
            follow: true,
            ..LogParams::default()
        };
        let log = pods.log_stream(pod, &params).await?;
        let mut lines = log.lines();
        // If the log breaks off, the lines so far are all there is.
        while let Ok(Some(text)) = lines.try_next().await {
            line(&text);
        }
        Ok(())
    }
}

/// The state of a pod's only container.
pub fn container_state(pod: &Pod) -> Option<&ContainerState> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    statuses.first()?.state.as_ref()
}
