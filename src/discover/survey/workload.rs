use std::collections::{BTreeMap, BTreeSet};

use kube::core::Selector;

use crate::cluster::pod_spec::PodSpec;
use crate::cluster::pods;
use crate::cluster::workload::Workload;
use crate::discover::facts::workload_facts;
use crate::discover::pod_spec::{
    ConfigMaps, GatewayContainer, gateway_containers, secrets_used, settings_in_config_maps,
};
use crate::discover::suspects::may_be_suspect;
use crate::discover::target_facts::ConfigMapSettings;
use crate::model::entra::{SKIP_CONTAINERS, USE_LABEL};
use crate::model::{Fact, Unavailable, WorkloadFacts, WorkloadKind, WorkloadRef};

/// One workload that runs a gateway.
#[derive(Clone)]
pub struct Gateway {
    pub namespace: String,
    pub facts: WorkloadFacts,
    /// Whether its deletion was requested.
    pub is_deleted: bool,
    /// Whether its pods ask the webhook of Azure Workload Identity.
    pub asks_webhook: bool,
    /// The containers that the webhook leaves out, as the annotation names them.
    pub skipped: Option<String>,
    /// Selects its pods.
    pub selector: Option<Selector>,
    pub container: GatewayContainer,
    /// Why settings of it are not known.
    pub unread: Option<Unavailable>,
    pub config_map_settings: ConfigMapSettings,
    /// Whether the settings that its pods need are there, or why it is not
    /// certain that it is a gateway.
    pub settings: Fact<()>,
    /// Whether only the content of its Secret, or an earlier rotation, shows that
    /// it is one.
    pub by_secret: bool,
}

/// A workload, cut to what is used of it.
pub struct Surveyed {
    pub namespace: String,
    pub facts: WorkloadFacts,
    /// Whether its deletion was requested.
    pub is_deleted: bool,
    /// The Secrets that it uses in any way.
    pub secrets: BTreeSet<String>,
    /// The ConfigMaps that its environment comes from, each with the keys that
    /// may be settings.
    pub(super) config_maps: BTreeMap<String, BTreeSet<String>>,
    /// Whether its pods ask the webhook of Azure Workload Identity.
    asks_webhook: bool,
    skipped: Option<String>,
    /// Selects its pods.
    pub selector: Option<Selector>,
    /// The pod spec, if it may run a gateway.
    pub(super) spec: Option<PodSpec>,
}

impl Surveyed {
    pub(super) fn of(kind: WorkloadKind, workload: Workload) -> Self {
        let name = workload.metadata.name.clone();
        let facts = workload_facts(&WorkloadRef { kind, name }, &workload);
        let selector = pods::selector(&workload.spec.selector);
        let template = &workload.spec.template.metadata;
        let asks_webhook = template
            .labels
            .get(USE_LABEL)
            .is_some_and(|value| value == "true");
        let skipped = template.annotations.get(SKIP_CONTAINERS).cloned();
        let spec = workload.spec.template.spec;
        let secrets = spec.as_ref().map(secrets_used).unwrap_or_default();
        let config_maps = spec.as_ref().map(settings_in_config_maps).unwrap_or_default();
        // Settings in a ConfigMap or a Secret may show that it is a gateway.
        let may_be_gateway = |spec: &PodSpec| {
            !settings_in_config_maps(spec).is_empty()
                || !gateway_containers(spec, &ConfigMaps::new()).is_empty()
                || may_be_suspect(spec)
        };
        Self {
            namespace: workload.metadata.namespace,
            spec: spec.filter(may_be_gateway),
            facts,
            is_deleted: workload.metadata.deletion_timestamp.is_some(),
            secrets,
            config_maps,
            asks_webhook,
            skipped,
            selector,
        }
    }

    pub fn reference(&self) -> &WorkloadRef {
        &self.facts.version.workload
    }

    /// Its namespace and reference.
    pub(super) fn place(&self) -> (String, WorkloadRef) {
        (self.namespace.clone(), self.reference().clone())
    }

    pub(super) fn gateway(
        &self,
        unread: Option<Unavailable>,
        config_map_settings: ConfigMapSettings,
    ) -> Gateway {
        Gateway {
            namespace: self.namespace.clone(),
            facts: self.facts.clone(),
            is_deleted: self.is_deleted,
            asks_webhook: self.asks_webhook,
            skipped: self.skipped.clone(),
            selector: self.selector.clone(),
            container: GatewayContainer::default(),
            unread,
            config_map_settings,
            settings: Ok(()),
            by_secret: false,
        }
    }
}

impl Gateway {
    pub fn workload(&self) -> &WorkloadRef {
        &self.facts.version.workload
    }
}
