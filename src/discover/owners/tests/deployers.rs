//! The tools that deploy Secrets and workloads.

use serde_json::{Value, json};

use super::*;

#[test]
fn the_manager_of_the_credential_comes_first() {
    belongs(
        &managing("argocd-controller"),
        "Argo CD",
        "`/data/value` in `ignoreDifferences`",
    );
    belongs(&managing("kustomize-controller"), "Flux", "ssa: IfNotPresent");
    belongs(&managing("helm-controller"), "Flux", "existingSecretName");
    belongs(&managing("helm"), "Helm", "existingSecretName");
    belongs(
        &managing("vault-secrets-operator"),
        "Vault Secrets Operator",
        "Vault",
    );
    let external = "externalsecrets.external-secrets.io/";
    belongs(
        &managing(&format!("{external}token")),
        "ExternalSecret token",
        "the store",
    );
    belongs(
        &managing(&format!("{external}sha3/9f86d0")),
        "External Secrets",
        "the store",
    );
    let applied =
        json!({"managedFields": [manager("configsync.gke.io", &json!({"f:stringData": {"f:value": {}}}))]});
    belongs(&applied, "Config Sync", "mutation: ignore");
    // By itself, nothing restores what these have written.
    for other in [
        "kubectl-client-side-apply",
        "apim-rotate",
        "Terraform",
        "HashiCorp",
        "pulumi-kubernetes",
        "helm-dashboard",
        "Mozilla",
    ] {
        is_free(&managing(other));
    }
    // Marks name it, and do not name another one.
    let mut named = managing("argocd-controller");
    named["labels"] =
        json!({"kustomize.toolkit.fluxcd.io/name": "apps", "argocd.argoproj.io/instance": "shop"});
    belongs(&named, "Argo CD application shop", "ignoreDifferences");
    let mut merged = managing(&format!("{external}token"));
    merged["annotations"] = json!({"meta.helm.sh/release-name": "gw"});
    belongs(&merged, "ExternalSecret token", "the store");
    // A manager of another key is not one of the credential.
    is_free(&json!({"managedFields": [manager("argocd-controller", &json!({"f:data": {"f:other": {}}}))]}));
}

#[test]
fn argo_cd_by_each_of_its_ways_to_track() {
    belongs(
        &annotations(&json!({"argocd.argoproj.io/tracking-id": OWN_ID})),
        "Argo CD application shop",
        "RespectIgnoreDifferences=true",
    );
    belongs(
        &annotations(&json!({"argocd.argoproj.io/tracking-id": "argo_shop:/Secret:apim/gw-token"})),
        "Argo CD application argo_shop",
        "",
    );
    belongs(
        &labels(&json!({"argocd.argoproj.io/instance": "shop"})),
        "Argo CD application shop",
        "",
    );
    // Charts and operators set this label as well.
    let instance = labels(&json!({"app.kubernetes.io/instance": "shop"}));
    is_free(&instance);
    for name in ["argocd-controller", "argocd-application-controller"] {
        let mut tracked = instance.clone();
        tracked["managedFields"] = json!([
            manager("apim-rotate", &json!({"f:data": {"f:value": {}}})),
            manager(
                name,
                &json!({"f:metadata": {"f:labels": {"f:app.kubernetes.io/instance": {}}}})
            ),
        ]);
        belongs(&tracked, "Argo CD application shop", "");
    }
    let mut other = instance;
    other["managedFields"] = json!([manager("kubectl", &json!({"f:metadata": {}}))]);
    is_free(&other);
}

