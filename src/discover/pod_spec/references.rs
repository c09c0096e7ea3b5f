use std::collections::{BTreeMap, BTreeSet};

use super::credential::{CredentialSource, EnvFromSecret};
use super::variables::{ConfigMaps, relevant, relevant_names};
use crate::cluster::pod_spec::{Container, Import, KeyRef, PodSpec, Variable};

/// The numbers of ConfigMaps and of Secrets that are kept of one pod spec. Users
/// of the cluster can write thousands into each.
const MOST_CONFIG_MAPS: usize = 32;
const MOST_SECRETS: usize = 128;

/// The ConfigMaps that hold settings of the containers.
pub fn config_maps_named(spec: &PodSpec) -> BTreeSet<String> {
    settings_in_config_maps(spec).into_keys().collect()
}

/// The ConfigMaps that hold settings of the containers, each with the keys that
/// may be settings.
pub fn settings_in_config_maps(spec: &PodSpec) -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut add = |name: &str, keys: &mut dyn Iterator<Item = &str>| {
        if found.len() < MOST_CONFIG_MAPS || found.contains_key(name) {
            let known = found.entry(name.to_owned()).or_default();
            known.extend(keys.map(str::to_owned));
        }
    };
    for container in &spec.containers {
        let names = relevant_names(container);
        for source in &container.env_from {
            if let Some(reference) = &source.config_map_ref {
                let mut keys = names.iter().filter_map(|name| name.strip_prefix(&source.prefix));
                add(&reference.name, &mut keys);
            }
        }
        for variable in relevant(container) {
            let from = variable.value_from.as_ref();
            if let Some(reference) = from.and_then(|from| from.config_map_key_ref.as_ref()) {
                add(&reference.name, &mut std::iter::once(reference.key.as_str()));
            }
        }
    }
    found
}

/// A reference to a Secret in the environment of a container, whatever it runs.
#[derive(Clone, Debug)]
pub struct SecretReference {
    pub container: String,
    pub image: String,
    pub source: CredentialSource,
}

/// How the containers refer to Secrets in their environment.
pub fn secret_references(spec: &PodSpec) -> Vec<SecretReference> {
    let of_container = |container: &Container| {
        let variables = container.env.iter().filter_map(|variable| {
            let reference = variable.value_from.as_ref()?.secret_key_ref.as_ref()?;
            Some(CredentialSource::SecretKey {
                secret: reference.name.clone(),
                key: reference.key.clone(),
            })
        });
        let imports = container.env_from.iter().filter_map(EnvFromSecret::of);
        let imports = imports.map(|import| CredentialSource::EnvFrom(vec![import]));
        let sources: Vec<CredentialSource> = variables.chain(imports).collect();
        sources
    };
    let references = spec.containers.iter().flat_map(|container| {
        let reference = |source| SecretReference {
            container: container.name.clone(),
            image: container.image.clone(),
            source,
        };
        of_container(container).into_iter().map(reference)
    });
    references.collect()
}

/// How the containers refer to one Secret: for a workload and a Secret that
/// were both given, whose settings may not be readable.
pub fn references_to(spec: &PodSpec, secret: &str) -> Vec<CredentialSource> {
    let sources = secret_references(spec)
        .into_iter()
        .map(|reference| reference.source);
    let mut found: Vec<CredentialSource> = sources.filter(|source| source.secret() == Some(secret)).collect();
    found.dedup();
    found
}

/// Why no new pod will start: the first ConfigMap, or key of one, that its
/// settings need and that is not there. `lacks` decides whether a ConfigMap was
/// looked for and not found.
pub fn missing_config_map(
    spec: &PodSpec,
    config_maps: &ConfigMaps,
    lacks: impl Fn(&str) -> bool,
) -> Option<String> {
    let no_map = |name: &str| {
        lacks(name).then(|| format!("configmap/{name}, which the pod spec refers to, does not exist"))
    };
    let of_import = |source: &Import| {
        let reference = source.config_map_ref.as_ref()?;
        if reference.optional == Some(true) {
            return None;
        }
        no_map(&reference.name)
    };
    let of_variable = |variable: &Variable| {
        let reference = variable.value_from.as_ref()?.config_map_key_ref.as_ref()?;
        if reference.optional == Some(true) {
            return None;
        }
        let KeyRef { name, key, .. } = reference;
        let no_key = || {
            let lacks_key = config_maps.get(name).is_some_and(|data| !data.contains_key(key));
            lacks_key.then(|| format!("configmap/{name} has no key `{key}`, which the pod spec refers to"))
        };
        no_map(name).or_else(no_key)
    };
    spec.containers.iter().find_map(|container| {
        let imports = container.env_from.iter().find_map(of_import);
        imports.or_else(|| relevant(container).find_map(of_variable))
    })
}

/// The Secrets that a pod spec uses at all: in any container's environment or
/// as a volume. All that use one must be restarted when it changes.
pub fn secrets_used(spec: &PodSpec) -> BTreeSet<String> {
    let containers = spec.containers.iter().chain(&spec.init_containers);
    let in_environment = containers.flat_map(|container| {
        let imported = container.env_from.iter().filter_map(|it| it.secret_ref.as_ref());
        let variables = container.env.iter().filter_map(|it| it.value_from.as_ref());
        let single = variables.filter_map(|from| from.secret_key_ref.as_ref());
        imported.map(|it| &it.name).chain(single.map(|it| &it.name))
    });
    let in_volumes = spec.volumes.iter().flat_map(|volume| {
        let projected = volume.projected.iter().flat_map(|projected| &projected.sources);
        let projected = projected.filter_map(|source| Some(&source.secret.as_ref()?.name));
        volume.secret.iter().map(|it| &it.secret_name).chain(projected)
    });
    let mut names = BTreeSet::new();
    for name in in_environment.chain(in_volumes) {
        if names.len() < MOST_SECRETS {
            names.insert(name.clone());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::discover::pod_spec::gateway_containers;

    #[test]
    fn of_thousands_of_references_a_few_are_kept() {
        let import = |name: String| json!({"secretRef": {"name": name}});
        let map = |name: String| json!({"configMapRef": {"name": name}});
        let container = |number: usize| {
            let imports = (0..50).flat_map(|at| {
                let name = format!("{number}-{at}");
                [import(name.clone()), map(name)]
            });
            json!({"image": "r/azure-api-management/gateway:2", "envFrom": imports.collect::<Vec<Value>>()})
        };
        let containers: Vec<Value> = (0..50).map(container).collect();
        let spec: PodSpec = serde_json::from_value(json!({"containers": containers})).unwrap();
        assert_eq!(secrets_used(&spec).len(), MOST_SECRETS);
        let maps = settings_in_config_maps(&spec);
        assert_eq!(maps.len(), MOST_CONFIG_MAPS);
        assert!(maps.contains_key("0-0"), "{maps:?}");
        assert_eq!(gateway_containers(&spec, &ConfigMaps::new()).len(), 8);
    }
}
