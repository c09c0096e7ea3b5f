//! `rotate` from end to end.

mod ahead;
mod answers;
mod azure_says;
mod bad_input;
mod busy;
mod clouds;
mod conflict;
mod deadline;
mod dry_run;
mod events;
mod evidence_marks;
mod given;
mod interrupted;
mod keys;
mod kubeconfig;
mod kubernetes;
mod layouts;
mod moved;
mod overtaken;
mod preflight;
mod preserve;
mod proof;
mod put_back;
mod refused;
mod regenerated;
mod requests;
mod resume;
mod rights;
mod sign_in;
mod terminal;
mod unreadable;

use serde_json::Value;

use crate::case::Case;

/// The annotations that a rotation leaves, as their readers know them.
const ROTATION_ID: &str = "apim-rotate/rotation-id";
const ROTATED_AT: &str = "apim-rotate/rotated-at";
const RESTARTED_AT: &str = "kubectl.kubernetes.io/restartedAt";
const LAST_USED_KEY: &str = "last-used-key";
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// A gateway that something is wrong with.
async fn broken(name: &str, secret: &Value, deployment: &Value) -> Case {
    let case = Case::new(name).await;
    case.deploy(&case.idle_portal()).await;
    if !secret.is_null() {
        case.patch_secret("gw-token", secret).await;
    }
    if !deployment.is_null() {
        case.patch_deployment("gw", deployment).await;
    }
    case
}

/// Sees that a run fails with these words and has changed nothing.
async fn fails(case: &Case, arguments: &[&str], code: i32, says: &[&str]) {
    let line = [&["rotate"], arguments].concat();
    let ended = case.fails_untouched(case.apim(&line), code).await;
    ended.says(says);
    assert!(case.kube_writes().await.iter().all(|write| write.dry_run));
}
