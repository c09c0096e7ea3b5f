//! The texts of an object that are known to hold no secret. All others are
//! hidden: people write a secret wherever a text is possible.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::model::annotation::LAST_APPLIED;
use crate::model::{Object, ObjectKind, WorkloadKind};

/// Where a text may be shown; `*` is any one field or item, and `**` at the end
/// is all below.
const ANY_KIND: &[&str] = &["apiVersion", "kind", "metadata.name", "metadata.namespace"];

const CRON_JOB: &[&str] = &[
    "spec.schedule",
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

/// The variables whose value is not a secret: the script's, and those that a
/// CronJob of ours has.
const VARIABLES: &[&str] = &[
    "SUBSCRIPTION_ID",
    "RESOURCE_GROUP",
    "APIM_INSTANCE",
    "APIM_GATEWAY",
    "NAMESPACE",
    "TOKEN_SECRET",
    "TOKEN_KEY",
    "K8S_OBJECT",
    "SP_ID",
    "TENANT",
    "DEBUG",
    "AZURE_CLIENT_ID",
    "AZURE_TENANT_ID",
    "AZURE_FEDERATED_TOKEN_FILE",
    "HTTPS_PROXY",
    "NO_PROXY",
];

/// The flags of a CronJob of ours whose value is not a secret.
const FLAGS: &[&str] = &[
    "token-secret",
    "apim-gateway",
    "apim-instance",
    "resource-group",
    "subscription-id",
    "if-expiring-within",
    "timeout",
    "cloud",
    "canary",
    "max-failures",
    "auth",
    "client-id",
    "tenant",
    "client-secret-file",
    "azure-ca-file",
    "prove",
];

const WORDS: &[&str] = &["/kubectl-apim", "kubectl-apim", "rotate", "--adopt", "--events"];

/// The labels and annotations that this program and Azure Workload Identity use.
const KEYS: &[&str] = &[
    "app.kubernetes.io/name",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/component",
    "app.kubernetes.io/managed-by",
    "azure.workload.identity/client-id",
    "azure.workload.identity/tenant-id",
    "azure.workload.identity/use",
    "aadpodidbinding",
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
    if let [.., "metadata", "labels" | "annotations", key] = path.as_slice() {
        return KEYS.contains(key) && is_plain(text);
    }
    match kind {
        ObjectKind::Role | ObjectKind::ClusterRole => path.first() == Some(&"rules"),
        ObjectKind::RoleBinding | ObjectKind::ClusterRoleBinding => {
            any(&["roleRef.**", "subjects.**"], &path)
        }
        ObjectKind::ServiceAccount => any(&["secrets.*.name", "imagePullSecrets.*.name"], &path),
        ObjectKind::NetworkPolicy => path.first() == Some(&"spec"),
        ObjectKind::Secret => path == ["type"],
        ObjectKind::CronJob => any(CRON_JOB, &path) || in_pod(&path, text, object),
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
        return any(POD, path);
    };
    match rest {
        ["args" | "command", _] => is_harmless_word(text),
        ["env", variable, "value"] => {
            let place = "/spec/jobTemplate/spec/template/spec";
            let variable = object.pointer(&format!("{place}/{containers}/{at}/env/{variable}/name"));
            let name = variable.and_then(Value::as_str).unwrap_or_default();
            VARIABLES.contains(&name) && (is_plain(text) || is_plain_url(text))
        }
        ["image"] => is_image(text),
        rest => any(CONTAINER, rest),
    }
}

fn is_harmless_word(word: &str) -> bool {
    if let Some((flag, value)) = word.strip_prefix("--").and_then(|flag| flag.split_once('=')) {
        return FLAGS.contains(&flag) && (is_plain(value) || is_plain_url(value));
    }
    let is_workload = |(kind, name): (&str, &str)| {
        WorkloadKind::parse(kind).is_some() && !name.contains('/') && is_plain(name)
    };
    WORDS.contains(&word) || word.split_once('/').is_some_and(is_workload)
}

/// Whether a text can be a name, an id, a path or a number. A token of a gateway,
/// which somebody may have confused with the name of its Secret, is none of these.
pub fn is_plain(text: &str) -> bool {
    let is_plain = |character: char| character.is_alphanumeric() || "-._/,()$".contains(character);
    text.chars().all(is_plain)
}

/// Whether a text is `http://HOST:PORT`, which has no room for a password.
fn is_plain_url(text: &str) -> bool {
    let address = ["http://", "https://"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme));
    address.is_some_and(|address| {
        let address = address.strip_suffix('/').unwrap_or(address);
        let (host, port) = address.rsplit_once(':').unwrap_or((address, "443"));
        let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
        is_number && is_plain(host) && !host.contains('/')
    })
}

/// Whether a text is a reference of an image: with a digest, but without a user.
fn is_image(text: &str) -> bool {
    let name = match text.split_once('@') {
        Some((name, digest)) if digest.strip_prefix("sha256:").is_some_and(is_plain) => name,
        Some(_) => return false,
        None => text,
    };
    !name.contains("://") && name.split(':').all(is_plain)
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
