//! Containers of this project's own image and the end of their sandbox, whichever way it ends.

use std::path::Path;
use std::time::Instant;

use apim_sandbox::{Sandbox, manifests, wait};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use serde_json::json;

use crate::fixture::{LIMIT, is_running, waits_for};
use crate::own_image::{pod, script};

/// Names the file to which [`holds_a_sandbox`] writes what may not outlive it.
const HOLDER: &str = "APIM_SANDBOX_TEST_PROCESS_HOLDER";

/// A sandbox with a container that sleeps, and the argument by which its process is found.
async fn with_a_process() -> (Sandbox, String) {
    let sandbox = Sandbox::start().await.unwrap();
    let namespace = sandbox.create_namespace("end").await.unwrap();
    let client = sandbox.client().unwrap();
    let pods: Api<Pod> = Api::namespaced(client.clone(), &namespace);
    // No other process sleeps for this long; in the background there is a second process.
    let marker = format!("4{:09}", std::process::id());
    let mut container = script(&format!("sleep {marker} & exec sleep {marker}"));
    container["volumeMounts"] = json!([{ "name": "data", "mountPath": "/data" }]);
    let mut object = pod("sleeper", &container);
    object["spec"]["volumes"] = json!([{ "name": "data", "emptyDir": {} }]);
    manifests::apply(&client, &namespace, object).await.unwrap();
    let becomes = async |what: &str, condition: &dyn Fn(&Pod) -> bool| {
        wait::until(what, LIMIT, async || {
            Ok(condition(&pods.get("sleeper").await?).then_some(()))
        })
        .await
        .unwrap();
    };
    becomes("the missing binary", &|pod| waits_for(pod, "ImagePullBackOff")).await;
    sandbox.provide_binary(Path::new("/bin/sh"));
    becomes("the process", &is_running).await;
    wait::until("both processes", LIMIT, async || {
        Ok((processes(&marker) >= 2).then_some(()))
    })
    .await
    .unwrap();
    (sandbox, marker)
}

/// How many processes have `text` in their command lines.
fn processes(text: &str) -> usize {
    proc_files("cmdline").filter(|line| line.contains(text)).count()
}

/// This file of every process that can be read.
fn proc_files(name: &str) -> impl Iterator<Item = String> {
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    processes.filter_map(move |process| {
        let file = std::fs::read(process.path().join(name)).ok()?;
        Some(String::from_utf8_lossy(&file).into_owned())
    })
}

/// Waits until no process, no mount in any namespace and no file is left.
async fn all_gone(directory: &str, marker: &str) {
    wait::until("processes, mounts and files to go", LIMIT, async || {
        let gone = processes(marker) == 0
            && processes(directory) == 0
            && !proc_files("mountinfo").any(|mounts| mounts.contains(directory))
            && !Path::new(directory).exists();
        Ok(gone.then_some(()))
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_container_waits_for_its_binary_and_ends_with_its_sandbox() {
    let (sandbox, marker) = with_a_process().await;
    let directory = sandbox.control_plane().directory().display().to_string();
    assert!(proc_files("mountinfo").any(|mounts| mounts.contains(&directory)));
    let start = Instant::now();
    sandbox.shutdown().await;
    all_gone(&directory, &marker).await;
    println!("nothing left {:?} after the shutdown began", start.elapsed());
}

#[tokio::test]
#[ignore = "a process to be killed, started by a_container_ends_with_a_killed_sandbox"]
async fn holds_a_sandbox() {
    let Some(file) = std::env::var_os(HOLDER) else {
        return;
    };
    let (sandbox, marker) = with_a_process().await;
    let directory = sandbox.control_plane().directory().display().to_string();
    std::fs::write(file, format!("{directory} {marker}\n")).unwrap();
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_container_ends_with_a_killed_sandbox() {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("state");
    let mut holder = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["own_image_end::holds_a_sandbox", "--exact", "--ignored"])
        .env(HOLDER, &file)
        .stdout(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let state = wait::until("the other process", LIMIT, async || {
        let state = std::fs::read_to_string(&file).ok();
        Ok(state.filter(|state| state.ends_with('\n')))
    })
    .await
    .unwrap();
    let (directory, marker) = state.trim_end().split_once(' ').unwrap();

    let start = Instant::now();
    holder.kill().await.unwrap();
    all_gone(directory, marker).await;
    println!("nothing left {:?} after SIGKILL", start.elapsed());
}
