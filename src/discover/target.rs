use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, PodSpec};
use kube::Api;
use kube::api::ListParams;
use kube::core::Selector;

use super::evidence::{Evidence, Named};
use super::facts::{PreviousCredential, secret_facts, workload_facts};
use super::pod_spec::{ConfigMaps, GatewayContainer, config_maps_named, gateway_containers};
use super::reference::{Reference, credential_reference, refuse_other_sign_in};
use super::workloads::{no_gateway, workloads};
use crate::cluster::pods::selector;
use crate::cluster::workload::Workload;
use crate::cluster::{Cluster, explain, rollout};
use crate::error::{Error, Result};
use crate::model::request::TargetRequest;
use crate::model::{
    Endpoint, GatewayId, Rollout, SecretFacts, Snapshot, Source, Sourced, Token, WorkloadFacts, WorkloadRef,
};

/// The key under which the script wrote the token.
pub(super) const SCRIPT_KEY: &str = "value";

/// Up to this many ConfigMaps are read one by one; more are listed at once.
pub(super) const FEW: usize = 2;

pub(super) type Workloads = BTreeMap<WorkloadRef, Workload>;

/// The target of a rotation, as the cluster has it.
#[derive(Debug)]
pub struct TargetFacts {
    /// The facts to decide by.
    pub snapshot: Snapshot,
    /// What must be kept to put the credential back.
    pub previous: PreviousCredential,
    /// Who named the workload.
    pub workload_source: Source,
    /// Who named the Secret.
    pub secret_source: Source,
    /// The ConfigMaps that may hold the gateways' settings.
    pub config_maps: BTreeSet<String>,
    /// Settings in ConfigMaps, which the pod specs do not show.
    pub config_map_settings: ConfigMapSettings,
    pub(super) containers: Containers,
}

/// Settings of gateways that stand in ConfigMaps.
#[derive(Clone, Debug, Default)]
pub struct ConfigMapSettings {
    /// The ConfigMaps.
    pub config_maps: BTreeSet<String>,
    /// Whether the credential of a gateway is not known without them.
    pub hide_credential: bool,
}

impl ConfigMapSettings {
    pub(super) fn of(spec: &PodSpec, containers: &[GatewayContainer]) -> Self {
        let alone = gateway_containers(spec, &ConfigMaps::new());
        let shows = |container: &GatewayContainer| {
            alone
                .iter()
                .any(|shown| shown.name == container.name && shown.credential == container.credential)
        };
        Self {
            config_maps: config_maps_named(spec),
            hide_credential: !containers.iter().all(shows),
        }
    }

    pub(super) fn extend(&mut self, other: Self) {
        self.config_maps.extend(other.config_maps);
        self.hide_credential |= other.hide_credential;
    }
}

/// The gateways' containers, by which the gateway is named.
#[derive(Debug)]
pub(super) enum Containers {
    /// Settings of theirs may stand in ConfigMaps that were not read yet.
    Unread(Vec<(WorkloadRef, PodSpec)>),
    /// All that could be read was read.
    Read {
        containers: Vec<(WorkloadRef, GatewayContainer)>,
        /// What could not, in words.
        denied: Vec<String>,
    },
}

impl Containers {
    pub(super) fn of(specs: &[(WorkloadRef, PodSpec)], settings: &Settings) -> Self {
        let of_spec = |(name, spec): &(WorkloadRef, PodSpec)| {
            let found = gateway_containers(spec, &settings.maps).into_iter();
            found
                .map(|container| (name.clone(), container))
                .collect::<Vec<_>>()
        };
        Self::Read {
            containers: specs.iter().flat_map(of_spec).collect(),
            denied: settings
                .denied
                .iter()
                .map(|name| format!("configmap/{name} may hold the settings, and this user may not read it"))
                .collect(),
        }
    }
}

/// The ConfigMaps that hold the gateways' settings.
#[derive(Debug, Default)]
pub(super) struct Settings {
    maps: ConfigMaps,
    /// Those that this user may not read.
    denied: Vec<String>,
}

