//! Admission policies that restrict the ServiceAccount to the changes of a
//! rotation. RBAC cannot restrict fields: the right to patch a workload includes
//! its image.

mod cel;
mod last_applied;
mod managed_fields;

use std::collections::{BTreeMap, BTreeSet};
use std::iter;

use k8s_openapi::api::admissionregistration::v1::{
    MatchCondition, MatchResources, NamedRuleWithOperations, ValidatingAdmissionPolicy,
    ValidatingAdmissionPolicyBinding, ValidatingAdmissionPolicyBindingSpec, ValidatingAdmissionPolicySpec,
    Validation, Variable,
};

use cel::{on_update, same, same_but, text, validation, variable};
use managed_fields::Ours;

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
    /// `None` if it may rotate all gateways that exist when it runs.
    pub objects: Option<GuardedObjects>,
}

/// The objects that an account may change.
#[derive(Clone, Debug, Default)]
pub struct GuardedObjects {
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

/// The names of the policies for an account, which are also those of their bindings.
pub fn policy_names(namespace: &str, account: &str) -> [String; 2] {
    ["secrets", "workloads"].map(|what| policy_name(namespace, account, what))
}

/// Policies have no namespace, so the name includes it. A namespace contains no dot,
/// which keeps the name unique.
fn policy_name(namespace: &str, account: &str, what: &str) -> String {
    format!("{account}.{namespace}.{what}")
}

/// The parts in which the two policies differ.
struct Rules {
    group: &'static str,
    resources: Vec<String>,
    variables: Vec<Variable>,
    validations: Vec<Validation>,
}

fn secrets(guard: &Guard) -> Rules {
    let mut variables = vec![
        variable("data", "dyn(object).?data.orValue({})"),
        variable("oldData", "dyn(oldObject).?data.orValue({})"),
    ];
    let (which, only_the_key) = if let Some(objects) = &guard.objects {
        let (named, which) = named_key(objects);
        variables.extend(named);
        let others = same("variables.data", "variables.oldData", "k == variables.key");
        (which, format!("variables.key in variables.data && {others}"))
    } else {
        variables.extend(changed_key());
        ("true".to_owned(), only_a_token())
    };
    variables.extend(annotations());
    variables.extend(last_applied::variables());
    variables.extend(managed_fields::variables());
    let annotations = [&OF_SECRET[..], &[LAST_APPLIED]].concat();
    let ours = [
        Ours {
            path: &["f:data"],
            // The map itself is among them: a Secret with one key loses it with that key.
            names: "k in ['.', 'f:' + variables.key]".to_owned(),
        },
        Ours::annotations(&["f:metadata", "f:annotations"], &annotations),
    ];
    let mut validations = vec![
        validation(
            &format!("request.operation == 'UPDATE' && {which}"),
            "this account may change only the Secrets of its gateways",
        ),
        on_update(
            &only_the_key,
            "this account may change only the key of the credential",
        ),
        only_annotations(&annotations),
        last_applied::validation(),
        only_metadata_annotations(),
        on_update(
            &same_but("dyn(object)", "dyn(oldObject)", &["data", "metadata"]),
            "this account may change only the data and the annotations",
        ),
    ];
    validations.extend(managed_fields::validations(&ours, "v1"));
    Rules {
        group: "",
        resources: vec!["secrets".to_owned()],
        variables,
        validations,
    }
}

/// The key of the credential by the Secret's name, and whether the Secret is one of them.
fn named_key(objects: &GuardedObjects) -> (Vec<Variable>, String) {
    let keys = objects
        .secrets
        .iter()
        .map(|((namespace, name), key)| format!("{}: {}", text(&format!("{namespace}/{name}")), text(key)));
    let maps = short_lists("keys", keys);
    let mut variables = vec![variable("place", "request.namespace + '/' + request.name")];
    variables.extend(
        maps.iter()
            .map(|(name, keys)| variable(name, &format!("{{{keys}}}"))),
    );
    let mut found = maps
        .iter()
        .map(|(name, _)| format!("variables.{name}[?variables.place]"));
    let first = found.next().unwrap_or_default();
    let key = found.fold(first, |key, found| format!("{key}.or({found})"));
    variables.push(variable("key", &format!("{key}.orValue('')")));
    (variables, is_in(&maps))
}

/// The API server accepts expressions of 100,000 characters.
const LONGEST_LIST: usize = 50_000;

/// Items separated by commas, in as many variables as it takes, each with its name.
fn short_lists(name: &str, items: impl Iterator<Item = String>) -> Vec<(String, String)> {
    let mut lists = vec![String::new()];
    for item in items {
        match lists.last_mut() {
            Some(list) if list.is_empty() => *list = item,
            Some(list) if list.len() + item.len() < LONGEST_LIST => {
                list.push_str(", ");
                list.push_str(&item);
            }
            _ => lists.push(item),
        }
    }
    let names = iter::once(name.to_owned()).chain((1..).map(|number| format!("{name}{number}")));
    names.zip(lists).collect()
}

/// Whether the object is in one of these variables.
fn is_in(lists: &[(String, String)]) -> String {
    let each: Vec<String> = lists
        .iter()
        .map(|(name, _)| format!("variables.place in variables.{name}"))
        .collect();
    match each.as_slice() {
        [only] => only.clone(),
        _ => format!("({})", each.join(" || ")),
    }
}

/// The one key that is changed; empty if there is none or more than one.
fn changed_key() -> [Variable; 2] {
    [
        variable(
            "changed",
            "variables.data.filter(k, !(k in variables.oldData) || variables.data[k] != variables.oldData[k])",
        ),
        variable("key", "variables.changed.size() == 1 ? variables.changed[0] : ''"),
    ]
}

/// Of Secrets whose names are not known, at most one key changes, from nothing or a
/// token to a token. CEL in admission policies cannot decode base64.
fn only_a_token() -> String {
    format!(
        "variables.data.all(k, k in variables.oldData) && variables.oldData.all(k, k in variables.data) \
         && (variables.changed.size() == 0 || (variables.key != '' \
         && (variables.oldData[variables.key] == '' || variables.oldData[variables.key].matches({token})) \
         && variables.data[variables.key].matches({token})))",
        token = text(ENCODED_TOKEN)
    )
}

/// A text in base64 that contains `&20`, which a token has before the year in which it
/// expires, at any of the three offsets that it can have in a group.
const ENCODED_TOKEN: &str = "^(.{4})*(JjIw|.[CSiy]YyMD|...mMjA)";

fn workloads(guard: &Guard) -> Rules {
    let mut resources: Vec<String> = WorkloadKind::ALL.map(|kind| kind.plural().to_owned()).into();
    // The subresource `scale` also writes to the workload.
    resources.extend(WorkloadKind::ALL.map(|kind| format!("{}/*", kind.plural())));
    let mut variables = Vec::new();
    let mut which =
        "request.operation == 'UPDATE' && (!has(request.subResource) || request.subResource == '')"
            .to_owned();
    if let Some(objects) = &guard.objects {
        let (places, is_listed) = places(objects);
        variables.extend(places);
        which = format!("{which} && {is_listed}");
    }
    for (name, object) in [("marks", "object"), ("oldMarks", "oldObject")] {
        let marks = format!("dyn({object}).spec.template.metadata.?annotations.orValue({{}})");
        variables.push(variable(name, &marks));
    }
    variables.extend(annotations());
    variables.extend(managed_fields::variables());
    Rules {
        group: "apps",
        resources,
        variables,
        validations: workload_validations(&which),
    }
}

fn places(objects: &GuardedObjects) -> (Vec<Variable>, String) {
    let place = |(namespace, workload): &(String, WorkloadRef)| {
        text(&format!(
            "{namespace}/{}/{}",
            workload.kind.plural(),
            workload.name
        ))
    };
    let lists = short_lists("places", objects.workloads.iter().map(place));
    let mut variables = vec![variable(
        "place",
        "request.namespace + '/' + request.resource.resource + '/' + request.name",
    )];
    variables.extend(
        lists
            .iter()
            .map(|(name, places)| variable(name, &format!("[{places}]"))),
    );
    (variables, is_in(&lists))
}

fn workload_validations(which: &str) -> Vec<Validation> {
    let mut validations = vec![
        validation(
            which,
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
    ];
    let ours = [
        Ours::annotations(&["f:metadata", "f:annotations"], &OF_WORKLOAD),
        Ours::annotations(
            &["f:spec", "f:template", "f:metadata", "f:annotations"],
            &OF_TEMPLATE,
        ),
    ];
    validations.extend(managed_fields::validations(&ours, "apps/v1"));
    validations
}

/// The annotations of the object itself.
fn annotations() -> [Variable; 2] {
    [("annotations", "object"), ("oldAnnotations", "oldObject")].map(|(name, object)| {
        let annotations = format!("dyn({object}).metadata.?annotations.orValue({{}})");
        variable(name, &annotations)
    })
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

fn policy(guard: &Guard, what: &str, rules: Rules) -> Vec<Object> {
    let Guard { namespace, name, .. } = guard;
    let owner = Owner {
        purpose: guard.purpose,
        name,
    };
    let policy_name = policy_name(namespace, name, what);
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
