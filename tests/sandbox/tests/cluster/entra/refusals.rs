//! Each setting of each kind, missing and wrong.

use apim_sandbox::azure::Principal;
use apim_sandbox::manifests::EntraManifest;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::fixture::{Certificate, Entra};

const TENANT: &str = "config.service.auth.azureAd.tenantId";
const CLIENT: &str = "config.service.auth.azureAd.clientId";
const AUTHORITY: &str = "config.service.auth.azureAd.authority";
const AUDIENCE: &str = "config.service.auth.tokenAudience";
const CERTIFICATE: &str = "config.service.auth.azureAd.certificatePath";

/// What the log of a gateway that has no credential begins with; the reason follows.
const NONE: &str =
    "[GatewayStartup], message: No valid authentication was configured for the configuration API.";
const UNAVAILABLE: &str = "[ConfigurationApiV2NotAvailable]";

/// A gateway with settings that it must not become ready with.
type Case = (EntraManifest, Vec<String>);

fn case(manifest: EntraManifest, words: &[&str]) -> Case {
    (manifest, words.iter().map(ToString::to_string).collect())
}

/// Deploys all of them at once, then looks at each.
async fn are_refused(entra: &Entra, cases: Vec<(&str, Case)>) {
    for (_, (manifest, _)) in &cases {
        entra.deploy(manifest).await;
    }
    for (name, (_, words)) in &cases {
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        entra.is_refused(name, &words).await;
    }
}

/// What every kind needs beside its own settings.
fn common<'a>(make: impl Fn(&str) -> EntraManifest, oldest: (&str, &str)) -> Vec<(&'a str, Case)> {
    let (too_old, oldest) = oldest;
    let unsupported = "The value of config.service.auth is not supported.";
    let other = "https://contoso.example/configuration";
    vec![
        (
            "no-name",
            case(make("no-name").gateway(""), &[NONE, "gateway.name is missing"]),
        ),
        (
            "other-name",
            case(
                make("other-name").gateway("other"),
                &[UNAVAILABLE, "statusCode: 403"],
            ),
        ),
        (
            "unknown-audience",
            case(
                make("unknown-audience").with(AUDIENCE, other),
                &[UNAVAILABLE, "AADSTS500011"],
            ),
        ),
        (
            "arm-audience",
            case(
                make("arm-audience").with(AUDIENCE, "https://management.azure.com"),
                &[UNAVAILABLE, "statusCode: 403"],
            ),
        ),
        (
            "too-old",
            case(make("too-old").tag(too_old), &[NONE, unsupported]),
        ),
        (
            "unknown-kind",
            case(
                make("unknown-kind").with("config.service.auth", "azureAD"),
                &[NONE, unsupported],
            ),
        ),
        // The oldest image that knows the kind gets as far as the endpoint.
        (
            "old-enough",
            case(
                make("old-enough").tag(oldest).gateway("other"),
                &[UNAVAILABLE, "statusCode: 403"],
            ),
        ),
    ]
}

/// What both kinds of an app need.
fn of_app<'a>(entra: &Entra, make: impl Fn(&str) -> EntraManifest) -> Vec<(&'a str, Case)> {
    let nobody = "00000000-0000-4000-8000-00000000dead";
    let stranger = Principal::random();
    entra.azure().add_principal(stranger.clone());
    vec![
        (
            "no-tenant",
            case(
                make("no-tenant").with(TENANT, ""),
                &[NONE, "azureAd.tenantId is missing"],
            ),
        ),
        (
            "unknown-tenant",
            case(
                make("unknown-tenant").with(TENANT, nobody),
                &[UNAVAILABLE, "AADSTS90002"],
            ),
        ),
        (
            "other-tenant",
            case(
                make("other-tenant").with(TENANT, &stranger.tenant),
                &[UNAVAILABLE, "AADSTS700016"],
            ),
        ),
        (
            "no-client",
            case(
                make("no-client").with(CLIENT, ""),
                &[NONE, "azureAd.clientId is missing"],
            ),
        ),
        (
            "unknown-client",
            case(
                make("unknown-client").with(CLIENT, nobody),
                &[UNAVAILABLE, "AADSTS700016"],
            ),
        ),
        (
            "plain-authority",
            case(
                make("plain-authority").with(AUTHORITY, "http://login.microsoftonline.com"),
                &[NONE, "must begin with https://"],
            ),
        ),
    ]
}

