//! The credential that the gateways of a namespace use, by the references in
//! their pod specs.

use std::collections::{BTreeMap, BTreeSet};

use super::pod_spec::{
    ConfigMaps, CredentialSource, GatewayContainer, gateway_containers, references_to, secrets_used,
};
use crate::cluster::workload::Workload;
use crate::error::{Error, Result};
use crate::model::request::TargetRequest;
use crate::model::{SecretFacts, Sourced, WorkloadRef};

/// The Secrets that a credential may be in, each with the keys that may hold
/// it, the likeliest first.
pub(super) type Candidates = Vec<(String, Vec<String>)>;

/// Where the credential is, and what uses it.
pub(super) struct Reference {
    /// One Secret and its key, or several of `envFrom`.
    pub(super) candidates: Candidates,
    /// The workloads that use any of these Secrets.
    pub(super) workloads: BTreeSet<WorkloadRef>,
}

/// A gateway's container, and its workload.
type Gateways<'a> = Vec<(&'a WorkloadRef, GatewayContainer)>;

/// Follows the references of all gateways among the workloads, which must lead
/// to one credential. `None` if settings that were not read yet may show more,
/// or if there is no gateway.
pub(super) fn credential_reference(
    namespace: &str,
    request: &TargetRequest,
    workloads: &BTreeMap<WorkloadRef, Workload>,
    config_maps: Option<&ConfigMaps>,
) -> Result<Option<Reference>> {
    let mut gateways = gateways_among(workloads, config_maps);
    if let (true, Some(_), Some(secret)) = (gateways.is_empty(), config_maps, &request.secret) {
        return Ok(requested_reference(&secret.value, workloads));
    }
    // Settings that were not read yet may show more.
    let known = |container: &GatewayContainer| {
        config_maps.is_some()
            || matches!(container.credential, CredentialSource::SecretKey { .. })
            || !container.hides_auth
                && matches!(&container.credential, CredentialSource::EnvFrom(imported) if imported.len() == 1)
    };
    if gateways.is_empty() || !gateways.iter().all(|(_, container)| known(container)) {
        return Ok(None);
    }
    if let Some(secret) = &request.secret {
        gateways = with_secret(namespace, gateways, secret)?;
    }
    let Some((_, first)) = gateways.first() else {
        return Ok(None);
    };
    let first = &first.credential;
    if gateways
        .iter()
        .any(|(_, container)| container.credential != *first)
    {
        let list: Vec<String> = gateways.iter().map(|(name, _)| name.to_string()).collect();
        return Err(Error::usage(format!(
            "namespace {namespace} has several gateways: {}",
            list.join(", ")
        ))
        .hint("choose one, as TYPE/NAME, or rotate all with --all"));
    }
    for (name, container) in &gateways {
        refuse_other_sign_in(name, container)?;
    }
    let candidates = candidates_of(first);
    let uses_it = |workload: &Workload| {
        let used = workload.pod_spec().map(secrets_used).unwrap_or_default();
        candidates.iter().any(|(secret, _)| used.contains(secret))
    };
    let users = workloads
        .iter()
        .filter(|(_, workload)| uses_it(workload))
        .map(|(name, _)| name.clone())
        .collect();
    Ok(Some(Reference {
        candidates,
        workloads: users,
    }))
}

fn gateways_among<'a>(
    workloads: &'a BTreeMap<WorkloadRef, Workload>,
    config_maps: Option<&ConfigMaps>,
) -> Gateways<'a> {
    let no_maps = ConfigMaps::new();
    let maps = config_maps.unwrap_or(&no_maps);
    let mut gateways = Gateways::new();
    for (name, workload) in workloads {
        let containers = workload.pod_spec().map(|spec| gateway_containers(spec, maps));
        let containers = containers.unwrap_or_default().into_iter();
        gateways.extend(containers.map(|container| (name, container)));
    }
    gateways
}

/// The gateways that use the Secret that was given; there must be one.
fn with_secret<'a>(
    namespace: &str,
    mut gateways: Gateways<'a>,
    secret: &Sourced<String>,
) -> Result<Gateways<'a>> {
    let pointed_at: Vec<String> = gateways
        .iter()
        .flat_map(|(_, container)| secrets_of(&container.credential))
        .collect();
    gateways.retain(|(_, container)| secrets_of(&container.credential).contains(&secret.value));
    if !gateways.is_empty() {
        return Ok(gateways);
    }
    Err(Error::refused(format!(
        "no gateway in namespace {} takes its token from secret/{} ({}); the pod specs point at {}",
        namespace,
        secret.value,
        secret.source,
        if pointed_at.is_empty() {
            "no Secret".to_owned()
        } else {
            pointed_at.join(", ")
        }
    ))
    .hint("leave --token-secret out to follow the pod spec"))
}

/// The reference to the Secret that was given, in workloads that nothing
/// readable shows to be gateways: this user may not be allowed to read their
/// settings.
fn requested_reference(secret: &str, workloads: &BTreeMap<WorkloadRef, Workload>) -> Option<Reference> {
    let mut candidates = Vec::new();
    let mut users = BTreeSet::new();
    for (name, workload) in workloads {
        let found = workload
            .pod_spec()
            .map(|spec| references_to(spec, secret))
            .unwrap_or_default();
        for source in found {
            users.insert(name.clone());
            candidates.extend(candidates_of(&source));
        }
    }
    candidates.dedup();
    (candidates.len() == 1).then_some(Reference {
        candidates,
        workloads: users,
    })
}

