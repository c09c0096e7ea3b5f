use std::collections::{BTreeMap, BTreeSet};

use super::selected::{Selected, Workloads};
use super::workload::{Gateway, Surveyed};
use crate::cluster::Cluster;
use crate::discover::pod_spec::{CredentialSource, SecretKeys, gateway_containers};
use crate::discover::read::{ConfigMapReads, Held, Key, Secrets, Sought};
use crate::discover::reference::candidates_of;
use crate::discover::suspects::{Suspect, Wanted};
use crate::discover::target_facts::ConfigMapSettings;
use crate::error::{Error, Result};
use crate::model::request::Selection;
use crate::model::{Fact, Gap, Unavailable, WorkloadRef};

/// The gateways that were found.
pub struct Survey {
    /// By namespace and name.
    pub gateways: Vec<Gateway>,
    /// All workloads that were read, for what else uses a Secret.
    pub workloads: Vec<Surveyed>,
    /// What could not be read, and may matter.
    pub gaps: Vec<Gap>,
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
        mut gaps,
    } = Workloads::read(cluster, selection, scope, users).await?;
    let mut sought = Sought::new();
    for workload in workloads.iter().filter(|workload| workload.spec.is_some()) {
        for (map, keys) in &workload.config_maps {
            let place = (workload.namespace.clone(), map.clone());
            sought.entry(place).or_default().extend(keys.iter().cloned());
        }
    }
    let config_maps = ConfigMapReads::read(cluster, scope, &sought).await?;
    let Shown {
        mut gateways,
        suspects,
        obscure,
    } = shown(&mut workloads, selected.as_ref(), &config_maps);
    gaps.extend(obscure);
    let mut wanted = secrets_of(&gateways, users);
    let mut possible = Wanted::new();
    for (_, suspect) in &suspects {
        suspect.add_to(if suspect.is_likely() {
            &mut wanted
        } else {
            &mut possible
        });
    }
    let secrets = Secrets::read(cluster, scope, &wanted, possible, users).await?;
    for (gateway, suspect) in suspects {
        let found = suspect.found(&secrets).into_iter();
        gateways.extend(found.map(|found| Gateway {
            container: found.container,
            settings: found.settings,
            by_secret: true,
            ..gateway.clone()
        }));
    }
    gateways.sort_by(|one, other| {
        let place = |gateway: &Gateway| (gateway.namespace.clone(), gateway.workload().clone());
        place(one).cmp(&place(other))
    });
    Ok(Survey {
        gateways,
        workloads,
        gaps,
        unread,
        secrets,
    })
}

/// What the workloads and their ConfigMaps show.
#[derive(Default)]
struct Shown {
    gateways: Vec<Gateway>,
    /// Workloads that only a Secret may show to be gateways.
    suspects: Vec<(Gateway, Suspect)>,
    /// The settings that could not be read.
    obscure: Vec<Gap>,
}

/// The gateways among the workloads that were selected, and those that may be
/// ones. The pod specs are taken out of the workloads: nothing else needs them.
fn shown(workloads: &mut [Surveyed], selected: Option<&Selected>, config_maps: &ConfigMapReads) -> Shown {
    let mut shown = Shown::default();
    let mut suspects = Vec::new();
    let mut taken: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for workload in workloads {
        let Some(spec) = workload.spec.take() else {
            continue;
        };
        let namespace = &workload.namespace;
        let containers = gateway_containers(&spec, config_maps.of(namespace));
        let of_namespace = taken.entry(namespace.clone()).or_default();
        for container in &containers {
            of_namespace.extend(
                candidates_of(&container.credential)
                    .into_iter()
                    .map(|(name, _)| name),
            );
        }
        if selected.is_some_and(|selected| !selected.contains(&workload.place())) {
            continue;
        }
        let unread = config_maps.unavailable(namespace, workload.config_maps.keys());
        if let (true, Some(gap)) = (containers.is_empty(), &unread) {
            shown.obscure.push(Gap {
                kind: "configmaps",
                namespace: Some(namespace.clone()),
                why: format!("{} in namespace {namespace}: {}", workload.reference(), gap.why()),
            });
        }
        let gateway = Gateway {
            settings: config_maps.missing(namespace, &spec).map_or(Ok(()), Err),
            ..workload.gateway(unread, ConfigMapSettings::of(&spec, &containers))
        };
        if containers.is_empty() {
            let suspect = Suspect::of(namespace, &workload.facts, &spec, config_maps);
            suspects.push((gateway.clone(), suspect, workload.secrets.clone()));
        }
        let of_container = |container| Gateway {
            container,
            ..gateway.clone()
        };
        shown.gateways.extend(containers.into_iter().map(of_container));
    }
    let nothing = BTreeSet::new();
    for (gateway, suspect, used) in suspects {
        let taken = taken.get(suspect.namespace()).unwrap_or(&nothing);
        shown.suspects.push((gateway, suspect.without(&used, taken)));
    }
    shown
}

