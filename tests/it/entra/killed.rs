//! A set-up that is killed at any of its effects, and run again.

use std::time::Duration;

use apim_sandbox::azure::{self, Operation};
use apim_sandbox::wait;
use apim_sandbox::wire::{Action, Fault};
use futures::future::join_all;
use http::Method;

use super::EntraCase;
use crate::case::LIMIT;

/// Kills a set-up while a request of its waits for its answer, which may have
/// taken effect; then runs it again.
async fn killed_at(mode: &'static str, operation: Operation, has_effect: bool) {
    let entra = EntraCase::new("killed").await;
    entra.deploy(|_| {}).await;
    let flags = flags(mode);
    let delay = Duration::from_mins(1);
    let action = if has_effect {
        azure::Action::delay_after(delay)
    } else {
        azure::Action::delay_before(delay)
    };
    let client_id = &entra.case.principal.client_id;
    entra
        .case
        .azure()
        .fault(azure::Fault::on(operation, action).matching(client_id).times(1));
    let run = entra.setup(&flags).start().await;
    wait::until("the request", LIMIT, async || {
        let arrived = entra.case.requests(operation).len();
        Ok((arrived > 0).then_some(()))
    })
    .await
    .unwrap_or_else(|error| panic!("{mode} {operation:?}: {error}"));
    run.signal("KILL").await;
    run.ended().await;

    entra.setup(&flags).exits(0).await;
    is_whole(&entra, mode).await;
}

fn flags(mode: &'static str) -> Vec<&'static str> {
    let mut flags = vec!["--create-app", "gw", "--yes", "--mode", mode];
    if mode == "workload-identity" {
        flags.extend(["--service-account", "gw"]);
    }
    flags
}

/// The same at a write to the cluster.
async fn killed_at_write(mode: &'static str, method: Method, uri: &'static str, has_effect: bool) {
    let entra = EntraCase::new("killed").await;
    entra.deploy(|_| {}).await;
    let flags = flags(mode);
    let wire = entra
        .case
        .sandbox
        .wire(&entra.case.kubeconfig_path())
        .await
        .unwrap();
    let fault = Fault::on(uri, Action::Hang).once().method(method.clone());
    wire.fault(if has_effect { fault.after_effect() } else { fault });
    let run = entra.setup(&flags).through(&wire).start().await;
    let path = uri.split('?').next().unwrap_or_default();
    wait::until("the write", LIMIT, async || {
        let mut seen = wire.seen_of(&method, path);
        seen.retain(|seen| !seen.uri.contains("dryRun"));
        Ok((!seen.is_empty()).then_some(()))
    })
    .await
    .unwrap_or_else(|error| panic!("{mode} {uri}: {error}"));
    run.signal("KILL").await;
    run.ended().await;

    entra.setup(&flags).exits(0).await;
    is_whole(&entra, mode).await;
}

#[tokio::test]
async fn at_each_write_to_the_cluster() {
    let mut runs = Vec::new();
    for has_effect in [false, true] {
        for (mode, uri) in [
            ("workload-identity", "/serviceaccounts?&fieldManager"),
            ("workload-identity", "/deployments/gw?&fieldManager"),
            ("app-secret", "/secrets?&fieldManager"),
            ("app-secret", "/deployments/gw?&fieldManager"),
            ("app-certificate", "/secrets?&fieldManager"),
        ] {
            let method = if uri.contains("/gw") {
                Method::PATCH
            } else {
                Method::POST
            };
            runs.push(killed_at_write(mode, method, uri, has_effect));
        }
    }
    join_all(runs).await;
}

/// The end state of an undisturbed run.
pub(super) async fn is_whole(entra: &EntraCase, mode: &str) {
    entra.case.rolled_out("gw").await;
    let apps = entra.apps();
    assert_eq!(apps.len(), 1, "{mode}: {apps:?}");
    let counts = (
        apps[0].passwords.len(),
        apps[0].keys.len(),
        apps[0].federated_credentials.len(),
    );
    let wanted = match mode {
        "app-secret" => (1, 0, 0),
        "app-certificate" => (0, 1, 0),
        _ => (0, 0, 1),
    };
    assert_eq!(counts, wanted, "{mode}");
    let subscription = format!("/subscriptions/{}", entra.case.gateway.subscription);
    let (roles, assignments) = entra.case.azure().authorization(|it| {
        let roles = it.role_definitions().into_iter();
        let roles = roles.filter(|role| role.assignable_scopes.contains(&subscription));
        let assignments = it.role_assignments().into_iter();
        let assignments = assignments.filter(|it| it.scope.starts_with(&subscription));
        (roles.count(), assignments.count())
    });
    assert_eq!((roles, assignments), (2, 2), "{mode}");
}

#[tokio::test]
async fn at_each_request_of_azure() {
    let mut runs = Vec::new();
    for has_effect in [false, true] {
        for operation in [
            Operation::PutRoleDefinition,
            Operation::PutRoleAssignment,
            Operation::UpsertApplication,
            Operation::CreateServicePrincipal,
            Operation::PutFederatedCredential,
        ] {
            runs.push(killed_at("workload-identity", operation, has_effect));
        }
        runs.push(killed_at("app-secret", Operation::AddPassword, has_effect));
        runs.push(killed_at(
            "app-certificate",
            Operation::UpdateApplication,
            has_effect,
        ));
    }
    join_all(runs).await;
}

/// Two runs at the same time. One that loses a race ends as owed, and another run makes nothing twice.
async fn two_at_once(mode: &'static str) {
    let entra = EntraCase::new("at-once").await;
    entra.deploy(|_| {}).await;
    let flags = [&flags(mode)[..], &["--timeout", "2m"]].concat();
    let (one, other) = tokio::join!(entra.setup(&flags).start(), entra.setup(&flags).start());
    let ended = tokio::join!(one.ended(), other.ended());
    let codes = [ended.0.code, ended.1.code];
    assert!(
        codes.iter().all(|code| matches!(code, Some(0 | 3))),
        "{mode}: {ended:#?}"
    );
    assert!(codes.contains(&Some(0)), "{mode}: {ended:#?}");
    entra.setup(&flags).exits(0).await;
    is_whole(&entra, mode).await;
}

#[tokio::test]
async fn by_nothing_while_another_one_runs() {
    tokio::join!(two_at_once("workload-identity"), two_at_once("app-secret"));
}
