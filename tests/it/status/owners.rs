//! Secrets that something else keeps equal to its own source, and Secrets that only look so.

use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::case::{Case, DAY};
use crate::run::Ended;

const TRACKING: &str = "argocd.argoproj.io/tracking-id";

/// What is on the Secret of each gateway, who owns it, and what to do instead.
fn owned(namespace: &str) -> [(&'static str, Value, &'static str, String); 6] {
    let renewed = "renew the token in the store".to_owned();
    [
        (
            "mounted",
            json!({"labels": {"secrets-store.csi.k8s.io/managed": "true"}}),
            "the Secrets Store CSI driver",
            renewed.clone(),
        ),
        (
            "synced",
            json!({"ownerReferences": [{"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
                "name": "token", "uid": "f0e1d2c3"}]}),
            "ExternalSecret token",
            renewed,
        ),
        (
            "cloned",
            json!({"labels": {"generate.kyverno.io/policy-name": "tokens",
                "generate.kyverno.io/source-namespace": "platform", "generate.kyverno.io/source-name": "token"}}),
            "Kyverno policy tokens",
            "rotate the token at its source, secret/token in namespace platform".to_owned(),
        ),
        (
            "reflected",
            json!({"annotations": {"reflector.v1.k8s.emberstack.com/reflects": "platform/token"}}),
            "Reflector",
            "rotate the token at its source, secret/token in namespace platform".to_owned(),
        ),
        (
            "tracked",
            json!({"annotations": {TRACKING: format!("shop:/Secret:{namespace}/tracked-token")}}),
            "Argo CD application shop",
            "`/data/value` in `ignoreDifferences`".to_owned(),
        ),
        (
            "reconciled",
            json!({"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}}),
            "Flux Kustomization apps",
            format!(
                "kubectl -n {namespace} annotate secret reconciled-token \
                 kustomize.toolkit.fluxcd.io/reconcile=disabled"
            ),
        ),
    ]
}

/// What is on the Secrets that nothing sets back.
fn free(namespace: &str) -> [(&'static str, Value); 3] {
    let of_other = format!("shop:/Secret:{namespace}/tracked-token");
    [
        ("copied", json!({"annotations": {TRACKING: of_other}})),
        (
            "left",
            json!({"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"},
                "annotations": {"kustomize.toolkit.fluxcd.io/reconcile": "disabled"}}),
        ),
        (
            "instance",
            json!({"labels": {"app.kubernetes.io/instance": "shop"}}),
        ),
    ]
}

impl Case {
    /// Deploys a gateway and applies its Secret with these labels as the field manager of a tool.
    async fn applied(&self, name: &str, manager: &str, labels: &Value) {
        self.deploy(&self.gateway(name, 30)).await;
        let name = format!("{name}-token");
        let token = self.token(apim_sandbox::azure::Slot::Secondary, DAY * 30);
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "labels": labels},
            "data": {"value": k8s_openapi::ByteString(token.into_bytes())}});
        let params = PatchParams::apply(manager).force();
        let patch: Patch<Value> = Patch::Apply(secret);
        let _: Secret = self.secrets().patch(&name, &params, &patch).await.unwrap();
    }

    /// Deploys a gateway whose Secret has these marks.
    async fn marked(&self, name: &str, marks: &Value) {
        self.deploy(&self.gateway(name, 30)).await;
        self.patch_secret(&format!("{name}-token"), &json!({"metadata": marks}))
            .await;
    }

    async fn is_refused(&self, status: &Ended, name: &str, owner: &str, instead: &str) {
        let gateway = status.gateway(name);
        assert_eq!(gateway["verdict"], "WillBeReverted", "{gateway:#}");
        assert_eq!(gateway["owner"], owner);
        let reason = gateway["reason"].as_str().unwrap();
        let begins = format!("{owner} owns the Secret and will restore its own token; ");
        assert!(
            reason.starts_with(&begins) && reason.contains(instead),
            "{reason}"
        );
        assert!(gateway["fix"].as_str().unwrap().ends_with(" --adopt"));
        let run = self.apim(&["rotate", &format!("deployment/{name}")]);
        let belongs = format!("belongs to {owner}, which would undo the rotation");
        let refused = self.fails_untouched(run, 4).await;
        refused.says(&[&belongs, instead, "--adopt"]);
    }
}

#[tokio::test]
async fn who_will_undo_a_rotation_is_named_and_refused() {
    let case = Case::new("status-owners").await;
    let owned = owned(&case.namespace);
    let free = free(&case.namespace);
    for (name, marks, ..) in &owned {
        case.marked(name, marks).await;
    }
    for (name, marks) in &free {
        case.marked(name, marks).await;
    }
    // By the manager of the credential, without a mark and with one that others set as well.
    let external = "externalsecrets.external-secrets.io/token";
    case.applied("merged", external, &json!({})).await;
    let instance = json!({"app.kubernetes.io/instance": "shop"});
    case.applied("labelled", "argocd-controller", &instance).await;

    // Another key, beside a credential of somebody else.
    case.deploy(&case.gateway("beside", 30)).await;
    let marks = json!({"reconcile.external-secrets.io/managed": "true"});
    let note = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "beside-token", "labels": marks},
        "data": {"note": "eA=="}});
    let params = PatchParams::apply(external).force();
    let patch = Patch::Apply(note);
    case.secrets()
        .patch("beside-token", &params, &patch)
        .await
        .unwrap();

    let status = case.apim(&["status", "-o", "json"]).exits(0).await;
    for (name, _, owner, instead) in &owned {
        case.is_refused(&status, name, owner, instead).await;
    }
    case.is_refused(&status, "merged", "ExternalSecret token", "refreshPolicy")
        .await;
    let argo = ("Argo CD application shop", "RespectIgnoreDifferences=true");
    case.is_refused(&status, "labelled", argo.0, argo.1).await;
    for name in free.iter().map(|(name, _)| *name).chain(["beside"]) {
        assert!(status.gateway(name)["owner"].is_null(), "{name}");
        case.apim(&["rotate", &format!("deployment/{name}")])
            .exits(0)
            .await;
    }

    // An owner that was overruled is still there.
    for name in ["cloned", "labelled"] {
        let target = format!("deployment/{name}");
        let adopted = case.apim(&["rotate", &target, "--adopt"]).exits(0).await;
        adopted.says(&["may restore the previous token"]);
        let status = case.apim(&["status", name, "-o", "json"]).exits(0).await;
        assert_eq!(status.gateway(name)["verdict"], "WillBeReverted");
    }
}
