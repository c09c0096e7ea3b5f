//! The texts of an object that are known to hold no secret. All others are
//! hidden: people write a secret wherever a text is possible.

mod form;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::model::annotation::LAST_APPLIED;
use crate::model::entra::{CLIENT_ID_ANNOTATION, TENANT_ID_ANNOTATION, USE_LABEL};
use crate::model::{Object, ObjectKind};
use form::{Form, is_image, is_schedule, looks_generated};

pub use form::is_plain;

/// Where a text may be shown; `*` is any one field or item, and `**` at the end
/// is all below.
const ANY_KIND: &[&str] = &[
    "apiVersion",
    "kind",
    "metadata.name",
    "metadata.generateName",
    "metadata.namespace",
];

const CRON_JOB: &[&str] = &[
    "spec.timeZone",
    "spec.concurrencyPolicy",
    "spec.jobTemplate.spec.completionMode",
    "spec.jobTemplate.spec.podReplacementPolicy",
    "spec.jobTemplate.spec.podFailurePolicy.**",
];

/// Below `spec.jobTemplate.spec.template.spec`.
const POD: &[&str] = &[
    "serviceAccountName",
    "serviceAccount",
    "restartPolicy",
    "dnsPolicy",
    "schedulerName",
    "priorityClassName",
    "nodeSelector.*",
    "tolerations.*.*",
    "securityContext.fsGroupChangePolicy",
    "securityContext.seccompProfile.type",
    "imagePullSecrets.*.name",
    "volumes.*.name",
    "volumes.*.secret.**",
    "volumes.*.configMap.**",
    "volumes.*.projected.**",
];

/// The audience of the tokens for Entra.
const AUDIENCE: &str = "api://AzureADTokenExchange";

/// Below a container.
const CONTAINER: &[&str] = &[
    "name",
    "imagePullPolicy",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "resources.**",
    "securityContext.capabilities.**",
    "securityContext.procMount",
    "securityContext.seccompProfile.type",
    "volumeMounts.*.*",
    "env.*.name",
    "env.*.valueFrom.**",
    "envFrom.**",
];

/// The variables whose value is not a secret, if it has its form: the script's, and
/// those that a CronJob of ours has.
const VARIABLES: &[(&str, Form)] = &[
    ("SUBSCRIPTION_ID", Form::Id),
    ("RESOURCE_GROUP", Form::Azure),
    ("APIM_INSTANCE", Form::Azure),
    ("APIM_GATEWAY", Form::Azure),
    ("NAMESPACE", Form::Name),
    ("TOKEN_SECRET", Form::Name),
    ("TOKEN_KEY", Form::Key),
    ("K8S_OBJECT", Form::Workload),
    ("SP_ID", Form::Id),
    ("TENANT", Form::Tenant),
    ("DEBUG", Form::OneOf(&["true", "false", "0", "1"])),
    ("AZURE_CLIENT_ID", Form::Id),
    ("AZURE_TENANT_ID", Form::Tenant),
    ("AZURE_FEDERATED_TOKEN_FILE", Form::File),
    ("HTTPS_PROXY", Form::Url),
    ("NO_PROXY", Form::Hosts),
];

/// The flags of a CronJob of ours whose value is not a secret, if it has its form.
const FLAGS: &[(&str, Form)] = &[
    ("token-secret", Form::Name),
    ("apim-gateway", Form::Azure),
    ("apim-instance", Form::Azure),
    ("resource-group", Form::Azure),
    ("subscription-id", Form::Id),
    ("if-expiring-within", Form::Duration),
    ("timeout", Form::Duration),
    ("cloud", Form::Cloud),
    ("api-version", Form::ApiVersion),
    ("canary", Form::Count),
    ("max-failures", Form::Count),
    ("retries", Form::Count),
    (
        "auth",
        Form::OneOf(&[
            "auto",
            "service-principal",
            "workload-identity",
            "managed-identity",
            "azure-cli",
        ]),
    ),
    ("client-id", Form::Id),
    ("tenant", Form::Tenant),
    ("client-secret-file", Form::File),
    ("azure-ca-file", Form::File),
    ("prove", Form::OneOf(&["logs", "rollout"])),
];

const WORDS: &[&str] = &["/kubectl-apim", "kubectl-apim", "rotate", "--adopt", "--events"];

/// The labels and annotations that this program and Azure Workload Identity use.
const KEYS: &[(&str, Form)] = &[
    ("app.kubernetes.io/name", Form::Key),
    ("app.kubernetes.io/instance", Form::Key),
    ("app.kubernetes.io/component", Form::Key),
    ("app.kubernetes.io/managed-by", Form::Key),
    (CLIENT_ID_ANNOTATION, Form::Id),
    (TENANT_ID_ANNOTATION, Form::Tenant),
    (USE_LABEL, Form::OneOf(&["true", "false"])),
    ("aadpodidbinding", Form::Key),
    ("sidecar.istio.io/inject", Form::OneOf(&["true", "false"])),
    ("kuma.io/sidecar-injection", Form::OneOf(&["enabled", "disabled"])),
    (
        "linkerd.io/inject",
        Form::OneOf(&["enabled", "disabled", "ingress"]),
    ),
    (
        "openservicemesh.io/sidecar-injection",
        Form::OneOf(&["enabled", "disabled"]),
    ),
];

/// The shortest text that is replaced in a message. A shorter one would be found in
/// words.
const SHORTEST: usize = 4;

