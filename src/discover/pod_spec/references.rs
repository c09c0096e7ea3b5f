use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::PodSpec;

use super::credential::{CredentialSource, EnvFromSecret};
use super::variables::relevant;

/// The ConfigMaps that hold settings of the containers.
pub fn config_maps_named(spec: &PodSpec) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for container in &spec.containers {
        for source in container.env_from.iter().flatten() {
            names.extend(
                source
                    .config_map_ref
                    .as_ref()
                    .map(|reference| reference.name.clone()),
            );
        }
        for variable in relevant(container) {
            let reference = variable
                .value_from
                .as_ref()
                .and_then(|from| from.config_map_key_ref.as_ref());
            names.extend(reference.map(|reference| reference.name.clone()));
        }
    }
    names
}

/// How the containers refer to one Secret, whatever they run: for a workload
/// and a Secret that were both given, whose settings may not be readable.
pub fn references_to(spec: &PodSpec, secret: &str) -> Vec<CredentialSource> {
    let mut found = Vec::new();
    for container in &spec.containers {
        for variable in container.env.iter().flatten() {
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
        for source in container.env_from.iter().flatten() {
            if source
                .secret_ref
                .as_ref()
                .is_some_and(|reference| reference.name == secret)
            {
                let prefix = source.prefix.clone().unwrap_or_default();
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
    let containers = spec
        .containers
        .iter()
        .chain(spec.init_containers.iter().flatten());
    for container in containers {
        let imported = container.env_from.iter().flatten();
        names.extend(imported.filter_map(|source| Some(source.secret_ref.as_ref()?.name.clone())));
        let variables = container.env.iter().flatten();
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
    for volume in spec.volumes.iter().flatten() {
        names.extend(
            volume
                .secret
                .as_ref()
                .and_then(|source| source.secret_name.clone()),
        );
        let projected = volume
            .projected
            .iter()
            .flat_map(|projected| projected.sources.iter().flatten());
        names.extend(projected.filter_map(|source| Some(source.secret.as_ref()?.name.clone())));
    }
    names
}