pub(super) fn candidates_of(source: &CredentialSource) -> Candidates {
    match source {
        CredentialSource::SecretKey { secret, key } => vec![(secret.clone(), vec![key.clone()])],
        CredentialSource::EnvFrom(imported) => imported
            .iter()
            .map(|import| {
                let keys: Vec<String> = import.credential_keys().collect();
                (import.name.clone(), keys)
            })
            .filter(|(_, keys)| !keys.is_empty())
            .collect(),
        _ => Vec::new(),
    }
}

/// Whether `env` puts the prefix before the token that it reads from a key. A container
/// that reads another key says nothing of this one.
pub(super) fn gets_prefix<'a>(
    secret: &SecretFacts,
    containers: impl Iterator<Item = (&'a WorkloadRef, &'a GatewayContainer)>,
) -> Result<bool> {
    let (name, key) = (&secret.version.name, &secret.key);
    let reads_it = |container: &GatewayContainer| {
        let candidates = candidates_of(&container.credential);
        candidates
            .iter()
            .any(|(secret, keys)| secret == name && keys.contains(key))
    };
    let readers = containers.filter(|(_, container)| reads_it(container));
    let (adding, plain): (Gateways<'_>, Gateways<'_>) = readers
        .map(|(workload, container)| (workload, container.clone()))
        .partition(|(_, container)| container.adds_prefix);
    let (Some((of_first, first)), Some((of_second, second))) = (adding.first(), plain.first()) else {
        return Ok(!adding.is_empty());
    };
    Err(Error::refused(format!(
        "key `{key}` of secret/{name} cannot hold the token for both: container {} of {of_first} puts \
         `GatewayKey ` before it, and container {} of {of_second} does not",
        first.name, second.name
    ))
    .hint("let both read the token in the same way, or give each a Secret of its own"))
}

/// Refuses a gateway whose credential is in no Secret.
pub(super) fn refuse_other_sign_in(name: &WorkloadRef, container: &GatewayContainer) -> Result<()> {
    let container_name = &container.name;
    match &container.credential {
        CredentialSource::SecretKey { .. } | CredentialSource::EnvFrom(_) => Ok(()),
        CredentialSource::Entra { mode, .. } => Err(Error::refused(format!(
            "{name} signs in with Entra (config.service.auth is {mode}), so it has no token to rotate"
        ))
        .hint("`kubectl apim status` shows when its credential expires, and `kubectl apim entra setup` renews it")),
        CredentialSource::Inline { place, .. } => Err(Error::refused(format!(
            "the token of {name} is in clear text in {place}, so there is no Secret to write"
        ))
        .hint("move it to a Secret and refer to it by secretKeyRef")),
        CredentialSource::Missing => Err(Error::refused(format!(
            "container {container_name} of {name} has no config.service.auth that points at a Secret"
        ))
        .hint("let it sign in by Microsoft Entra with `kubectl apim entra setup`, or point it at a Secret with a token")),
    }
}

fn secrets_of(credential: &CredentialSource) -> Vec<String> {
    match credential {
        CredentialSource::SecretKey { secret, .. } => vec![secret.clone()],
        CredentialSource::EnvFrom(imported) => imported.iter().map(|import| import.name.clone()).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::discover::facts::secret_facts;
    use crate::error::Kind;
    use crate::model::WorkloadKind;

    fn container(name: &str, secret: &str, key: &str, adds_prefix: bool) -> GatewayContainer {
        GatewayContainer {
            name: name.to_owned(),
            credential: CredentialSource::SecretKey {
                secret: secret.to_owned(),
                key: key.to_owned(),
            },
            adds_prefix,
            ..GatewayContainer::default()
        }
    }

    #[test]
    fn only_the_readers_of_a_key_decide_the_form_of_its_token() {
        let secret = serde_json::from_value(json!({"metadata": {"name": "s"}, "data": {"k": ""}})).unwrap();
        let (secret, _) = secret_facts(&secret, "k").unwrap();
        let workload = WorkloadRef {
            kind: WorkloadKind::Deployment,
            name: "gw".to_owned(),
        };
        let of = |containers: &[GatewayContainer]| {
            gets_prefix(&secret, containers.iter().map(|container| (&workload, container)))
        };
        let (plain, adding) = (container("a", "s", "k", false), container("b", "s", "k", true));
        let others = [container("c", "t", "k", true), container("d", "s", "l", true)];
        assert!(!of(&[]).unwrap() && !of(&others).unwrap());
        assert!(!of(&[plain.clone(), others[0].clone(), others[1].clone()]).unwrap());
        assert!(of(&[adding.clone(), others[0].clone()]).unwrap());
        let refused = of(&[plain, adding]).unwrap_err();
        assert_eq!(refused.kind(), Kind::Refused);
        let text = refused.to_string();
        assert!(text.contains("container b of deployment.apps/gw puts"), "{text}");
        assert!(
            text.contains("container a of deployment.apps/gw does not"),
            "{text}"
        );
    }
}
