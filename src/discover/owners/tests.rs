//! What tools leave on the Secret `apim/gw-token`, or on the Deployment `apim/gw`.

mod deployers;

use serde_json::{Value, json};

use super::*;

const OWN_ID: &str = "shop:/Secret:apim/gw-token";

fn object<T: serde::de::DeserializeOwned>(name: &str, metadata: &Value) -> T {
    let mut object = json!({"name": name, "namespace": "apim"});
    for (field, value) in metadata.as_object().unwrap() {
        object[field] = value.clone();
    }
    serde_json::from_value(object).unwrap()
}

/// The name of the owner of the Secret, and what to do instead.
fn of_secret(metadata: &Value) -> Option<(String, String)> {
    let owner = owner(&object("gw-token", metadata), ("", "Secret"), &["value"])?;
    Some((owner.name, owner.instead))
}

#[track_caller]
fn belongs(metadata: &Value, name: &str, instead: &str) {
    let owner = of_secret(metadata).unwrap_or_else(|| panic!("no owner: {metadata}"));
    assert_eq!(owner.0, name, "{metadata}");
    assert!(owner.1.contains(instead), "{}", owner.1);
}

#[track_caller]
fn is_free(metadata: &Value) {
    assert_eq!(of_secret(metadata), None, "{metadata}");
}

fn labels(labels: &Value) -> Value {
    json!({"labels": labels})
}

fn annotations(annotations: &Value) -> Value {
    json!({"annotations": annotations})
}

/// A field manager of these fields.
fn manager(name: &str, fields: &Value) -> Value {
    json!({"manager": name, "operation": "Update", "time": "2026-01-01T00:00:00Z", "fieldsType": "FieldsV1",
        "fieldsV1": fields})
}

fn managing(name: &str) -> Value {
    json!({"managedFields": [manager(name, &json!({"f:data": {"f:value": {}}}))]})
}

fn reference(api_version: &str, kind: &str, controller: Option<bool>) -> Value {
    let mut reference = json!({"apiVersion": api_version, "kind": kind, "name": "x", "uid": "u"});
    if let Some(controller) = controller {
        reference["controller"] = json!(controller);
    }
    json!({"ownerReferences": [reference]})
}

#[test]
fn a_copy_names_its_source() {
    let there = "rotate the token at its source, secret/source in namespace platform";
    let kyverno = json!({
        "app.kubernetes.io/managed-by": "kyverno",
        "generate.kyverno.io/policy-name": "tokens",
        "generate.kyverno.io/source-namespace": "platform",
        "generate.kyverno.io/source-name": "source",
    });
    belongs(&labels(&kyverno), "Kyverno policy tokens", there);
    let mut by_uid = kyverno.clone();
    by_uid
        .as_object_mut()
        .unwrap()
        .remove("generate.kyverno.io/source-name");
    belongs(
        &labels(&by_uid),
        "Kyverno policy tokens",
        "at its source, in namespace platform",
    );
    for key in [
        "reflector.v1.k8s.emberstack.com/reflects",
        "replicator.v1.mittwald.de/replicate-from",
        "replicator.v1.mittwald.de/replicated-by",
    ] {
        let tool = if key.starts_with("reflector") {
            "Reflector"
        } else {
            "kubernetes-replicator"
        };
        belongs(&annotations(&json!({key: "platform/source"})), tool, there);
    }
    belongs(
        &annotations(&json!({"replicator.v1.mittwald.de/replicate-from": "source"})),
        "kubernetes-replicator",
        "secret/source in namespace apim",
    );
    let synced = json!({
        "labels": {"kubed.appscode.com/origin.namespace": "platform", "kubed.appscode.com/origin.name": "source"},
        "annotations": {"kubed.appscode.com/origin": "{}"},
    });
    belongs(&synced, "Config Syncer", there);
    belongs(
        &labels(&json!({"hnc.x-k8s.io/inherited-from": "platform"})),
        "the Hierarchical Namespace Controller",
        "secret/gw-token in namespace platform",
    );
}

