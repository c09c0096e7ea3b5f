//! Pods that run with what they had before: their restart is owed until they are new.

use std::time::Duration;

use apim_sandbox::azure::{self, Operation};
use apim_sandbox::wait;
use apim_sandbox::wire::{Action, Fault};
use http::Method;
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use super::{BY_IDENTITY, EntraCase};
use crate::case::LIMIT;

const CLIENT_ID: &str = "azure.workload.identity/client-id";
const RESTART: &str = "restart deployment/gw in namespace";

fn by_identity() -> Vec<&'static str> {
    [&BY_IDENTITY[..], &["--yes"]].concat()
}

fn accounts(entra: &EntraCase) -> Api<ServiceAccount> {
    Api::namespaced(entra.case.client.clone(), &entra.case.namespace)
}

async fn annotate(entra: &EntraCase, client_id: Option<&str>) -> ServiceAccount {
    let patch = Patch::Merge(json!({"metadata": {"annotations": {CLIENT_ID: client_id}}}));
    let params = PatchParams::default();
    accounts(entra).patch("gw", &params, &patch).await.unwrap()
}

async fn change(entra: &EntraCase, change: Value) {
    let patch = Patch::Strategic(change);
    let params = PatchParams::default();
    let all = entra.case.deployments();
    all.patch("gw", &params, &patch).await.unwrap();
}

async fn is_owned(entra: &EntraCase) {
    let release = json!({"meta.helm.sh/release-name": "gw", "meta.helm.sh/release-namespace": "apim"});
    change(entra, json!({"metadata": {"annotations": release}})).await;
}

/// As `kubectl rollout restart` does, by a clock that is wrong.
async fn restart(entra: &EntraCase) {
    let annotations = json!({"kubectl.kubernetes.io/restartedAt": "2000-01-01T00:00:00Z"});
    change(
        entra,
        json!({"spec": {"template": {"metadata": {"annotations": annotations}}}}),
    )
    .await;
    entra.case.rolled_out("gw").await;
}

fn has_identity(pod: &Pod) -> bool {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let mut variables = containers.flat_map(|it| it.env.iter().flatten());
    variables.any(|it| it.name == "AZURE_CLIENT_ID")
}

/// A gateway that is set up, whose `ServiceAccount` names no app any more, nor do its pods.
async fn without_identity() -> EntraCase {
    let entra = EntraCase::new("owed").await;
    entra.deploy(|_| {}).await;
    entra.setup(&by_identity()).exits(0).await;
    entra.case.rolled_out("gw").await;
    annotate(&entra, None).await;
    let pods: Api<Pod> = Api::namespaced(entra.case.client.clone(), &entra.case.namespace);
    let (all, now) = (ListParams::default(), DeleteParams::default().grace_period(0));
    pods.delete_collection(&now, &all).await.unwrap();
    wait::until("a pod without an identity", LIMIT, async || {
        let mut running = pods.list(&all).await?.items;
        running.retain(|pod| pod.metadata.deletion_timestamp.is_none());
        Ok((!running.is_empty() && !running.iter().any(has_identity)).then_some(()))
    })
    .await
    .unwrap();
    entra
}

/// The line of the workload in a plan.
fn line(plan: &str) -> &str {
    let mut lines = plan.lines();
    lines
        .find(|line| line.contains("deployment/gw"))
        .unwrap_or_default()
}

/// The run ends between the write of the `ServiceAccount` and the restart.
async fn killed_before_the_restart() {
    let entra = without_identity().await;
    let path = entra.case.kubeconfig_path();
    let wire = entra.case.sandbox.wire(&path).await.unwrap();
    let uri = "/deployments/gw?&fieldManager";
    wire.fault(Fault::on(uri, Action::Hang).once().method(Method::PATCH));
    let run = entra.setup(&by_identity()).through(&wire).start().await;
    wait::until("the restart", LIMIT, async || {
        let mut seen = wire.seen_of(&Method::PATCH, "/deployments/gw");
        seen.retain(|seen| !seen.uri.contains("dryRun"));
        Ok((!seen.is_empty()).then_some(()))
    })
    .await
    .unwrap();
    run.signal("KILL").await;
    run.ended().await;
    let account = accounts(&entra).get("gw").await.unwrap();
    assert!(account.metadata.annotations.unwrap().contains_key(CLIENT_ID));

    let ended = entra.setup(&by_identity()).exits(0).await;
    assert!(
        line(&ended.stdout).starts_with(&format!("~ {RESTART}")),
        "{}",
        ended.stdout
    );
    ended.says(&["proved"]);
    entra.case.rolled_out("gw").await;
    let again = entra.setup(&by_identity()).exits(0).await.stdout;
    assert!(again.lines().all(|line| line.starts_with(['=', ' '])), "{again}");
}

