use std::collections::BTreeMap;

use super::selected::{Selected, Workloads};
use super::workload::{Gateway, Surveyed};
use crate::cluster::Cluster;
use crate::cluster::pod_spec::PodSpec;
use crate::discover::pod_spec::{GatewayContainer, gateway_containers, references_to, secrets_used};
use crate::discover::read::{ConfigMapReads, Held, Key, Secrets, Sought};
use crate::discover::reference::candidates_of;
use crate::discover::target_facts::ConfigMapSettings;
use crate::error::{Error, Result};
use crate::model::request::Selection;
use crate::model::{Fact, WorkloadRef};

/// The gateways that were found.
pub struct Survey {
    /// By namespace and name.
    pub gateways: Vec<Gateway>,
    /// All workloads that were read, for what else uses a Secret.
    pub workloads: Vec<Surveyed>,
    /// What could not be read, and may matter.
    pub warnings: Vec<String>,
    /// Of several workloads that were named, those that could not be read.
    pub unread: Vec<(WorkloadRef, Error)>,
    secrets: Secrets,
}

/// Finds the gateways that were selected; with `users`, also everything else
/// that may use their Secrets.
pub async fn survey(cluster: &Cluster, selection: &Selection, users: bool) -> Result<Survey> {
    let scope = &selection.scope(&cluster.namespace);
    let Workloads {
        all: mut workloads,
        selected,
        unread,
        mut warnings,
    } = Workloads::read(cluster, selection, scope, users).await?;
    let mut sought = Sought::new();
    for workload in workloads.iter().filter(|workload| workload.spec.is_some()) {
        for (map, keys) in &workload.config_maps {
            let place = (workload.namespace.clone(), map.clone());
            sought.entry(place).or_default().extend(keys.iter().cloned());
        }
    }
    let config_maps = ConfigMapReads::read(cluster, scope, &sought).await?;
    let mut gateways = gateways(&mut workloads, selected.as_ref(), &config_maps, &mut warnings);
    let secrets = Secrets::read(cluster, scope, &secrets_of(&gateways), users).await?;
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

/// The gateways among the workloads that were selected. The pod specs are
/// taken out of the workloads: nothing else needs them.
fn gateways(
    workloads: &mut [Surveyed],
    selected: Option<&Selected>,
    config_maps: &ConfigMapReads,
    warnings: &mut Vec<String>,
) -> Vec<Gateway> {
    let mut gateways = Vec::new();
    let mut annotated = Vec::new();
    let mut obscure = Vec::new();
    for workload in workloads {
        let Some(spec) = workload.spec.take() else {
            continue;
        };
        if selected.is_some_and(|selected| !selected.contains(&workload.place())) {
            continue;
        }
        let unread = config_maps.unavailable(&workload.namespace, workload.config_maps.keys());
        let containers = gateway_containers(&spec, config_maps.of(&workload.namespace));
        if let (true, Some(gap)) = (containers.is_empty(), &unread) {
            obscure.push(format!(
                "{} in namespace {}: {}",
                workload.reference(),
                workload.namespace,
                gap.why()
            ));
        }
        let settings = ConfigMapSettings::of(&spec, &containers);
        if containers.is_empty() && !workload.facts.marks.template.rotation_ids.is_empty() {
            let gateway = workload.gateway(GatewayContainer::default(), unread, settings);
            annotated.push((gateway, spec));
        } else {
            let found = containers.into_iter();
            gateways
                .extend(found.map(|container| workload.gateway(container, unread.clone(), settings.clone())));
        }
    }
    gateways.extend(by_annotation(&gateways, annotated));
    gateways.sort_by(|one, other| {
        let place = |gateway: &Gateway| (gateway.namespace.clone(), gateway.workload().clone());
        place(one).cmp(&place(other))
    });
    if let Some(first) = obscure.first() {
        warnings.push(format!(
            "settings that would show a gateway could not be read, of {} workloads; {first}",
            obscure.len()
        ));
    }
    gateways
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
                let image = spec.containers.first().map(|container| container.image.clone());
                found.push(Gateway {
                    container: GatewayContainer {
                        image: image.unwrap_or_default(),
                        credential: reference.clone(),
                        ..GatewayContainer::default()
                    },
                    by_annotation: true,
                    ..gateway.clone()
                });
            }
        }
    }
    found
}

/// The Secrets that may hold credentials, each with the keys to look for.
fn secrets_of(gateways: &[Gateway]) -> BTreeMap<Key, Vec<String>> {
    let mut wanted: BTreeMap<Key, Vec<String>> = BTreeMap::new();
    for gateway in gateways {
        for (secret, keys) in candidates_of(&gateway.container.credential) {
            let of_secret = wanted.entry((gateway.namespace.clone(), secret)).or_default();
            for key in keys {
                if !of_secret.contains(&key) {
                    of_secret.push(key);
                }
            }
        }
    }
    wanted
}

impl Survey {
    /// The Secret and the key that a gateway takes its credential from, and
    /// what it holds; `None` for a gateway whose credential is in no Secret.
    pub fn credential(&self, gateway: &Gateway) -> Option<(Key, Fact<&Held>)> {
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

    /// The next steps where a Secret could not be read.
    pub fn hints(&self, namespace: &str, secret: &str) -> &[String] {
        self.secrets.hints(&(namespace.to_owned(), secret.to_owned()))
    }
}
