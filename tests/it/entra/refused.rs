//! A gateway that Azure does not let in.

use apim_sandbox::Sandbox;
use apim_sandbox::azure::{Action, Fault, Operation};
use apim_sandbox::wait;
use jiff::SignedDuration;
use kube::api::DeleteParams;

use super::EntraCase;
use crate::case::LIMIT;

const FLAGS: [&str; 5] = ["--create-app", "gw", "--mode", "app-secret", "--yes"];

/// A new assignment can take ten minutes to work. Until then old pods stay, and after that too.
#[tokio::test]
async fn a_refusal_counts_once_the_assignments_are_ten_minutes_old() {
    // The clock of an emulator is everybody's.
    let sandbox: &'static Sandbox = Box::leak(Box::new(Sandbox::observed().await.unwrap()));
    let entra = EntraCase::in_sandbox(sandbox, "ten-minutes").await;
    let azure = entra.case.azure();
    azure.enable_identity(&entra.case.gateway, &entra.case.principal.tenant);
    entra.deploy(|_| {}).await;
    let generation = entra.case.versions().await["deployment/gw"].clone();
    azure.fault(Fault::on(Operation::Configuration, Action::status(403)));
    let run = entra.setup(&FLAGS).start().await;
    let asked = || {
        let by_the_run = azure
            .requests_where(|request| request.operation == Some(Operation::Configuration) && request.proxied);
        by_the_run.len()
    };
    wait::until("the configuration endpoint to be asked", LIMIT, async || {
        Ok((asked() > 1).then_some(()))
    })
    .await
    .unwrap();
    azure.advance_clock(SignedDuration::from_mins(11));
    let ended = run.ends(5).await;
    ended.says(&["had 10 minutes to work; the workload was not changed"]);
    assert_eq!(entra.case.versions().await["deployment/gw"], generation);

    azure.clear_faults();
    entra.setup(&FLAGS).exits(0).await.says(&["proved"]);
    assert_eq!(entra.apps()[0].passwords.len(), 1);
    entra.case.rolled_out("gw").await;
    a_new_assignment_for_pods_that_stay(&entra).await;
    a_clock_that_is_off_refuses_no_certificate(&entra).await;
}

/// Nothing but an assignment was missing, so no pod is replaced, and each run asks Azure.
async fn a_new_assignment_for_pods_that_stay(entra: &EntraCase) {
    let azure = entra.case.azure();
    let instance = entra.case.gateway.service_id();
    azure.authorization(|it| it.remove_role_assignments(&instance));
    let before = entra.case.versions().await;
    azure.fault(Fault::on(Operation::Configuration, Action::status(403)));
    let briefly = [&FLAGS[..], &["--timeout", "1m"]].concat();
    for is_first in [true, false] {
        let ended = entra.setup(&briefly).exits(3).await;
        assert_eq!(ended.stdout.contains("\n+ assign"), is_first, "{}", ended.stdout);
        ended.says(&[
            "the proof is owed",
            "a new assignment can take 10 minutes to work",
        ]);
    }
    azure.advance_clock(SignedDuration::from_mins(11));
    for _ in 0..2 {
        let ended = entra.setup(&briefly).exits(5).await;
        ended.says(&["had 10 minutes to work; the workload was not changed"]);
    }
    azure.clear_faults();
    entra.setup(&FLAGS).exits(0).await.says(&["accepted"]);

    // What answers in the place of the endpoint proves nothing.
    for action in [Action::Html200, Action::status(503)] {
        azure.fault(Fault::on(Operation::Configuration, action));
        entra.setup(&FLAGS).exits(0).await.says(&["unseen"]);
    }
    azure.authorization(|it| it.remove_role_assignments(&instance));
    let unseen = entra.setup(&FLAGS).exits(3).await;
    unseen.says(&["nothing has read the gateway's configuration since"]);
    azure.clear_faults();
    entra.setup(&FLAGS).exits(0).await.says(&["accepted"]);
    assert_eq!(entra.case.versions().await, before);
}

/// Entra judges a client assertion by its own clock.
async fn a_clock_that_is_off_refuses_no_certificate(entra: &EntraCase) {
    let azure = entra.case.azure();
    azure.advance_clock(SignedDuration::from_hours(2));
    let flags = [
        "--create-app",
        "ck",
        "--mode",
        "app-certificate",
        "--secret",
        "ck",
        "--yes",
    ];
    // Without a workload, since the clock of its node is no matter of the set-up.
    entra
        .case
        .deployments()
        .delete("gw", &DeleteParams::default())
        .await
        .unwrap();
    let ended = entra.setup_of(&flags).exits(0).await;
    ended.says(&["the clock of this machine is off"]);
    let app = entra
        .apps()
        .into_iter()
        .find(|app| app.display_name == "ck")
        .unwrap();
    assert_eq!(app.keys.len(), 1);
}

/// Entra refuses the app for a reason that no waiting ends.
#[tokio::test]
async fn conditional_access_ends_the_run_and_leaves_the_workload() {
    let entra = EntraCase::new("conditional").await;
    entra.deploy(|_| {}).await;
    let generation = entra.case.versions().await["deployment/gw"].clone();
    let azure = entra.case.azure();
    let (app, _) = super::registered(&entra, |_, _| {});
    let tenant = entra.case.principal.tenant.clone();
    azure.directory(|it| {
        let blocked = &mut it.tenant_mut(&tenant).blocked_by_conditional_access;
        blocked.insert(app.clone());
    });
    let ended = entra
        .setup(&["--app", &app, "--mode", "app-secret", "--yes"])
        .exits(4)
        .await;
    ended.says(&[
        "AADSTS53003",
        "the workload was not changed",
        "az rest --url https://graph.microsoft.com/v1.0/identity/conditionalAccess/policies",
    ]);
    assert_eq!(entra.case.versions().await["deployment/gw"], generation);
}
