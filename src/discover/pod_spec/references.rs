use std::collections::{BTreeMap, BTreeSet};

use super::credential::{CredentialSource, EnvFromSecret};
use super::variables::relevant;
use crate::cluster::pod_spec::PodSpec;
use crate::model::setting;

/// The ConfigMaps that hold settings of the containers.
pub fn config_maps_named(spec: &PodSpec) -> BTreeSet<String> {
    settings_in_config_maps(spec).into_keys().collect()
}

/// The ConfigMaps that hold settings of the containers, each with the keys that
/// may be settings.
pub fn settings_in_config_maps(spec: &PodSpec) -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for container in &spec.containers {
        for source in &container.env_from {
            if let Some(reference) = &source.config_map_ref {
                let keys = setting::ALL
                    .iter()
                    .filter_map(|name| name.strip_prefix(&source.prefix));
                found
                    .entry(reference.name.clone())
                    .or_default()
                    .extend(keys.map(str::to_owned));
            }
        }
        for variable in relevant(container) {
            let from = variable.value_from.as_ref();
            if let Some(reference) = from.and_then(|from| from.config_map_key_ref.as_ref()) {
                found
                    .entry(reference.name.clone())
                    .or_default()
                    .insert(reference.key.clone());
            }
        }
    }
    found
}

/// How the containers refer to one Secret, whatever they run: for a workload
/// and a Secret that were both given, whose settings may not be readable.
pub fn references_to(spec: &PodSpec, secret: &str) -> Vec<CredentialSource> {
    let mut found = Vec::new();
    for container in &spec.containers {
        for variable in &container.env {
            let reference = variable
                .value_from
                .as_ref()
                .and_then(|from| from.secret_key_ref.as_ref());
            if let Some(reference) = reference.filter(|reference| reference.name == secret) {
                found.push(CredentialSource::SecretKey {
                    secret: secret.to_owned(),
                    key: reference.key.clone(),
                });
            }
        }
        for source in &container.env_from {
            if source
                .secret_ref
                .as_ref()
                .is_some_and(|reference| reference.name == secret)
            {
                let prefix = source.prefix.clone();
                found.push(CredentialSource::EnvFrom(vec![EnvFromSecret {
                    name: secret.to_owned(),
                    prefix,
                }]));
            }
        }
    }
    found.dedup();
    found
}

/// The Secrets that a pod spec uses at all: in any container's environment or
/// as a volume. All that use one must be restarted when it changes.
pub fn secrets_used(spec: &PodSpec) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let containers = spec.containers.iter().chain(&spec.init_containers);
    for container in containers {
        let imported = container.env_from.iter();
        names.extend(imported.filter_map(|source| Some(source.secret_ref.as_ref()?.name.clone())));
        let variables = container.env.iter();
        names.extend(variables.filter_map(|variable| {
            Some(
                variable
                    .value_from
                    .as_ref()?
                    .secret_key_ref
                    .as_ref()?
                    .name
                    .clone(),
            )
        }));
    }
    for volume in &spec.volumes {
        names.extend(volume.secret.as_ref().map(|source| source.secret_name.clone()));
        let projected = volume.projected.iter().flat_map(|projected| &projected.sources);
        names.extend(projected.filter_map(|source| Some(source.secret.as_ref()?.name.clone())));
    }
    names
}
