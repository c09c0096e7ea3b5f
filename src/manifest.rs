//! The objects to install and the roles that they need in Azure, as pure
//! functions: no client, no clock, no environment.

pub mod admission;
pub mod azure;
pub mod cronjob;
pub mod rbac;

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;
use serde_json::Value;

/// The manager of all installed objects, as a label and as the field manager of
/// server-side apply.
pub const MANAGER: &str = "kubectl-apim";

/// The metadata of an object: its name and the standard labels
/// (kubernetes.io, "Recommended Labels").
pub fn meta(namespace: Option<&str>, name: &str, installation: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: namespace.map(str::to_owned),
        labels: Some(labels(installation)),
        ..ObjectMeta::default()
    }
}

/// The labels of all objects of an installation.
pub fn labels(installation: &str) -> BTreeMap<String, String> {
    let pairs = [
        ("app.kubernetes.io/name", MANAGER),
        ("app.kubernetes.io/instance", installation),
        ("app.kubernetes.io/component", "token-rotation"),
        ("app.kubernetes.io/managed-by", MANAGER),
    ];
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

/// A typed object as JSON.
pub fn document<T: Serialize>(object: &T) -> Value {
    serde_json::to_value(object).expect("an object of the API has string keys")
}
