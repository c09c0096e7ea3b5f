//! Callers who may not do everything, and what Azure refuses for good.

use apim_sandbox::azure::{Action, Fault, Grant, GraphRights, Operation, Principal};

use serde_json::json;

use super::{BY_IDENTITY, EntraCase};
use crate::user::{may, user};

/// The same case for somebody else of the tenant.
fn signed_in_as(entra: &mut EntraCase, change: impl FnOnce(Principal) -> Principal) {
    let principal = Principal {
        tenant: entra.case.principal.tenant.clone(),
        ..Principal::random()
    };
    entra.case.principal = change(principal);
    entra.case.azure().add_principal(entra.case.principal.clone());
}

fn subscription(entra: &EntraCase) -> String {
    format!("/subscriptions/{}", entra.case.gateway.subscription)
}

/// Waiting for a gateway that cannot be let in would end as a refusal after ten minutes.
#[tokio::test]
async fn without_the_right_to_assign_roles_the_rest_is_done_at_once() {
    let mut entra = EntraCase::new("no-assignments").await;
    let scope = subscription(&entra);
    signed_in_as(&mut entra, |it| {
        let mut grant = Grant::new(&scope, &["*"]);
        grant.not_actions = vec!["Microsoft.Authorization/*/write".to_owned()];
        it.with(grant).with_graph(GraphRights::ReadWriteAll)
    });
    entra.deploy(|_| {}).await;
    let before = entra.case.versions().await;
    let ended = entra
        .setup(&[&BY_IDENTITY[..], &["--yes"]].concat())
        .exits(4)
        .await;
    let missing = ended
        .stdout
        .lines()
        .filter(|line| line.starts_with("! assign the role"))
        .count();
    assert_eq!(missing, 2, "{}", ended.stdout);
    ended.says(&["add --print-az to the same command"]);
    let is_made = entra.apps().iter().any(|app| app.display_name == "gw");
    assert!(is_made, "the rest is done");
    assert_eq!(entra.case.versions().await, before, "the workload stays");
    let asked = entra.case.azure().requests_where(|request| {
        request.operation == Some(Operation::Configuration)
            && request.host.starts_with(&entra.case.gateway.service)
    });
    let by_the_run = asked.iter().filter(|request| request.proxied).count();
    assert_eq!(by_the_run, 0, "{asked:#?}");
}

#[tokio::test]
async fn without_rights_in_graph_the_script_for_others_is_whole() {
    let mut entra = EntraCase::new("no-graph").await;
    let scope = subscription(&entra);
    signed_in_as(&mut entra, |it| it.with(Grant::new(&scope, &["*"])));
    entra.deploy(|_| {}).await;
    let plan = entra
        .setup(&[&BY_IDENTITY[..], &["--dry-run"]].concat())
        .exits(4)
        .await;
    assert!(plan.stdout.contains("! create the app gw"), "{}", plan.stdout);
    let script = entra
        .setup(&[&BY_IDENTITY[..], &["--print-az"]].concat())
        .exits(0)
        .await
        .stdout;
    for command in [
        "APP_ID=$(az rest",
        "PRINCIPAL_ID=$(az rest",
        "az ad app federated-credential create",
        "printf 'Next: %s %s\\n' 'kubectl apim entra setup deployment/gw -n ",
        " --mode workload-identity --app' \"$APP_ID\"",
    ] {
        assert!(script.contains(command), "`{command}` is missing in: {script}");
    }
    assert!(
        !script.contains(":?"),
        "each variable is set before it is used: {script}"
    );
    let undo = entra.setup(&[&BY_IDENTITY[..], &["--print-az", "--undo"]].concat());
    undo.exits(4).await.says(&["what is to be removed is not known"]);
    assert!(entra.azure_writes().is_empty());
}

#[tokio::test]
async fn a_limit_is_refused_and_not_owed() {
    let entra = EntraCase::new("limit").await;
    entra.deploy(|_| {}).await;
    let body = r#"{"error":{"code":"RoleAssignmentLimitExceeded","message":"The role assignment limit is exceeded."}}"#;
    let limit = Action::Status {
        code: 400,
        body: body.to_owned(),
        headers: Vec::new(),
    };
    let fault = Fault::on(Operation::PutRoleAssignment, limit).matching(&entra.case.principal.client_id);
    entra.case.azure().fault(fault);
    let ended = entra
        .setup(&[&BY_IDENTITY[..], &["--yes"]].concat())
        .exits(4)
        .await;
    ended.says(&["RoleAssignmentLimitExceeded"]);
}

#[tokio::test]
async fn an_instance_that_does_not_exist_stops_everything() {
    let entra = EntraCase::new("mistyped").await;
    entra.deploy(|_| {}).await;
    let gateway = &entra.case.gateway;
    let target = [
        "-s",
        &gateway.subscription,
        "-r",
        "no-such-group",
        "-a",
        &gateway.service,
        "-g",
        "gw",
    ];
    for more in [&["--yes"][..], &["--dry-run"], &["--print-az"]] {
        let line = [&["entra", "setup", "deploy/gw"], &BY_IDENTITY[..], &target, more].concat();
        entra.case.apim(&line).exits(1).await.says(&["was not found"]);
    }
    assert!(entra.azure_writes().is_empty());
}

#[tokio::test]
async fn a_namespace_that_does_not_exist_stops_everything() {
    let entra = EntraCase::new("no-namespace").await;
    let run = entra.setup_of(&[&BY_IDENTITY[..], &["--yes", "-n", "no-such-namespace"]].concat());
    run.exits(1).await.says(&[
        "namespace no-such-namespace does not exist",
        "kubectl create namespace",
    ]);
    assert!(entra.azure_writes().is_empty());
}

/// The webhook is rehearsed with a pod, which takes the right to create one.
#[tokio::test]
async fn without_the_right_to_create_pods_workload_identity_is_not_begun() {
    let entra = EntraCase::new("no-pods").await;
    entra.deploy(|_| {}).await;
    let rules = json!([
        may("apps", &["deployments"], &["get", "list", "patch"]),
        may("", &["serviceaccounts", "secrets"], &["get", "create", "patch"]),
    ]);
    let kubeconfig = user(&entra.case, &rules).await;
    let run = |more: &[&str]| {
        let flags = [&["--create-app", "gw", "--service-account", "gw", "--yes"], more].concat();
        entra.setup(&flags).env("KUBECONFIG", &kubeconfig)
    };
    let namespace = &entra.case.namespace;
    let right = format!("kubectl auth can-i create pods -n {namespace}");
    let other = "--mode app-certificate or --mode app-secret";
    let asked = entra
        .case
        .fails_untouched(run(&["--mode", "workload-identity"]), 4);
    let asked = asked.await;
    asked.says(&["cannot be rehearsed", &right, other]);
    assert!(asked.stdout.contains("! whether the webhook"), "{}", asked.stdout);
    let unasked = entra.case.fails_untouched(run(&[]), 2).await;
    unasked.says(&[
        "whether the gateway can sign in by workload identity is not known",
        "cannot be rehearsed",
        &right,
        other,
    ]);
    assert!(entra.azure_writes().is_empty());
}
