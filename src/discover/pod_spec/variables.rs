use std::collections::{BTreeMap, BTreeSet};

use super::credential::{CredentialSource, EntraCredential, EnvFromSecret};
use crate::cluster::pod_spec::{Container, Import, ValueFrom, Variable};
use crate::model::Token;
use crate::model::entra::OwnVariables;
use crate::model::expansion::{Part, parts, references};
use crate::model::setting::{self, APP_CERTIFICATE, APP_SECRET, AUTH, AUTH_KEY};

/// The data of ConfigMaps by name, as far as they could be read.
pub type ConfigMaps = BTreeMap<String, BTreeMap<String, String>>;

/// The longest value that is put together of others, in bytes.
const LONGEST: usize = 1024;

/// The names of the settings of a container, and of the variables that values of its
/// `env` refer to.
pub(super) fn relevant_names(container: &Container) -> BTreeSet<&str> {
    let referred = container.env.iter().flat_map(|it| references(&it.value));
    setting::ALL.into_iter().chain(referred).collect()
}

/// The variables of a container that are settings of a gateway, or that others refer to.
pub(super) fn relevant(container: &Container) -> impl Iterator<Item = &Variable> {
    let names = relevant_names(container);
    let variables = container.env.iter();
    variables.filter(move |variable| names.contains(variable.name.as_str()))
}

/// What Secrets that `envFrom` imports hold, by their names and keys: the text of
/// what is not a credential.
pub type ImportedSecrets = BTreeMap<String, BTreeMap<String, Option<String>>>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Text {
        text: String,
        place: String,
    },
    Secret {
        name: String,
        key: String,
    },
    /// Where it is, or what it refers to, is not known.
    Unreadable,
}

