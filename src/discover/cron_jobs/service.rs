//! Which gateways a CronJob rotates.

use jiff::SignedDuration;

use super::Rotator;
use crate::discover::pod_spec::CredentialSource;
use crate::discover::reference::candidates_of;
use crate::model::request::{RotateRequest, WorkloadRequest};
use crate::model::{GatewayFacts, WorkloadRef};

/// A gateway as a run that discovers it sees it.
pub(in crate::discover) struct Neighbour {
    pub namespace: String,
    pub workload: WorkloadRef,
    pub credential: CredentialSource,
}

/// What a CronJob does for a gateway.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::discover) enum Service {
    /// It rotates a token that is valid for no longer than this.
    Rotates(SignedDuration),
    /// It is not meant for this gateway.
    Other,
    /// It may be meant for it, and does not count, for the reason given.
    NotCounted(String),
}

impl Rotator {
    /// What it does for a gateway with this credential. `neighbours` are all
    /// gateways of its namespace, if they are known.
    pub(in crate::discover) fn service(
        &self,
        facts: &GatewayFacts,
        credential: &CredentialSource,
        neighbours: Option<&[Neighbour]>,
    ) -> Service {
        let secret = facts.secret.as_ref().map(|(name, _)| name.as_str());
        let mut service = Service::Other;
        for request in &self.requests {
            if !self.selects(request, &facts.namespace, &facts.workload, secret) {
                continue;
            }
            match self.refusal(request, facts, credential, neighbours) {
                None => return Service::Rotates(request.window),
                Some(why) => service = Service::NotCounted(why),
            }
        }
        match &self.why {
            Some(why) if service == Service::Other && self.facts.namespace == facts.namespace => {
                Service::NotCounted(why.clone())
            }
            _ => service,
        }
    }

    /// Whether one of its command lines names or selects a gateway.
    pub(in crate::discover) fn serves(
        &self,
        namespace: &str,
        workload: &WorkloadRef,
        secret: Option<&str>,
    ) -> bool {
        let mut requests = self.requests.iter();
        requests.any(|request| self.selects(request, namespace, workload, secret))
    }

    /// Whether it depends on the other gateways of the namespace what it rotates.
    pub(in crate::discover) fn depends_on_neighbours(&self, namespace: &str) -> bool {
        self.requests.iter().any(|request| {
            let names = &request.selection.names;
            let is_exact = names
                .iter()
                .any(|name| matches!(name.value, WorkloadRequest::Exact(_)));
            request.fleet.is_none() && !is_exact && self.namespace_of(request) == namespace
        })
    }

    fn namespace_of<'a>(&'a self, request: &'a RotateRequest) -> &'a str {
        request.namespace.as_deref().unwrap_or(&self.facts.namespace)
    }

    fn selects(
        &self,
        request: &RotateRequest,
        namespace: &str,
        workload: &WorkloadRef,
        secret: Option<&str>,
    ) -> bool {
        let names = &request.selection.names;
        (request.selection.everywhere || self.namespace_of(request) == namespace)
            && (names.is_empty() || names.iter().any(|name| name.value.matches(workload)))
            && request
                .secret
                .as_deref()
                .is_none_or(|requested| Some(requested) == secret)
    }

    /// Why a run would refuse a gateway that it selects.
    fn refusal(
        &self,
        request: &RotateRequest,
        facts: &GatewayFacts,
        credential: &CredentialSource,
        neighbours: Option<&[Neighbour]>,
    ) -> Option<String> {
        let differs = |requested: &Option<String>, found: &str| {
            requested
                .as_ref()
                .is_some_and(|requested| !requested.eq_ignore_ascii_case(found))
        };
        if facts
            .gateway
            .as_ref()
            .is_ok_and(|found| differs(&request.gateway, found))
        {
            return Some("it names another gateway than the token does".to_owned());
        }
        if facts
            .service
            .as_ref()
            .is_ok_and(|found| differs(&request.service, found))
        {
            return Some("it names another API Management instance than the gateway does".to_owned());
        }
        if let Some(cloud) = &request.fleet {
            return match (cloud.name(), facts.cloud) {
                (Some(run), Some(own)) if run != own => {
                    Some(format!("its run is for the cloud {}", run.as_str()))
                }
                _ => None,
            };
        }
        if !self.depends_on_neighbours(&facts.namespace) {
            return None;
        }
        let Some(neighbours) = neighbours else {
            return Some(
                "it names no workload, and the other gateways of the namespace are not known".to_owned(),
            );
        };
        let uses = |neighbour: &Neighbour, secret: &str| {
            let candidates = candidates_of(&neighbour.credential);
            candidates.iter().any(|(name, _)| name == secret)
        };
        let mut meant = neighbours.iter().filter(|neighbour| {
            neighbour.namespace == facts.namespace
                && self.selects(
                    request,
                    &neighbour.namespace,
                    &neighbour.workload,
                    request.secret.as_deref(),
                )
                && request
                    .secret
                    .as_deref()
                    .is_none_or(|secret| uses(neighbour, secret))
        });
        meant
            .any(|other| other.credential != *credential)
            .then(|| "it rotates one gateway, and does not name which of several".to_owned())
    }
}
