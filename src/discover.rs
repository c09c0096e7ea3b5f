//! What there is: reads the cluster and Azure and returns plain facts. The
//! reference in the pod spec is followed; nothing is guessed from names.

mod cron_jobs;
pub mod evidence;
pub mod facts;
pub mod gateways;
pub mod pod_spec;
mod reference;
pub mod survey;
mod workloads;

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, PodSpec};
use kube::Api;
use kube::api::ListParams;

use crate::azure::Arm;
use crate::cluster::workload::Workload;
use crate::cluster::{Cluster, explain, rollout};
use crate::error::{Error, Result};
use crate::model::{
    Endpoint, GatewayId, Rollout, SecretFacts, Snapshot, Source, Sourced, Token, WorkloadFacts, WorkloadRef,
};
use crate::settings::TargetSettings;
use evidence::{Evidence, Named};
use facts::{Former, secret_facts, workload_facts};
use pod_spec::{ConfigMaps, GatewayContainer, config_maps_named, gateway_containers};
use reference::{Reference, credential_reference, refuse_other_sign_in};
use workloads::{no_gateway, workloads};

/// The key under which the script wrote the token.
const SCRIPT_KEY: &str = "value";

/// Up to this many ConfigMaps are read one by one; more are listed at once.
const FEW: usize = 2;

type Workloads = BTreeMap<WorkloadRef, Workload>;

/// The target of a rotation, as the cluster has it.
#[derive(Debug)]
pub struct Found {
    /// The facts to decide by.
    pub snapshot: Snapshot,
    /// What must be kept to put the credential back.
    pub former: Former,
    /// Who named the workload.
    pub workload_source: Source,
    /// Who named the Secret.
    pub secret_source: Source,
    specs: Vec<(WorkloadRef, PodSpec)>,
    settings: Option<Settings>,
}

/// The ConfigMaps that hold the gateways' settings.
#[derive(Debug, Default)]
struct Settings {
    maps: ConfigMaps,
    /// Those that this user may not read.
    denied: Vec<String>,
}

/// Finds the workload and the Secret: two reads when both are told, or when
/// the pod spec of a named workload says it all.
pub async fn target(cluster: &Cluster, told: &TargetSettings) -> Result<Found> {
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
    let (secret, former) = read_secret(cluster, &reference).await?;

    let users = workloads
        .into_iter()
        .filter(|(name, _)| reference.workloads.contains(name));
    let mut facts = Vec::new();
    let mut specs = Vec::new();
    for (name, workload) in users {
        let mut of_workload = workload_facts(&name, &workload);
        of_workload.stale_pods = stale_pods(cluster, &secret, &of_workload, &workload).await;
        facts.push(of_workload);
        specs.extend(workload.spec.template.spec.map(|spec| (name, spec)));
    }
    Ok(Found {
        snapshot: Snapshot {
            namespace: cluster.namespace.clone(),
            secret,
            workloads: facts,
        },
        former,
        workload_source,
        secret_source: match &told.secret {
            Some(told) => told.source.clone(),
            None => Source::Discovery("pod spec".to_owned()),
        },
        specs,
        settings,
    })
}

/// A Secret whose workload is not to be looked at, as the script had it: the
/// token is under `value`, or under the only key that holds one.
async fn secret_alone(cluster: &Cluster, told: &Sourced<String>) -> Result<Found> {
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
    let (secret, former) = secret_facts(&secret, &key)?;
    Ok(Found {
        snapshot: Snapshot {
            namespace: cluster.namespace.clone(),
            secret,
            workloads: Vec::new(),
        },
        former,
        workload_source: Source::Default,
        secret_source: told.source.clone(),
        specs: Vec::new(),
        settings: Some(Settings::default()),
    })
}

/// Whether pods run with an older credential than the Secret holds; looked for
/// only where the workload does not rule it out, and `None` without the right to see
/// pods, when the ids alone decide.
async fn stale_pods(
    cluster: &Cluster,
    secret: &SecretFacts,
    facts: &WorkloadFacts,
    workload: &Workload,
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
    let pods = cluster.pods(&workload.spec.selector).await.ok()?;
    Some(
        pods.iter()
            .any(|pod| rollout::is_stale(pod, id, written) != Some(false)),
    )
}

