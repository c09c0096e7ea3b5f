//! Each kind of sign-in, and until when it lasts.

use apim_sandbox::azure::{Operation, PasswordCredential, Principal};
use serde_json::{Value, json};

use super::{SetUp, parts};
use crate::case::DAY;
use crate::sign_in::openssl;

/// A gateway of each kind, and an app's secrets of several ages.
async fn kinds(set_up: &SetUp) -> Principal {
    let case = &set_up.case;
    let app = set_up.app();
    set_up.secret("secret", &app).await;
    set_up.secret("due", &app).await;
    set_up.secret("unknown", &app).await;
    set_up.record("secret-entra", 30, 150, &app, &app.client_id).await;
    set_up.record("due-entra", 130, 50, &app, &app.client_id).await;
    let folder = openssl::Folder::with_certificate();
    let pem = std::fs::read_to_string(folder.path("certificate.pem")).unwrap();
    set_up.certificate("certificate", &app, &pem).await;
    set_up.workload("federated", &app.client_id).await;
    case.deploy(&case.gateway("token", 20)).await;
    app
}

#[tokio::test]
async fn the_cluster_shows_each_kind_and_its_expiry() {
    let set_up = SetUp::new("entra-kinds").await;
    let case = &set_up.case;
    let app = kinds(&set_up).await;
    let ended = case.apim(&["status", "-o", "json"]).exits(0).await;
    let kinds = ["secret", "due", "unknown", "certificate", "federated", "token"].map(|name| {
        let row = ended.gateway(name);
        let text = |field: &str| row[field].as_str().unwrap_or_default().to_owned();
        (
            name,
            text("auth"),
            text("verdict"),
            row["entra"]["expiryFrom"].as_str().unwrap_or_default().to_owned(),
        )
    });
    let kinds = kinds
        .each_ref()
        .map(|(name, auth, verdict, from)| [*name, auth.as_str(), verdict.as_str(), from.as_str()]);
    assert_eq!(
        kinds,
        [
            ["secret", "app-secret", "Healthy", "annotation"],
            ["due", "app-secret", "Due", "annotation"],
            ["unknown", "app-secret", "Unknown", ""],
            ["certificate", "certificate", "Healthy", "certificate"],
            ["federated", "workload-identity", "Healthy", ""],
            ["token", "token", "Unprotected", ""],
        ]
    );
    let federated = ended.gateway("federated");
    assert_eq!(
        (&federated["doesNotExpire"], &federated["expiresAt"]),
        (&json!(true), &Value::Null)
    );
    assert_eq!(
        ended.gateway("secret")["entra"]["clientId"],
        app.client_id.as_str()
    );
    let fix = ended.gateway("due")["fix"].as_str().unwrap().to_owned();
    assert!(fix.ends_with(&format!("--app {}", app.client_id)), "{fix}");
}

#[tokio::test]
async fn the_table_the_metrics_and_the_alarm_know_each_kind() {
    let set_up = SetUp::new("entra-shown").await;
    let case = &set_up.case;
    kinds(&set_up).await;
    let table = case.apim(&["status"]).exits(0).await.stdout;
    let row = |name: &str| {
        table
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap()
            .to_owned()
    };
    assert!(
        row("federated").contains("never") && row("due").contains("Due"),
        "{table}"
    );
    let metrics = case.apim(&["status", "-o", "prometheus"]).exits(0).await.stdout;
    assert_eq!(metrics.matches("auth=\"app-secret\"} 1").count(), 3, "{metrics}");
    assert_eq!(
        metrics
            .matches("\napim_gateway_credential_expiry_timestamp_seconds{")
            .count(),
        4
    );
    assert!(!metrics.contains("apim_gateway_sign_in_part{"));
    // A due secret is none of this alarm, an unknown one is.
    case.apim(&["status", "due", "--fail-within", "49d"])
        .exits(0)
        .await;
    case.apim(&["status", "due", "--fail-within", "51d"])
        .exits(9)
        .await
        .says(&["the client secret expires in"]);
    case.apim(&["status", "federated", "--fail-within", "51d"])
        .exits(0)
        .await;
    case.apim(&["status", "unknown", "--fail-within", "1d"])
        .exits(9)
        .await;

    // Another writer of the key ends what the annotations describe.
    case.patch_secret(
        "secret-entra",
        &json!({"stringData": {"azure-ad-app-secret": "other"}}),
    )
    .await;
    let row = case
        .apim(&["status", "-o", "json"])
        .exits(0)
        .await
        .gateway("secret");
    assert_eq!(row["verdict"], "Unknown");
    assert!(
        row["reason"]
            .as_str()
            .unwrap()
            .contains("somebody-else replaced it"),
        "{row:#}"
    );
    assert_eq!(set_up.asked(Operation::SignIn), 0);
}

#[tokio::test]
async fn graph_shows_what_the_cluster_does_not() {
    let set_up = SetUp::new("entra-graph").await;
    let case = &set_up.case;
    let app = set_up.app();
    let now = case.azure().now();
    let ends_in = |days: i32| {
        case.azure().directory(|it| {
            it.change_application(&app.client_id, |app| {
                app.passwords[0].start = now - DAY * 100;
                app.passwords[0].end = now + DAY * days;
            });
        });
    };
    ends_in(100);
    set_up.secret("gw", &app).await;
    let row = set_up.with_azure().await.gateway("gw");
    assert_eq!(
        (&row["verdict"], &row["entra"]["expiryFrom"]),
        (&json!("Healthy"), &json!("graph")),
        "{row:#}"
    );
    assert_eq!(parts(&row, "ok").len(), 8, "{row:#}");
    for (days, verdict) in [(49, "Due"), (6, "Expiring"), (-1, "Expired")] {
        ends_in(days);
        let row = set_up.with_azure().await.gateway("gw");
        assert_eq!(row["verdict"], verdict, "{row:#}");
    }
    // Two, of which one has expired: nothing shows which one is in use.
    case.azure().directory(|it| {
        it.change_application(&app.client_id, |app| {
            app.passwords
                .push(PasswordCredential::new("another one that nobody has"));
        });
    });
    let row = set_up.with_azure().await.gateway("gw");
    assert_eq!(row["verdict"], "Unknown", "{row:#}");
    assert!(
        row["reason"].as_str().unwrap().contains("2 client secrets"),
        "{row:#}"
    );
    // The annotation does.
    let kept = case.azure().directory(|it| {
        it.application(&app.client_id).unwrap().passwords[1]
            .key_id
            .clone()
    });
    set_up.record("gw-entra", 1, 1, &app, &kept).await;
    let row = set_up.with_azure().await.gateway("gw");
    assert_eq!(
        (&row["verdict"], &row["entra"]["keyId"]),
        (&json!("Healthy"), &json!(kept)),
        "{row:#}"
    );
    // It was removed in Entra.
    case.azure().directory(|it| {
        it.change_application(&app.client_id, |app| app.passwords.truncate(1));
    });
    ends_in(100);
    let row = set_up.with_azure().await.gateway("gw");
    assert_eq!(parts(&row, "broken"), ["credential"], "{row:#}");
}
