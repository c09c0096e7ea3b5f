//! An admission policy that breaks a rotation at one certain place.

use apim_sandbox::manifests::apply;
use apim_sandbox::wait;
use kube::Api;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::json;

use crate::case::{Case, LIMIT};

/// An admission policy that denies restarts in one namespace, but not their
/// rehearsal: what breaks after the Secret was written.
pub(crate) struct NoRestarts {
    name: String,
    bindings: Api<DynamicObject>,
    policies: Api<DynamicObject>,
}

impl NoRestarts {
    pub(crate) async fn of(case: &Case) -> Self {
        let name = format!("no-restarts-{}", case.namespace);
        let api = |kind: &str| {
            let kind = GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", kind);
            Api::all_with(case.client.clone(), &ApiResource::from_gvk(&kind))
        };
        let policy = Self {
            policies: api("ValidatingAdmissionPolicy"),
            bindings: api("ValidatingAdmissionPolicyBinding"),
            name: name.clone(),
        };
        let mine =
            json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": case.namespace}}});
        let rule = json!({
            "apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["deployments"],
        });
        let metadata = json!({ "name": name });
        let spec = json!({
            "matchConstraints": {"resourceRules": [rule]},
            "validations": [{
                "expression": "request.dryRun || object.spec.template == oldObject.spec.template",
                "message": "no restarts today", "reason": "Forbidden",
            }],
        });
        let binding = json!({"policyName": name, "validationActions": ["Deny"], "matchResources": mine});
        let params = PatchParams::apply("test");
        for (api, kind, spec) in [
            (&policy.policies, "ValidatingAdmissionPolicy", spec),
            (&policy.bindings, "ValidatingAdmissionPolicyBinding", binding),
        ] {
            let object = json!({
                "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": metadata, "spec": spec,
            });
            api.patch(&name, &params, &Patch::Apply(object)).await.unwrap();
        }
        Self::denies(case, true).await;
        policy
    }

    /// Waits until the API server goes by the policy, or no more; it is tried
    /// on a paused Deployment, so that it has no effect.
    async fn denies(case: &Case, expected: bool) {
        let labels = json!({"app": "probe"});
        let object = |round: usize| {
            json!({
                "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "probe"},
                "spec": {"replicas": 0, "paused": true, "selector": {"matchLabels": labels}, "template": {
                    "metadata": {"labels": labels, "annotations": {"round": format!("{expected} {round}")}},
                    "spec": {"containers": [{"name": "probe", "image": "probe"}]},
                }},
            })
        };
        let mut round = 0;
        wait::until("the policy", LIMIT, async || {
            round += 1;
            let denied = apply(&case.client, &case.namespace, object(round)).await.is_err();
            Ok((round > 1 && denied == expected).then_some(()))
        })
        .await
        .unwrap();
    }

    pub(crate) async fn lift(self, case: &Case) {
        let params = DeleteParams::default();
        self.bindings.delete(&self.name, &params).await.unwrap();
        self.policies.delete(&self.name, &params).await.unwrap();
        Self::denies(case, false).await;
    }
}