#[tokio::test]
async fn an_app_with_a_client_secret() {
    let entra = Entra::new("app-secret").await;
    let make = |name: &str| entra.secret(name);
    entra.deploy(&make("good")).await;
    let explicit = make("explicit")
        .with(AUTHORITY, "https://login.microsoftonline.com/")
        .with(AUDIENCE, "https://azure-api.net/configuration")
        .tag("v2");
    entra.deploy(&explicit).await;

    let china = |name: &str| {
        let endpoint = format!("{}.configuration.azure-api.cn", entra.gateway.service);
        make(name)
            .with("config.service.endpoint", &endpoint)
            .with(AUTHORITY, "https://login.chinacloudapi.cn")
    };
    let of_china = china("china").with(AUDIENCE, "https://azure-api.cn/configuration");
    entra.deploy(&of_china).await;

    let mut cases = common(make, ("2.2.0", "2.3.0"));
    cases.extend(of_app(&entra, make));
    cases.push((
        "public-audience",
        case(china("public-audience"), &[UNAVAILABLE, "AADSTS500011"]),
    ));
    cases.push((
        "both",
        case(
            make("both").with(CERTIFICATE, "/etc/apim-entra/certificate.pfx"),
            &[NONE, "There are both"],
        ),
    ));
    are_refused(&entra, cases).await;
    entra
        .deploy_changed(&make("wrong-secret"), |objects| {
            objects[0]["data"]["azure-ad-app-secret"] = json!(BASE64_STANDARD.encode("wrong"));
        })
        .await;
    entra
        .is_refused("wrong-secret", &[UNAVAILABLE, "AADSTS7000215"])
        .await;
    entra
        .deploy_changed(&make("no-secret"), |objects| {
            let env = env(&mut objects[1]);
            env.retain(|variable| variable.get("valueFrom").is_none());
        })
        .await;
    entra.is_refused("no-secret", &[NONE, "clientSecret and"]).await;
    entra.is_accepted("good").await;
    entra.is_accepted("explicit").await;
    entra.is_accepted("china").await;
}

#[tokio::test]
async fn an_app_with_a_certificate() {
    let entra = Entra::new("app-certificate").await;
    let make = |name: &str| entra.certificate(name);
    entra.deploy(&make("good")).await;
    let mut cases = common(make, ("2.2.0", "2.3.0"));
    cases.extend(of_app(&entra, make));
    for (name, path, reason) in [
        ("pem", "/etc/apim-entra/certificate.pem", "not PKCS#12"),
        ("no-file", "/etc/apim-entra/other.pfx", "Could not find file"),
        ("no-mount", "/etc/other/certificate.pfx", "Could not find file"),
    ] {
        cases.push((name, case(make(name).with(CERTIFICATE, path), &[NONE, reason])));
    }
    are_refused(&entra, cases).await;

    let other = Certificate::new("/CN=other");
    entra
        .deploy_changed(&make("other"), |objects| {
            objects[0]["data"]["certificate.pfx"] = json!(BASE64_STANDARD.encode(&other.pfx));
        })
        .await;
    entra.is_refused("other", &[UNAVAILABLE, "AADSTS700027"]).await;
    // Mode 0440 is enough for the gateway's user if the pod has an fsGroup; without one, only root may read.
    entra
        .deploy_changed(&make("no-group"), |objects| {
            pod_spec(&mut objects[1])["securityContext"] = Value::Null;
        })
        .await;
    entra
        .is_refused(
            "no-group",
            &[
                NONE,
                "Access to the path '/etc/apim-entra/certificate.pfx' is denied",
            ],
        )
        .await;
    entra
        .deploy_changed(&make("one-file"), |objects| {
            let spec = pod_spec(&mut objects[1]);
            spec["securityContext"] = Value::Null;
            spec["volumes"][0]["secret"]["defaultMode"] = json!(0o444);
            spec["containers"][0]["volumeMounts"][0] = json!({
                "name": "entra", "mountPath": "/etc/apim-entra/certificate.pfx", "subPath": "certificate.pfx",
            });
        })
        .await;
    entra.is_accepted("one-file").await;
    entra.is_accepted("good").await;
}

