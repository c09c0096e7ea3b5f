//! Limits and policies that are met only when something is written: refused for good, and not owed.

use apim_sandbox::azure::{Action, Fault, Operation};
use futures::future::join_all;
use jiff::SignedDuration;

use super::killed::is_whole;
use super::{BY_IDENTITY, EntraCase};

/// Meets a limit once, which then is lifted; a run after that makes nothing twice.
async fn a_limit(operation: Operation, code: &str, next: &str) {
    let entra = EntraCase::new("limits").await;
    entra.deploy(|_| {}).await;
    let generation = entra.case.versions().await["deployment/gw"].clone();
    let body = format!(r#"{{"error":{{"code":"{code}","message":"The limit is exceeded."}}}}"#);
    let limit = Action::Status {
        code: if code == "ScopeLocked" { 409 } else { 400 },
        body,
        headers: Vec::new(),
    };
    let client_id = &entra.case.principal.client_id;
    entra
        .case
        .azure()
        .fault(Fault::on(operation, limit).matching(client_id).once());
    let flags = [&BY_IDENTITY[..], &["--yes"]].concat();
    let ended = entra.setup(&flags).exits(4).await;
    ended.says(&[code, next]);
    assert_eq!(entra.case.versions().await["deployment/gw"], generation, "{code}");
    entra.setup(&flags).exits(0).await.says(&["proved"]);
    is_whole(&entra, "workload-identity").await;
}

/// Reading a tenant's policies takes a right of its own.
async fn an_unread_policy(code: &str, next: &str, longest: Option<SignedDuration>) {
    let entra = EntraCase::new("unread-policy").await;
    entra.deploy(|_| {}).await;
    let before = entra.case.versions().await;
    let tenant = entra.case.principal.tenant.clone();
    let azure = entra.case.azure();
    azure.directory(|it| {
        let tenant = it.tenant_mut(&tenant);
        tenant.policies_readable = false;
        tenant.passwords_allowed = longest.is_some();
        tenant.longest_password = longest;
    });
    let flags = ["--create-app", "gw", "--mode", "app-secret", "--yes"];
    let ended = entra.setup(&flags).exits(4).await;
    ended.says(&[code, next]);
    assert_eq!(entra.case.versions().await, before, "nothing is stored");
    let writes = entra.azure_writes().len();

    // The same again is refused in the same way, and makes nothing else.
    entra.setup(&flags).exits(4).await.says(&[code, next]);
    let again = entra.azure_writes().split_off(writes);
    assert!(
        again
            .iter()
            .all(|it| it.operation == Some(Operation::AddPassword)),
        "{again:#?}"
    );
    let (more, other) = match longest {
        Some(_) => (&["--secret-lifetime", "20d"][..], "app-secret"),
        None => (&["--mode", "app-certificate"][..], "app-certificate"),
    };
    let kept = if longest.is_some() {
        &flags[..]
    } else {
        &["--create-app", "gw", "--yes"]
    };
    entra
        .setup(&[kept, more].concat())
        .exits(0)
        .await
        .says(&["proved"]);
    is_whole(&entra, other).await;
}

/// Side by side, since most of their time is waiting.
#[tokio::test]
async fn a_limit_ends_with_the_next_step_and_nothing_is_made_twice() {
    let limits = [
        (
            Operation::PutRoleDefinition,
            "RoleDefinitionLimitExceeded",
            "az role definition list --custom-role-only",
        ),
        (
            Operation::PutRoleAssignment,
            "RoleAssignmentLimitExceeded",
            "az role assignment list --all",
        ),
        // A lock that the caller may not list.
        (
            Operation::PutRoleAssignment,
            "ScopeLocked",
            "find it with `az lock list`, and remove it for the time of the run",
        ),
        (
            Operation::UpsertApplication,
            "Directory_QuotaExceeded",
            "--app CLIENT-ID",
        ),
    ]
    .map(|(operation, code, next)| a_limit(operation, code, next));
    let month = SignedDuration::from_hours(24 * 30);
    tokio::join!(
        join_all(limits),
        an_unread_policy(
            "CredentialTypeNotAllowedAsPerAppPolicy",
            "--mode workload-identity",
            None
        ),
        an_unread_policy(
            "CredentialInvalidLifetimeAsPerAppPolicy",
            "--secret-lifetime",
            Some(month)
        ),
    );
}
