//! One credential with everything that uses it.

use std::collections::BTreeSet;

use super::evidence::{Evidence, Named, identify};
use super::facts::PreviousCredential;
use super::pod_spec::{
    ConfigMaps, CredentialSource, GatewayContainer, config_maps_named, gateway_containers,
};
use super::read::ConfigMapReads;
use super::reference::refuse_other_sign_in;
use crate::cluster::Cluster;
use crate::cluster::pod_spec::PodSpec;
use crate::error::{Error, Result};
use crate::model::request::TargetRequest;
use crate::model::{Endpoint, GatewayId, Snapshot, Source, WorkloadRef};

/// The target of a rotation.
#[derive(Debug)]
pub struct TargetFacts {
    pub snapshot: Snapshot,
    pub previous: PreviousCredential,
    /// Where the names of the workloads came from.
    pub workload_source: Source,
    /// Where the name of the Secret came from.
    pub secret_source: Source,
    pub config_map_settings: ConfigMapSettings,
    /// What could not be read, and may matter.
    pub warnings: Vec<String>,
    pub(super) containers: Containers,
}

/// The ConfigMaps that may hold settings of gateways.
#[derive(Clone, Debug, Default)]
pub struct ConfigMapSettings {
    pub config_maps: BTreeSet<String>,
    /// Whether the pod specs alone do not show where the credential is.
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

/// The gateways' containers, which name the gateway.
#[derive(Debug)]
pub(super) enum Containers {
    /// Their settings may be in ConfigMaps that were not read yet.
    Unread(Vec<(WorkloadRef, PodSpec)>),
    Read {
        containers: Vec<(WorkloadRef, GatewayContainer)>,
        /// What could not be read, each in a sentence.
        gaps: Vec<String>,
    },
}

impl Containers {
    pub(super) fn of(specs: &[(WorkloadRef, PodSpec)], namespace: &str, reads: &ConfigMapReads) -> Self {
        let of_spec = |(name, spec): &(WorkloadRef, PodSpec)| {
            let found = gateway_containers(spec, reads.of(namespace)).into_iter();
            found
                .map(|container| (name.clone(), container))
                .collect::<Vec<_>>()
        };
        Self::Read {
            containers: specs.iter().flat_map(of_spec).collect(),
            gaps: reads.gaps(),
        }
    }
}

impl TargetFacts {
    /// Reads the settings that were not read yet, and identifies the gateway
    /// as far as possible without a request to Azure.
    pub async fn gateway(&mut self, cluster: &Cluster, request: &TargetRequest) -> Result<Named> {
        if let Containers::Unread(specs) = &self.containers {
            let reads = ConfigMapReads::read_in(cluster, specs.iter().map(|(_, spec)| spec)).await?;
            self.containers = Containers::of(specs, &cluster.namespace, &reads);
        }
        let (containers, gaps) = match &self.containers {
            Containers::Unread(_) => (&[][..], &[][..]),
            Containers::Read { containers, gaps } => (containers.as_slice(), gaps.as_slice()),
        };
        let with_gaps = |error| gaps.iter().fold(error, Error::hint);
        let evidence = self.evidence(containers).map_err(with_gaps)?;
        identify(request, &evidence).map_err(with_gaps)
    }

    fn evidence(&self, containers: &[(WorkloadRef, GatewayContainer)]) -> Result<Evidence> {
        for (name, container) in containers {
            refuse_other_sign_in(name, container)?;
        }
        let secret = &self.snapshot.secret;
        let marked = secret.marks.gateway.as_deref();
        let marked = marked.and_then(|id| GatewayId::parse(id).ok());
        let mut evidence = Evidence {
            token: secret.claims().map(|claims| claims.gateway.clone()),
            location: marked.as_ref().map(|id| id.service.clone()),
            recorded: marked.filter(|_| secret.marks_hold()),
            ..Evidence::default()
        };
        for (name, container) in containers {
            evidence.gateway_names.extend(container.gateway_name.clone());
            if let Some(text) = &container.endpoint {
                let endpoint = Endpoint::parse(text).map_err(|error| {
                    Error::refused(format!("{name} has the configuration endpoint `{text}`: {error}"))
                        .hint("correct config.service.endpoint in the settings of the workload")
                        .caused_by(error)
                })?;
                evidence.endpoints.push(endpoint);
            }
        }
        Ok(evidence)
    }

    /// The containers of a workload that present the credential; `None` if that
    /// is not known.
    pub fn gateway_containers(&self, workload: &WorkloadRef) -> Option<Vec<String>> {
        let found: Vec<GatewayContainer> = match &self.containers {
            Containers::Unread(specs) => specs
                .iter()
                .filter(|(name, _)| name == workload)
                .flat_map(|(_, spec)| gateway_containers(spec, &ConfigMaps::new()))
                .collect(),
            Containers::Read { containers, .. } => containers
                .iter()
                .filter(|(name, _)| name == workload)
                .map(|(_, container)| container.clone())
                .collect(),
        };
        let is_certain = matches!(&self.containers, Containers::Read { gaps, .. } if gaps.is_empty());
        if found.iter().any(|container| container.name.is_empty()) || (found.is_empty() && !is_certain) {
            return None;
        }
        let secret = &self.snapshot.secret.version.name;
        let uses_it = |container: &&GatewayContainer| match &container.credential {
            CredentialSource::SecretKey { secret: name, .. } => name == secret,
            CredentialSource::EnvFrom(names) => names.iter().any(|from| from.name == *secret),
            CredentialSource::Missing => true,
            CredentialSource::Inline { .. } | CredentialSource::Entra { .. } => false,
        };
        let own = found.iter().filter(uses_it);
        Some(own.map(|container| container.name.clone()).collect())
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