#[tokio::test]
async fn a_workload_identity() {
    let entra = Entra::new("workload").await;
    entra.deploy(&entra.workload("good")).await;
    let cases = common(|name| entra.workload(name), ("2.10.9", "2.11.0"));
    are_refused(&entra, cases).await;
    let of_app = |name: &str, change: fn(&mut Principal)| entra.workload_of(name, change);
    are_refused(
        &entra,
        vec![
            (
                "issuer",
                case(
                    of_app("issuer", |app| {
                        let issuer = &mut app.federated_credentials[0].issuer;
                        assert_eq!(issuer.pop(), Some('/'));
                    }),
                    &[UNAVAILABLE, "AADSTS700211"],
                ),
            ),
            (
                "subject",
                case(
                    of_app("subject", |app| app.federated_credentials[0].subject.push('2')),
                    &[UNAVAILABLE, "AADSTS700213"],
                ),
            ),
            (
                "audience",
                case(
                    of_app("audience", |app| app.federated_credentials[0].audience.push('2')),
                    &[UNAVAILABLE, "AADSTS700212"],
                ),
            ),
        ],
    )
    .await;

    entra.is_accepted("good").await;
}

#[tokio::test]
async fn what_the_webhook_does_not_inject_is_missing() {
    let mut entra = Entra::new("injected").await;
    entra
        .deploy_changed(&entra.workload("no-label"), |objects| {
            objects[1]["spec"]["template"]["metadata"]["labels"]["azure.workload.identity/use"] = Value::Null;
        })
        .await;
    entra
        .deploy_changed(&entra.workload("no-annotation"), |objects| {
            objects[0]["metadata"]["annotations"] = Value::Null;
        })
        .await;
    entra
        .deploy_changed(&entra.workload("skipped"), |objects| {
            objects[1]["spec"]["template"]["metadata"]["annotations"] =
                json!({ "azure.workload.identity/skip-containers": "skipped" });
        })
        .await;
    let nobody = Principal::random();
    entra
        .deploy_changed(&entra.workload("tenant"), |objects| {
            objects[0]["metadata"]["annotations"]["azure.workload.identity/tenant-id"] = json!(nobody.tenant);
        })
        .await;
    entra
        .deploy_changed(&entra.workload("of-default"), |objects| {
            pod_spec(&mut objects[1])["serviceAccountName"] = Value::Null;
        })
        .await;
    for name in ["no-label", "skipped"] {
        entra
            .is_refused(name, &[NONE, "AZURE_FEDERATED_TOKEN_FILE is missing"])
            .await;
    }
    for name in ["no-annotation", "of-default"] {
        entra
            .is_refused(name, &[NONE, "AZURE_CLIENT_ID is missing"])
            .await;
    }
    entra.is_refused("tenant", &[UNAVAILABLE, "AADSTS90002"]).await;

    entra.webhook.remove().await.unwrap();
    entra.webhook = entra
        .cluster
        .sandbox
        .workload_identity_webhook(&entra.cluster.namespace, "")
        .await
        .unwrap();
    entra.deploy(&entra.workload("no-tenant")).await;
    entra
        .is_refused("no-tenant", &[NONE, "AZURE_TENANT_ID is missing"])
        .await;
}

fn pod_spec(deployment: &mut Value) -> &mut Value {
    &mut deployment["spec"]["template"]["spec"]
}

fn env(deployment: &mut Value) -> &mut Vec<Value> {
    pod_spec(deployment)["containers"][0]["env"]
        .as_array_mut()
        .unwrap()
}