/// Whether the text at this path of an object is known to hold no secret.
pub fn is_harmless(kind: ObjectKind, path: &[String], text: &str, object: &Value) -> bool {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    if any(ANY_KIND, &path) {
        return true;
    }
    if path == ["spec", "schedule"] {
        return kind == ObjectKind::CronJob && is_schedule(text);
    }
    if let [.., "metadata", "labels" | "annotations", key] = path.as_slice() {
        return fits(KEYS, key, text);
    }
    match kind {
        ObjectKind::Role | ObjectKind::ClusterRole => path.first() == Some(&"rules"),
        ObjectKind::RoleBinding | ObjectKind::ClusterRoleBinding => {
            any(&["roleRef.**", "subjects.**"], &path)
        }
        ObjectKind::ServiceAccount => any(&["secrets.*.name", "imagePullSecrets.*.name"], &path),
        ObjectKind::NetworkPolicy => path.first() == Some(&"spec"),
        ObjectKind::Secret => path == ["type"],
        ObjectKind::CronJob => (any(CRON_JOB, &path) && is_known(text)) || in_pod(&path, text, object),
        ObjectKind::Pod
        | ObjectKind::Job
        | ObjectKind::ValidatingAdmissionPolicy
        | ObjectKind::ValidatingAdmissionPolicyBinding => false,
    }
}

fn in_pod(path: &[&str], text: &str, object: &Value) -> bool {
    let ["spec", "jobTemplate", "spec", "template", "spec", path @ ..] = path else {
        return false;
    };
    let [containers @ ("containers" | "initContainers"), at, rest @ ..] = path else {
        return any(POD, path) && (is_known(text) || text == AUDIENCE);
    };
    match rest {
        ["args" | "command", _] => is_harmless_word(text),
        ["env", variable, "value"] => {
            let place = "/spec/jobTemplate/spec/template/spec";
            let variable = object.pointer(&format!("{place}/{containers}/{at}/env/{variable}/name"));
            let name = variable.and_then(Value::as_str).unwrap_or_default();
            fits(VARIABLES, name, text)
        }
        ["image"] => is_image(text),
        rest => any(CONTAINER, rest) && is_known(text),
    }
}

fn is_harmless_word(word: &str) -> bool {
    match word.strip_prefix("--").and_then(|flag| flag.split_once('=')) {
        Some((flag, value)) => fits(FLAGS, flag, value),
        None => WORDS.contains(&word) || Form::Workload.fits(word),
    }
}

/// Whether a value has the form that belongs to its name.
fn fits(forms: &[(&str, Form)], name: &str, value: &str) -> bool {
    forms
        .iter()
        .any(|(known, form)| *known == name && form.fits(value))
}

/// Whether a text of a field without a form of its own can be shown.
fn is_known(text: &str) -> bool {
    is_plain(text) && !looks_generated(text)
}

/// The text without those texts of the objects that are not known to be harmless.
/// Messages of the API server and of webhooks may quote an object.
pub fn without_hidden(text: &str, objects: &[&Object]) -> String {
    let (mut hidden, mut harmless) = (BTreeSet::new(), BTreeSet::new());
    for object in objects {
        let document = object.document();
        collect(
            object.kind(),
            &mut Vec::new(),
            document,
            document,
            &mut |text, is_harmless| {
                let texts = if is_harmless { &mut harmless } else { &mut hidden };
                texts.insert(text);
            },
        );
    }
    let mut hidden: Vec<String> = hidden.difference(&harmless).cloned().collect();
    // A text may contain another one.
    hidden.sort_by_key(|text| std::cmp::Reverse(text.len()));
    let mut text = text.to_owned();
    for hidden in hidden.iter().filter(|hidden| hidden.len() >= SHORTEST) {
        text = text.replace(hidden, "(hidden)");
        let quoted = Value::from(hidden.as_str()).to_string();
        text = text.replace(quoted.trim_matches('"'), "(hidden)");
    }
    text
}

/// Gives each text of an object to `found`, with whether it is harmless.
fn collect(
    kind: ObjectKind,
    path: &mut Vec<String>,
    value: &Value,
    whole: &Value,
    found: &mut impl FnMut(String, bool),
) {
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                path.push(field.clone());
                collect(kind, path, value, whole, found);
                path.pop();
            }
        }
        Value::Array(items) => {
            for (at, value) in items.iter().enumerate() {
                path.push(at.to_string());
                collect(kind, path, value, whole, found);
                path.pop();
            }
        }
        Value::String(text) => {
            if path.last().is_some_and(|field| field == LAST_APPLIED)
                && let Ok(applied) = serde_json::from_str::<Value>(text)
            {
                return collect(kind, &mut Vec::new(), &applied, &applied, found);
            }
            if kind == ObjectKind::Secret
                && path.first().is_some_and(|field| field == "data")
                && let Some(decoded) = STANDARD
                    .decode(text)
                    .ok()
                    .and_then(|bytes| String::from_utf8(bytes).ok())
            {
                found(decoded, false);
            }
            found(text.clone(), is_harmless(kind, path, text, whole));
        }
        _ => {}
    }
}

fn any(patterns: &[&str], path: &[&str]) -> bool {
    patterns.iter().any(|pattern| matches(pattern, path))
}

fn matches(pattern: &str, path: &[&str]) -> bool {
    let mut path = path.iter();
    for step in pattern.split('.') {
        match (step, path.next()) {
            ("**", Some(_)) => return true,
            ("*", Some(_)) => {}
            (step, Some(field)) if step == *field => {}
            _ => return false,
        }
    }
    path.next().is_none()
}
