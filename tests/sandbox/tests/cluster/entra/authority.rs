//! The webhook of workload identity, and the tokens of the API server.

use apim_sandbox::control_plane::{CLUSTER_ISSUER, ControlPlane, Options};
use apim_sandbox::workload_identity::{AUDIENCE, LABEL};
use axum::http::{Request, StatusCode};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use kube::Client;
use kube::api::{Api, PostParams};
use serde_json::{Value, json};

use crate::fixture::Fixture;

const TENANT: &str = "7e0a0001-0000-4000-8000-000000000001";

/// What the API server makes of a pod, which it creates only in a rehearsal.
async fn rehearsed(fixture: &Fixture, pod: &Value) -> Result<Value, String> {
    let rehearsal = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let pod = serde_json::from_value(pod.clone()).unwrap();
    let created = fixture.api::<Pod>().create(&rehearsal, &pod).await;
    created
        .map(|pod| serde_json::to_value(pod).unwrap())
        .map_err(|error| error.to_string())
}

fn pod(annotations: &Value) -> Value {
    json!({
        "metadata": { "name": "gw", "labels": { LABEL: "true" }, "annotations": annotations },
        "spec": {
            "serviceAccountName": "gw",
            "initContainers": [{ "name": "first", "image": "example/any" }],
            "containers": [
                { "name": "gw", "image": "example/any", "env": [{ "name": "AZURE_TENANT_ID", "value": "mine" }] },
                { "name": "side", "image": "example/any" },
            ],
        },
    })
}

async fn account(fixture: &Fixture, annotations: &Value) {
    fixture
        .apply(json!({
            "apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": { "name": "gw", "annotations": annotations },
        }))
        .await;
}

fn variables(container: &Value) -> Vec<String> {
    let env = container["env"].as_array().map(Vec::as_slice).unwrap_or_default();
    let shown = |variable: &Value| format!("{}={}", variable["name"], variable["value"]).replace('"', "");
    env.iter().map(shown).collect()
}

#[tokio::test]
async fn the_webhook_injects_what_the_real_one_does() {
    let fixture = Fixture::new("webhook").await;
    account(&fixture, &json!({ "azure.workload.identity/client-id": "c1" })).await;
    let none = json!({});
    let untouched = rehearsed(&fixture, &pod(&none)).await.unwrap();
    assert!(untouched["spec"]["initContainers"][0]["env"].is_null());

    let webhook = fixture
        .sandbox
        .workload_identity_webhook(&fixture.namespace, TENANT)
        .await
        .unwrap();
    let seen = rehearsed(&fixture, &pod(&none)).await.unwrap();
    let spec = &seen["spec"];
    let file = "AZURE_FEDERATED_TOKEN_FILE=/var/run/secrets/azure/wi/token/azure-identity-token";
    let authority = "AZURE_AUTHORITY_HOST=https://login.microsoftonline.com/";
    let tenant = format!("AZURE_TENANT_ID={TENANT}");
    let all = ["AZURE_CLIENT_ID=c1", &tenant, file, authority];
    assert_eq!(variables(&spec["initContainers"][0]), all);
    assert_eq!(variables(&spec["containers"][1]), all);
    // A variable that is there stays.
    let own = ["AZURE_TENANT_ID=mine", "AZURE_CLIENT_ID=c1", file, authority];
    assert_eq!(variables(&spec["containers"][0]), own);
    let volumes = spec["volumes"].as_array().unwrap();
    let volume = volumes
        .iter()
        .find(|volume| {
            let name = volume["name"].as_str().unwrap();
            name.starts_with("azure-workload-identity-reserved-") && name.len() == 63
        })
        .unwrap();
    let token =
        json!({ "audience": AUDIENCE, "expirationSeconds": 3600, "path": "token/azure-identity-token" });
    assert_eq!(
        volume["projected"]["sources"],
        json!([{ "serviceAccountToken": token }])
    );
    let mounts = spec["containers"][1]["volumeMounts"].as_array().unwrap();
    let mount = json!({ "name": volume["name"], "mountPath": "/var/run/secrets/azure/wi", "readOnly": true });
    assert!(mounts.contains(&mount), "{mounts:?}");

    let skipping = json!({ "azure.workload.identity/skip-containers": "first; side" });
    let seen = rehearsed(&fixture, &pod(&skipping)).await.unwrap();
    assert!(variables(&seen["spec"]["initContainers"][0]).is_empty());
    assert!(variables(&seen["spec"]["containers"][1]).is_empty());
    assert_eq!(variables(&seen["spec"]["containers"][0]).len(), 4);

    let mut unlabelled = pod(&none);
    unlabelled["metadata"]["labels"][LABEL] = json!("yes");
    let seen = rehearsed(&fixture, &unlabelled).await.unwrap();
    assert!(variables(&seen["spec"]["containers"][1]).is_empty());

    assert!(fixture.pods().await.is_empty(), "a rehearsal creates nothing");
    webhook.remove().await.unwrap();
    let seen = rehearsed(&fixture, &pod(&none)).await.unwrap();
    assert!(variables(&seen["spec"]["containers"][1]).is_empty());
}

