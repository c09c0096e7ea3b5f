//! Runs the CronJob now and follows the run to its end.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use serde_json::json;
use tokio::time::sleep;

use crate::apply::hiding;
use crate::cluster::jobs::{End, container_state};
use crate::cluster::{Cluster, explain};
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::manifest::MANAGER;
use crate::manifest::cronjob::CONTAINER;
use crate::model::{Object, ObjectKind};
use crate::output::Output;

/// How often the Job is read.
const INTERVAL: Duration = Duration::from_millis(500);

/// Starts a Job of the CronJob, prints the log of each of its pods, and
/// returns the exit code of the last.
pub(super) async fn run(
    cluster: &Cluster,
    cron_job: &Object,
    interrupt: &Interrupt,
    output: &Output,
) -> Result<u8> {
    let name = cron_job.name();
    let doing = format!("creating a Job of cronjob/{name}");
    let created = cluster
        .create(&job(cron_job), MANAGER, false)
        .await
        .map_err(|error| explain(hiding(error, &[cron_job]), &doing))?;
    let job = created.name();
    let follow = format!("kubectl -n {} logs -f job/{job}", cluster.namespace);
    *interrupt.job.borrow_mut() = Some(follow);
    output.step("running", &format!("job/{job}"));
    let failed = |error| explain(error, &format!("following job/{job}"));
    let mut shown = BTreeSet::new();
    let mut last = None;
    let waiting = output.waiting();
    waiting.on("waiting for the pod");
    let end = loop {
        // The end is read before the pods, so that their logs are complete.
        let end = cluster.job_end(job).await.map_err(failed)?;
        for pod in cluster.pods_of_job(job).await.map_err(failed)? {
            let uid = pod.metadata.uid.clone().unwrap_or_default();
            let state = container_state(&pod);
            if let Some(reason) = state.and_then(|state| state.waiting.as_ref()?.reason.clone()) {
                waiting.on(&format!("waiting for the pod: {reason}"));
            }
            last = exit_code(&pod).or(last);
            if state.is_some_and(|state| state.waiting.is_none()) && shown.insert(uid) {
                if shown.len() > 1 {
                    let pod = pod.metadata.name.as_deref().unwrap_or_default();
                    output.data(&format!("attempt {}, pod/{pod}:\n", shown.len()))?;
                }
                show_log(cluster, &pod, output).await?;
            }
        }
        if let Some(end) = end {
            break end;
        }
        sleep(INTERVAL).await;
    };
    drop(waiting);
    match (end, last) {
        (End::Complete, _) => {
            output.data(&format!("job.batch/{job} completed\n"))?;
            Ok(0)
        }
        (End::Failed(why), Some(code)) if code > 0 => {
            output.error(&Error::failed(format!(
                "job/{job} failed, its last run with exit code {code}: {why}"
            )));
            Ok(u8::try_from(code).unwrap_or(1))
        }
        (End::Failed(why), _) => Err(Error::failed(format!("job/{job} failed: {why}")).hint(format!(
            "see why its pod did not end: kubectl -n {} describe job {job}",
            cluster.namespace
        ))),
    }
}

async fn show_log(cluster: &Cluster, pod: &Pod, output: &Output) -> Result<()> {
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let mut unread = Ok(());
    let print = |line: &str| {
        if unread.is_ok() {
            unread = output.relay(line);
        }
    };
    if let Err(error) = cluster.follow_log(name, CONTAINER, print).await {
        output.warning(&explain(error, &format!("reading the log of pod/{name}")).to_string());
    }
    unread
}

fn exit_code(pod: &Pod) -> Option<i32> {
    Some(container_state(pod)?.terminated.as_ref()?.exit_code)
}

/// A Job as `kubectl create job --from` makes it: the CronJob counts it among
/// its own. It signs in even if no token is due.
fn job(cron_job: &Object) -> Object {
    let name = cron_job.name();
    let template = &cron_job["spec"]["jobTemplate"];
    let mut spec = template["spec"].clone();
    let containers = spec["template"]["spec"]["containers"].as_array_mut();
    for container in containers.into_iter().flatten() {
        if container["name"] == CONTAINER
            && let Some(words) = container["args"].as_array_mut()
        {
            words.push(json!("--check-azure"));
        }
    }
    let job = json!({
        "metadata": {
            "generateName": format!("{name}-now-"),
            "labels": template["metadata"]["labels"],
            "annotations": {"cronjob.kubernetes.io/instantiate": "manual"},
            "ownerReferences": [{
                "apiVersion": "batch/v1",
                "kind": "CronJob",
                "name": name,
                "uid": cron_job.uid(),
                "controller": true,
            }],
        },
        "spec": spec,
    });
    Object::new(ObjectKind::Job, job)
}
