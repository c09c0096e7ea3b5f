//! Admission policies that hold the ServiceAccount to what a rotation changes.
//! RBAC ends at the object: whoever may patch a workload may change its image.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::admissionregistration::v1::{
    MatchCondition, MatchResources, NamedRuleWithOperations, ValidatingAdmissionPolicy,
    ValidatingAdmissionPolicyBinding, ValidatingAdmissionPolicyBindingSpec, ValidatingAdmissionPolicySpec,
    Validation, Variable,
};
use serde_json::Value;

use super::{document, meta};
use crate::model::annotation::{LAST_APPLIED, OF_SECRET, OF_TEMPLATE};
use crate::model::{WorkloadKind, WorkloadRef};

/// Whom the policies are about, and what may be changed.
#[derive(Clone, Debug)]
pub struct Guard {
    /// The namespace of the ServiceAccount.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The Secrets, by namespace and name, each with the key of its
    /// credential.
    pub secrets: BTreeMap<(String, String), String>,
    /// The workloads, by namespace.
    pub workloads: BTreeSet<(String, WorkloadRef)>,
}

/// What differs in every write without anybody's doing.
const BOOKKEEPING: [&str; 3] = ["generation", "managedFields", "resourceVersion"];

/// A policy for the Secrets and one for the workloads, each with its binding.
pub fn admission_policies(guard: &Guard) -> Vec<Value> {
    let mut objects = policy(guard, "secrets", secrets(guard));
    objects.extend(policy(guard, "workloads", workloads(guard)));
    objects
}

/// What makes one policy differ from the other.
struct Rules {
    group: &'static str,
    resources: Vec<String>,
    variables: Vec<Variable>,
    validations: Vec<Validation>,
}

fn secrets(guard: &Guard) -> Rules {
    let keys: Vec<String> = guard
        .secrets
        .iter()
        .map(|((namespace, name), key)| format!("{}: {}", text(&format!("{namespace}/{name}")), text(key)))
        .collect();
    let ours = [&OF_SECRET[..], &[LAST_APPLIED]].concat();
    Rules {
        group: "",
        resources: vec!["secrets".to_owned()],
        variables: vec![
            variable("place", "request.namespace + '/' + request.name"),
            variable("keys", &format!("{{{}}}", keys.join(", "))),
            variable("data", "dyn(object).?data.orValue({})"),
            variable("oldData", "dyn(oldObject).?data.orValue({})"),
            variable("annotations", "dyn(object).metadata.?annotations.orValue({})"),
            variable(
                "oldAnnotations",
                "dyn(oldObject).metadata.?annotations.orValue({})",
            ),
        ],
        validations: vec![
            validation(
                "request.operation == 'UPDATE' && variables.place in variables.keys",
                "this account may change the Secrets of its gateways and no others",
            ),
            on_update(
                &format!(
                    "variables.keys[variables.place] in variables.data && {}",
                    same(
                        "variables.data",
                        "variables.oldData",
                        "k == variables.keys[variables.place]"
                    )
                ),
                "this account may change the key of the credential and no other",
            ),
            on_update(
                &same_but("variables.annotations", "variables.oldAnnotations", &ours),
                "this account may change the annotations of a rotation and no others",
            ),
            on_update(
                &same_but(
                    "dyn(object.metadata)",
                    "dyn(oldObject.metadata)",
                    &[&BOOKKEEPING[..], &["annotations"]].concat(),
                ),
                "this account may change the annotations and nothing else of the metadata",
            ),
            on_update(
                &same_but("dyn(object)", "dyn(oldObject)", &["data", "metadata"]),
                "this account may change the data and the annotations alone",
            ),
        ],
    }
}