#[tokio::test]
async fn the_webhook_reads_the_service_account_of_each_pod() {
    const EXPIRATION: &str = "azure.workload.identity/service-account-token-expiration";
    let fixture = Fixture::new("webhook-account").await;
    account(
        &fixture,
        &json!({ "azure.workload.identity/tenant-id": "t2", EXPIRATION: "86400" }),
    )
    .await;
    let mut webhook = fixture
        .sandbox
        .workload_identity_webhook(&fixture.namespace, TENANT)
        .await
        .unwrap();
    let expiration = |pod: &Value| {
        let volumes = pod["spec"]["volumes"].as_array().unwrap();
        let tokens = volumes
            .iter()
            .map(|volume| volume["projected"]["sources"][0]["serviceAccountToken"].clone());
        let mut ours = tokens.filter(|token| token["audience"] == AUDIENCE);
        ours.next().unwrap()["expirationSeconds"].clone()
    };
    let none = json!({});
    let seen = rehearsed(&fixture, &pod(&none)).await.unwrap();
    let of_side = variables(&seen["spec"]["containers"][1]);
    assert_eq!(of_side[0], "AZURE_TENANT_ID=t2", "there is no client id");
    assert_eq!(of_side.len(), 3);
    assert_eq!(expiration(&seen), 86400);
    let seen = rehearsed(&fixture, &pod(&json!({ EXPIRATION: "4000" }))).await;
    assert_eq!(expiration(&seen.unwrap()), 4000);
    for (given, expected) in [
        (
            "3599",
            "token expiration 3599 not valid. Expected value to be between 3600 and 86400",
        ),
        ("1h", "invalid syntax"),
    ] {
        let error = rehearsed(&fixture, &pod(&json!({ EXPIRATION: given }))).await;
        let error = error.unwrap_err();
        let denied = "admission webhook \"mutation.azure-workload-identity.io\" denied the request";
        assert!(error.contains(denied) && error.contains(expected), "{error}");
    }

    webhook.stop().await;
    let error = rehearsed(&fixture, &pod(&none)).await.unwrap_err();
    assert!(error.contains("failed calling webhook"), "{error}");
    let mut unlabelled = pod(&none);
    unlabelled["metadata"]["labels"] = none;
    rehearsed(&fixture, &unlabelled).await.unwrap();
}

/// The header and the claims of a new token for an audience.
async fn token(client: &Client, audience: &str) -> [Value; 2] {
    let request = TokenRequest {
        spec: TokenRequestSpec {
            audiences: vec![audience.to_owned()],
            expiration_seconds: Some(3600),
            ..TokenRequestSpec::default()
        },
        ..TokenRequest::default()
    };
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), "default");
    let answer = accounts
        .create_token_request("default", &PostParams::default(), &request)
        .await
        .unwrap();
    let token = answer.status.unwrap().token;
    let mut parts = token.split('.').map(|part| {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(part).unwrap();
        serde_json::from_slice(&bytes).unwrap_or_default()
    });
    [parts.next().unwrap(), parts.next().unwrap()]
}

async fn documents(client: &Client) -> [Value; 2] {
    let get = async |path: &str| {
        let request = Request::get(path).body(Vec::new()).unwrap();
        client.request::<Value>(request).await.unwrap()
    };
    [
        get("/.well-known/openid-configuration").await,
        get("/openid/v1/jwks").await,
    ]
}

async fn signs(client: &Client, issuer: &str, key_set: &str) {
    let [header, claims] = token(client, AUDIENCE).await;
    assert_eq!(
        (&header["alg"], &claims["iss"]),
        (&json!("RS256"), &json!(issuer))
    );
    assert_eq!(claims["aud"], json!([AUDIENCE]));
    let [document, keys] = documents(client).await;
    assert_eq!(document["issuer"], issuer);
    assert_eq!(document["jwks_uri"], key_set);
    assert_eq!(
        document["id_token_signing_alg_values_supported"],
        json!(["RS256"])
    );
    let key = &keys["keys"][0];
    assert_eq!((&key["kty"], &key["kid"]), (&json!("RSA"), &header["kid"]));
}

#[tokio::test]
async fn tokens_are_signed_with_rsa_by_an_issuer_as_of_aks() {
    let fixture = Fixture::new("issuer").await;
    let issuer = fixture.sandbox.control_plane().service_account_issuer();
    assert!(issuer.starts_with("https://westeurope.oic.prod-aks.azure.com/") && issuer.ends_with('/'));
    signs(&fixture.client, issuer, &format!("{issuer}openid/v1/jwks")).await;

    // Everyone may read the same documents where the issuer's name points.
    let client = fixture.sandbox.azure().client().unwrap();
    let get = async |url: String| client.get(url).send().await.unwrap();
    let [document, keys] = documents(&fixture.client).await;
    let public = get(format!("{issuer}.well-known/openid-configuration")).await;
    let public: Value = public.json().await.unwrap();
    assert_eq!(public["issuer"], document["issuer"]);
    let key_set = get(public["jwks_uri"].as_str().unwrap().to_owned()).await;
    assert_eq!(key_set.json::<Value>().await.unwrap(), keys);
    let other = get(issuer.replace("westeurope", "eastus") + ".well-known/openid-configuration").await;
    assert_eq!(other.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_issuer_of_another_kind_can_be_set() {
    let options = Options {
        issuer: CLUSTER_ISSUER.to_owned(),
        ..Options::default()
    };
    let control_plane = ControlPlane::start(options).await.unwrap();
    assert!(!control_plane.has_public_issuer());
    let client = control_plane.client().unwrap();
    signs(
        &client,
        CLUSTER_ISSUER,
        &format!("{CLUSTER_ISSUER}/openid/v1/jwks"),
    )
    .await;
    control_plane.shutdown().await;
}
