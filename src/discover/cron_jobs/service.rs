//! Which gateways a CronJob rotates.

use jiff::SignedDuration;

use super::Rotator;
use super::surroundings::Surroundings;
use crate::discover::pod_spec::CredentialSource;
use crate::discover::reference::candidates_of;
use crate::model::request::{RotateRequest, WorkloadRequest};
use crate::model::{GatewayFacts, WorkloadRef, cleaned};

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
    /// What it does for a gateway with this credential, in its surroundings.
    pub(in crate::discover) fn service(
        &self,
        facts: &GatewayFacts,
        credential: &CredentialSource,
        here: &Surroundings,
    ) -> Service {
        let secret = facts.secret.as_ref().map(|(name, _)| name.as_str());
        let mut service = Service::Other;
        for request in &self.requests {
            let why = if self.selects(request, &facts.namespace, &facts.workload, secret) {
                match Self::refusal(request, facts, credential, here) {
                    None => return Service::Rotates(request.window),
                    why => why,
                }
            } else {
                self.leaves_pods(request, facts, here)
            };
            service = why.map_or(service, Service::NotCounted);
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

    /// Whether it depends on the other workloads of the namespace what it rotates.
    pub(in crate::discover) fn depends_on_neighbours(&self, namespace: &str) -> bool {
        self.requests.iter().any(|request| {
            let mut names = request.selection.names.iter();
            let by_name = names.any(|name| matches!(name.value, WorkloadRequest::ByName(_)));
            (by_name || is_for_the_only_one(request)) && self.namespace_of(request) == namespace
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
        request: &RotateRequest,
        facts: &GatewayFacts,
        credential: &CredentialSource,
        here: &Surroundings,
    ) -> Option<String> {
        let names: Vec<&WorkloadRequest> = request.selection.names.iter().map(|name| &name.value).collect();
        if let Err(why) = here.meant(&names, &facts.workload) {
            return Some(why);
        }
        if let Some(why) = other_gateway(request, facts) {
            return Some(why);
        }
        if let Some(cloud) = &request.fleet {
            return match (cloud.name(), facts.cloud) {
                (Some(run), Some(own)) if run != own => {
                    Some(format!("its run is for the cloud {}", run.as_str()))
                }
                _ => None,
            };
        }
        if is_for_the_only_one(request) && !here.is_whole {
            return Some(
                "it names no workload, and the other gateways of the namespace are not known".to_owned(),
            );
        }
        let uses = |other: &CredentialSource, secret: &str| {
            let candidates = candidates_of(other);
            candidates.iter().any(|(name, _)| name == secret)
        };
        let mut meant = here.gateways.iter().filter(|(workload, other)| {
            // A name means one workload, which is this one.
            (names.is_empty() || *workload == facts.workload)
                && request.secret.as_deref().is_none_or(|secret| uses(other, secret))
        });
        meant
            .any(|(_, other)| other != credential)
            .then(|| "it rotates one gateway, and does not name which of several".to_owned())
    }

    /// Why a run that renews the token of a gateway leaves its pods alone: it
    /// names another workload with the same Secret.
    fn leaves_pods(
        &self,
        request: &RotateRequest,
        facts: &GatewayFacts,
        here: &Surroundings,
    ) -> Option<String> {
        let (secret, _) = facts.secret.as_ref()?;
        let is_here = request.selection.everywhere || self.namespace_of(request) == facts.namespace;
        let of_secret = here.users.get(secret).filter(|_| is_here)?;
        let mut names = request.selection.names.iter();
        let first = names.find_map(|name| of_secret.iter().find(|user| name.value.matches(user)))?;
        Some(format!(
            "it rotates the token in secret/{secret}, but restarts {first} only"
        ))
    }
}

/// Whether a request is for the only gateway of a namespace.
fn is_for_the_only_one(request: &RotateRequest) -> bool {
    request.fleet.is_none() && request.selection.names.is_empty()
}

/// Why a request is for another gateway than this one.
fn other_gateway(request: &RotateRequest, facts: &GatewayFacts) -> Option<String> {
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
    let recorded = &facts.recorded.as_ref()?.service;
    for (what, requested, found) in [
        (
            "resource group",
            &request.resource_group,
            &recorded.resource_group,
        ),
        ("subscription", &request.subscription, &recorded.subscription),
    ] {
        if let Some(given) = requested.as_deref().filter(|_| differs(requested, found)) {
            return Some(format!(
                "it names the {what} {}, and the last rotation found the instance in {found}; if it has moved, rotate once",
                cleaned(given)
            ));
        }
    }
    None
}