fn workloads(guard: &Guard) -> Rules {
    let places: Vec<String> = guard
        .workloads
        .iter()
        .map(|(namespace, workload)| {
            text(&format!(
                "{namespace}/{}/{}",
                workload.kind.plural(),
                workload.name
            ))
        })
        .collect();
    let mut resources: Vec<String> = WorkloadKind::ALL.map(|kind| kind.plural().to_owned()).into();
    // A scale is a write to the workload by another name.
    resources.extend(WorkloadKind::ALL.map(|kind| format!("{}/*", kind.plural())));
    Rules {
        group: "apps",
        resources,
        variables: vec![
            variable(
                "place",
                "request.namespace + '/' + request.resource.resource + '/' + request.name",
            ),
            variable("places", &format!("[{}]", places.join(", "))),
            variable(
                "marks",
                "dyn(object).spec.template.metadata.?annotations.orValue({})",
            ),
            variable(
                "oldMarks",
                "dyn(oldObject).spec.template.metadata.?annotations.orValue({})",
            ),
        ],
        validations: vec![
            validation(
                "request.operation == 'UPDATE' && (!has(request.subResource) || request.subResource == '') \
                 && variables.place in variables.places",
                "this account may restart the workloads of its gateways and no others",
            ),
            on_update(
                &same_but("variables.marks", "variables.oldMarks", &OF_TEMPLATE),
                "this account may change the annotations of a restart and no others",
            ),
            on_update(
                &same_but(
                    "dyn(object.spec.template.metadata)",
                    "dyn(oldObject.spec.template.metadata)",
                    &["annotations"],
                ),
                "this account may change the annotations and nothing else of the template's metadata",
            ),
            on_update(
                &same_but(
                    "dyn(object.spec.template)",
                    "dyn(oldObject.spec.template)",
                    &["metadata"],
                ),
                "this account may not change the pods",
            ),
            on_update(
                &same_but("dyn(object.spec)", "dyn(oldObject.spec)", &["template"]),
                "this account may change the template's annotations and nothing else of the spec",
            ),
            on_update(
                &same_but("dyn(object.metadata)", "dyn(oldObject.metadata)", &BOOKKEEPING),
                "this account may not change the metadata",
            ),
        ],
    }
}

/// That two maps differ in nothing but these fields. Fields are not listed one
/// by one: what a later version of Kubernetes adds is held fast too.
fn same_but(new: &str, old: &str, except: &[&str]) -> String {
    let names: Vec<String> = except.iter().map(|name| text(name)).collect();
    same(new, old, &format!("k in [{}]", names.join(", ")))
}

fn same(new: &str, old: &str, except: &str) -> String {
    format!(
        "{new}.all(k, {except} || (k in {old} && {new}[k] == {old}[k])) && {old}.all(k, {except} || k in {new})"
    )
}

/// A string literal of CEL.
fn text(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

fn variable(name: &str, expression: &str) -> Variable {
    Variable {
        name: name.to_owned(),
        expression: expression.to_owned(),
    }
}

fn validation(expression: &str, message: &str) -> Validation {
    Validation {
        expression: expression.to_owned(),
        message: Some(message.to_owned()),
        reason: Some("Forbidden".to_owned()),
        ..Validation::default()
    }
}

/// A validation of what an update changes; there is nothing to compare with
/// in a creation or a deletion, which the first validation refuses.
fn on_update(expression: &str, message: &str) -> Validation {
    validation(
        &format!("request.operation != 'UPDATE' || ({expression})"),
        message,
    )
}

fn policy(guard: &Guard, what: &str, rules: Rules) -> Vec<Value> {
    let Guard { namespace, name, .. } = guard;
    // Policies are of the whole cluster, and a namespace has no dot in it.
    let of_cluster = format!("{name}.{namespace}.{what}");
    let strings = |words: &[&str]| Some(words.iter().map(|word| (*word).to_owned()).collect());
    let rule = NamedRuleWithOperations {
        api_groups: strings(&[rules.group]),
        api_versions: strings(&["v1"]),
        operations: strings(&["CREATE", "UPDATE", "DELETE"]),
        resources: Some(rules.resources),
        ..NamedRuleWithOperations::default()
    };
    let account = format!("system:serviceaccount:{namespace}:{name}");
    let policy = ValidatingAdmissionPolicy {
        metadata: meta(None, &of_cluster, name),
        spec: Some(ValidatingAdmissionPolicySpec {
            failure_policy: Some("Fail".to_owned()),
            match_conditions: Some(vec![MatchCondition {
                name: "service-account".to_owned(),
                expression: format!("request.userInfo.username == {}", text(&account)),
            }]),
            match_constraints: Some(MatchResources {
                resource_rules: Some(vec![rule]),
                ..MatchResources::default()
            }),
            variables: Some(rules.variables),
            validations: Some(rules.validations),
            ..ValidatingAdmissionPolicySpec::default()
        }),
        ..ValidatingAdmissionPolicy::default()
    };
    let binding = ValidatingAdmissionPolicyBinding {
        metadata: meta(None, &of_cluster, name),
        spec: Some(ValidatingAdmissionPolicyBindingSpec {
            policy_name: Some(of_cluster.clone()),
            validation_actions: strings(&["Deny"]),
            ..ValidatingAdmissionPolicyBindingSpec::default()
        }),
    };
    vec![document(&policy), document(&binding)]
}
