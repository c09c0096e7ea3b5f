//! A kubeconfig file, read as client-go reads it: what is empty or null counts as
//! absent, unknown fields are ignored, and of a key that occurs twice the last
//! value counts.

use std::collections::BTreeMap;
use std::io;
use std::path::{MAIN_SEPARATOR, Path};

use secrecy::SecretString;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::yaml::first_document;

/// The extension of a cluster that is passed to a credential plugin.
const FOR_PLUGINS: &str = "client.authentication.k8s.io/exec";

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(super) struct Kubeconfig {
    #[serde(rename = "apiVersion")]
    api_version: String,
    kind: String,
    pub(super) current_context: String,
    pub(super) contexts: Vec<Named<Context>>,
    pub(super) clusters: Vec<Named<Cluster>>,
    pub(super) users: Vec<Named<User>>,
}

/// An element of a list of the kubeconfig.
#[derive(Clone, Debug)]
pub(super) struct Named<T> {
    pub(super) name: String,
    pub(super) value: T,
}

/// What the elements of a list have beside their names.
trait Element: Default + DeserializeOwned {
    const FIELD: &str;
}

impl Element for Context {
    const FIELD: &str = "context";
}

impl Element for Cluster {
    const FIELD: &str = "cluster";
}

impl Element for User {
    const FIELD: &str = "user";
}

impl<'de, T: Element> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = Map::deserialize(deserializer)?;
        let name = fields.remove("name").map(String::deserialize).transpose();
        let value = fields.remove(T::FIELD).map(T::deserialize).transpose();
        Ok(Self {
            name: name.map_err(D::Error::custom)?.unwrap_or_default(),
            value: value.map_err(D::Error::custom)?.unwrap_or_default(),
        })
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Context {
    pub(super) cluster: String,
    pub(super) user: String,
    pub(super) namespace: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(super) struct Cluster {
    pub(super) server: String,
    pub(super) tls_server_name: String,
    pub(super) insecure_skip_tls_verify: bool,
    pub(super) certificate_authority: String,
    pub(super) certificate_authority_data: String,
    pub(super) proxy_url: String,
    pub(super) disable_compression: bool,
    pub(super) extensions: Vec<Extension>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Extension {
    name: String,
    extension: Value,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(super) struct User {
    pub(super) client_certificate: String,
    pub(super) client_certificate_data: String,
    pub(super) client_key: String,
    #[serde(deserialize_with = "secret")]
    pub(super) client_key_data: SecretString,
    #[serde(deserialize_with = "secret")]
    pub(super) token: SecretString,
    #[serde(rename = "tokenFile")]
    pub(super) token_file: String,
    pub(super) username: String,
    #[serde(deserialize_with = "secret")]
    pub(super) password: SecretString,
    #[serde(rename = "as")]
    pub(super) impersonate: String,
    #[serde(rename = "as-uid")]
    pub(super) impersonate_uid: String,
    #[serde(rename = "as-groups")]
    pub(super) impersonate_groups: Vec<String>,
    #[serde(rename = "as-user-extra")]
    pub(super) impersonate_extra: BTreeMap<String, Vec<String>>,
    pub(super) auth_provider: Option<AuthProvider>,
    pub(super) exec: Option<Exec>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct AuthProvider {
    pub(super) name: String,
    pub(super) config: BTreeMap<String, String>,
}

/// A credential plugin.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Exec {
    pub(super) api_version: String,
    pub(super) command: String,
    pub(super) args: Vec<String>,
    pub(super) env: Vec<Variable>,
    pub(super) install_hint: String,
    pub(super) provide_cluster_info: bool,
    pub(super) interactive_mode: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) value: String,
}

impl Cluster {
    /// What a credential plugin is told of the cluster, beside what every one is.
    pub(super) fn for_plugins(&self) -> Option<&Value> {
        let mut extensions = self.extensions.iter();
        let found = extensions.find(|extension| extension.name == FOR_PLUGINS);
        found.map(|found| &found.extension)
    }
}

impl Kubeconfig {
    pub(super) fn read(path: &Path) -> io::Result<Result<Self>> {
        let bytes = std::fs::read(path)?;
        Ok(Self::parse(&bytes, path))
    }

    /// No message quotes the file, which contains secrets.
    fn parse(bytes: &[u8], path: &Path) -> Result<Self> {
        let shown = path.display();
        let invalid = |why: &str| Error::failed(format!("{shown} is not a kubeconfig{why}"));
        let text = decoded(bytes).ok_or_else(|| invalid(": it is not a text"))?;
        let document = first_document(&text).map_err(|line| match line {
            Some(line) => invalid(&format!(", line {line}")),
            None => invalid(""),
        })?;
        let mut parsed: Self = match without_nulls(document) {
            Value::Null => Self::default(),
            document => serde_json::from_value(document)
                .map_err(|_| invalid(": a value has another type than its field"))?,
        };
        if !matches!(parsed.kind.as_str(), "" | "Config") || !matches!(parsed.api_version.as_str(), "" | "v1")
        {
            return Err(invalid(&format!(
                ": it is a {} of {}",
                parsed.kind, parsed.api_version
            )));
        }
        for (what, twice) in [
            ("context", twice(&parsed.contexts)),
            ("cluster", twice(&parsed.clusters)),
            ("user", twice(&parsed.users)),
        ] {
            if let Some(name) = twice {
                return Err(
                    Error::failed(format!("the kubeconfig {shown} has the {what} `{name}` twice"))
                        .hint("remove or rename one of them; kubectl does not read this file either"),
                );
            }
        }
        if let Some(directory) = path.parent() {
            parsed.resolve(directory);
        }
        Ok(parsed)
    }

    /// Makes relative paths relative to the file's directory.
    fn resolve(&mut self, directory: &Path) {
        let resolve = |path: &mut String| {
            if !path.is_empty() && Path::new(path).is_relative() {
                *path = directory.join(&*path).to_string_lossy().into_owned();
            }
        };
        for cluster in &mut self.clusters {
            resolve(&mut cluster.value.certificate_authority);
        }
        for Named { value: user, .. } in &mut self.users {
            resolve(&mut user.client_certificate);
            resolve(&mut user.client_key);
            resolve(&mut user.token_file);
            // A bare name is looked up in PATH.
            let exec = user.exec.as_mut();
            if let Some(exec) = exec.filter(|exec| exec.command.contains(MAIN_SEPARATOR)) {
                resolve(&mut exec.command);
            }
        }
    }

    /// Adds what another file defines and this one does not.
    pub(super) fn merge(&mut self, next: Self) {
        if self.current_context.is_empty() {
            self.current_context = next.current_context;
        }
        add_new(&mut self.contexts, next.contexts);
        add_new(&mut self.clusters, next.clusters);
        add_new(&mut self.users, next.users);
    }
}

fn add_new<T>(known: &mut Vec<Named<T>>, next: Vec<Named<T>>) {
    for named in next {
        if find(known, &named.name).is_none() {
            known.push(named);
        }
    }
}

/// The one with this name.
pub(super) fn find<'a, T>(known: &'a [Named<T>], name: &str) -> Option<&'a T> {
    let found = known.iter().find(|known| known.name == name);
    found.map(|found| &found.value)
}