#[test]
fn the_source_of_copies_is_free() {
    is_free(&labels(&json!({"generate.kyverno.io/clone-source": ""})));
    is_free(&annotations(&json!({
        "reflector.v1.k8s.emberstack.com/reflection-allowed": "true",
        "reflector.v1.k8s.emberstack.com/reflection-auto-enabled": "true",
        "replicator.v1.mittwald.de/replicate-to": "apps",
        "kubed.appscode.com/sync": "",
    })));
    let once = json!({
        "replicator.v1.mittwald.de/replicate-from": "platform/source",
        "replicator.v1.mittwald.de/replicate-once": "true",
    });
    is_free(&annotations(&once));
    let created_once =
        json!({"policy.kyverno.io/policy-name": "p", "policy.kyverno.io/synchronize": "disable"});
    is_free(&labels(&created_once));
    let synchronized =
        json!({"policy.kyverno.io/policy-name": "p", "policy.kyverno.io/synchronize": "enable"});
    belongs(&labels(&synchronized), "Kyverno policy p", "synchronize: false");
}

/// A copy has the marks of its source, and what an operator makes those of its object.
#[test]
fn marks_that_were_copied_from_another_object_do_not_count() {
    is_free(&annotations(
        &json!({"argocd.argoproj.io/tracking-id": "shop:/Secret:platform/gw-token"}),
    ));
    is_free(&annotations(
        &json!({"argocd.argoproj.io/tracking-id": "shop:/Secret:apim/source"}),
    ));
    let of_other_kind = "shop:external-secrets.io/ExternalSecret:apim/gw-token";
    is_free(&annotations(
        &json!({"argocd.argoproj.io/tracking-id": of_other_kind}),
    ));
    is_free(&json!({
        "annotations": {"argocd.argoproj.io/tracking-id": of_other_kind},
        "labels": {"argocd.argoproj.io/instance": "shop"},
    }));
    is_free(&annotations(
        &json!({"kapp.k14s.io/identity": "v1;apim//Secret/gw-token-2;v1"}),
    ));
    is_free(&annotations(
        &json!({"configsync.gke.io/resource-id": "_secret_apim_gw-token-2"}),
    ));
    let by_operator = json!({
        "labels": {"reconcile.external-secrets.io/managed": "true", "kustomize.toolkit.fluxcd.io/name": "apps"},
        "annotations": {"argocd.argoproj.io/tracking-id": of_other_kind},
    });
    belongs(&by_operator, "External Secrets", "refreshPolicy: CreatedOnce");
    let cloned = json!({
        "labels": {"generate.kyverno.io/policy-name": "p", "reconcile.external-secrets.io/managed": "true"},
        "annotations": {"argocd.argoproj.io/tracking-id": OWN_ID},
    });
    belongs(&cloned, "Kyverno policy p", "");
}

#[test]
fn secret_operators_need_no_controller_reference() {
    let replica_set = reference("apps/v1", "ReplicaSet", None);
    is_free(&replica_set);
    let mut mounted = replica_set;
    mounted["labels"] = json!({"secrets-store.csi.k8s.io/managed": "true"});
    belongs(&mounted, "the Secrets Store CSI driver", "`secretObjects`");
    is_free(&labels(&json!({"secrets-store.csi.k8s.io/used": "true"})));
    let merged = json!({"labels": {"reconcile.external-secrets.io/managed": "true"}});
    belongs(&merged, "External Secrets", "the store");
    let hash = annotations(&json!({"reconcile.external-secrets.io/data-hash": "c0ffee"}));
    belongs(&hash, "External Secrets", "the store");
    belongs(
        &labels(&json!({"app.kubernetes.io/managed-by": "hashicorp-vso"})),
        "Vault Secrets Operator",
        "Vault",
    );
    for annotation in ["patch", "managed"] {
        let key = format!("sealedsecrets.bitnami.com/{annotation}");
        belongs(
            &annotations(&json!({&key: "true"})),
            "Sealed Secrets",
            "`value` from the SealedSecret",
        );
        is_free(&annotations(&json!({&key: "false"})));
    }
    is_free(&annotations(
        &json!({"sealedsecrets.bitnami.com/cluster-wide": "true"}),
    ));
    belongs(
        &annotations(&json!({"operator.1password.io/item-version": "2"})),
        "the 1Password operator",
        "1Password",
    );
    belongs(
        &labels(&json!({"secrets.doppler.com/subtype": "dopplerSecret"})),
        "the Doppler operator",
        "Doppler",
    );
    belongs(
        &annotations(&json!({"secrets.infisical.com/version": "e"})),
        "the Infisical operator",
        "Infisical",
    );
    belongs(
        &labels(&json!({"k8s.bitwarden.com/bw-secret": "u"})),
        "the Bitwarden operator",
        "Bitwarden",
    );
}

