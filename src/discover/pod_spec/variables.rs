use std::collections::BTreeMap;

use super::credential::{CredentialSource, EntraCredential, EnvFromSecret};
use crate::cluster::pod_spec::{Container, Variable};
use crate::model::Token;
use crate::model::entra::OwnVariables;
use crate::model::setting::{self, APP_CERTIFICATE, APP_SECRET, AUTH, AUTH_KEY};

/// The data of ConfigMaps by name, as far as they could be read.
pub type ConfigMaps = BTreeMap<String, BTreeMap<String, String>>;

/// The variables of a container that are settings of a gateway.
pub(super) fn relevant(container: &Container) -> impl Iterator<Item = &Variable> {
    container
        .env
        .iter()
        .filter(|variable| setting::ALL.contains(&variable.name.as_str()))
}

/// What Secrets that `envFrom` imports hold, by their names and keys: the text of
/// what is not a credential.
pub type ImportedSecrets = BTreeMap<String, BTreeMap<String, Option<String>>>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Text { text: String, place: String },
    Secret { name: String, key: String },
    Unreadable,
}

/// The settings of one container by name: `envFrom` in order, then `env`. The
/// later of one name wins, as for the kubelet.
pub(super) struct ContainerVariables(BTreeMap<String, Value>);

impl ContainerVariables {
    pub(super) fn of(container: &Container, config_maps: &ConfigMaps, secrets: &ImportedSecrets) -> Self {
        let mut values = BTreeMap::new();
        for source in &container.env_from {
            let prefix = &source.prefix;
            if let Some(reference) = &source.secret_ref {
                for (key, text) in secrets.get(&reference.name).into_iter().flatten() {
                    values.insert(
                        format!("{prefix}{key}"),
                        imported(&reference.name, key, text.as_ref()),
                    );
                }
            }
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

    fn value_of(variable: &Variable, container: &str, config_maps: &ConfigMaps) -> Value {
        let Some(from) = &variable.value_from else {
            let text = variable.value.clone();
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

    /// Whether only a gateway has such settings.
    pub(super) fn show_gateway(&self) -> bool {
        setting::SHOWING.iter().any(|name| self.0.contains_key(*name))
    }

    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        match self.0.get(name) {
            Some(Value::Text { text, .. }) if !text.trim().is_empty() => Some(text.trim().to_owned()),
            _ => None,
        }
    }

    pub(super) fn credential(&self, container: &Container) -> CredentialSource {
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
        let credential = if mode.eq_ignore_ascii_case("workloadIdentity") {
            EntraCredential::Federated
        } else if self.0.contains_key(APP_CERTIFICATE) {
            EntraCredential::Certificate
        } else if self.0.contains_key(APP_SECRET) {
            EntraCredential::Secret
        } else {
            EntraCredential::Unknown
        };
        CredentialSource::Entra {
            mode: mode.to_owned(),
            credential,
        }
    }

    /// The credential if `config.service.auth` is not it: because its value is
    /// `key`, or because it may be in a Secret that was not read yet.
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
                let imported: Vec<EnvFromSecret> =
                    container.env_from.iter().filter_map(EnvFromSecret::of).collect();
                if imported.is_empty() {
                    CredentialSource::Missing
                } else {
                    CredentialSource::EnvFrom(imported)
                }
            }
        }
    }
}

fn imported(secret: &str, key: &str, text: Option<&String>) -> Value {
    match text {
        Some(text) => Value::Text {
            text: text.clone(),
            place: format!("secret/{secret}"),
        },
        None => Value::Secret {
            name: secret.to_owned(),
            key: key.to_owned(),
        },
    }
}

/// The variables of Azure Workload Identity in `env`. Those of `envFrom` do not count:
/// what the webhook injects beats them.
pub(super) fn own_variables(
    container: &Container,
    config_maps: &ConfigMaps,
) -> BTreeMap<&'static str, Option<String>> {
    let own = |name: &&'static str| {
        let variable = container.env.iter().rfind(|it| it.name == *name)?;
        let text = match ContainerVariables::value_of(variable, &container.name, config_maps) {
            Value::Text { text, .. } if !text.contains("$(") => Some(text.trim().to_owned()),
            _ => None,
        };
        Some((*name, text))
    };
    OwnVariables::ALL.iter().filter_map(own).collect()
}

/// All settings of a container that are known.
pub fn settings_of(
    container: &Container,
    config_maps: &ConfigMaps,
    secrets: &ImportedSecrets,
) -> BTreeMap<String, Value> {
    ContainerVariables::of(container, config_maps, secrets).0
}
