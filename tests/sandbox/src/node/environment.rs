//! The environment of a container, built by the kubelet's rules.

use std::collections::{BTreeMap, HashMap};

use k8s_openapi::api::core::v1::{ConfigMap, Container, EnvVar, EnvVarSource, Pod, Secret};
use kube::{Api, ResourceExt};

use super::{Context, NODE_NAME, quantity};

/// The variables of a container.
pub(crate) type Environment = BTreeMap<String, String>;

/// The kubelet's message for why a container cannot be started.
#[derive(Debug)]
pub(crate) struct ConfigError(pub(crate) String);

/// The two kinds of object that a variable may come from.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    ConfigMap,
    Secret,
}

/// The objects that a container refers to, each read at most once.
pub(crate) struct Sources<'a> {
    context: &'a Context,
    namespace: String,
    read: HashMap<(Kind, String), Option<BTreeMap<String, String>>>,
}

impl<'a> Sources<'a> {
    pub(crate) fn new(context: &'a Context, namespace: &str) -> Self {
        Self {
            context,
            namespace: namespace.to_owned(),
            read: HashMap::new(),
        }
    }

    /// The data of an object, or nothing if it does not exist.
    pub(crate) async fn get(
        &mut self,
        kind: Kind,
        name: &str,
    ) -> Result<Option<&BTreeMap<String, String>>, ConfigError> {
        let key = (kind, name.to_owned());
        if !self.read.contains_key(&key) {
            let data = self
                .fetch(kind, name)
                .await
                .map_err(|error| ConfigError(error.to_string()))?;
            self.read.insert(key.clone(), data);
        }
        Ok(self.read[&key].as_ref())
    }

    async fn fetch(&self, kind: Kind, name: &str) -> kube::Result<Option<BTreeMap<String, String>>> {
        let _permit = self.context.requests.acquire().await;
        let (client, namespace) = (self.context.client.clone(), &self.namespace);
        Ok(match kind {
            Kind::ConfigMap => Api::<ConfigMap>::namespaced(client, namespace)
                .get_opt(name)
                .await?
                .map(|object| object.data.unwrap_or_default()),
            Kind::Secret => Api::<Secret>::namespaced(client, namespace)
                .get_opt(name)
                .await?
                .map(|object| {
                    let data = object.data.unwrap_or_default().into_iter();
                    data.map(|(key, value)| (key, String::from_utf8_lossy(&value.0).into_owned()))
                        .collect()
                }),
        })
    }

    /// The value of one key, or nothing if it is missing and may be.
    async fn value(
        &mut self,
        kind: Kind,
        name: &str,
        key: &str,
        optional: bool,
    ) -> Result<Option<String>, ConfigError> {
        let namespace = self.namespace.clone();
        let Some(data) = self.get(kind, name).await? else {
            return if optional {
                Ok(None)
            } else {
                Err(not_found(kind, name))
            };
        };
        match data.get(key) {
            Some(value) => Ok(Some(value.clone())),
            None if optional => Ok(None),
            None => {
                let kind = match kind {
                    Kind::ConfigMap => "ConfigMap",
                    Kind::Secret => "Secret",
                };
                Err(ConfigError(format!(
                    "couldn't find key {key} in {kind} {namespace}/{name}"
                )))
            }
        }
    }
}

/// The kubelet's message about an object that does not exist.
pub(crate) fn not_found(kind: Kind, name: &str) -> ConfigError {
    let kind = match kind {
        Kind::ConfigMap => "configmap",
        Kind::Secret => "secret",
    };
    ConfigError(format!("{kind} \"{name}\" not found"))
}

/// Builds the environment of `container`: `envFrom` in order, then `env`,
/// which replaces, and in which only literals are expanded.
pub(crate) async fn resolve(
    context: &Context,
    pod: &Pod,
    container: &Container,
    address: &str,
) -> Result<Environment, ConfigError> {
    let mut sources = Sources::new(context, &pod.namespace().unwrap_or_default());
    // The pod's own variables replace those of the service, and may refer to them.
    let mut environment = context.service.clone();
    for source in container.env_from.iter().flatten() {
        let prefix = source.prefix.as_deref().unwrap_or_default();
        let references = [
            (
                Kind::ConfigMap,
                source.config_map_ref.as_ref().map(|r| (&r.name, r.optional)),
            ),
            (
                Kind::Secret,
                source.secret_ref.as_ref().map(|r| (&r.name, r.optional)),
            ),
        ];
        for (kind, reference) in references {
            let Some((name, optional)) = reference else {
                continue;
            };
            match sources.get(kind, name).await? {
                Some(data) => {
                    let data = data
                        .iter()
                        .map(|(key, value)| (format!("{prefix}{key}"), value.clone()));
                    environment.extend(data);
                }
                None if optional == Some(true) => {}
                None => return Err(not_found(kind, name)),
            }
        }
    }
    for variable in container.env.iter().flatten() {
        if let Some(value) = value_of(variable, &environment, &mut sources, pod, container, address).await? {
            environment.insert(variable.name.clone(), value);
        }
    }
    Ok(environment)
}