/// The Secrets that may hold credentials, each with the keys to look for.
fn secrets_of(gateways: &[Gateway], users: bool) -> Wanted {
    let mut wanted = Wanted::new();
    for gateway in gateways {
        for (secret, keys) in candidates_of(&gateway.container.credential) {
            let of_secret = wanted.entry((gateway.namespace.clone(), secret)).or_default();
            for key in keys {
                if !of_secret.contains(&key) {
                    of_secret.push(key);
                }
            }
        }
        // A rotation reads no credential of an Entra app.
        for (secret, keys) in entra_secrets(gateway).filter(|_| !users) {
            let of_secret = wanted
                .entry((gateway.namespace.clone(), secret.clone()))
                .or_default();
            for key in keys {
                if !of_secret.contains(key) {
                    of_secret.push(key.clone());
                }
            }
        }
    }
    wanted
}

/// The Secrets of a gateway that signs in by Entra.
fn entra_secrets(gateway: &Gateway) -> impl Iterator<Item = &SecretKeys> {
    let container = &gateway.container;
    let is_entra = matches!(container.credential, CredentialSource::Entra { .. });
    is_entra
        .then_some(&container.entra.credential)
        .into_iter()
        .flatten()
}

impl Survey {
    /// The Secret and the key that a gateway takes its credential from, and
    /// what it holds; `None` for a gateway whose credential is in no Secret.
    pub fn credential(&self, gateway: &Gateway) -> Option<(Key, Fact<&Held>)> {
        self.held(gateway, &candidates_of(&gateway.container.credential))
    }

    /// The first of several keys of Secrets that is there, and what it holds, or the
    /// first reason why none is.
    pub fn held(&self, gateway: &Gateway, candidates: &[SecretKeys]) -> Option<(Key, Fact<&Held>)> {
        let mut first = None;
        for (secret, keys) in candidates {
            let place = (gateway.namespace.clone(), secret.clone());
            for key in keys {
                match self.secrets.held(&place, key) {
                    Ok(held) => return Some(((secret.clone(), key.clone()), Ok(held))),
                    Err(gap) => {
                        first.get_or_insert(((secret.clone(), key.clone()), Err(gap)));
                    }
                }
            }
        }
        first
    }

    /// Whether the Secrets are there that the container imports and cannot start
    /// without.
    pub fn imports(&self, gateway: &Gateway) -> Fact<()> {
        let CredentialSource::EnvFrom(imported) = &gateway.container.credential else {
            return Ok(());
        };
        let needed = imported.iter().filter(|import| !import.optional);
        let mut missing = needed.filter_map(|import| {
            let place = (gateway.namespace.clone(), import.name.clone());
            let is_unread = self.secrets.is_unread(&place, false);
            is_unread.then(|| self.secrets.held(&place, "").err()).flatten()
        });
        match missing.find(|gap| matches!(gap, Unavailable::Unknown(_))) {
            Some(gap) => Err(gap),
            None => Ok(()),
        }
    }

    /// The next steps where a Secret could not be read.
    pub fn hints(&self, namespace: &str, secret: &str) -> &[String] {
        self.secrets.hints(&(namespace.to_owned(), secret.to_owned()))
    }
}