/// Finds the workload and the Secret: two reads when both are told, or when
/// the pod spec of a named workload says it all.
pub async fn target(cluster: &Cluster, told: &TargetRequest) -> Result<TargetFacts> {
    if let (Some(secret), true) = (&told.secret, told.secret_alone) {
        return secret_alone(cluster, secret).await;
    }
    let (workloads, workload_source) = workloads(cluster, told).await?;
    let named = told.workload.is_some();
    let map_names = || {
        workloads
            .values()
            .filter_map(pod_spec_of)
            .flat_map(config_maps_named)
            .collect()
    };
    let mut settings = if named {
        None
    } else {
        Some(read_settings(cluster, &map_names()).await?)
    };
    let follow = |settings: Option<&Settings>| {
        let maps = settings.map(|settings| &settings.maps);
        credential_reference(&cluster.namespace, told, &workloads, maps)
    };
    let mut reference = follow(settings.as_ref())?;
    if reference.is_none() && named {
        settings = Some(read_settings(cluster, &map_names()).await?);
        reference = follow(settings.as_ref())?;
    }
    let Some(reference) = reference else {
        return Err(no_gateway(cluster, told).await);
    };
    let (secret, previous) = read_secret(cluster, &reference).await?;

    let users = workloads
        .into_iter()
        .filter(|(name, _)| reference.workloads.contains(name));
    let mut facts = Vec::new();
    let mut specs = Vec::new();
    let mut config_map_settings = ConfigMapSettings::default();
    for (name, workload) in users {
        let mut of_workload = workload_facts(&name, &workload);
        of_workload.stale_pods = stale_pods(
            cluster,
            &secret,
            &of_workload,
            selector(&workload.spec.selector).as_ref(),
        )
        .await;
        facts.push(of_workload);
        if let Some(spec) = workload.spec.template.spec {
            let no_maps = ConfigMaps::new();
            let maps = settings.as_ref().map_or(&no_maps, |settings| &settings.maps);
            config_map_settings.extend(ConfigMapSettings::of(&spec, &gateway_containers(&spec, maps)));
            specs.push((name, spec));
        }
    }
    Ok(TargetFacts {
        snapshot: Snapshot {
            namespace: cluster.namespace.clone(),
            secret,
            workloads: facts,
        },
        previous,
        workload_source,
        secret_source: match &told.secret {
            Some(told) => told.source.clone(),
            None => Source::Discovery("pod spec".to_owned()),
        },
        config_maps: specs
            .iter()
            .flat_map(|(_, spec)| config_maps_named(spec))
            .collect(),
        config_map_settings,
        containers: match settings {
            Some(settings) => Containers::of(&specs, &settings),
            None => Containers::Unread(specs),
        },
    })
}

/// A Secret whose workload is not to be looked at, as the script had it: the
/// token is under `value`, or under the only key that holds one.
pub(super) async fn secret_alone(cluster: &Cluster, told: &Sourced<String>) -> Result<TargetFacts> {
    let name = &told.value;
    let mut secret = cluster
        .secret(name)
        .await
        .map_err(|error| explain(error, &format!("reading secret/{name}")))?;
    let data = secret.data.get_or_insert_default();
    let holds_token =
        |bytes: &ByteString| std::str::from_utf8(&bytes.0).is_ok_and(|text| Token::parse(text).is_ok());
    let mut with_token = data
        .iter()
        .filter(|(_, bytes)| holds_token(bytes))
        .map(|(key, _)| key.clone());
    let key = match (
        data.contains_key(SCRIPT_KEY),
        with_token.next(),
        with_token.next(),
    ) {
        (false, Some(only), None) => only,
        _ => SCRIPT_KEY.to_owned(),
    };
    data.entry(key.clone()).or_default();
    let (secret, previous) = secret_facts(&secret, &key)?;
    Ok(TargetFacts {
        snapshot: Snapshot {
            namespace: cluster.namespace.clone(),
            secret,
            workloads: Vec::new(),
        },
        previous,
        workload_source: Source::Default,
        secret_source: told.source.clone(),
        config_maps: BTreeSet::new(),
        config_map_settings: ConfigMapSettings::default(),
        containers: Containers::of(&[], &Settings::default()),
    })
}

/// Whether pods run with an older credential than the Secret holds; looked for
/// only where the workload does not rule it out, and `None` without the right to see
/// pods, when the ids alone decide.
pub(super) async fn stale_pods(
    cluster: &Cluster,
    secret: &SecretFacts,
    facts: &WorkloadFacts,
    selector: Option<&Selector>,
) -> Option<bool> {
    let id = secret
        .marks
        .rotation_id
        .as_ref()
        .filter(|_| secret.marks_hold())?;
    let written = secret.marks.rotated_at?;
    if facts.marks.rotation_id.as_ref() == Some(id) && !matches!(facts.rollout, Rollout::LeftByHand(_)) {
        return None;
    }
    let pods = cluster.pods(selector?).await.ok()?;
    Some(
        pods.iter()
            .any(|pod| rollout::is_stale(pod, id, written) != Some(false)),
    )
}