#[test]
fn an_owner_reference_counts_without_a_controller() {
    for controller in [None, Some(false), Some(true)] {
        let of = |api_version: &str, kind: &str| reference(api_version, kind, controller);
        belongs(
            &of("shop.example/v1", "Gateway"),
            "Gateway x",
            "let Gateway x leave the token alone",
        );
        belongs(
            &of("external-secrets.io/v1", "ExternalSecret"),
            "ExternalSecret x",
            "the store",
        );
        belongs(
            &of("bitnami.com/v1alpha1", "SealedSecret"),
            "SealedSecret x",
            "SealedSecret",
        );
        belongs(
            &of("placement.kubernetes-fleet.io/v1", "AppliedWork"),
            "Azure Kubernetes Fleet Manager",
            "placement",
        );
        belongs(
            &of("secrets-store.csi.x-k8s.io/v1", "SecretProviderClassPodStatus"),
            "the Secrets Store CSI driver",
            "SecretProviderClass",
        );
    }
    // Such an owner only has the Secret deleted together with it.
    for (api_version, kind) in [
        ("apps/v1", "Deployment"),
        ("v1", "ConfigMap"),
        ("rbac.authorization.k8s.io/v1", "Role"),
    ] {
        is_free(&reference(api_version, kind, None));
        is_free(&reference(api_version, kind, Some(false)));
        belongs(
            &reference(api_version, kind, Some(true)),
            &format!("{kind} x"),
            "",
        );
    }
}

/// Other keys than the credential, in a Secret that it does not own.
#[test]
fn what_external_secrets_merges_beside_the_credential_says_nothing_of_it() {
    let marked = |fields: &[(&str, Value)]| {
        let managers: Vec<Value> = fields
            .iter()
            .map(|(name, fields)| manager(name, fields))
            .collect();
        json!({
            "labels": {"reconcile.external-secrets.io/managed": "true"},
            "annotations": {"reconcile.external-secrets.io/data-hash": "x"},
            "managedFields": managers,
        })
    };
    let external = "externalsecrets.external-secrets.io/extra";
    let (own, other) = (
        json!({"f:data": {"f:value": {}}}),
        json!({"f:data": {"f:note": {}}}),
    );
    for writer in ["kubectl", "apim-rotate"] {
        is_free(&marked(&[(external, other.clone()), (writer, own.clone())]));
    }
    let both = json!({"f:data": {"f:note": {}, "f:value": {}}});
    belongs(
        &marked(&[(external, both)]),
        "ExternalSecret extra",
        "refreshPolicy",
    );
    // Its fields are not known, or it has none but marks.
    let marks = json!({"f:metadata": {"f:labels": {}}});
    for managers in [&[][..], &[(external, marks), ("apim-rotate", own.clone())]] {
        belongs(&marked(managers), "External Secrets", "refreshPolicy");
    }
    let mut owned = marked(&[(external, other), ("kubectl", own)]);
    owned["ownerReferences"] =
        reference("external-secrets.io/v1", "ExternalSecret", Some(true))["ownerReferences"].clone();
    belongs(&owned, "ExternalSecret x", "refreshPolicy");
}