/// Two runs say the same, until the owner has restarted it.
async fn is_said_until_restarted(entra: &EntraCase, flags: &[&str]) {
    let first = entra.setup(flags).exits(4).await.stdout;
    let said = line(&first);
    let text = format!("! {RESTART} {}: its pods", entra.case.namespace);
    assert!(
        said.starts_with(&text) && said.ends_with("it belongs to Helm release gw"),
        "{first}"
    );
    let command = format!(
        "kubectl -n {} rollout restart deployment/gw",
        entra.case.namespace
    );
    assert!(first.contains(&command), "{first}");
    let writes = entra.azure_writes().len();
    let versions = entra.case.versions().await;
    let second = entra.setup(flags).exits(4).await.stdout;
    assert_eq!(line(&second), said, "{second}");
    assert!(second.contains(&command), "{second}");
    let is_left = |line: &str| !line.starts_with(['~', '+']);
    assert!(second.lines().all(is_left), "nothing is promised: {second}");
    assert_eq!(entra.azure_writes().len(), writes);
    assert_eq!(entra.case.versions().await, versions);
    restart(entra).await;
    // The credential that the pods had before may go now.
    let next = entra.setup(flags).exits(0).await.stdout;
    let is_removal = |line: &str| line.starts_with("~ remove a client secret of the app that no pod uses: ");
    let is_as_said = |line: &str| line.starts_with(['=', ' ']) || is_removal(line);
    assert!(next.lines().all(is_as_said), "{next}");
    let last = entra.setup(flags).exits(0).await.stdout;
    assert!(last.lines().all(|line| line.starts_with(['=', ' '])), "{last}");
}

async fn an_owned_workload_without_identity() {
    let entra = without_identity().await;
    is_owned(&entra).await;
    is_said_until_restarted(&entra, &by_identity()).await;
}

async fn an_owned_workload_with_another_credential() {
    let entra = EntraCase::new("owed").await;
    entra.deploy(|_| {}).await;
    let flags = ["--create-app", "gw", "--mode", "app-secret", "--yes"];
    entra.setup(&flags).exits(0).await;
    entra.case.rolled_out("gw").await;
    is_owned(&entra).await;
    let now = DeleteParams::default();
    entra.case.secrets().delete("gw-entra", &now).await.unwrap();
    is_said_until_restarted(&entra, &flags).await;
}

/// Somebody else annotates the `ServiceAccount` after the run has read it.
async fn raced() {
    let entra = without_identity().await;
    let case = &entra.case;
    let slow = azure::Fault::on(
        Operation::ListOwners,
        azure::Action::delay_before(Duration::from_secs(8)),
    );
    case.azure()
        .fault(slow.matching(&case.principal.client_id).once());
    let asked = case.requests(Operation::ListOwners).len();
    let writes = entra.azure_writes().len();
    let wire = case.sandbox.wire(&case.kubeconfig_path()).await.unwrap();
    let run = entra.setup(&by_identity()).through(&wire).start().await;
    wait::until("the ServiceAccount to be read", LIMIT, async || {
        let is_read = !wire.seen_of(&Method::GET, "/serviceaccounts/gw").is_empty();
        let is_held = case.requests(Operation::ListOwners).len() > asked;
        Ok((is_read && is_held).then_some(()))
    })
    .await
    .unwrap();
    let written = annotate(&entra, Some(&uuid::Uuid::new_v4().to_string())).await;
    let ended = run.ends(3).await;
    ended.says(&[
        "something else changed serviceaccount/gw during this run, and that stays",
        "run the same command again",
    ]);
    assert_eq!(entra.azure_writes().len(), writes);
    let now = accounts(&entra).get("gw").await.unwrap();
    assert_eq!(now.metadata.resource_version, written.metadata.resource_version);
}

/// Somebody else annotates it while the run waits for Azure, before the pods are replaced.
async fn raced_after_the_write() {
    let entra = without_identity().await;
    let case = &entra.case;
    let app = entra.apps().remove(0).app_id;
    let asked = || {
        let of_app = |request: &azure::Request| {
            request.operation == Some(Operation::Configuration)
                && request.proxied
                && request.principal.as_ref() == Some(&app)
        };
        case.azure().requests_where(of_app).len()
    };
    let before_the_run = asked();
    let slow = azure::Fault::on(
        Operation::Configuration,
        azure::Action::delay_before(Duration::from_secs(8)),
    );
    case.azure().fault(slow.matching(&app).once());
    let before = case.versions().await["deployment/gw"].clone();
    let run = entra.setup(&by_identity()).start().await;
    wait::until("the configuration endpoint to be asked", LIMIT, async || {
        Ok((asked() > before_the_run).then_some(()))
    })
    .await
    .unwrap();
    annotate(&entra, Some(&uuid::Uuid::new_v4().to_string())).await;
    let ended = run.ends(3).await;
    ended.says(&["something else changed serviceaccount/gw during this run, and that stays"]);
    assert_eq!(case.versions().await["deployment/gw"], before);
}

/// Side by side, since most of their time is waiting.
#[tokio::test]
async fn a_restart_is_not_forgotten() {
    tokio::join!(
        killed_before_the_restart(),
        an_owned_workload_without_identity(),
        an_owned_workload_with_another_credential(),
        raced(),
        raced_after_the_write(),
    );
}