impl TargetFacts {
    /// Reads what is still unread of the settings, and names the gateway as
    /// far as that is possible without asking Azure.
    pub async fn gateway(&mut self, cluster: &Cluster, told: &TargetRequest) -> Result<Named> {
        if let Containers::Unread(specs) = &self.containers {
            let names = specs
                .iter()
                .flat_map(|(_, spec)| config_maps_named(spec))
                .collect();
            self.containers = Containers::of(specs, &read_settings(cluster, &names).await?);
        }
        let (containers, denied) = match &self.containers {
            Containers::Unread(_) => (&[][..], &[][..]),
            Containers::Read { containers, denied } => (containers.as_slice(), denied.as_slice()),
        };
        for (name, container) in containers {
            refuse_other_sign_in(name, container)?;
        }
        let secret = &self.snapshot.secret;
        let recorded = secret.marks.gateway.as_deref().filter(|_| secret.marks_hold());
        let mut evidence = Evidence {
            token: secret.claims().map(|claims| claims.gateway.clone()),
            recorded: recorded.and_then(|id| GatewayId::parse(id).ok()),
            ..Evidence::default()
        };
        for (name, container) in containers {
            evidence.gateway_names.extend(container.gateway_name.clone());
            if let Some(text) = &container.endpoint {
                let endpoint = Endpoint::parse(text).map_err(|error| {
                    Error::refused(format!("{name} has the configuration endpoint `{text}`: {error}"))
                        .caused_by(error)
                })?;
                evidence.endpoints.push(endpoint);
            }
        }
        super::evidence::identify(told, &evidence).map_err(|error| denied.iter().fold(error, Error::hint))
    }

    /// The workloads that run the gateway, among all that use its Secret.
    pub fn gateways(&self) -> Vec<WorkloadRef> {
        let mut names: Vec<WorkloadRef> = match &self.containers {
            Containers::Unread(specs) => specs.iter().map(|(name, _)| name.clone()).collect(),
            Containers::Read { containers, .. } => containers.iter().map(|(name, _)| name.clone()).collect(),
        };
        names.dedup();
        names
    }
}

/// Reads the ConfigMaps named. One that is missing says nothing: the pods may
/// start without it. What a forbidden one would have said can be told.
pub(super) async fn read_settings(cluster: &Cluster, names: &BTreeSet<String>) -> Result<Settings> {
    let api: Api<ConfigMap> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let data = |map: ConfigMap| Some((map.metadata.name?, map.data.unwrap_or_default()));
    let mut settings = Settings::default();
    if names.len() > FEW {
        match api.list(&ListParams::default()).await {
            Ok(list) => {
                let all = list.items.into_iter().filter_map(data);
                settings.maps.extend(all.filter(|(name, _)| names.contains(name)));
            }
            Err(kube::Error::Api(status)) if status.is_forbidden() => {
                settings.denied.extend(names.iter().cloned());
            }
            Err(error) => {
                return Err(explain(
                    error,
                    &format!("listing the ConfigMaps of namespace {}", cluster.namespace),
                ));
            }
        }
        return Ok(settings);
    }
    let reads = join_all(names.iter().map(|name| api.get(name))).await;
    for (name, read) in names.iter().zip(reads) {
        match read {
            Ok(map) => settings.maps.extend(data(map)),
            Err(kube::Error::Api(status)) if status.is_forbidden() => settings.denied.push(name.clone()),
            Err(kube::Error::Api(status)) if status.is_not_found() => {}
            Err(error) => return Err(explain(error, &format!("reading configmap/{name}"))),
        }
    }
    Ok(settings)
}

pub(super) async fn read_secret(
    cluster: &Cluster,
    reference: &Reference,
) -> Result<(SecretFacts, PreviousCredential)> {
    let mut first_miss = None;
    for (name, keys) in &reference.candidates {
        let secret = cluster.secret(name).await.map_err(|error| match error {
            kube::Error::Api(status) if status.is_not_found() && status.details.is_some() => {
                Error::failed(format!(
                    "secret/{name}, which the pod spec points at, does not exist in namespace {}",
                    cluster.namespace
                ))
                .hint(format!(
                    "create it, empty: kubectl -n {} create secret generic {name} --from-literal={}=",
                    cluster.namespace, keys[0]
                ))
            }
            other => explain(
                other,
                &format!("reading secret/{name} in namespace {}", cluster.namespace),
            ),
        })?;
        let has = |key: &&String| secret.data.as_ref().is_some_and(|data| data.contains_key(*key));
        match keys.iter().find(has) {
            Some(key) => return secret_facts(&secret, key),
            None => {
                first_miss.get_or_insert(secret_facts(&secret, &keys[0]));
            }
        }
    }
    first_miss.unwrap_or_else(|| Err(Error::failed("the pod spec points at no Secret")))
}

pub(super) fn pod_spec_of(workload: &Workload) -> Option<&PodSpec> {
    workload.spec.template.spec.as_ref()
}
