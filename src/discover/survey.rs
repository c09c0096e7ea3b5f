//! All gateways of one namespace or of many, by lists: a list costs the same
//! for one gateway as for hundreds.

mod config_maps;
mod reading;
mod secrets;
mod workloads;

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::PodSpec;
use kube::core::Selector;

use super::facts::{PreviousCredential, workload_facts};
use super::pod_spec::{
    ConfigMaps, GatewayContainer, config_maps_named, gateway_containers, references_to, secrets_used,
};
use super::reference::candidates_of;
use super::target::ConfigMapSettings;
use crate::cluster::workload::Workload;
use crate::cluster::{Cluster, pods};
use crate::error::{Error, Result};
use crate::model::{Fact, SecretFacts, Unavailable, WorkloadFacts, WorkloadKind, WorkloadRef};
use crate::settings::Selection;
use config_maps::Settings;

pub(super) use reading::{is_forbidden, scopes, unavailable};
use secrets::Secrets;
use workloads::Workloads;

/// An object by namespace and name.
pub(super) type Key = (String, String);

/// Up to this many objects are read one by one; more are listed at once.
const FEW: usize = 8;

/// What a survey has found.
pub struct Survey {
    /// The gateways, by namespace and name.
    pub gateways: Vec<Gateway>,
    /// All workloads that were looked at, for what else uses a Secret.
    pub workloads: Vec<Surveyed>,
    /// What the user should know: what could not be looked at.
    pub warnings: Vec<String>,
    /// Workloads that were named and could not be read, of several.
    pub unread: Vec<(WorkloadRef, Error)>,
    secrets: Secrets,
}

/// One workload that runs a gateway.
pub struct Gateway {
    /// The namespace.
    pub namespace: String,
    /// The workload.
    pub facts: WorkloadFacts,
    /// Which pods are its own.
    pub selector: Option<Selector>,
    /// The container.
    pub container: GatewayContainer,
    /// Settings that could not be read, and why.
    pub unread: Option<Unavailable>,
    /// Settings in ConfigMaps, which the pod specs do not show.
    pub config_map_settings: ConfigMapSettings,
    /// Whether nothing but an earlier rotation's annotation speaks for it.
    by_annotation: bool,
}

/// A workload, cut to what matters of it.
pub struct Surveyed {
    /// The namespace.
    pub namespace: String,
    /// The facts.
    pub facts: WorkloadFacts,
    /// The Secrets that it uses in any way.
    pub secrets: BTreeSet<String>,
    /// The ConfigMaps that its environment comes from.
    pub config_maps: BTreeSet<String>,
    /// Which pods are its own.
    pub selector: Option<Selector>,
    /// Where it may be a gateway: its pod spec.
    spec: Option<PodSpec>,
}

impl Surveyed {
    fn of(kind: WorkloadKind, workload: Workload) -> Self {
        let name = workload.metadata.name.clone();
        let facts = workload_facts(&WorkloadRef { kind, name }, &workload);
        let selector = pods::selector(&workload.spec.selector);
        let spec = workload.spec.template.spec;
        let secrets = spec.as_ref().map(secrets_used).unwrap_or_default();
        let config_maps = spec.as_ref().map(config_maps_named).unwrap_or_default();
        // A gateway has a credential or settings in a Secret or a ConfigMap,
        // or stands there with everything in clear.
        let may_be_gateway = |spec: &PodSpec| {
            !config_maps_named(spec).is_empty() || !gateway_containers(spec, &ConfigMaps::new()).is_empty()
        };
        Self {
            namespace: workload.metadata.namespace,
            spec: spec.filter(|spec| facts.marks.rotation_id.is_some() || may_be_gateway(spec)),
            facts,
            secrets,
            config_maps,
            selector,
        }
    }

    pub(super) fn reference(&self) -> &WorkloadRef {
        &self.facts.version.workload
    }

    fn gateway(
        &self,
        container: GatewayContainer,
        unread: Option<Unavailable>,
        config_map_settings: ConfigMapSettings,
    ) -> Gateway {
        Gateway {
            namespace: self.namespace.clone(),
            facts: self.facts.clone(),
            selector: self.selector.clone(),
            container,
            unread,
            config_map_settings,
            by_annotation: false,
        }
    }
}

