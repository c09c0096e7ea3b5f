//! What a pod spec says about the gateway that it runs: its endpoint, its
//! name, and above all where its credential comes from. The reference in the
//! pod spec is the only truth; names and labels of Secrets prove nothing.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Container, EnvVar, PodSpec};

use crate::model::{Claims, Token};

const ENDPOINT: &str = "config.service.endpoint";
const AUTH: &str = "config.service.auth";
const AUTH_KEY: &str = "config.service.auth.key";
const GATEWAY_NAME: &str = "gateway.name";
const APP_SECRET: &str = "config.service.auth.azureAd.clientSecret";
const APP_CERTIFICATE: &str = "config.service.auth.azureAd.certificatePath";

/// The data of ConfigMaps by name, as far as they could be read.
pub type ConfigMaps = BTreeMap<String, BTreeMap<String, String>>;

/// Where the credential comes from, following the pod spec's references.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CredentialSource {
    /// One key of one Secret.
    SecretKey {
        /// The Secret.
        secret: String,
        /// The key in its data.
        key: String,
    },
    /// A key that one of these Secrets, imported whole by `envFrom`, must
    /// have.
    EnvFrom(Vec<EnvFromSecret>),
    /// The token itself stands in the pod spec or in a ConfigMap.
    Inline {
        /// Where, in words.
        place: String,
        /// What it says in clear.
        claims: Claims,
    },
    /// The gateway signs in by Entra.
    Entra {
        /// The mode, as `config.service.auth` spells it.
        mode: String,
        /// What it proves itself by.
        proof: EntraProof,
    },
    /// Nothing that would be a credential.
    #[default]
    Missing,
}

/// What a gateway proves itself by to Entra.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntraProof {
    /// A client secret of its app.
    Secret,
    /// A certificate of its app.
    Certificate,
    /// A token of the cluster that a federated credential trusts.
    Federated,
    /// Settings that could not be read, or are not there.
    Unknown,
}

/// A Secret imported by `envFrom`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvFromSecret {
    /// Its name.
    pub name: String,
    /// What is put before each of its keys.
    pub prefix: String,
}

impl EnvFromSecret {
    /// The keys in which a gateway would find its token, the likelier first.
    pub fn credential_keys(&self) -> impl Iterator<Item = String> + '_ {
        [AUTH_KEY, AUTH]
            .into_iter()
            .filter_map(|name| name.strip_prefix(&self.prefix).map(str::to_owned))
    }
}

/// A gateway's container, as its pod spec describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GatewayContainer {
    /// The container's name.
    pub name: String,
    /// Its image.
    pub image: String,
    /// Where the credential comes from.
    pub credential: CredentialSource,
    /// `config.service.endpoint`, where it could be read.
    pub endpoint: Option<String>,
    /// `gateway.name`, where it is set.
    pub gateway_name: Option<String>,
}

/// The ConfigMaps that must be read to understand the pod spec's containers.
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

/// The containers that run a gateway: by image, whatever the registry, or by
/// having the gateway's settings.
pub fn gateway_containers(spec: &PodSpec, config_maps: &ConfigMaps) -> Vec<GatewayContainer> {
    let mut found = Vec::new();
    for container in &spec.containers {
        let environment = ContainerVariables::of(container, config_maps);
        if is_gateway_image(container.image.as_deref().unwrap_or_default())
            || [ENDPOINT, AUTH, AUTH_KEY]
                .iter()
                .any(|name| environment.0.contains_key(*name))
        {
            found.push(GatewayContainer {
                name: container.name.clone(),
                image: container.image.clone().unwrap_or_default(),
                credential: environment.credential(container),
                endpoint: environment.text(ENDPOINT),
                gateway_name: environment.text(GATEWAY_NAME),
            });
        }
    }
    found
}

/// How the containers refer to one Secret, whatever they run: for a workload
/// and a Secret that were both told, whose settings may not be readable.
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
/// as a volume. Whatever uses one must be restarted when it changes.
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

fn is_gateway_image(image: &str) -> bool {
    let repository = image.split('@').next().unwrap_or_default();
    let repository = match repository.rsplit_once(':') {
        // A colon before a slash belongs to the registry's port.
        Some((name, tag)) if !tag.contains('/') => name,
        _ => repository,
    };
    repository.ends_with("azure-api-management/gateway")
}

fn relevant(container: &Container) -> impl Iterator<Item = &EnvVar> {
    let names = [
        ENDPOINT,
        AUTH,
        AUTH_KEY,
        GATEWAY_NAME,
        APP_SECRET,
        APP_CERTIFICATE,
    ];
    container
        .env
        .iter()
        .flatten()
        .filter(move |variable| names.contains(&variable.name.as_str()))
}