#[test]
fn flux_leaves_alone_what_it_is_told_to() {
    let flux =
        json!({"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "f"});
    belongs(
        &labels(&flux),
        "Flux Kustomization apps",
        "kustomize.toolkit.fluxcd.io/ssa: IfNotPresent",
    );
    belongs(
        &labels(&flux),
        "Flux Kustomization apps",
        "kubectl -n apim annotate secret gw-token kustomize.toolkit.fluxcd.io/reconcile=disabled",
    );
    for (key, value, is_left) in [
        ("ssa", "IfNotPresent", true),
        ("ssa", "ifnotpresent", true),
        ("ssa", "Ignore", true),
        ("ssa", "Merge", false),
        ("ssa", "Override", false),
        ("reconcile", "disabled", true),
        ("reconcile", "Disabled", true),
        ("reconcile", "enabled", false),
        ("prune", "disabled", false),
    ] {
        for place in ["labels", "annotations"] {
            let mut metadata = managing("kustomize-controller");
            metadata["labels"] = flux.clone();
            metadata[place][format!("kustomize.toolkit.fluxcd.io/{key}")] = json!(value);
            assert_eq!(of_secret(&metadata).is_none(), is_left, "{metadata}");
        }
    }
    let release = labels(&json!({"helm.toolkit.fluxcd.io/name": "gateways"}));
    belongs(&release, "Flux HelmRelease gateways", "existingSecretName");
}

#[test]
fn other_tools_and_what_they_leave_alone() {
    let synced = annotations(&json!({"configsync.gke.io/resource-id": "_secret_apim_gw-token"}));
    for (metadata, name, leaves) in [
        (
            synced.clone(),
            "Config Sync",
            Some(("client.lifecycle.config.k8s.io/mutation", "ignore")),
        ),
        (
            synced,
            "Config Sync",
            Some(("configmanagement.gke.io/managed", "disabled")),
        ),
        (
            annotations(&json!({"kapp.k14s.io/identity": "v1;apim//Secret/gw-token;v1"})),
            "kapp",
            Some(("kapp.k14s.io/update-strategy", "skip")),
        ),
        (
            annotations(&json!({"resources.gardener.cloud/origin": "garden/gw"})),
            "Gardener ManagedResource garden/gw",
            Some(("resources.gardener.cloud/ignore", "true")),
        ),
        (labels(&json!({"karmada.io/managed": "true"})), "Karmada", None),
        (
            annotations(&json!({"objectset.rio.cattle.io/owner-name": "gw"})),
            "Rancher or K3s bundle gw",
            None,
        ),
        (
            labels(&json!({"addonmanager.kubernetes.io/mode": "Reconcile"})),
            "the Kubernetes add-on manager",
            None,
        ),
        (
            json!({"annotations": {"meta.helm.sh/release-name": "gw"},
                "labels": {"clusterconfig.azure.com/extension-version": "1.2.0"}}),
            "an Azure Arc extension",
            None,
        ),
        (
            annotations(&json!({"meta.helm.sh/release-name": "gw"})),
            "Helm release gw",
            None,
        ),
        (
            labels(&json!({"app.kubernetes.io/managed-by": "Helm"})),
            "Helm",
            None,
        ),
    ] {
        belongs(&metadata, name, "");
        if let Some((key, value)) = leaves {
            let mut left = metadata.clone();
            left["annotations"][key] = json!(value);
            is_free(&left);
        }
    }
}

#[test]
fn what_shows_no_owner() {
    let created_once = json!({"addonmanager.kubernetes.io/mode": "EnsureExists"});
    is_free(&labels(&created_once));
    is_free(&labels(&json!({"app.kubernetes.io/managed-by": "pulumi"})));
    is_free(&json!({"labels": {"app": "gw"}, "annotations": {"note": "x", "meta.helm.sh/release-name": ""}}));
}

#[test]
fn every_tool_has_a_way_out() {
    for row in TABLE {
        let is_copier = matches!(row.source, Source::Path(_) | Source::Namespace(_));
        assert_eq!(is_copier, row.instead.is_empty(), "{}", row.tool);
        assert!(
            !row.tool.is_empty() && (row.marks.len() + row.kinds.len() > 0),
            "{}",
            row.tool
        );
    }
}

#[test]
fn who_takes_away_what_is_added_to_a_pod_template() {
    let owner = |metadata: &Value| owner_of_template(&object("gw", metadata), WorkloadKind::Deployment);
    for controller in [None, Some(true)] {
        let operator = reference("shop.example/v1", "Gateway", controller);
        assert_eq!(owner(&operator).as_deref(), Some("Gateway x"));
    }
    for (metadata, name) in [
        (labels(&json!({"karmada.io/managed": "true"})), "Karmada"),
        (
            annotations(&json!({"resources.gardener.cloud/origin": "garden/gw"})),
            "Gardener ManagedResource garden/gw",
        ),
        (
            labels(&json!({"generate.kyverno.io/policy-name": "p"})),
            "Kyverno policy p",
        ),
    ] {
        assert_eq!(owner(&metadata).as_deref(), Some(name));
    }
    // These keep what others have added.
    for metadata in [
        annotations(&json!({"meta.helm.sh/release-name": "gw"})),
        annotations(&json!({"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:apim/gw"})),
        labels(&json!({"kustomize.toolkit.fluxcd.io/name": "apps"})),
        reference("placement.kubernetes-fleet.io/v1", "AppliedWork", None),
        reference("v1", "ConfigMap", None),
    ] {
        assert_eq!(owner(&metadata), None, "{metadata}");
    }
    let own: ObjectMeta = object(
        "gw",
        &annotations(&json!({"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:apim/gw"})),
    );
    let of = |kind: WorkloadKind| super::super::owner(&own, ("apps", kind.name()), &[]);
    assert_eq!(
        of(WorkloadKind::Deployment).unwrap().name,
        "Argo CD application shop"
    );
    assert_eq!(of(WorkloadKind::StatefulSet), None);
}
