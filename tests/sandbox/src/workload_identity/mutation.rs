//! What the webhook does to a pod.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use super::{AUDIENCE, WebhookOptions};

const CLIENT_ID: &str = "azure.workload.identity/client-id";
const TENANT_ID: &str = "azure.workload.identity/tenant-id";
const EXPIRATION: &str = "azure.workload.identity/service-account-token-expiration";
const SKIP_CONTAINERS: &str = "azure.workload.identity/skip-containers";

/// The volume's name begins so; the end comes from the pod's name.
const VOLUME_PREFIX: &str = "azure-workload-identity-reserved-";
const LONGEST_VOLUME_NAME: usize = 63;
const MOUNT_PATH: &str = "/var/run/secrets/azure/wi";
const TOKEN_PATH: &str = "token/azure-identity-token";

const EXPIRATIONS: std::ops::RangeInclusive<i64> = 3600..=86400;

/// The changes of `pod` as a JSON patch, or why it is refused.
pub(super) fn patch(
    pod: &Value,
    of_account: &BTreeMap<String, String>,
    options: &WebhookOptions,
) -> Result<Value, String> {
    let annotations = &pod["metadata"]["annotations"];
    let skipped = annotations[SKIP_CONTAINERS].as_str().unwrap_or_default();
    let skipped: Vec<_> = skipped.split(';').map(str::trim).collect();
    let volume = volume(&volume_name(pod), expiration(annotations, of_account)?);
    let variables = variables(of_account, options);

    let spec = &pod["spec"];
    let mut changes = Vec::new();
    for list in ["initContainers", "containers"] {
        let Some(containers) = spec[list].as_array() else {
            continue;
        };
        let list_after: Vec<_> = containers
            .iter()
            .map(|container| match container["name"].as_str() {
                Some(name) if skipped.contains(&name) => container.clone(),
                _ => injected(container, &variables, &volume["name"]),
            })
            .collect();
        changes.push(json!({ "op": "add", "path": format!("/spec/{list}"), "value": list_after }));
    }
    let volumes = replaced(&spec["volumes"], volume);
    changes.push(json!({ "op": "add", "path": "/spec/volumes", "value": volumes }));
    Ok(json!(changes))
}

/// The variables of every container, without those that would be empty.
fn variables(of_account: &BTreeMap<String, String>, options: &WebhookOptions) -> Vec<(&'static str, String)> {
    let client_id = of_account.get(CLIENT_ID).cloned().unwrap_or_default();
    let tenant = of_account.get(TENANT_ID).unwrap_or(&options.tenant);
    let mut variables = vec![
        ("AZURE_CLIENT_ID", client_id),
        ("AZURE_TENANT_ID", tenant.clone()),
        ("AZURE_FEDERATED_TOKEN_FILE", format!("{MOUNT_PATH}/{TOKEN_PATH}")),
        (
            "AZURE_AUTHORITY_HOST",
            format!("https://{}/", options.cloud.authority()),
        ),
    ];
    variables.retain(|(_, value)| !value.is_empty());
    variables
}

fn injected(container: &Value, variables: &[(&str, String)], volume: &Value) -> Value {
    let mut container = container.clone();
    let mut env = container["env"].as_array().cloned().unwrap_or_default();
    for (name, value) in variables {
        if !env.iter().any(|variable| variable["name"] == *name) {
            env.push(json!({ "name": name, "value": value }));
        }
    }
    let mount = json!({ "name": volume, "mountPath": MOUNT_PATH, "readOnly": true });
    container["volumeMounts"] = replaced(&container["volumeMounts"], mount);
    container["env"] = json!(env);
    container
}

/// The list with `item` in the place of the one with its name, or at the end.
fn replaced(list: &Value, item: Value) -> Value {
    let mut list = list.as_array().cloned().unwrap_or_default();
    match list.iter_mut().find(|present| present["name"] == item["name"]) {
        Some(present) => *present = item,
        None => list.push(item),
    }
    json!(list)
}

fn volume(name: &str, expiration: i64) -> Value {
    let token = json!({ "path": TOKEN_PATH, "expirationSeconds": expiration, "audience": AUDIENCE });
    json!({ "name": name, "projected": { "sources": [{ "serviceAccountToken": token }] } })
}

fn volume_name(pod: &Value) -> String {
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    let name = if name.is_empty() {
        let prefix = pod["metadata"]["generateName"].as_str().unwrap_or_default();
        format!("{prefix} (prefix)")
    } else {
        name.to_owned()
    };
    let hash = digest(&SHA256, name.as_bytes());
    let hash = hash.as_ref().iter().fold(String::new(), |mut hash, byte| {
        let _ = write!(hash, "{byte:02x}");
        hash
    });
    format!(
        "{VOLUME_PREFIX}{}",
        &hash[..LONGEST_VOLUME_NAME - VOLUME_PREFIX.len()]
    )
}

/// How long the token lives: by the pod, or else by its service account.
fn expiration(of_pod: &Value, of_account: &BTreeMap<String, String>) -> Result<i64, String> {
    let given = of_pod[EXPIRATION].as_str().filter(|text| !text.is_empty());
    let given = given.or_else(|| of_account.get(EXPIRATION).map(String::as_str));
    let Some(text) = given.filter(|text| !text.is_empty()) else {
        return Ok(*EXPIRATIONS.start());
    };
    let seconds: i64 = text
        .parse()
        .map_err(|_| format!("strconv.ParseInt: parsing {text:?}: invalid syntax"))?;
    if EXPIRATIONS.contains(&seconds) {
        return Ok(seconds);
    }
    Err(format!(
        "token expiration {seconds} not valid. Expected value to be between 3600 and 86400"
    ))
}
