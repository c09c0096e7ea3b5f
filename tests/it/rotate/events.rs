//! The Events on the workload, and the right that they need.

use std::path::PathBuf;

use apim_sandbox::manifests::{GatewayManifest, apply};
use serde_json::{Value, json};

use crate::case::Case;

const USER: &str = "teller";

impl Case {
    /// Our Events of the namespace as reason, type, object and note, in the order of the reasons.
    pub(crate) async fn events(&self) -> Vec<[String; 4]> {
        let list = self.kubectl_in_namespace(&["get", "events", "-o", "json"]).await;
        let list: Value = serde_json::from_str(&list).unwrap();
        let ours = |event: &&Value| event["reportingComponent"] == "kubectl-apim/apim-rotate";
        let mut events = Vec::new();
        for event in list["items"].as_array().unwrap().iter().filter(ours) {
            assert!(!event["reportingInstance"].as_str().unwrap().is_empty());
            assert!(event["eventTime"].is_string());
            let object = &event["involvedObject"];
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let name = format!("{}/{}", text(&object["kind"]), text(&object["name"]));
            // Without the uid `kubectl describe` would not show it.
            let workload = self.deployments().get(&text(&object["name"])).await.unwrap();
            assert_eq!(object["uid"].as_str(), workload.metadata.uid.as_deref());
            events.push([
                text(&event["reason"]),
                text(&event["type"]),
                name,
                text(&event["message"]),
            ]);
        }
        events.sort();
        events
    }

    /// The kubeconfig of a service account with these rules besides the least.
    async fn teller(&self, manifest: &GatewayManifest, more: &[Value]) -> PathBuf {
        let rule = |group: &str, resource: &str, name: String| {
            json!({ "apiGroups": [group], "resources": [resource], "resourceNames": [name],
                "verbs": ["get", "patch"] })
        };
        let mut rules = vec![
            rule("", "secrets", manifest.secret_name()),
            rule("apps", "deployments", manifest.workload_name()),
        ];
        rules.extend_from_slice(more);
        let meta = json!({ "name": USER });
        let group = "rbac.authorization.k8s.io";
        for object in [
            json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta }),
            json!({ "apiVersion": format!("{group}/v1"), "kind": "Role", "metadata": meta, "rules": rules }),
            json!({ "apiVersion": format!("{group}/v1"), "kind": "RoleBinding", "metadata": meta,
                "roleRef": { "apiGroup": group, "kind": "Role", "name": USER },
                "subjects": [{ "kind": "ServiceAccount", "name": USER }] }),
        ] {
            apply(&self.client, &self.namespace, object).await.unwrap();
        }
        self.sandbox.kubeconfig_for(&self.namespace, USER).await.unwrap()
    }
}

#[tokio::test]
async fn the_events_of_a_workload_show_the_outcome() {
    let case = Case::new("events").await;
    let manifest = case.idle_portal();
    case.deploy(&manifest).await;
    let right = json!({ "apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create"] });
    let kubeconfig = case.teller(&manifest, &[right]).await;
    let rotate = |more: &[&str]| {
        let line = [
            "rotate",
            "deployment/gw",
            "-a",
            &case.gateway.service,
            "--prove=rollout",
            "--events",
        ];
        case.apim(&[&line, more].concat())
            .env("KUBECONFIG", kubeconfig.to_str().unwrap())
    };
    rotate(&["--dry-run=server"]).exits(0).await;
    rotate(&["--dry-run"]).exits(0).await;
    assert_eq!(case.events().await, Vec::<[String; 4]>::new());

    rotate(&[])
        .env("AZURE_CLIENT_SECRET", "not-the-secret")
        .exits(1)
        .await;
    let object = "Deployment/gw".to_owned();
    let events = case.events().await;
    let heads: Vec<&[String]> = events.iter().map(|event| &event[..3]).collect();
    let warning = |reason: &str| [reason.to_owned(), "Warning".to_owned(), object.clone()];
    assert_eq!(heads, [warning("CredentialExpiring"), warning("RotationFailed")]);
    assert!(events[0][3].contains("expires in 1 day 23 hours"), "{events:?}");
    assert!(events[1][3].contains("secret"), "{events:?}");

    // The same event again is another object, because the Role cannot change one.
    rotate(&["--if-expiring-within", "1d"]).exits(0).await;
    assert_eq!(case.events().await.len(), 3);
    let ended = rotate(&[]).exits(0).await;
    assert!(!ended.stderr.contains("warning"), "{}", ended.stderr);
    let events = case.events().await;
    assert_eq!(events.len(), 4);
    let [reason, kind, on, note] = &events[2];
    assert_eq!(
        [reason, kind, on],
        [&"CredentialRotated".to_owned(), &"Normal".to_owned(), &object]
    );
    let expires_at = case
        .annotation(&manifest, "apim-rotate/expires-at")
        .await
        .unwrap();
    assert!(note.contains("primary") && note.contains(&expires_at), "{note}");

    let user = format!("system:serviceaccount:{}:{USER}", case.namespace);
    let mut requests = case.kube_requests().await;
    requests.retain(|request| request.user == user && request.resource.as_deref() == Some("events"));
    assert_eq!(requests.len(), 4);
    assert!(requests.iter().all(|request| request.verb == "create"));
}

#[tokio::test]
async fn without_the_right_to_write_events_a_run_warns_and_ends_well() {
    let case = Case::new("events-denied").await;
    let manifest = case.idle_portal();
    case.deploy(&manifest).await;
    let kubeconfig = case.teller(&manifest, &[]).await;
    let line = [
        "rotate",
        "deployment/gw",
        "-a",
        &case.gateway.service,
        "--prove=rollout",
        "--events",
    ];
    let run = case.apim(&line).env("KUBECONFIG", kubeconfig.to_str().unwrap());
    let ended = run.exits(0).await;
    ended.says(&[
        "warning: writing an Event on deployment.apps/gw",
        "not allowed",
        "kubectl auth can-i create events.events.k8s.io",
    ]);
    assert!(case.azure().accepts(&case.credential(&manifest).await));
    assert_eq!(case.events().await, Vec::<[String; 4]>::new());
}
