//! Events on workloads, as `kubectl describe` and `kubectl get events` show
//! them.
//!
//! kube's own recorder takes the time from the local clock, and patches an
//! Event that occurs again, for which our Role has no right.

use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event as Written;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::Api;
use kube::api::PostParams;
use tokio::time::Instant;

use super::Cluster;
use crate::model::annotation::FIELD_MANAGER;
use crate::model::{Event, Subject, one_line, shortened};

/// The reporting controller, in the form that the API requires.
const CONTROLLER: &str = "kubectl-apim/apim-rotate";

/// The action of every Event, whatever its outcome.
const ACTION: &str = "RotateCredential";

/// The limits of the API server, in bytes.
const LONGEST_NOTE: usize = 1024;
const LONGEST_INSTANCE: usize = 128;

/// An Event is written after the work is done, and must not delay the run.
const TIMEOUT: Duration = Duration::from_secs(10);

impl Cluster {
    /// Writes an Event about a workload; `instance` is this pod or host.
    pub async fn publish(&self, event: &Event, subject: &Subject, instance: &str) -> Result<(), kube::Error> {
        let events: Api<Written> = Api::namespaced(self.client.clone(), &subject.namespace);
        let params = PostParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PostParams::default()
        };
        let written = self.event(event, subject, instance);
        let soon = Instant::now() + TIMEOUT;
        let limited = self
            .clone()
            .until(self.deadline.map_or(soon, |end| end.min(soon)));
        let created = limited.once(limited.end(), events.create(&params, &written));
        created.await.map(drop)
    }

    fn event(&self, event: &Event, subject: &Subject, instance: &str) -> Written {
        let Subject {
            namespace,
            workload,
            uid,
        } = subject;
        let kind = if event.reason.is_warning() {
            "Warning"
        } else {
            "Normal"
        };
        Written {
            metadata: ObjectMeta {
                generate_name: Some(format!("{}-", workload.name)),
                namespace: Some(namespace.clone()),
                ..ObjectMeta::default()
            },
            event_time: Some(MicroTime(self.now())),
            action: Some(ACTION.to_owned()),
            reason: Some(format!("{:?}", event.reason)),
            note: Some(shortened(&one_line(&event.note), LONGEST_NOTE)),
            type_: Some(kind.to_owned()),
            regarding: Some(ObjectReference {
                api_version: Some("apps/v1".to_owned()),
                kind: Some(format!("{:?}", workload.kind)),
                name: Some(workload.name.clone()),
                namespace: Some(namespace.clone()),
                uid: uid.clone(),
                ..ObjectReference::default()
            }),
            reporting_controller: Some(CONTROLLER.to_owned()),
            reporting_instance: Some(shortened(instance, LONGEST_INSTANCE)),
            ..Written::default()
        }
    }
}
