//! Admission policies that restrict the ServiceAccount to the changes of a
//! rotation. RBAC cannot restrict fields: the right to patch a workload includes
//! its image.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::admissionregistration::v1::{
    MatchCondition, MatchResources, NamedRuleWithOperations, ValidatingAdmissionPolicy,
    ValidatingAdmissionPolicyBinding, ValidatingAdmissionPolicyBindingSpec, ValidatingAdmissionPolicySpec,
    Validation, Variable,
};

use super::document::{document, meta};
use super::ownership::{Owner, Purpose, label_account_namespace};
use crate::model::annotation::{LAST_APPLIED, OF_SECRET, OF_TEMPLATE, OF_WORKLOAD};
use crate::model::{Object, WorkloadKind, WorkloadRef};

/// The ServiceAccount to restrict, and the objects that it may change.
#[derive(Clone, Debug)]
pub struct Guard {
    /// What the account is for.
    pub purpose: Purpose,
    /// The namespace of the ServiceAccount.
    pub namespace: String,
    /// The name of the ServiceAccount.
    pub name: String,
    /// The key of the credential in each Secret, by namespace and name.
    pub secrets: BTreeMap<(String, String), String>,
    /// The workloads with their namespaces.
    pub workloads: BTreeSet<(String, WorkloadRef)>,
}

/// Fields that the API server changes with every write.
const BOOKKEEPING: [&str; 3] = ["generation", "managedFields", "resourceVersion"];

/// A policy for the Secrets and one for the workloads, each with its binding.
pub fn admission_policies(guard: &Guard) -> Vec<Object> {
    let mut objects = policy(guard, "secrets", secrets(guard));
    objects.extend(policy(guard, "workloads", workloads(guard)));
    objects
}

/// The parts in which the two policies differ.
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
                "this account may change only the Secrets of its gateways",
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
                "this account may change only the key of the credential",
            ),
            only_annotations(&ours),
            only_metadata_annotations(),
            on_update(
                &same_but("dyn(object)", "dyn(oldObject)", &["data", "metadata"]),
                "this account may change only the data and the annotations",
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
    // The subresource `scale` also writes to the workload.
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
            variable("annotations", "dyn(object).metadata.?annotations.orValue({})"),
            variable(
                "oldAnnotations",
                "dyn(oldObject).metadata.?annotations.orValue({})",
            ),
        ],
        validations: workload_validations(),
    }
}

fn workload_validations() -> Vec<Validation> {
    vec![
        validation(
            "request.operation == 'UPDATE' && (!has(request.subResource) || request.subResource == '') \
             && variables.place in variables.places",
            "this account may restart only the workloads of its gateways",
        ),
        on_update(
            &same_but("variables.marks", "variables.oldMarks", &OF_TEMPLATE),
            "this account may change only the annotations of a restart",
        ),
        on_update(
            &same_but(
                "dyn(object.spec.template.metadata)",
                "dyn(oldObject.spec.template.metadata)",
                &["annotations"],
            ),
            "this account may change only the annotations in the template's metadata",
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
            "this account may change only the template's annotations in the spec",
        ),
        only_annotations(&OF_WORKLOAD),
        only_metadata_annotations(),
    ]
}

/// Of the annotations of the object itself, only these may change.
fn only_annotations(ours: &[&str]) -> Validation {
    on_update(
        &same_but("variables.annotations", "variables.oldAnnotations", ours),
        "this account may change only the annotations of a rotation",
    )
}

fn only_metadata_annotations() -> Validation {
    on_update(
        &same_but(
            "dyn(object.metadata)",
            "dyn(oldObject.metadata)",
            &[&BOOKKEEPING[..], &["annotations"]].concat(),
        ),
        "this account may change only the annotations in the metadata",
    )
}

/// An expression: two maps are equal except for these fields. All other fields
/// must be equal, so fields that later versions of Kubernetes add are included.
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

/// A validation of the changes of an update. A creation or a deletion has
/// nothing to compare, and the first validation refuses it.
fn on_update(expression: &str, message: &str) -> Validation {
    validation(
        &format!("request.operation != 'UPDATE' || ({expression})"),
        message,
    )
}

fn policy(guard: &Guard, what: &str, rules: Rules) -> Vec<Object> {
    let Guard { namespace, name, .. } = guard;
    let owner = Owner {
        purpose: guard.purpose,
        name,
    };
    // Policies have no namespace, so the name includes it. A namespace contains
    // no dot, which keeps the name unique.
    let policy_name = format!("{name}.{namespace}.{what}");
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
        metadata: meta(None, &policy_name, owner),
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
        metadata: meta(None, &policy_name, owner),
        spec: Some(ValidatingAdmissionPolicyBindingSpec {
            policy_name: Some(policy_name.clone()),
            validation_actions: strings(&["Deny"]),
            ..ValidatingAdmissionPolicyBindingSpec::default()
        }),
    };
    let mut objects = vec![document(&policy), document(&binding)];
    for object in &mut objects {
        label_account_namespace(object, namespace);
    }
    objects
}
