use super::credential::CredentialSource;
use super::entra::EntraSettings;
use super::variables::{ConfigMaps, ContainerVariables, ImportedSecrets, Value};
use crate::cluster::pod_spec::PodSpec;
use crate::model::setting::{AUTH, ENDPOINT, GATEWAY_NAME};

/// A gateway's container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GatewayContainer {
    pub name: String,
    pub image: String,
    pub credential: CredentialSource,
    /// Whether `config.service.auth` is set to what is not known.
    pub hides_auth: bool,
    /// Whether `env` puts the prefix before the token that it refers to.
    pub adds_prefix: bool,
    /// The app, if it signs in by Entra.
    pub entra: EntraSettings,
    /// `config.service.endpoint`, if it is set and known.
    pub endpoint: Option<String>,
    /// The object or the environment that sets it.
    pub endpoint_place: Option<String>,
    /// `gateway.name`, if it is set and known.
    pub gateway_name: Option<String>,
    /// Which of the two are set to what is not known.
    pub hidden: Vec<&'static str>,
}

/// The number of gateways that are kept of one pod. More than one is rare, and
/// users of the cluster can write hundreds.
const MOST: usize = 8;

/// The containers that run a gateway: they have its image, from whatever
/// registry, or its settings.
pub fn gateway_containers(spec: &PodSpec, config_maps: &ConfigMaps) -> Vec<GatewayContainer> {
    gateway_containers_with(spec, config_maps, &ImportedSecrets::new())
}

/// The same with what Secrets hold.
pub fn gateway_containers_with(
    spec: &PodSpec,
    config_maps: &ConfigMaps,
    secrets: &ImportedSecrets,
) -> Vec<GatewayContainer> {
    let mut found = Vec::new();
    for container in &spec.containers {
        if found.len() == MOST {
            break;
        }
        let variables = ContainerVariables::of(container, config_maps, secrets);
        if is_gateway_image(&container.image) || variables.show_gateway() {
            found.push(GatewayContainer {
                name: container.name.clone(),
                image: container.image.clone(),
                credential: variables.credential(container, config_maps),
                adds_prefix: variables.add_prefix(container),
                hides_auth: variables.get(AUTH) == Some(&Value::Unreadable),
                entra: EntraSettings::of(spec, container, &variables, config_maps),
                endpoint: variables.text(ENDPOINT),
                endpoint_place: variables.place(ENDPOINT),
                gateway_name: variables.text(GATEWAY_NAME),
                hidden: [ENDPOINT, GATEWAY_NAME]
                    .into_iter()
                    .filter(|name| variables.hides(name))
                    .collect(),
            });
        }
    }
    found
}

pub(super) fn is_gateway_image(image: &str) -> bool {
    let repository = image.split('@').next().unwrap_or_default();
    let repository = match repository.rsplit_once(':') {
        // A colon before a slash belongs to the registry's port.
        Some((name, tag)) if !tag.contains('/') => name,
        _ => repository,
    };
    repository.ends_with("azure-api-management/gateway")
}
