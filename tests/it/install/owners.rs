//! The policies admit a rotation of what any tool has made, whatever it has recorded.

use apim_sandbox::azure::Slot;
use apim_sandbox::manifests::GatewayManifest;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::NAME;
use super::again::WORKLOAD_IDENTITY;
use crate::case::{Case, DAY};

/// What makes an object.
#[derive(Clone, Copy, Debug)]
enum Maker {
    KubectlCreate,
    KubectlApply,
    KubectlApplyServerSide,
    /// A POST by this field manager.
    Post(&'static str),
    /// A server-side apply by this field manager.
    Apply(&'static str),
}

/// Other things that the objects of a gateway have, beside who makes them.
const PLAIN: &[&str] = &[];

/// The name of each gateway, what makes its objects, and what else it has.
const GATEWAYS: [(&str, Maker, &[&str]); 14] = [
    ("create", Maker::KubectlCreate, PLAIN),
    ("create-two", Maker::KubectlCreate, &["two keys"]),
    (
        "create-marked",
        Maker::KubectlCreate,
        &["annotations of a rotation"],
    ),
    ("apply", Maker::KubectlApply, PLAIN),
    ("apply-two", Maker::KubectlApply, &["two keys"]),
    ("apply-text", Maker::KubectlApply, &["stringData"]),
    ("server", Maker::KubectlApplyServerSide, PLAIN),
    ("server-text", Maker::KubectlApplyServerSide, &["stringData"]),
    ("helm", Maker::Post("helm"), &["annotation", "labels"]),
    ("terraform", Maker::Post("HashiCorp"), &["labels"]),
    ("terraform-two", Maker::Apply("Terraform"), &["two keys"]),
    (
        "argo",
        Maker::Apply("argocd-controller"),
        &["annotation", "annotation of the template"],
    ),
    ("annotated", Maker::KubectlCreate, &["annotated later"]),
    ("emptied", Maker::KubectlApply, &["no managed fields"]),
];

fn secret(name: &str, token: &str, has: &[&str]) -> Value {
    let encoded = |text: &str| json!(k8s_openapi::ByteString(text.as_bytes().to_vec()));
    let mut secret =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": format!("{name}-token")}});
    if has.contains(&"stringData") {
        secret["stringData"] = json!({"value": token});
    } else {
        secret["data"] = json!({"value": encoded(token)});
    }
    if has.contains(&"two keys") {
        secret["data"]["other"] = encoded("keep");
    }
    decorate(&mut secret, has);
    if has.contains(&"annotations of a rotation") {
        secret["metadata"]["annotations"] = json!({"last-used-key": "primary"});
    }
    secret
}

fn workload(manifest: &GatewayManifest, has: &[&str]) -> Value {
    let mut objects = manifest.objects();
    let mut workload = objects.remove(objects.iter().position(|it| it["kind"] == "Deployment").unwrap());
    decorate(&mut workload, has);
    let template = &mut workload["spec"]["template"]["metadata"];
    if has.contains(&"annotation of the template") {
        template["annotations"] = json!({"note": "x"});
    }
    if has.contains(&"annotations of a rotation") {
        template["annotations"] = json!({"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z"});
    }
    workload
}

fn decorate(object: &mut Value, has: &[&str]) {
    if has.contains(&"annotation") {
        object["metadata"]["annotations"] = json!({"note": "x"});
    }
    if has.contains(&"labels") {
        object["metadata"]["labels"] = json!({"team": "shop"});
    }
}

impl Case {
    async fn is_made<K>(&self, api: &Api<K>, object: &Value, maker: Maker)
    where
        K: Clone + DeserializeOwned + Serialize + std::fmt::Debug,
    {
        let by_kubectl = async |words: &[&str]| {
            let file = self.file("object.json", &object.to_string());
            let file = file.display().to_string();
            let line = [&["-n", &self.namespace], words, &["-f", &file]].concat();
            self.kubectl(&line).exits(0).await;
        };
        match maker {
            Maker::KubectlCreate => by_kubectl(&["create"]).await,
            Maker::KubectlApply => by_kubectl(&["apply"]).await,
            Maker::KubectlApplyServerSide => by_kubectl(&["apply", "--server-side"]).await,
            Maker::Post(manager) => {
                let params = PostParams {
                    field_manager: Some(manager.to_owned()),
                    ..PostParams::default()
                };
                let object = serde_json::from_value(object.clone()).unwrap();
                api.create(&params, &object).await.unwrap();
            }
            Maker::Apply(manager) => {
                let name = object["metadata"]["name"].as_str().unwrap();
                let patch = Patch::Apply(object);
                api.patch(name, &PatchParams::apply(manager), &patch)
                    .await
                    .unwrap();
            }
        }
    }

    /// The id of the rotation that wrote the Secret.
    async fn rotation_of(&self, secret: &str) -> Option<String> {
        let annotations = self.secret(secret).await.metadata.annotations;
        annotations?.remove("apim-rotate/rotation-id")
    }

    async fn gateway_is_made(&self, name: &str, maker: Maker, has: &[&str]) {
        let token = self.token(Slot::Primary, DAY * 2);
        let secret_name = format!("{name}-token");
        let secrets: Api<Secret> = self.secrets();
        self.is_made(&secrets, &secret(name, &token, has), maker).await;
        let manifest = GatewayManifest::custom(name, &self.endpoint(), &token, &secret_name, "value");
        let deployments: Api<Deployment> = self.deployments();
        let object = workload(&manifest.replicas(0), has);
        self.is_made(&deployments, &object, maker).await;
        let references = [format!("secret/{secret_name}"), format!("deployment/{name}")];
        for reference in &references {
            if has.contains(&"annotated later") {
                self.kubectl_in_namespace(&["annotate", reference, "note=x"])
                    .await;
            }
            if has.contains(&"no managed fields") {
                let none = r#"{"metadata":{"managedFields":[{}]}}"#;
                self.kubectl_in_namespace(&["patch", reference, "--type=merge", "-p", none])
                    .await;
            }
        }
        if has.contains(&"two keys") {
            self.kubectl_in_namespace(&["rollout", "restart", &references[1]])
                .await;
        }
    }
}

#[tokio::test]
async fn the_installed_account_rotates_what_any_tool_has_made() {
    let case = Case::new("install-owners").await;
    for (name, maker, has) in GATEWAYS {
        case.gateway_is_made(name, maker, has).await;
    }
    // The tools that made them would restore their own tokens.
    let with_policy = ["--all", "--adopt", "--admission-policy"];
    let with_policy = [&with_policy[..], &WORKLOAD_IDENTITY].concat();
    case.install_cronjob(&with_policy).exits(0).await;
    case.is_limited("create").await;
    let account = format!("system:serviceaccount:{}:{NAME}", case.namespace);
    let mut denied = Vec::new();
    // The second rotation finds records of the first.
    for round in 0..2 {
        for (name, ..) in GATEWAYS {
            let (workload, secret) = (format!("deployment/{name}"), format!("{name}-token"));
            let before = case.rotation_of(&secret).await;
            let line = ["rotate", &workload, "--token-secret", &secret, "--as", &account];
            let how = ["--adopt", "--no-wait", "--apim-instance", &case.gateway.service];
            let run = case.apim(&[&line[..], &how].concat());
            let ended = run.start().await.ended().await;
            let after = case.rotation_of(&secret).await;
            if ended.code != Some(0) || before == after {
                denied.push(format!("{name}, rotation {round}: {}", ended.stderr));
            }
        }
    }
    assert!(denied.is_empty(), "{}", denied.join("\n"));
    let other = &case.secret("apply-two-token").await.data.unwrap()["other"];
    assert_eq!(other.0, b"keep");
}