/// A name that occurs twice.
fn twice<T>(all: &[Named<T>]) -> Option<&str> {
    let mut names: Vec<&str> = all.iter().map(|named| named.name.as_str()).collect();
    names.sort_unstable();
    names.windows(2).find_map(|pair| match pair {
        [one, other] if one == other => Some(*one),
        _ => None,
    })
}

/// UTF-8, or the UTF-16 that PowerShell writes.
fn decoded(bytes: &[u8]) -> Option<String> {
    let units = |from_bytes: fn([u8; 2]) -> u16| {
        let units = bytes.chunks_exact(2).skip(1);
        let units = units.filter_map(|pair| pair.try_into().ok().map(from_bytes));
        String::from_utf16(&units.collect::<Vec<u16>>()).ok()
    };
    match bytes {
        [0xFF, 0xFE, ..] => units(u16::from_le_bytes),
        [0xFE, 0xFF, ..] => units(u16::from_be_bytes),
        [0xEF, 0xBB, 0xBF, rest @ ..] => String::from_utf8(rest.to_vec()).ok(),
        _ => String::from_utf8(bytes.to_vec()).ok(),
    }
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(fields.map(|(name, value)| (name, without_nulls(value))).collect())
        }
        Value::Array(items) => {
            let items = items.into_iter().filter(|item| !item.is_null());
            Value::Array(items.map(without_nulls).collect())
        }
        other => other,
    }
}

/// A secret, which may be absent.
pub(super) fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretString, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(SecretString::from(text.unwrap_or_default()))
}

#[cfg(test)]
mod tests;