#[derive(Clone, Debug)]
enum Value {
    Text { text: String, place: String },
    Secret { name: String, key: String },
    Unreadable,
}

/// The settings of one container by name: `envFrom` in order, then `env`, the
/// later of one name winning, as the kubelet has it.
struct ContainerVariables(BTreeMap<String, Value>);

impl ContainerVariables {
    fn of(container: &Container, config_maps: &ConfigMaps) -> Self {
        let mut values = BTreeMap::new();
        for source in container.env_from.iter().flatten() {
            let prefix = source.prefix.as_deref().unwrap_or_default();
            let Some(reference) = &source.config_map_ref else {
                continue;
            };
            for (key, text) in config_maps.get(&reference.name).into_iter().flatten() {
                let place = format!("configmap/{}", reference.name);
                values.insert(
                    format!("{prefix}{key}"),
                    Value::Text {
                        text: text.clone(),
                        place,
                    },
                );
            }
        }
        for variable in relevant(container) {
            values.insert(
                variable.name.clone(),
                Self::value_of(variable, &container.name, config_maps),
            );
        }
        Self(values)
    }

    fn value_of(variable: &EnvVar, container: &str, config_maps: &ConfigMaps) -> Value {
        let Some(from) = &variable.value_from else {
            let text = variable.value.clone().unwrap_or_default();
            return Value::Text {
                text,
                place: format!("the environment of container {container}"),
            };
        };
        if let Some(reference) = &from.secret_key_ref {
            return Value::Secret {
                name: reference.name.clone(),
                key: reference.key.clone(),
            };
        }
        let from_config_map = from.config_map_key_ref.as_ref().and_then(|reference| {
            let text = config_maps.get(&reference.name)?.get(&reference.key)?.clone();
            Some(Value::Text {
                text,
                place: format!("configmap/{}", reference.name),
            })
        });
        from_config_map.unwrap_or(Value::Unreadable)
    }

    fn text(&self, name: &str) -> Option<String> {
        match self.0.get(name) {
            Some(Value::Text { text, .. }) if !text.trim().is_empty() => Some(text.trim().to_owned()),
            _ => None,
        }
    }

    fn credential(&self, container: &Container) -> CredentialSource {
        match self.0.get(AUTH) {
            Some(Value::Secret { name, key }) => CredentialSource::SecretKey {
                secret: name.clone(),
                key: key.clone(),
            },
            Some(Value::Text { text, place }) => {
                let mode = text.trim();
                if ["azureAdApp", "workloadIdentity"]
                    .iter()
                    .any(|word| mode.eq_ignore_ascii_case(word))
                {
                    self.entra(mode)
                } else if let Ok(token) = Token::parse(text) {
                    CredentialSource::Inline {
                        place: place.clone(),
                        claims: token.claims().clone(),
                    }
                } else {
                    self.by_key_setting(container)
                }
            }
            Some(Value::Unreadable) | None => self.by_key_setting(container),
        }
    }

    fn entra(&self, mode: &str) -> CredentialSource {
        let proof = if mode.eq_ignore_ascii_case("workloadIdentity") {
            EntraProof::Federated
        } else if self.0.contains_key(APP_CERTIFICATE) {
            EntraProof::Certificate
        } else if self.0.contains_key(APP_SECRET) {
            EntraProof::Secret
        } else {
            EntraProof::Unknown
        };
        CredentialSource::Entra {
            mode: mode.to_owned(),
            proof,
        }
    }

    /// The credential where `config.service.auth` is not it, because it says
    /// `key`, or is imported from a Secret that is yet to be read.
    fn by_key_setting(&self, container: &Container) -> CredentialSource {
        match self.0.get(AUTH_KEY) {
            Some(Value::Secret { name, key }) => CredentialSource::SecretKey {
                secret: name.clone(),
                key: key.clone(),
            },
            Some(Value::Text { text, place }) => match Token::parse(text) {
                Ok(token) => CredentialSource::Inline {
                    place: place.clone(),
                    claims: token.claims().clone(),
                },
                Err(_) => CredentialSource::Missing,
            },
            Some(Value::Unreadable) | None => {
                let imported: Vec<EnvFromSecret> = container
                    .env_from
                    .iter()
                    .flatten()
                    .filter_map(|source| {
                        let name = source.secret_ref.as_ref()?.name.clone();
                        Some(EnvFromSecret {
                            name,
                            prefix: source.prefix.clone().unwrap_or_default(),
                        })
                    })
                    .collect();
                if imported.is_empty() {
                    CredentialSource::Missing
                } else {
                    CredentialSource::EnvFrom(imported)
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
