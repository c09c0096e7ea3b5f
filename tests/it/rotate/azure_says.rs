//! What Azure says reaches the person at the terminal whole, with its next step.

use apim_sandbox::azure::{Action, Fault, Grant, LockLevel, Operation};
use serde_json::json;

use crate::case::Case;

async fn idle(name: &str) -> Case {
    let case = Case::new(name).await;
    case.deploy(&case.idle_portal()).await;
    case
}

/// An answer to a mint.
fn refusal(case: &Case, code: u16, error: &serde_json::Value, headers: &[(&str, &str)]) {
    let action = Action::Status {
        code,
        body: json!({"error": error}).to_string(),
        headers: headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
    };
    let fault = Fault::on(Operation::GenerateToken, action);
    case.azure().fault(fault.matching(&case.gateway.service));
}

#[tokio::test]
async fn a_lock_stops_the_mint_and_the_dry_run_finds_it() {
    let case = idle("locked").await;
    let group = format!(
        "/subscriptions/{}/resourceGroups/{}",
        case.gateway.subscription, case.gateway.resource_group
    );
    // A lock against deletion lets tokens be minted.
    case.azure()
        .authorization(|it| it.lock(&group, LockLevel::CanNotDelete));
    case.apim(&["rotate"]).exits(0).await;
    case.azure()
        .authorization(|it| it.lock(&group, LockLevel::ReadOnly));
    let run = case.apim(&["rotate"]);
    let ended = case.fails_untouched(run, 1).await;
    ended.says(&[
        "409 ScopeLocked",
        &format!("following scope(s) are locked: '{group}'. Please remove the lock and try again"),
        &format!("`az lock list --subscription '{}'`", case.gateway.subscription),
    ]);
    // Who mints tokens may not list locks, so the dry run does not know of it.
    let run = case.apim(&["rotate", "--dry-run"]);
    case.fails_untouched(run, 0).await;
    let reader = case.principal.clone().with(Grant::reader(&group));
    case.azure().add_principal(reader);
    for dry_run in ["--dry-run", "--dry-run=server"] {
        let run = case.apim(&["rotate", dry_run]);
        let ended = case.fails_untouched(run, 4).await;
        ended.says(&[
            "the ReadOnly lock `",
            "lets Azure mint no token",
            "az lock list --subscription",
        ]);
    }
}

#[tokio::test]
async fn a_demand_for_a_stronger_sign_in_is_a_command() {
    let case = idle("claims").await;
    let tenant = "00000000-1111-2222-3333-444444444444";
    // JSON after a space: no run of a test may show what begins like an access token.
    let claims = "IHsiYWNjZXNzX3Rva2VuIjp7ImFjcnMiOnsiZXNzZW50aWFsIjp0cnVlLCJ2YWx1ZXMiOlsicDEiXX19fQ==";
    let challenge = format!(
        "Bearer authorization_uri=\"https://login.microsoftonline.com/{tenant}\", error=\"insufficient_claims\", \
         claims=\"{claims}\""
    );
    let message = "Resource 'gw' was disallowed by Azure: Users must use MFA for Create operation. Users must \
                   authenticate with multi-factor authentication to create or update resources. See https://aka.ms/mfaforazure.";
    let error = json!({"code": "RequestDisallowedByAzure", "message": message});
    refusal(&case, 401, &error, &[("WWW-Authenticate", &challenge)]);
    let ended = case.fails_untouched(case.apim(&["rotate"]), 1).await;
    ended.says(&[
        message.trim_end_matches('.'),
        &format!("`az logout && az login --tenant {tenant} --claims-challenge {claims}`"),
    ]);
}

#[tokio::test]
async fn a_policy_and_a_disabled_subscription_are_named() {
    let case = idle("denied").await;
    let assignment = format!(
        "/subscriptions/{}/providers/Microsoft.Authorization/policyAssignments/no-shg",
        case.gateway.subscription
    );
    let reason = "Reasons: 'Gateways of this subscription are managed by the platform team, which renews their tokens \
                  itself; a request is at https://contoso.example/requests, and the answer takes a day.'.";
    let error = json!({
        "code": "RequestDisallowedByPolicy",
        "target": "gw",
        "message": format!("Resource 'gw' was disallowed by policy. {reason} See error details for policy resource IDs."),
        "additionalInfo": [{"type": "PolicyViolation", "info": {
            "policyAssignmentDisplayName": "No gateways", "policyAssignmentId": assignment}}],
    });
    refusal(&case, 403, &error, &[]);
    let ended = case.fails_untouched(case.apim(&["rotate"]), 1).await;
    ended.says(&[
        reason,
        &format!("(No gateways: {assignment})"),
        "`az policy assignment show --name 'no-shg' --scope '/subscriptions/",
    ]);

    let case = idle("disabled").await;
    let message = format!(
        "The subscription '{}' is disabled and therefore marked as read only. You cannot perform any write actions on \
         this subscription until it is re-enabled.",
        case.gateway.subscription
    );
    let error = json!({"code": "ReadOnlyDisabledSubscription", "message": message});
    refusal(&case, 409, &error, &[]);
    let ended = case.fails_untouched(case.apim(&["rotate"]), 1).await;
    ended.says(&[message.trim_end_matches('.'), "have its owner enable it again"]);
}

#[tokio::test]
async fn a_mistyped_subscription() {
    let case = idle("mistyped").await;
    case.azure()
        .add_principal(case.principal.clone().with(Grant::new("/", &["*"])));
    for (subscription, code) in [
        ("5ab50001-0000-4000-8000-00000000dead", "SubscriptionNotFound"),
        ("contoso-prod", "InvalidSubscriptionId"),
    ] {
        let run = case.apim(&["rotate", "-s", subscription, "-r", "rg-apim"]);
        let ended = case.fails_untouched(run, 1).await;
        ended.says(&[code, subscription, "`az account list --all -o table`"]);
    }
}

#[tokio::test]
async fn an_instance_of_another_version_is_rotated_in_that_one() {
    let case = idle("version").await;
    case.azure()
        .set_min_api_version(&case.gateway, "2024-06-01-preview");
    let ended = case.apim(&["rotate"]).exits(0).await;
    ended.says(&[
        "does not take version 2024-05-01",
        "goes on with 2024-06-01-preview",
    ]);
    let said = ended.stderr.matches("does not take version").count();
    assert_eq!(said, 1, "{}", ended.stderr);
    let quiet = case
        .apim(&["rotate", "--api-version", "2024-06-01-preview"])
        .exits(0)
        .await;
    assert!(!quiet.stderr.contains("does not take"), "{}", quiet.stderr);
    let ended = case.apim(&["rotate", "--api-version", "newest"]).exits(2).await;
    ended.says(&["a version is a date"]);
}