impl Found {
    /// Reads what is still unread of the settings, and names the gateway as
    /// far as that is possible without asking Azure.
    pub async fn gateway(&mut self, cluster: &Cluster, told: &TargetSettings) -> Result<Named> {
        if self.settings.is_none() {
            let names = self
                .specs
                .iter()
                .flat_map(|(_, spec)| config_maps_named(spec))
                .collect();
            self.settings = Some(read_settings(cluster, &names).await?);
        }
        let nothing = Settings::default();
        let settings = self.settings.as_ref().unwrap_or(&nothing);
        let mut containers: Vec<(&WorkloadRef, GatewayContainer)> = Vec::new();
        for (name, spec) in &self.specs {
            containers.extend(
                gateway_containers(spec, &settings.maps)
                    .into_iter()
                    .map(|container| (name, container)),
            );
        }
        for (name, container) in &containers {
            refuse_other_sign_in(name, container)?;
        }
        let secret = &self.snapshot.secret;
        let mut evidence = Evidence {
            token: secret.claims().map(|claims| claims.gateway.clone()),
            recorded: secret
                .marks
                .gateway
                .as_deref()
                .filter(|_| secret.marks_hold())
                .and_then(|id| GatewayId::parse(id).ok()),
            gateway_name: containers
                .iter()
                .find_map(|(_, container)| container.gateway_name.clone()),
            endpoint: None,
        };
        for (name, container) in &containers {
            if let Some(text) = &container.endpoint {
                let endpoint = Endpoint::parse(text).map_err(|error| {
                    Error::refused(format!("{name} has the configuration endpoint `{text}`: {error}"))
                        .caused_by(error)
                })?;
                evidence.endpoint = Some(endpoint);
            }
        }
        evidence::weigh(told, &evidence).map_err(|error| {
            settings.denied.iter().fold(error, |error, name| {
                error.hint(format!(
                    "configmap/{name} may hold the settings, and this user may not read it"
                ))
            })
        })
    }
}

/// Completes the gateway's ARM id by asking Azure for what nothing names yet.
pub async fn in_azure(arm: &Arm, named: &Named) -> Result<GatewayId> {
    if let Some(id) = named.id() {
        return Ok(id);
    }
    let service = &named.service.value;
    let fits = |told: Option<&str>, found: &str| told.is_none_or(|told| told.eq_ignore_ascii_case(found));
    let mut found = arm.find_services(service).await?;
    let narrowed = [
        ("resource group", &named.resource_group),
        ("subscription", &named.subscription),
    ];
    let narrowed: String = narrowed
        .into_iter()
        .filter_map(|(what, told)| {
            let told = told.as_ref()?;
            Some(format!(" in {what} `{}` ({})", told.value, told.source))
        })
        .collect();
    found.retain(|id| {
        fits(
            named.subscription.as_ref().map(|told| told.value.as_str()),
            &id.subscription,
        ) && fits(
            named.resource_group.as_ref().map(|told| told.value.as_str()),
            &id.resource_group,
        )
    });
    match found.as_slice() {
        [only] => Ok(only.gateway(named.gateway.value.clone())),
        [] => Err(Error::failed(format!(
            "this identity sees no API Management instance `{service}` (named by the {}){narrowed}",
            named.service.source
        ))
        .hint(
            "grant it the action Microsoft.ApiManagement/service/read on the instance, or name --subscription-id and \
             --resource-group; the right to read gateways of one instance is then enough",
        )),
        several => {
            let groups: Vec<String> =
                several.iter().map(|id| format!("{} in {}", id.resource_group, id.subscription)).collect();
            Err(Error::failed(format!("several instances are named `{service}`: {}", groups.join("; ")))
                .hint("choose one with --subscription-id and --resource-group"))
        }
    }
}

/// Reads the ConfigMaps named. One that is missing says nothing: the pods may
/// start without it. What a forbidden one would have said can be told.
async fn read_settings(cluster: &Cluster, names: &BTreeSet<String>) -> Result<Settings> {
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

async fn read_secret(cluster: &Cluster, reference: &Reference) -> Result<(SecretFacts, Former)> {
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

fn pod_spec_of(workload: &Workload) -> Option<&PodSpec> {
    workload.spec.template.spec.as_ref()
}