/// Finds the gateways that were selected; with `users`, everything else too
/// that may use their Secrets.
pub async fn survey(cluster: &Cluster, selection: &Selection, users: bool) -> Result<Survey> {
    let scope = &selection.scope(cluster);
    let Workloads {
        all: mut workloads,
        selected,
        unread,
        mut warnings,
    } = Workloads::read(cluster, selection, scope, users).await?;
    let named: BTreeSet<Key> = workloads
        .iter()
        .flat_map(|workload| {
            let maps = workload.spec.iter().flat_map(|_| &workload.config_maps);
            maps.map(|map| (workload.namespace.clone(), map.clone()))
        })
        .collect();
    let settings = Settings::read(cluster, scope, &named).await?;

    let mut gateways = Vec::new();
    let mut annotated = Vec::new();
    let mut obscure = Vec::new();
    for workload in &mut workloads {
        let Some(spec) = workload.spec.take() else {
            continue;
        };
        let place = (workload.namespace.clone(), workload.reference().clone());
        if selected
            .as_ref()
            .is_some_and(|selected| !selected.contains(&place))
        {
            continue;
        }
        let unread = settings.unavailable(&workload.namespace, &workload.config_maps);
        let containers = gateway_containers(&spec, settings.of(&workload.namespace));
        if let (true, Some(gap)) = (containers.is_empty(), &unread) {
            obscure.push(format!(
                "{} in namespace {}: {}",
                workload.reference(),
                workload.namespace,
                gap.why()
            ));
        }
        let config_map_settings = ConfigMapSettings::of(&spec, &containers);
        if containers.is_empty() && workload.facts.marks.rotation_id.is_some() {
            annotated.push((
                workload.gateway(GatewayContainer::default(), unread, config_map_settings),
                spec,
            ));
        } else {
            let found = containers.into_iter();
            gateways.extend(
                found.map(|container| {
                    workload.gateway(container, unread.clone(), config_map_settings.clone())
                }),
            );
        }
    }
    gateways.extend(by_annotation(&gateways, annotated));
    if let Some(first) = obscure.first() {
        warnings.push(format!(
            "settings that would show a gateway could not be read, of {} workloads; {first}",
            obscure.len()
        ));
    }
    gateways.sort_by(|one, other| one.place().cmp(&other.place()));
    let mut wanted: BTreeMap<Key, BTreeSet<String>> = BTreeMap::new();
    for gateway in &gateways {
        for (secret, keys) in candidates_of(&gateway.container.credential) {
            wanted
                .entry((gateway.namespace.clone(), secret))
                .or_default()
                .extend(keys);
        }
    }
    let secrets = Secrets::read(cluster, scope, &wanted).await?;
    let mut survey = Survey {
        gateways: Vec::new(),
        workloads,
        warnings,
        unread,
        secrets,
    };
    // The annotation is also on workloads that only use the Secret of a
    // gateway elsewhere, and on those that have become something else.
    gateways.retain(|gateway| {
        let rotated = || match survey.credential(gateway) {
            Some((_, Ok((facts, _)))) => facts.marks.rotation_id.is_some(),
            _ => false,
        };
        !gateway.by_annotation || rotated()
    });
    survey.gateways = gateways;
    Ok(survey)
}

/// Workloads whose image and settings do not show a gateway, and which an
/// earlier rotation has restarted: what they refer to may be its Secret,
/// unless a gateway of the namespace is known to use it.
fn by_annotation(known: &[Gateway], annotated: Vec<(Gateway, PodSpec)>) -> Vec<Gateway> {
    let mut found = Vec::new();
    for (gateway, spec) in annotated {
        for secret in secrets_used(&spec) {
            let is_taken = known.iter().any(|other| {
                other.namespace == gateway.namespace
                    && candidates_of(&other.container.credential)
                        .iter()
                        .any(|(name, _)| *name == secret)
            });
            let references = references_to(&spec, &secret);
            if let (false, [reference]) = (is_taken, references.as_slice()) {
                found.push(Gateway {
                    namespace: gateway.namespace.clone(),
                    facts: gateway.facts.clone(),
                    selector: gateway.selector.clone(),
                    container: GatewayContainer {
                        image: spec
                            .containers
                            .first()
                            .and_then(|it| it.image.clone())
                            .unwrap_or_default(),
                        credential: reference.clone(),
                        ..GatewayContainer::default()
                    },
                    unread: gateway.unread.clone(),
                    config_map_settings: gateway.config_map_settings.clone(),
                    by_annotation: true,
                });
            }
        }
    }
    found
}

impl Gateway {
    /// The workload.
    pub fn workload(&self) -> &WorkloadRef {
        &self.facts.version.workload
    }

    fn place(&self) -> (&str, &WorkloadRef) {
        (&self.namespace, self.workload())
    }
}

impl Survey {
    /// The Secret and the key that a gateway takes its credential from, and
    /// what it holds; `None` for a gateway whose credential is in no Secret.
    pub fn credential(&self, gateway: &Gateway) -> Option<(Key, Fact<&(SecretFacts, PreviousCredential)>)> {
        let candidates = candidates_of(&gateway.container.credential);
        let mut first = None;
        for (secret, keys) in candidates {
            let place = (gateway.namespace.clone(), secret.clone());
            for key in &keys {
                match self.secrets.held(&place, key) {
                    Ok(held) => return Some(((secret, key.clone()), Ok(held))),
                    Err(gap) => {
                        first.get_or_insert(((secret.clone(), key.clone()), Err(gap)));
                    }
                }
            }
        }
        first
    }
}
