//! Secrets that something else keeps equal to its own source, and Secrets that only look so.

use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::case::{Case, DAY};

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
    /// Applies a Secret with this label as the field manager of a tool.
    async fn applied(&self, name: &str, manager: &str, labels: &Value) {
        let token = self.token(apim_sandbox::azure::Slot::Secondary, DAY * 30);
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "labels": labels},
            "data": {"value": k8s_openapi::ByteString(token.into_bytes())}});
        let params = PatchParams::apply(manager).force();
        let patch: Patch<Value> = Patch::Apply(secret);
        let _: Secret = self.secrets().patch(name, &params, &patch).await.unwrap();
    }
}

#[tokio::test]
async fn who_will_undo_a_rotation_is_named_and_refused() {
    let case = Case::new("status-owners").await;
    let mut owned = Vec::from(owned(&case.namespace));
    let free = free(&case.namespace);
    let marks = owned
        .iter()
        .map(|(name, marks, ..)| (*name, marks))
        .chain(free.iter().map(|(name, marks)| (*name, marks)));
    for (name, marks) in marks {
        case.deploy(&case.gateway(name, 30)).await;
        case.patch_secret(&format!("{name}-token"), &json!({"metadata": marks}))
            .await;
    }
    // By the manager of the credential, without a mark, and with a mark that others set as well.
    for (name, manager, labels, owner, instead) in [
        (
            "merged",
            "externalsecrets.external-secrets.io/token",
            json!({}),
            "ExternalSecret token",
            "refreshPolicy",
        ),
        (
            "labelled",
            "argocd-controller",
            json!({"app.kubernetes.io/instance": "shop"}),
            "Argo CD application shop",
            "RespectIgnoreDifferences=true",
        ),
    ] {
        case.deploy(&case.gateway(name, 30)).await;
        case.applied(&format!("{name}-token"), manager, &labels).await;
        owned.push((name, json!({}), owner, instead.to_owned()));
    }

    let status = case.apim(&["status", "-o", "json"]).exits(0).await;
    for (name, _, owner, instead) in &owned {
        let gateway = status.gateway(name);
        assert_eq!(gateway["verdict"], "WillBeReverted", "{gateway:#}");
        assert_eq!(gateway["owner"], *owner);
        let reason = gateway["reason"].as_str().unwrap();
        assert!(
            reason.starts_with(&format!("{owner} owns the Secret")),
            "{reason}"
        );
        assert!(reason.contains(instead.as_str()), "{reason}");
        assert!(
            gateway["fix"].as_str().unwrap().ends_with(" --adopt"),
            "{gateway:#}"
        );
        let target = format!("deployment/{name}");
        let refused = case.fails_untouched(case.apim(&["rotate", &target]), 4).await;
        refused.says(&[
            &format!("belongs to {owner}, which would undo the rotation"),
            instead.as_str(),
            "--adopt",
        ]);
    }
    for (name, _) in &free {
        assert!(status.gateway(name)["owner"].is_null(), "{name}");
        case.apim(&["rotate", &format!("deployment/{name}")])
            .exits(0)
            .await;
    }
    for name in ["cloned", "labelled"] {
        case.apim(&["rotate", &format!("deployment/{name}"), "--adopt"])
            .exits(0)
            .await;
    }
    let adopted = case.apim(&["status", "-o", "json"]).exits(0).await;
    for name in ["cloned", "labelled"] {
        assert_eq!(
            adopted.gateway(name)["verdict"],
            "WillBeReverted",
            "its owner is still there"
        );
    }
}
