//! The user of the pods, on clusters that assign it, as OpenShift does.

use apim_sandbox::wait;
use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};

use super::workload_identity;
use crate::case::{Case, LIMIT};

/// An admission policy with its binding, for the pods of the case's namespace.
async fn admission(case: &Case, kind: &str, mut spec: Value, mut binding: Value) {
    let name = format!("scc-{}", case.namespace);
    spec["matchConstraints"] = json!({"resourceRules": [{
        "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"],
    }]});
    binding["policyName"] = json!(name);
    binding["matchResources"] =
        json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": case.namespace}}});
    for (kind, spec) in [(kind.to_owned(), spec), (format!("{kind}Binding"), binding)] {
        let of = GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", &kind);
        let api: Api<DynamicObject> = Api::all_with(case.client.clone(), &ApiResource::from_gvk(&of));
        let object = json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": name}, "spec": spec,
        });
        let params = PatchParams::apply("test");
        api.patch(&name, &params, &Patch::Apply(object)).await.unwrap();
    }
}

/// Waits until the API server answers a dry run of such a pod as expected.
async fn in_force(case: &Case, expected: impl Fn(Result<Value, kube::Error>) -> bool) {
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe"}, "spec": {
        "securityContext": {"runAsUser": 65532}, "containers": [{"name": "probe", "image": "probe"}]}});
    let pods: Api<DynamicObject> = Api::namespaced_with(
        case.client.clone(),
        &case.namespace,
        &ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "Pod")),
    );
    let params = PatchParams::apply("test").dry_run();
    wait::until("the policy", LIMIT, async || {
        let answer = pods.patch("probe", &params, &Patch::Apply(&pod)).await;
        let answer = answer.map(|pod| serde_json::to_value(pod).unwrap());
        Ok(expected(answer).then_some(()))
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_namespace_that_refuses_fixed_ids_is_noticed_and_assigns_them() {
    let (case, manifest) = Case::in_pod("run-as-cluster").await;
    let before = case.credential(&manifest).await;
    // What restricted-v2 says, in short.
    let ids = "has(object.spec.securityContext) && (has(object.spec.securityContext.runAsUser) \
               || has(object.spec.securityContext.runAsGroup) || has(object.spec.securityContext.fsGroup))";
    let spec = json!({"validations": [{
        "expression": format!("!({ids})"), "reason": "Forbidden",
        "message": "unable to validate against any security context constraint: provider restricted-v2: \
                    .spec.securityContext.fsGroup: Invalid value: []int64{65532}: 65532 is not an allowed group",
    }]});
    admission(
        &case,
        "ValidatingAdmissionPolicy",
        spec,
        json!({"validationActions": ["Deny"]}),
    )
    .await;
    in_force(&case, |answer| answer.is_err()).await;
    let principal = case.federated().await;
    let line = workload_identity(&principal);
    let run = case.install_cronjob_that_runs(&line).await;
    case.fails_untouched(run, 4).await.says(&[
        "does not admit the pods",
        "65532 is not an allowed group",
        "--run-as cluster",
    ]);
    let line = [&line[..], &["--run-as", "cluster"]].concat();
    case.install_cronjob_that_runs(&line).await.exits(0).await;
    let after = case.credential(&manifest).await;
    assert!(after != before && case.azure().accepts(&after));
}

#[tokio::test]
async fn constraints_that_only_the_user_may_use_are_warned_of() {
    let case = Case::new("run-as-user").await;
    case.deploy(&case.idle_portal()).await;
    // OpenShift annotates a pod with the constraints that have admitted it.
    let spec = json!({
        "failurePolicy": "Fail", "reinvocationPolicy": "Never",
        "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression":
            "Object{metadata: Object.metadata{annotations: {\"openshift.io/scc\": \"anyuid\"}}}"}}],
    });
    admission(&case, "MutatingAdmissionPolicy", spec, json!({})).await;
    in_force(&case, |answer| {
        answer.is_ok_and(|pod| pod["metadata"]["annotations"]["openshift.io/scc"] == "anyuid")
    })
    .await;
    let managed = ["--auth", "managed-identity"];
    case.install_cronjob(&managed)
        .exits(0)
        .await
        .says(&["SecurityContextConstraints anyuid", "--run-as cluster"]);
    let line = [&managed[..], &["--run-as", "cluster"]].concat();
    let ended = case.install_cronjob(&line).exits(0).await;
    assert!(
        !ended.stderr.contains("SecurityContextConstraints"),
        "{}",
        ended.stderr
    );
}
