//! The texts of an object that are known to hold no secret. All others are
//! hidden: people write a secret wherever a text is possible.

use serde_json::Value;

use crate::model::{ObjectKind, WorkloadKind};

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
    "securityContext.**",
    "imagePullSecrets.*.name",
    "volumes.*.name",
    "volumes.*.secret.**",
    "volumes.*.configMap.**",
    "volumes.*.projected.**",
];

/// Below a container.
const CONTAINER: &[&str] = &[
    "name",
    "image",
    "imagePullPolicy",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "resources.**",
    "securityContext.**",
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

/// The prefixes and names of labels and annotations that this program and Azure
/// Workload Identity use.
const KEYS: &[&str] = &[
    "app.kubernetes.io/",
    "azure.workload.identity/",
    "aadpodidbinding",
];

/// Whether the text at this path of an object is known to hold no secret.
pub(super) fn is_harmless(kind: ObjectKind, path: &[String], text: &str, object: &Value) -> bool {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    if any(ANY_KIND, &path) {
        return true;
    }
    if let [.., "metadata", "labels" | "annotations", key] = path.as_slice() {
        return KEYS.iter().any(|known| key.starts_with(known));
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
            // A URL may hold a password before its host.
            VARIABLES.contains(&name) && !text.contains('@')
        }
        rest => any(CONTAINER, rest),
    }
}

fn is_harmless_word(word: &str) -> bool {
    if let Some((flag, _)) = word.strip_prefix("--").and_then(|flag| flag.split_once('=')) {
        return FLAGS.contains(&flag);
    }
    let is_workload = |(kind, name): (&str, &str)| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
        WorkloadKind::parse(kind).is_some() && name.bytes().all(plain)
    };
    WORDS.contains(&word) || word.split_once('/').is_some_and(is_workload)
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
