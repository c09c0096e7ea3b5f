//! Workloads that neither their image nor readable settings show to be
//! gateways, and what else shows it: settings or a token in a Secret that they
//! use, or the annotations of an earlier rotation. So a gateway stays visible
//! when its ConfigMap is gone.

use std::collections::{BTreeMap, BTreeSet};

use super::pod_spec::{
    CredentialSource, EnvFromSecret, GatewayContainer, SecretReference, secret_references,
};
use super::read::{ConfigMapReads, Key, Secrets};
use crate::cluster::pod_spec::PodSpec;
use crate::model::{Credential, Fact, SecretFacts, Unavailable, WorkloadFacts, WorkloadMarks, WorkloadRef};

/// How many references of one workload are followed. Users of the cluster can
/// write thousands.
const MOST: usize = 32;

/// The Secrets to read, each with the keys to look for.
pub(super) type Wanted = BTreeMap<Key, Vec<String>>;

/// A workload that may run a gateway.
pub(super) struct Suspect {
    namespace: String,
    workload: WorkloadRef,
    /// To Secrets that hold no credential of a known gateway.
    references: Vec<SecretReference>,
    /// Whether a rotation has marked it.
    is_marked: bool,
    /// The ConfigMap that its pods need and that is not there.
    missing: Option<Unavailable>,
    /// Why settings of it are not known.
    unread: Option<Unavailable>,
}

/// A gateway that its Secret shows.
pub(super) struct Found {
    pub(super) container: GatewayContainer,
    /// Whether its settings are there, or why it is not certain that it runs a
    /// gateway.
    pub(super) settings: Fact<()>,
}

/// Whether a pod spec has a reference that could show a gateway.
pub(super) fn may_be_suspect(spec: &PodSpec) -> bool {
    secret_references(spec).iter().any(may_show)
}

/// Whether a rotation of ours has written any annotation of the workload.
pub(super) fn is_marked(marks: &WorkloadMarks) -> bool {
    let ids = [&marks.template.rotation_ids, &marks.proved, &marks.given_up];
    ids.into_iter().any(|ids| !ids.is_empty())
}

fn may_show(reference: &SecretReference) -> bool {
    match &reference.source {
        CredentialSource::EnvFrom(imported) => imported.iter().any(|it| it.setting_keys().next().is_some()),
        _ => true,
    }
}

/// The keys of a reference that may show a gateway, the likeliest first.
fn keys_of(source: &CredentialSource) -> Vec<String> {
    match source {
        CredentialSource::SecretKey { key, .. } => vec![key.clone()],
        CredentialSource::EnvFrom(imported) => {
            imported.iter().flat_map(EnvFromSecret::setting_keys).collect()
        }
        _ => Vec::new(),
    }
}

impl Suspect {
    /// A workload of this namespace without a container that is known to run a
    /// gateway.
    pub(super) fn of(namespace: &str, facts: &WorkloadFacts, spec: &PodSpec, reads: &ConfigMapReads) -> Self {
        let references = secret_references(spec).into_iter().filter(may_show);
        let maps = super::pod_spec::config_maps_named(spec);
        Self {
            namespace: namespace.to_owned(),
            workload: facts.version.workload.clone(),
            references: references.take(MOST).collect(),
            is_marked: is_marked(&facts.marks),
            missing: reads.missing(namespace, spec),
            unread: reads.unavailable(namespace, &maps),
        }
    }

    pub(super) fn namespace(&self) -> &str {
        &self.namespace
    }

    pub(super) fn workload(&self) -> &WorkloadRef {
        &self.workload
    }

    /// What uses the Secret of a known gateway is not another one, unless it
    /// imports the very settings, and was marked because it uses it.
    pub(super) fn without(mut self, used: &BTreeSet<String>, taken: &BTreeSet<String>) -> Self {
        self.is_marked &= used.is_disjoint(taken);
        self.references.retain(|SecretReference { source, .. }| {
            let is_import = matches!(source, CredentialSource::EnvFrom(_));
            is_import || source.secret().is_some_and(|secret| !taken.contains(secret))
        });
        self
    }

    /// Whether more than a reference to a Secret speaks for a gateway.
    pub(super) fn is_likely(&self) -> bool {
        self.is_marked || self.missing.is_some()
    }

    /// Adds the Secrets that may show it.
    pub(super) fn add_to(&self, wanted: &mut Wanted) {
        for SecretReference { source, .. } in &self.references {
            let Some(secret) = source.secret() else {
                continue;
            };
            let known = wanted
                .entry((self.namespace.clone(), secret.to_owned()))
                .or_default();
            for key in keys_of(source) {
                if !known.contains(&key) {
                    known.push(key);
                }
            }
        }
    }

    /// The gateways that the Secrets show, each credential once. Where none can
    /// be read, a workload that was rotated before is one of them.
    pub(super) fn found(&self, secrets: &Secrets) -> Vec<Found> {
        let mut found: BTreeMap<Key, Found> = BTreeMap::new();
        let mut rotated: BTreeMap<String, (String, Found)> = BTreeMap::new();
        let mut unread = None;
        for reference in &self.references {
            let Some(secret) = reference.source.secret() else {
                continue;
            };
            let place = (self.namespace.clone(), secret.to_owned());
            for key in keys_of(&reference.source) {
                let Ok((facts, _)) = secrets.held(&place, &key) else {
                    continue;
                };
                if let Some(shown) = self.shown(reference, &key, facts) {
                    found.entry((secret.to_owned(), key)).or_insert(shown);
                    break;
                }
                if self.is_marked && facts.marks.rotation_id.is_some() {
                    let one = self.one(reference, String::new(), Ok(()));
                    rotated.entry(secret.to_owned()).or_insert((key, one));
                }
            }
            // A Secret that is imported whole needs no key.
            let needs_key = matches!(reference.source, CredentialSource::SecretKey { .. });
            if secrets.is_unread(&place, needs_key) {
                unread.get_or_insert(reference);
            }
        }
        for (secret, (key, one)) in rotated {
            if !found.keys().any(|(known, _)| *known == secret) {
                found.insert((secret, key), one);
            }
        }
        match unread {
            Some(reference) if found.is_empty() && self.is_marked => {
                vec![self.one(reference, String::new(), Ok(()))]
            }
            _ => found.into_values().collect(),
        }
    }

    /// What the content of a Secret shows.
    fn shown(&self, reference: &SecretReference, key: &str, facts: &SecretFacts) -> Option<Found> {
        let container = reference.container.clone();
        if matches!(reference.source, CredentialSource::EnvFrom(_)) {
            return Some(self.one(reference, container, Ok(())));
        }
        if !matches!(facts.credential, Credential::Token { .. }) {
            return None;
        }
        if self.is_marked && facts.marks.rotation_id.is_some() {
            return Some(self.one(reference, String::new(), Ok(())));
        }
        let why = self.unread.clone().unwrap_or_else(|| {
            Unavailable::Unknown(format!(
                "secret/{}, key `{key}`, holds a gateway token, but no setting shows that {} runs a gateway",
                facts.version.name, self.workload
            ))
        });
        Some(self.one(reference, container, Err(why)))
    }

    fn one(&self, reference: &SecretReference, container: String, settings: Fact<()>) -> Found {
        Found {
            container: GatewayContainer {
                name: container,
                image: reference.image.clone(),
                credential: reference.source.clone(),
                ..GatewayContainer::default()
            },
            settings: self.missing.clone().map_or(settings, Err),
        }
    }
}
