//! Each mode from nothing, and again.

use apim_sandbox::azure::Operation;
use apim_sandbox::manifests::apply;
use serde_json::{Value, json};

use super::EntraCase;

/// Sets up a gateway in a mode, and then the same again.
async fn from_nothing(mode: &str, others: &[&str]) -> EntraCase {
    let entra = EntraCase::new("setup").await;
    limit_containers(&entra).await;
    let resources = json!({"requests": {"cpu": "200m"}, "limits": {"cpu": "1"}});
    entra
        .deploy(|it| it["spec"]["template"]["spec"]["containers"][0]["resources"] = resources)
        .await;
    let flags = [&["--create-app", "gw", "--yes", "--mode", mode], others].concat();
    if mode == "workload-identity" {
        // It is chosen unasked, since the rehearsed pod is one of the workload.
        let unasked = [&["--create-app", "gw", "--dry-run"], others].concat();
        let plan = entra.setup(&unasked).exits(0).await.stdout;
        assert!(
            plan.contains("= the webhook of Azure Workload Identity answers"),
            "{plan}"
        );
    }
    is_to_change(&entra, &flags, mode).await;
    let first = entra
        .setup(&[&flags[..], &["-o", "json"]].concat())
        .exits(0)
        .await;
    first.says(&["proved"]);
    has_every_id(&first.json(), &entra, mode);
    entra.case.rolled_out("gw").await;
    let (writes, kube_writes) = (entra.azure_writes().len(), changes(&entra).await);
    assert!(writes > 5, "{writes}");

    let again = entra.setup(&flags).exits(0).await;
    for line in again.stdout.lines() {
        assert!(
            line.starts_with("= ") || line.starts_with("    "),
            "{}",
            again.stdout
        );
    }
    let json = entra
        .setup(&[&flags[..], &["-o", "json"]].concat())
        .exits(0)
        .await
        .json();
    assert_eq!(
        (&json["dryRun"], &json["exitCode"], &json["mode"]),
        (&json!(false), &json!(0), &json!(mode))
    );
    let steps = json["steps"].as_array().unwrap();
    assert!(steps.iter().all(|step| step["mark"] == "ok"), "{json:#}");
    let name = entra
        .setup(&[&flags[..], &["-o", "name"]].concat())
        .exits(0)
        .await;
    assert_eq!(name.stdout, "", "nothing was changed");
    assert_eq!(entra.azure_writes().len(), writes, "{}", again.stdout);
    assert_eq!(changes(&entra).await, kube_writes);
    assert_eq!(entra.apps().len(), 1);
    entra
}

/// The objects that a set-up from nothing changes.
async fn is_to_change(entra: &EntraCase, flags: &[&str], mode: &str) {
    let names = [flags, &["--dry-run", "-o", "name"]].concat();
    let holder = if mode == "workload-identity" {
        "serviceaccount/gw"
    } else {
        "secret/gw-entra"
    };
    let said = entra.setup(&names).exits(0).await.stdout;
    assert_eq!(said, format!("{holder}\ndeployment.apps/gw\n"));
}

/// A policy of the namespace that the pods of the workload satisfy, and not just any pod.
async fn limit_containers(entra: &EntraCase) {
    let limits = json!({
        "apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "small"},
        "spec": {"limits": [{"type": "Container", "min": {"cpu": "150m"}}]},
    });
    apply(&entra.case.client, &entra.case.namespace, limits)
        .await
        .unwrap();
}

/// Deletes the app, and runs the command that `status` gives for that.
async fn is_mended_without_its_app(entra: &EntraCase) {
    let status = async || {
        let line = ["status", "--azure", "-o", "json"];
        entra.case.apim(&line).exits(0).await.gateway("gw")
    };
    let row = status().await;
    assert_eq!(row["verdict"], "Healthy", "{row:#}");
    let deleted = entra.apps()[0].app_id.clone();
    let object = entra.apps()[0].id.clone();
    entra.case.azure().directory(|it| it.delete_application(&deleted));
    let row = status().await;
    assert_eq!(row["verdict"], "CannotSignIn", "{row:#}");
    let fix = row["fix"].as_str().unwrap();
    assert!(fix.ends_with("--create-app gw"), "{row:#}");
    let ended = entra.case.shell(&format!("{fix} --yes")).exits(0).await;
    ended.says(&["proved"]);
    let named = format!("it names the app {deleted}, which was deleted");
    let restore = format!(
        "az rest --method post --url 'https://graph.microsoft.com/v1.0/directory/deletedItems/{object}/restore'"
    );
    for text in [named, restore] {
        assert!(ended.stdout.contains(&text), "{}", ended.stdout);
    }
    entra.case.rolled_out("gw").await;
    let row = status().await;
    assert_eq!(row["verdict"], "Healthy", "{row:#}");
    assert_eq!(row["entra"]["clientId"], entra.apps()[0].app_id.as_str());
}