/// The variables of one container by name: `envFrom` in order, then `env`. The
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
        let mut variables = Self(values);
        for variable in &container.env {
            let value = match &variable.value_from {
                Some(from) => from_elsewhere(from, config_maps),
                None => variables.literal(variable, container, config_maps),
            };
            variables.0.insert(variable.name.clone(), value);
        }
        variables
    }

    /// A value of `env` in which the kubelet replaces references to the variables before
    /// it. One that refers to what is not known, or not set, is unknown.
    fn literal(&self, variable: &Variable, container: &Container, config_maps: &ConfigMaps) -> Value {
        let parts = parts(&variable.value);
        let alone = match parts.as_slice() {
            [Part::Reference(name)] => Some(*name),
            [Part::Text(before), Part::Reference(name)]
                if [AUTH, AUTH_KEY].contains(&variable.name.as_str()) && *before == Token::PREFIX =>
            {
                Some(*name)
            }
            _ => None,
        };
        let secret = alone.and_then(|name| match self.0.get(name) {
            Some(secret @ Value::Secret { .. }) => Some(secret.clone()),
            Some(_) => None,
            None => only_import(container, config_maps, name),
        });
        if let Some(secret) = secret {
            return secret;
        }
        let mut text = String::new();
        for part in parts {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Reference(name) => match self.0.get(name) {
                    Some(Value::Text { text: value, .. }) => text.push_str(value),
                    _ => return Value::Unreadable,
                },
            }
            if text.len() > LONGEST {
                return Value::Unreadable;
            }
        }
        Value::Text {
            text,
            place: format!("the environment of container {}", container.name),
        }
    }

    /// Whether only a gateway has such settings.
    pub(super) fn show_gateway(&self) -> bool {
        setting::SHOWING.iter().any(|name| self.0.contains_key(*name))
    }

    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Whether a variable is set to what is not known.
    pub(super) fn hides(&self, name: &str) -> bool {
        matches!(self.0.get(name), Some(Value::Unreadable | Value::Secret { .. }))
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        match self.0.get(name) {
            Some(Value::Text { text, .. }) if !text.trim().is_empty() => Some(text.trim().to_owned()),
            _ => None,
        }
    }

    /// Where the text of a variable is, for sentences.
    pub(super) fn place(&self, name: &str) -> Option<String> {
        match self.0.get(name) {
            Some(Value::Text { place, .. }) => Some(place.clone()),
            _ => None,
        }
    }

    pub(super) fn credential(&self, container: &Container, config_maps: &ConfigMaps) -> CredentialSource {
        match self.0.get(AUTH) {
            None if self.only_lacks_auth(container, config_maps) => self.entra("not set"),
            Some(Value::Secret { name, key }) => CredentialSource::SecretKey {
                secret: name.clone(),
                key: key.clone(),
            },
            Some(Value::Text { text, place }) => {
                let mode = text.trim();
                if setting::is_of_entra(mode) {
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

    /// Whether the prefix of a token is in the value that refers to it: that of the
    /// credential, as `credential` finds it.
    pub(super) fn add_prefix(&self, container: &Container) -> bool {
        let is_secret = |name: &&str| matches!(self.0.get(*name), Some(Value::Secret { .. }));
        let of_credential = [AUTH, AUTH_KEY].into_iter().find(is_secret);
        of_credential.is_some_and(|name| {
            let variable = container.env.iter().rfind(|it| it.name == name);
            variable.is_some_and(|it| it.value.starts_with(Token::PREFIX))
        })
    }

    /// Whether what an app signs in with is there, and only the setting that says so is
    /// certainly not.
    pub(super) fn only_lacks_auth(&self, container: &Container, config_maps: &ConfigMaps) -> bool {
        let has_any = |names: [&str; 2]| names.iter().any(|name| self.0.contains_key(*name));
        has_any([APP_SECRET, APP_CERTIFICATE])
            && !has_any([AUTH, AUTH_KEY])
            && ![AUTH, AUTH_KEY]
                .iter()
                .any(|name| may_import(container, config_maps, name))
    }

    fn entra(&self, mode: &str) -> CredentialSource {
        let credential = if mode.eq_ignore_ascii_case(setting::BY_IDENTITY) {
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

/// Whether something that is imported whole may set a variable.
pub(super) fn may_import(container: &Container, config_maps: &ConfigMaps, variable: &str) -> bool {
    importing(container, config_maps, variable).next().is_some()
}

/// What is imported whole and may set a variable, each with the key that does.
fn importing<'a>(
    container: &'a Container,
    config_maps: &'a ConfigMaps,
    variable: &'a str,
) -> impl Iterator<Item = (&'a Import, &'a str)> {
    container.env_from.iter().filter_map(move |import| {
        let key = variable.strip_prefix(import.prefix.as_str())?;
        let map = import.config_map_ref.as_ref();
        let map = map.and_then(|reference| config_maps.get(&reference.name));
        map.is_none_or(|data| data.contains_key(key))
            .then_some((import, key))
    })
}

/// The Secret that sets a variable which `env` does not set, if nothing else can.
fn only_import(container: &Container, config_maps: &ConfigMaps, variable: &str) -> Option<Value> {
    let mut importing = importing(container, config_maps, variable);
    let (import, key) = importing.next()?;
    let secret = import.secret_ref.as_ref()?;
    importing.next().is_none().then(|| Value::Secret {
        name: secret.name.clone(),
        key: key.to_owned(),
    })
}

/// A value that is in another object.
fn from_elsewhere(from: &ValueFrom, config_maps: &ConfigMaps) -> Value {
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

/// The variables of Azure Workload Identity in `env`. Those of `envFrom` do not count:
/// what the webhook injects beats them.
pub(super) fn own_variables(
    container: &Container,
    variables: &ContainerVariables,
) -> BTreeMap<&'static str, Option<String>> {
    let is_own = |name: &&&'static str| container.env.iter().any(|it| it.name == **name);
    let value = |name: &&'static str| match variables.get(name) {
        Some(Value::Text { text, .. }) => Some(text.trim().to_owned()),
        _ => None,
    };
    let own = OwnVariables::ALL.iter().filter(is_own);
    own.map(|name| (*name, value(name))).collect()
}

/// All settings of a container that are known.
pub fn settings_of(
    container: &Container,
    config_maps: &ConfigMaps,
    secrets: &ImportedSecrets,
) -> BTreeMap<String, Value> {
    let mut variables = ContainerVariables::of(container, config_maps, secrets).0;
    variables.retain(|name, _| setting::ALL.contains(&name.as_str()));
    variables
}
