//! What `status` names of a gateway that was set up and then changed: the command that it
//! prints puts it right.

use serde_json::{Value, json};

use super::EntraCase;

const AUTH: &str = "config.service.auth";

async fn set_up(mode: &str) -> EntraCase {
    let entra = EntraCase::new("named").await;
    entra.deploy(|_| {}).await;
    let flags = ["--create-app", "gw", "--mode", mode, "--yes"];
    entra.setup(&flags).exits(0).await;
    entra.case.rolled_out("gw").await;
    assert_eq!(row(&entra).await["verdict"], "Healthy");
    entra
}

async fn row(entra: &EntraCase) -> Value {
    let ended = entra.case.apim(&["status", "--azure", "-o", "json"]).exits(0);
    ended.await.gateway("gw")
}

async fn set_env(entra: &EntraCase, change: &str) {
    let namespace = &entra.case.namespace;
    let line = format!("kubectl -n {namespace} set env deployment/gw -c gateway {change}");
    entra.case.shell(&line).exits(0).await;
}

/// Makes a change, and pastes what `status` then prints.
async fn is_put_right(entra: &EntraCase, change: &str, said: &str) {
    set_env(entra, change).await;
    let broken = row(entra).await;
    assert_eq!(broken["verdict"], "CannotSignIn", "{change}: {broken:#}");
    let reason = broken["reason"].as_str().unwrap();
    assert!(reason.contains(said), "{change}: {reason}");
    let mut fix = broken["fix"].as_str().unwrap().to_owned();
    if fix.starts_with("kubectl apim entra setup") {
        fix += " --yes";
    }
    entra.case.shell(&fix).exits(0).await;
    entra.case.rolled_out("gw").await;
    let mended = row(entra).await;
    assert_eq!(mended["verdict"], "Healthy", "{change}: {mended:#}");
    assert_eq!(mended["fix"], Value::Null, "{change}: {mended:#}");
}

async fn settings_of_a_certificate() {
    let entra = set_up("app-certificate").await;
    let cases = [
        (format!("{AUTH}-"), "config.service.auth is not set"),
        (
            format!("{AUTH}.azureAd.certificatePath=/etc/apim-entra/nope.pfx"),
            "has no certificate for /etc/apim-entra/nope.pfx",
        ),
        (
            format!("{AUTH}.azureAd.certificatePath=/nowhere/certificate.pfx"),
            "nothing is mounted at /nowhere/certificate.pfx",
        ),
        (
            format!("{AUTH}.azureAd.tenantId-"),
            "config.service.auth.azureAd.tenantId is not set",
        ),
    ];
    for (change, said) in cases {
        is_put_right(&entra, &change, said).await;
    }
    // The other file that a set-up writes is as good.
    set_env(
        &entra,
        &format!("{AUTH}.azureAd.certificatePath=/etc/apim-entra/certificate.pem"),
    )
    .await;
    assert_eq!(row(&entra).await["verdict"], "Healthy");
    let flags = ["--create-app", "gw", "--dry-run"];
    let plan = entra.setup(&flags).exits(0).await.stdout;
    assert!(!plan.contains("certificatePath"), "{plan}");
}

async fn settings_of_a_client_secret() {
    let entra = set_up("app-secret").await;
    let other = uuid::Uuid::new_v4();
    let cases = [
        (
            format!("{AUTH}.azureAd.tenantId={other}"),
            "the tenant of the instance is",
        ),
        (
            format!("{AUTH}.azureAd.authority=https://login.chinacloudapi.cn"),
            "config.service.auth.azureAd.authority is https://login.chinacloudapi.cn, not",
        ),
        (
            format!("{AUTH}.tokenAudience=https://wrong.example"),
            "config.service.auth.tokenAudience is https://wrong.example, not",
        ),
    ];
    for (change, said) in cases {
        is_put_right(&entra, &change, said).await;
    }
}

/// Its new pods may never get ready.
async fn a_rollout_of_somebody_else() {
    let entra = set_up("app-secret").await;
    let change = r#"{"spec":{"template":{"spec":{"nodeSelector":{"zone":"nowhere"}}}}}"#;
    let namespace = &entra.case.namespace;
    let line = format!("kubectl -n {namespace} patch deployment/gw -p '{change}'");
    entra.case.shell(&line).exits(0).await;
    let ended = entra.setup(&["--create-app", "gw", "--yes"]).exits(3).await;
    ended.says(&["its rollout has not ended", "run the same command again"]);
    let row = row(&entra).await;
    assert!(
        row["reason"]
            .as_str()
            .unwrap()
            .contains("its rollout has not ended"),
        "{row:#}"
    );
}

/// Something of somebody else is where the certificate belongs.
async fn a_volume_of_somebody_else() {
    let entra = EntraCase::new("named-volume").await;
    entra
        .deploy(|it| {
            let spec = &mut it["spec"]["template"]["spec"];
            spec["volumes"] = json!([{"name": "mine", "emptyDir": {}}]);
            let mounts = json!([{"name": "mine", "mountPath": "/etc/apim-entra/"}]);
            spec["containers"][0]["volumeMounts"] = mounts;
        })
        .await;
    let run = entra.setup(&["--create-app", "gw", "--mode", "app-certificate", "--yes"]);
    let ended = entra.case.fails_untouched(run, 4).await;
    ended.says(&["mounts its volume mine at /etc/apim-entra"]);
    assert!(entra.azure_writes().is_empty());
}

/// Side by side, since most of their time is waiting.
#[tokio::test]
async fn what_was_changed_is_named_with_what_puts_it_right() {
    tokio::join!(
        settings_of_a_certificate(),
        settings_of_a_client_secret(),
        a_rollout_of_somebody_else(),
        a_volume_of_somebody_else(),
    );
}