/// The document of the first run: what was done, and the ids of what was made.
fn has_every_id(json: &Value, entra: &EntraCase, mode: &str) {
    assert_eq!(
        (&json["apiVersion"], &json["kind"], &json["proof"]["state"]),
        (&json!("kubectl-apim/v1"), &json!("EntraSetup"), &json!("proved"))
    );
    assert_eq!((&json["dryRun"], &json["exitCode"]), (&json!(false), &json!(0)));
    let steps = json["steps"].as_array().unwrap();
    let planned = |step: &&Value| ["create", "change"].contains(&step["mark"].as_str().unwrap());
    assert!(
        steps.iter().filter(planned).all(|step| step["outcome"] == "done"),
        "{json:#}"
    );
    let shown = json.to_string();
    let app = &entra.apps()[0];
    let credential = match mode {
        "app-secret" => &app.passwords[0].key_id,
        "app-certificate" => &app.keys[0].key_id,
        _ => &app.federated_credentials[0].name,
    };
    let azure = entra.case.azure();
    let principal = azure.directory(|it| it.service_principal(&app.app_id).unwrap().id.clone());
    let subscription = format!("/subscriptions/{}", entra.case.gateway.subscription);
    let mut ids = azure.authorization(|it| {
        let roles = it.role_definitions().into_iter();
        let roles = roles.filter(|role| role.assignable_scopes.contains(&subscription));
        let assignments = it.role_assignments().into_iter();
        let assignments = assignments.filter(|it| it.scope.starts_with(&subscription));
        let assignments = assignments.map(|it| it.name.clone());
        roles
            .map(|role| role.name.clone())
            .chain(assignments)
            .collect::<Vec<_>>()
    });
    assert_eq!(ids.len(), 4);
    ids.extend([app.app_id.clone(), principal, credential.clone()]);
    for id in ids {
        assert!(shown.contains(&format!("{id}\"")), "{id} is missing in {json:#}");
    }
}

/// The writes to the namespace that took effect.
async fn changes(entra: &EntraCase) -> usize {
    let mut writes = entra.case.kube_writes().await;
    writes.retain(|write| {
        // Neither is stored.
        let is_review = write
            .resource
            .as_ref()
            .is_some_and(|it| it.ends_with("accessreviews"));
        let is_token = write.subresource.as_deref() == Some("token");
        !write.dry_run && !is_review && !is_token && write.status.is_some_and(|status| status < 400)
    });
    writes.len()
}

async fn workload_identity() {
    let entra = from_nothing("workload-identity", &["--service-account", "gw"]).await;
    let app = &entra.apps()[0];
    assert_eq!(app.federated_credentials.len(), 1);
    assert!(app.passwords.is_empty() && app.keys.is_empty());
    is_mended_without_its_app(&entra).await;
}

async fn app_secret() {
    let entra = from_nothing("app-secret", &[]).await;
    let app = &entra.apps()[0];
    assert_eq!(app.passwords.len(), 1);
    assert_eq!(
        entra.case.requests(Operation::AddPassword).len(),
        1,
        "no credential is made in vain"
    );
    // Azure takes the name in capitals too, and the gateway has its own.
    let gateway = &entra.case.gateway;
    let (subscription, service) = (gateway.subscription.as_str(), gateway.service.as_str());
    let flags = ["--create-app", "gw", "--yes", "--mode", "app-secret"];
    let target = ["-s", subscription, "-r", "rg-apim", "-a", service, "-g", "GW"];
    let line = [&["entra", "setup", "deploy/gw"], &flags[..], &target].concat();
    let again = entra.case.apim(&line).exits(0).await.stdout;
    assert!(again.lines().all(|line| line.starts_with(['=', ' '])), "{again}");
    let secret = entra.case.secret("gw-entra").await;
    assert!(secret.data.unwrap().contains_key("azure-ad-app-secret"));
    is_mended_without_its_app(&entra).await;
}

async fn app_certificate() {
    let entra = from_nothing("app-certificate", &[]).await;
    let app = &entra.apps()[0];
    assert_eq!(app.keys.len(), 1);
    let data = entra.case.secret("gw-entra").await.data.unwrap();
    assert!(data.contains_key("certificate.pem") && data.contains_key("certificate.pfx"));
    is_mended_without_its_app(&entra).await;
}

/// Side by side, since most of their time is waiting.
#[tokio::test]
async fn each_mode_from_nothing() {
    tokio::join!(workload_identity(), app_secret(), app_certificate());
}