async fn value_of(
    variable: &EnvVar,
    environment: &Environment,
    sources: &mut Sources<'_>,
    pod: &Pod,
    container: &Container,
    address: &str,
) -> Result<Option<String>, ConfigError> {
    let source = match (
        variable.value.as_deref().unwrap_or_default(),
        &variable.value_from,
    ) {
        ("", Some(source)) => source,
        (literal, _) => return Ok(Some(expand(literal, environment))),
    };
    if let Some(key) = &source.secret_key_ref {
        return sources
            .value(Kind::Secret, &key.name, &key.key, key.optional == Some(true))
            .await;
    }
    if let Some(key) = &source.config_map_key_ref {
        return sources
            .value(Kind::ConfigMap, &key.name, &key.key, key.optional == Some(true))
            .await;
    }
    downward(source, pod, container, address).map(Some)
}

/// A value of the downward API.
fn downward(
    source: &EnvVarSource,
    pod: &Pod,
    container: &Container,
    address: &str,
) -> Result<String, ConfigError> {
    if let Some(field) = &source.field_ref {
        return field_of(pod, &field.field_path, address)
            .ok_or_else(|| ConfigError(format!("unsupported fieldPath: {}", field.field_path)));
    }
    let Some(resource) = &source.resource_field_ref else {
        return Err(ConfigError("unsupported source of a variable".to_owned()));
    };
    let resources = container.resources.clone().unwrap_or_default();
    let quantity = match resource.resource.split_once('.') {
        Some(("limits", name)) => resources.limits.and_then(|limits| limits.get(name).cloned()),
        Some(("requests", name)) => resources
            .requests
            .and_then(|requests| requests.get(name).cloned()),
        _ => None,
    };
    let quantity = quantity.map_or_else(|| "0".to_owned(), |quantity| quantity.0);
    let divisor = resource.divisor.as_ref().map_or("", |divisor| divisor.0.as_str());
    quantity::divided(&quantity, divisor)
        .ok_or_else(|| ConfigError(format!("unsupported container resource : {}", resource.resource)))
}

/// A field of the downward API, if the sandbox knows it.
pub(crate) fn field_of(pod: &Pod, path: &str, address: &str) -> Option<String> {
    let spec = pod.spec.as_ref()?;
    if let Some((map, rest)) = path.split_once("['") {
        let key = rest.strip_suffix("']")?;
        let map = match map {
            "metadata.labels" => pod.labels(),
            "metadata.annotations" => pod.annotations(),
            _ => return None,
        };
        return Some(map.get(key).cloned().unwrap_or_default());
    }
    Some(match path {
        "metadata.name" => pod.name_any(),
        "metadata.namespace" => pod.namespace().unwrap_or_default(),
        "metadata.uid" => pod.uid().unwrap_or_default(),
        "spec.nodeName" => NODE_NAME.to_owned(),
        "spec.serviceAccountName" => spec.service_account_name.clone().unwrap_or_default(),
        "status.hostIP" | "status.hostIPs" => "127.0.0.1".to_owned(),
        "status.podIP" | "status.podIPs" => address.to_owned(),
        _ => return None,
    })
}

/// Replaces `$(NAME)` by the variable; `$$` stands for one `$`, and a
/// reference to an unknown variable stays as it is.
pub(crate) fn expand(text: &str, environment: &Environment) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('$') {
        result.push_str(&rest[..start]);
        let after = &rest[start + 1..];
        if let Some(tail) = after.strip_prefix('$') {
            result.push('$');
            rest = tail;
        } else if let Some((name, tail)) = after.strip_prefix('(').and_then(|tail| tail.split_once(')')) {
            match environment.get(name) {
                Some(value) => result.push_str(value),
                None => result.push_str(&rest[start..rest.len() - tail.len()]),
            }
            rest = tail;
        } else {
            result.push('$');
            rest = after;
        }
    }
    result.push_str(rest);
    result
}

/// The variables with which every container finds the API server at `url`.
pub(crate) fn of_service(url: &str) -> Environment {
    let address = url.trim_start_matches("https://");
    let (host, port) = address.rsplit_once(':').unwrap_or((address, "443"));
    let tcp = format!("tcp://{host}:{port}");
    let variables = [
        ("KUBERNETES_SERVICE_HOST", host),
        ("KUBERNETES_SERVICE_PORT", port),
        ("KUBERNETES_SERVICE_PORT_HTTPS", port),
        ("KUBERNETES_PORT", &tcp),
        ("KUBERNETES_PORT_443_TCP", &tcp),
        ("KUBERNETES_PORT_443_TCP_ADDR", host),
        ("KUBERNETES_PORT_443_TCP_PORT", port),
        ("KUBERNETES_PORT_443_TCP_PROTO", "tcp"),
    ];
    Environment::from(variables.map(|(name, value)| (name.to_owned(), value.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::{Environment, expand};

    #[test]
    fn references_are_expanded_as_the_kubelet_does() {
        let environment = Environment::from([("A".to_owned(), "1".to_owned())]);
        for (text, expected) in [
            ("plain", "plain"),
            ("$(A)", "1"),
            ("x$(A)y$(A)", "x1y1"),
            ("$(B)", "$(B)"),
            ("$$(A)", "$(A)"),
            ("$$$(A)", "$1"),
            ("$A $", "$A $"),
            ("$(A", "$(A"),
        ] {
            assert_eq!(expand(text, &environment), expected, "{text}");
        }
    }
}
