//! Every way in which a pod signs in to Azure; the secret is the other tests'.

use apim_sandbox::azure::{FederatedCredential, Machine, Principal};
use apim_sandbox::manifests::{GatewayManifest, apply};
use serde_json::{Value, json};

use crate::case::Case;
use crate::sign_in::openssl::Folder;

const TOKEN: &str = "/var/run/secrets/azure/tokens";

impl Case {
    fn container(manifest: &GatewayManifest) -> Value {
        json!({
            "command": ["kubectl-apim"],
            "args": ["rotate", "deployment/gw", "--token-secret", manifest.secret_name()],
        })
    }
}

/// Adds a volume and mounts it in the only container.
fn mount(template: &mut Value, name: &str, path: &str, source: Value) {
    let mut volume = source;
    volume["name"] = json!(name);
    template["spec"]["volumes"].as_array_mut().unwrap().push(volume);
    let mounts = template["spec"]["containers"][0]["volumeMounts"]
        .as_array_mut()
        .unwrap();
    mounts.push(json!({ "name": name, "mountPath": path, "readOnly": true }));
}

fn ids(principal: &Principal) -> Vec<Value> {
    vec![
        json!({ "name": "AZURE_CLIENT_ID", "value": principal.client_id }),
        json!({ "name": "AZURE_TENANT_ID", "value": principal.tenant }),
    ]
}

#[tokio::test]
async fn a_pod_signs_in_by_a_mounted_certificate() {
    let (case, manifest) = Case::in_pod("in-pod-pem").await;
    case.install(&manifest, &["get", "patch"]).await;
    let folder = Folder::with_certificate();
    folder.join(&["key.pem", "certificate.pem"], "both.pem");
    let principal = case.another(|principal| principal.certificates = vec![folder.read("certificate.pem")]);
    let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "certificate" },
        "stringData": { "principal.pem": folder.read("both.pem") } });
    apply(&case.client, &case.namespace, secret).await.unwrap();
    let before = case.credential(&manifest).await;

    let mut identity = ids(&principal);
    identity
        .push(json!({ "name": "KUBECTL_APIM_CLIENT_SECRET_FILE", "value": "/certificate/principal.pem" }));
    let mut template = case.template(&Case::container(&manifest), &identity.into());
    mount(
        &mut template,
        "certificate",
        "/certificate",
        json!({ "secret": { "secretName": "certificate" } }),
    );
    let ended = case.run_template(&template).await;
    case.rotated(&manifest, &before, &ended).await;
    assert!(ended.log.contains("as service principal"), "{}", ended.log);
}

/// What the webhook of workload identity adds to a pod, and nothing else.
#[tokio::test]
async fn a_pod_signs_in_by_workload_identity() {
    let (case, manifest) = Case::in_pod("in-pod-wi").await;
    case.install(&manifest, &["get", "patch"]).await;
    let control_plane = case.sandbox.control_plane();
    let issuer = control_plane.service_account_issuer();
    case.azure()
        .trust_issuer(issuer, control_plane.service_account_keys().await.unwrap());
    let principal = case.another(|principal| {
        principal.federated_credentials = vec![FederatedCredential {
            issuer: issuer.to_owned(),
            subject: format!("system:serviceaccount:{}:rotator", case.namespace),
            audience: "api://AzureADTokenExchange".to_owned(),
        }];
    });
    let before = case.credential(&manifest).await;

    let mut identity = ids(&principal);
    identity.extend([
        json!({ "name": "AZURE_FEDERATED_TOKEN_FILE", "value": format!("{TOKEN}/azure-identity-token") }),
        json!({ "name": "AZURE_AUTHORITY_HOST", "value": "https://login.microsoftonline.com/" }),
    ]);
    let mut template = case.template(&Case::container(&manifest), &identity.into());
    let token = json!({ "path": "azure-identity-token", "expirationSeconds": 3600, "audience": "api://AzureADTokenExchange" });
    mount(
        &mut template,
        "azure",
        TOKEN,
        json!({ "projected": { "sources": [{ "serviceAccountToken": token }] } }),
    );
    let ended = case.run_template(&template).await;
    case.rotated(&manifest, &before, &ended).await;
    assert!(ended.log.contains("as workload identity"), "{}", ended.log);
}

#[tokio::test]
async fn a_pod_signs_in_by_managed_identity() {
    let (case, manifest) = Case::in_pod("in-pod-mi").await;
    case.install(&manifest, &["get", "patch"]).await;
    let principal = case.another(|_| ());
    let header = case.azure().add_machine(Machine {
        system_assigned: Some(principal.client_id.clone()),
        user_assigned: Vec::new(),
    });
    let before = case.credential(&manifest).await;
    let identity = json!([
        { "name": "IDENTITY_ENDPOINT", "value": case.azure().identity_endpoint() },
        { "name": "IDENTITY_HEADER", "value": header },
    ]);
    let template = case.template(&Case::container(&manifest), &identity);
    let ended = case.run_template(&template).await;
    case.rotated(&manifest, &before, &ended).await;
    assert!(ended.log.contains("as the managed identity"), "{}", ended.log);
}
