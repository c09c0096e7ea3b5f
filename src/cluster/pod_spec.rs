//! A pod template, reduced to what shows a gateway and its credential.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer};

use super::lean::{Element, MOST, at_most, few, marks, text, use_label};
use super::name::valid_name;
use crate::model::entra::OwnVariables;
use crate::model::expansion::references;
use crate::model::setting;

/// How many imports of a container are kept: each may hold all settings.
const MOST_IMPORTS: usize = 32;

/// How many variables of a container are read: a value may refer to any before it.
const MOST_VARIABLES: usize = 16_384;

/// How many mounts of a container are kept.
const MOST_MOUNTS: usize = 32;

/// The template of a workload's pods.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct PodTemplate {
    pub metadata: TemplateMeta,
    pub spec: Option<PodSpec>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct TemplateMeta {
    #[serde(deserialize_with = "marks")]
    pub annotations: BTreeMap<String, String>,
    /// Only the one that asks the webhook of Azure Workload Identity.
    #[serde(deserialize_with = "use_label")]
    pub labels: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodSpec {
    #[serde(deserialize_with = "few")]
    pub containers: Vec<Container>,
    #[serde(deserialize_with = "few")]
    pub init_containers: Vec<Container>,
    /// Those that hold a Secret.
    #[serde(deserialize_with = "few")]
    pub volumes: Vec<Volume>,
    /// Empty for `default`.
    #[serde(deserialize_with = "text")]
    pub service_account_name: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Container {
    #[serde(deserialize_with = "text")]
    pub name: String,
    #[serde(deserialize_with = "text")]
    pub image: String,
    /// The settings of a gateway, variables of a workload identity, those that come from
    /// Secrets, and those that the values of these refer to.
    #[serde(deserialize_with = "variables")]
    pub env: Vec<Variable>,
    #[serde(deserialize_with = "at_most::<_, _, MOST_IMPORTS>")]
    pub env_from: Vec<Import>,
    #[serde(deserialize_with = "at_most::<_, _, MOST_MOUNTS>")]
    pub volume_mounts: Vec<VolumeMount>,
}

/// Where a container has a volume.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VolumeMount {
    /// The volume.
    #[serde(deserialize_with = "text")]
    pub name: String,
    #[serde(deserialize_with = "text")]
    pub mount_path: String,
    /// The only file of the volume that is mounted.
    #[serde(deserialize_with = "text")]
    pub sub_path: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Variable {
    #[serde(deserialize_with = "text")]
    pub name: String,
    #[serde(deserialize_with = "text")]
    pub value: String,
    pub value_from: Option<ValueFrom>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ValueFrom {
    #[serde(deserialize_with = "valid")]
    pub secret_key_ref: Option<KeyRef>,
    #[serde(deserialize_with = "valid")]
    pub config_map_key_ref: Option<KeyRef>,
}

/// A key of a Secret or a ConfigMap.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct KeyRef {
    #[serde(deserialize_with = "text")]
    pub name: String,
    #[serde(deserialize_with = "text")]
    pub key: String,
    /// Whether pods start without it.
    pub optional: Option<bool>,
}

/// A Secret or a ConfigMap that is imported whole.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Import {
    /// Put before each of its keys.
    #[serde(deserialize_with = "text")]
    pub prefix: String,
    #[serde(deserialize_with = "valid")]
    pub secret_ref: Option<NameRef>,
    #[serde(deserialize_with = "valid")]
    pub config_map_ref: Option<NameRef>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct NameRef {
    #[serde(deserialize_with = "text")]
    pub name: String,
    /// Whether pods start without it.
    pub optional: Option<bool>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Volume {
    #[serde(deserialize_with = "text")]
    pub name: String,
    #[serde(deserialize_with = "valid")]
    pub secret: Option<SecretVolume>,
    pub projected: Option<Projected>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SecretVolume {
    #[serde(deserialize_with = "text")]
    pub secret_name: String,
    /// The files, if not every key is one of its own name.
    #[serde(deserialize_with = "few")]
    pub items: Vec<Item>,
}

/// A key of a Secret that is a file under a path of its volume.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Item {
    #[serde(deserialize_with = "text")]
    pub key: String,
    #[serde(deserialize_with = "text")]
    pub path: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Projected {
    #[serde(deserialize_with = "few")]
    pub sources: Vec<ProjectedSource>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ProjectedSource {
    #[serde(deserialize_with = "valid")]
    pub secret: Option<ProjectedSecret>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ProjectedSecret {
    #[serde(deserialize_with = "text")]
    pub name: String,
    #[serde(deserialize_with = "few")]
    pub items: Vec<Item>,
}

impl Element for Container {}

impl Element for Item {}

impl Element for Variable {}

impl Variable {
    /// Whether it counts, whatever the others refer to.
    fn counts(&self) -> bool {
        let from_secret = self
            .value_from
            .as_ref()
            .is_some_and(|from| from.secret_key_ref.is_some());
        let name = self.name.as_str();
        from_secret || setting::ALL.contains(&name) || OwnVariables::ALL.contains(&name)
    }
}

/// The variables that count, and those that their values refer to, as far as they are set
/// before them.
fn variables<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Variable>, D::Error> {
    let all = at_most::<D, Variable, MOST_VARIABLES>(deserializer)?;
    let mut referred = BTreeSet::new();
    let mut kept = Vec::new();
    for variable in all.into_iter().rev() {
        if variable.counts() || referred.contains(&variable.name) {
            referred.extend(references(&variable.value).map(str::to_owned));
            kept.push(variable);
        }
    }
    kept.reverse();
    kept.truncate(MOST);
    Ok(kept)
}

impl Element for Import {}

impl Element for VolumeMount {}

impl Element for Volume {
    fn is_used(&self) -> bool {
        self.secret.is_some()
            || self
                .projected
                .as_ref()
                .is_some_and(|projected| !projected.sources.is_empty())
    }
}

impl Element for ProjectedSource {
    fn is_used(&self) -> bool {
        self.secret.is_some()
    }
}

/// Something that names a Secret or a ConfigMap.
trait Reference {
    fn name(&self) -> &str;
}

impl Reference for KeyRef {
    fn name(&self) -> &str {
        &self.name
    }
}

impl Reference for NameRef {
    fn name(&self) -> &str {
        &self.name
    }
}

impl Reference for ProjectedSecret {
    fn name(&self) -> &str {
        &self.name
    }
}

impl Reference for SecretVolume {
    fn name(&self) -> &str {
        &self.secret_name
    }
}

/// A reference, unless no object can have its name: the API server checks only
/// the names of objects, and this one would become part of a request's path.
fn valid<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Reference,
{
    let reference = Option::<T>::deserialize(deserializer)?;
    Ok(reference.filter(|reference| valid_name(reference.name()).is_ok()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_shows_a_gateway_is_kept() {
        let mut env = vec![json!({"name": "COLOUR", "value": "blue"}); 10_000];
        env.push(json!({"name": "gateway.name", "value": "g".repeat(100_000)}));
        env.push(json!({"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}));
        let spec: PodSpec = serde_json::from_value(json!({
            "containers": [{"name": "c", "env": env}],
            "volumes": [{"name": "v", "emptyDir": {}}, {"name": "s", "secret": {"secretName": "s"}}],
        }))
        .unwrap();
        let names: Vec<&str> = spec.containers[0]
            .env
            .iter()
            .map(|variable| variable.name.as_str())
            .collect();
        assert_eq!(names, ["gateway.name", "A"]);
        assert!(spec.containers[0].env[0].value.len() < 2000);
        assert_eq!(spec.volumes.len(), 1);
    }

    #[test]
    fn what_a_setting_refers_to_is_kept() {
        let literal = |name: &str, value: &str| json!({"name": name, "value": value});
        let env = [
            literal("ORG", "contoso"),
            literal("OTHER", "$(ORG)"),
            literal("INST", "$(ORG)-apim"),
            literal("config.service.endpoint", "https://$(INST)$(LATER).azure-api.net"),
            literal("LATER", "x"),
        ];
        let spec: PodSpec = serde_json::from_value(json!({"containers": [{"env": env}]})).unwrap();
        let names = spec.containers[0]
            .env
            .iter()
            .map(|variable| variable.name.as_str());
        assert_eq!(
            names.collect::<Vec<_>>(),
            ["ORG", "INST", "config.service.endpoint"]
        );
    }

    #[test]
    fn a_reference_that_would_leave_its_path_is_none() {
        for name in ["../../other/secrets/s", "s?watch=1", "S", ""] {
            let from: ValueFrom =
                serde_json::from_value(json!({"secretKeyRef": {"name": name, "key": "k"}})).unwrap();
            assert!(from.secret_key_ref.is_none(), "{name}");
        }
    }
}
