//! Identifies the gateway: what was given is compared with what the cluster
//! holds. A contradiction stops the run before anything is minted, because one
//! of two gateways would get the other's token.

use std::collections::BTreeSet;

use crate::error::{Error, Result};
use crate::model::annotation::GATEWAY;
use crate::model::request::TargetRequest;
use crate::model::{CloudName, Endpoint, GatewayId, ServiceId, Source, Sourced};

/// What names the gateway in the cluster.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// The id in the present token.
    pub token: Option<String>,
    /// The ARM id that an earlier rotation recorded.
    pub recorded: Option<GatewayId>,
    /// Where an earlier rotation found the instance, even if something else has
    /// written the credential since.
    pub location: Option<ServiceId>,
    /// The configuration endpoint of each container.
    pub endpoints: Vec<Endpoint>,
    /// The setting `gateway.name`, for each container that has it.
    pub gateway_names: Vec<String>,
}

/// A gateway, as far as it is known without a request to Azure. Subscription
/// and resource group are where the instance is, or was: see
/// [`Directory`](super::directory::Directory).
#[derive(Clone, Debug)]
pub struct Named {
    pub subscription: Option<Sourced<String>>,
    pub resource_group: Option<Sourced<String>>,
    /// The API Management instance.
    pub service: Sourced<String>,
    /// The gateway's id.
    pub gateway: Sourced<String>,
    /// The cloud that the endpoint's domain belongs to.
    pub cloud: Option<CloudName>,
}

impl Named {
    /// The ARM id, if nothing is left to look up.
    pub fn id(&self) -> Option<GatewayId> {
        let service = ServiceId {
            subscription: self.subscription.as_ref()?.value.clone(),
            resource_group: self.resource_group.as_ref()?.value.clone(),
            name: self.service.value.clone(),
        };
        Some(service.gateway(self.gateway.value.clone()))
    }

    /// The subscription, if a flag or a variable sets it.
    pub fn given_subscription(&self) -> Option<&Sourced<String>> {
        self.subscription.as_ref().filter(|part| is_given(&part.source))
    }

    /// The resource group, if a flag or a variable sets it.
    pub fn given_resource_group(&self) -> Option<&Sourced<String>> {
        self.resource_group.as_ref().filter(|part| is_given(&part.source))
    }
}

fn is_given(source: &Source) -> bool {
    matches!(source, Source::Flag(_) | Source::Variable(_))
}

/// Identifies the gateway. All sources that name the instance or the gateway
/// must agree. Of those that name its subscription or its resource group the
/// first counts: an instance can move, so they may be outdated.
pub fn identify(request: &TargetRequest, evidence: &Evidence) -> Result<Named> {
    identify_or(
        request,
        evidence,
        "a token of another gateway would stop this one at its next start; correct the one that is wrong",
    )
}

/// The same with another hint for sources that contradict each other.
pub fn identify_or(request: &TargetRequest, evidence: &Evidence, hint: &'static str) -> Result<Named> {
    let recorded = evidence.recorded.as_ref();
    let endpoints = &evidence.endpoints;
    let at_endpoint = || Source::Discovery("the configuration endpoint".to_owned());
    let annotated = || Source::Annotation(GATEWAY.to_owned());
    let at_first_endpoint = |part: fn(&Endpoint) -> Option<&String>| {
        let value = endpoints.iter().find_map(part)?;
        Some(Sourced::new(value.clone(), at_endpoint()))
    };

    let mut instance = Claim::new("API Management instance", request.service.as_ref(), hint);
    instance.add(recorded.map(|id| &id.service.name), annotated)?;
    instance.add(endpoints.iter().filter_map(|it| it.service.as_ref()), at_endpoint)?;

    let mut gateway = Claim::new("gateway", request.gateway.as_ref(), hint);
    gateway.add(recorded.map(|id| &id.name), annotated)?;
    gateway.add(&evidence.token, || {
        Source::Discovery("the present token".to_owned())
    })?;
    gateway.add(endpoints.iter().filter_map(|it| it.gateway.as_ref()), at_endpoint)?;
    gateway.add(&evidence.gateway_names, || {
        Source::Discovery("the setting gateway.name".to_owned())
    })?;

    let clouds = endpoints.iter().filter_map(|endpoint| endpoint.cloud);
    let clouds: BTreeSet<CloudName> = clouds.collect();
    if let [one, other, ..] = clouds.iter().collect::<Vec<_>>()[..] {
        return Err(Error::refused(format!(
            "the configuration endpoints of this gateway are in two clouds, {} and {}",
            one.as_str(),
            other.as_str()
        ))
        .hint("give each gateway a Secret of its own, or correct the endpoint that is wrong"));
    }

    let instance = instance.value.ok_or_else(|| {
        Error::failed("nothing names the API Management instance: the configuration endpoint is not a host of Azure, or could not be read")
            .hint("name it with --apim-instance")
    })?;
    let service = evidence
        .location
        .as_ref()
        .filter(|service| service.name.eq_ignore_ascii_case(&instance.value));
    Ok(Named {
        subscription: first([
            request.subscription.clone(),
            service.map(|service| Sourced::new(service.subscription.clone(), annotated())),
            at_first_endpoint(|endpoint| endpoint.subscription.as_ref()),
        ]),
        resource_group: first([
            request.resource_group.clone(),
            service.map(|service| Sourced::new(service.resource_group.clone(), annotated())),
            at_first_endpoint(|endpoint| endpoint.resource_group.as_ref()),
        ]),
        service: instance,
        gateway: gateway.value.ok_or_else(|| {
            Error::failed("nothing names the gateway: the Secret holds no token and gateway.name is not set")
                .hint("name it with --apim-gateway")
        })?,
        cloud: clouds.into_iter().next(),
    })
}

fn first<const N: usize>(sources: [Option<Sourced<String>>; N]) -> Option<Sourced<String>> {
    sources.into_iter().flatten().next()
}

/// One part that several sources may name. The first source counts; the others
/// must agree, in any case of letters.
struct Claim {
    what: &'static str,
    value: Option<Sourced<String>>,
    hint: &'static str,
}

impl Claim {
    fn new(what: &'static str, given: Option<&Sourced<String>>, hint: &'static str) -> Self {
        Self {
            what,
            hint,
            value: given.cloned(),
        }
    }

    fn add<'a>(
        &mut self,
        names: impl IntoIterator<Item = &'a String>,
        source: impl Fn() -> Source,
    ) -> Result<()> {
        for name in names {
            match &self.value {
                None => self.value = Some(Sourced::new(name.clone(), source())),
                Some(first) if first.value.eq_ignore_ascii_case(name) => {}
                Some(first) => {
                    return Err(Error::refused(format!(
                        "two {}s are named: `{}` by {}, `{name}` by {}",
                        self.what,
                        first.value,
                        first.source,
                        source()
                    ))
                    .hint(self.hint));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn evidence() -> Evidence {
        Evidence {
            token: Some("gw".to_owned()),
            recorded: None,
            location: None,
            endpoints: vec![Endpoint::parse("https://svc.configuration.azure-api.net").unwrap()],
            gateway_names: Vec::new(),
        }
    }

    fn recorded() -> GatewayId {
        GatewayId::parse(
            "/subscriptions/s/resourceGroups/rg/providers/Microsoft.ApiManagement/service/SVC/gateways/GW",
        )
        .unwrap()
    }

    fn requested(gateway: &str) -> TargetRequest {
        let gateway = Sourced::new(gateway.to_owned(), Source::Flag("apim-gateway".to_owned()));
        TargetRequest {
            gateway: Some(gateway),
            ..TargetRequest::default()
        }
    }

    #[test]
    fn the_cluster_alone_names_instance_and_gateway() {
        let named = identify(&TargetRequest::default(), &evidence()).unwrap();
        assert_eq!(
            (named.service.value.as_str(), named.gateway.value.as_str()),
            ("svc", "gw")
        );
        assert_eq!(
            named.gateway.source,
            Source::Discovery("the present token".to_owned())
        );
        assert_eq!(named.id(), None);
    }

    #[test]
    fn a_recorded_id_leaves_nothing_to_look_up_and_agrees_in_any_case() {
        let evidence = Evidence {
            recorded: Some(recorded()),
            location: Some(recorded().service),
            ..evidence()
        };
        let id = identify(&TargetRequest::default(), &evidence)
            .unwrap()
            .id()
            .unwrap();
        assert!(id.same_as(&recorded()));
    }

    #[test]
    fn of_several_locations_the_flag_counts_then_the_record_then_the_endpoint() {
        let v1 = "https://svc.management.azure-api.net/subscriptions/v1/resourceGroups/rg-v1/providers/Microsoft.ApiManagement/service/svc";
        let mut evidence = Evidence {
            endpoints: vec![Endpoint::parse(v1).unwrap()],
            location: Some(recorded().service),
            ..evidence()
        };
        let flag = || Sourced::new("new".to_owned(), Source::Flag("resource-group".to_owned()));
        let request = TargetRequest {
            resource_group: Some(flag()),
            ..TargetRequest::default()
        };
        let parts = |request: &TargetRequest, evidence: &Evidence| {
            let named = identify(request, evidence).unwrap();
            let given = named.given_subscription().is_some();
            assert!(!given, "{named:?}");
            [named.subscription, named.resource_group].map(Option::unwrap)
        };
        let annotated = |value: &str| Sourced::new(value.to_owned(), Source::Annotation(GATEWAY.to_owned()));
        assert_eq!(parts(&request, &evidence), [annotated("s"), flag()]);
        let request = TargetRequest::default();
        assert_eq!(parts(&request, &evidence), [annotated("s"), annotated("rg")]);
        // The location of another instance is none of this one.
        evidence.location.as_mut().unwrap().name = "other".to_owned();
        assert_eq!(parts(&request, &evidence)[1].value, "rg-v1");
    }

    #[test]
    fn a_management_endpoint_leaves_nothing_to_look_up() {
        let endpoint = Endpoint::parse(
            "https://svc.management.azure-api.net/subscriptions/s/resourceGroups/rg/providers/Microsoft.ApiManagement/service/svc",
        );
        let evidence = Evidence {
            endpoints: vec![endpoint.unwrap()],
            ..evidence()
        };
        assert!(
            identify(&TargetRequest::default(), &evidence)
                .unwrap()
                .id()
                .is_some()
        );
    }

    #[test]
    fn a_flag_wins_over_nothing_but_must_agree() {
        assert_eq!(
            identify(&requested("GW"), &evidence()).unwrap().gateway.value,
            "GW"
        );
        let error = identify(&requested("other"), &evidence()).unwrap_err();
        assert_eq!(error.kind(), Kind::Refused);
        assert_eq!(
            error.to_string(),
            "two gateways are named: `other` by --apim-gateway, `gw` by the present token"
        );
    }

    #[test]
    fn another_teams_gateway_in_the_record_is_refused() {
        let mut other = recorded();
        other.service.name = "theirs".to_owned();
        let evidence = Evidence {
            recorded: Some(other),
            ..evidence()
        };
        assert_eq!(
            identify(&TargetRequest::default(), &evidence).unwrap_err().kind(),
            Kind::Refused
        );
    }

    #[test]
    fn two_gateways_with_one_secret_must_be_of_one_instance() {
        let mut evidence = evidence();
        let other = Endpoint::parse("https://other.configuration.azure-api.net").unwrap();
        evidence.endpoints.push(other);
        let error = identify(&TargetRequest::default(), &evidence).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("two API Management instances are named"),
            "{error}"
        );
    }

    #[test]
    fn two_gateways_with_one_secret_must_be_of_one_cloud() {
        let mut evidence = evidence();
        let other = Endpoint::parse("https://svc.configuration.azure-api.cn").unwrap();
        evidence.endpoints.push(other);
        let error = identify(&TargetRequest::default(), &evidence).unwrap_err();
        assert_eq!(error.kind(), Kind::Refused);
        assert!(
            error.to_string().contains("in two clouds, public and china"),
            "{error}"
        );
    }

    #[test]
    fn what_nothing_names_must_be_given() {
        let error = identify(&TargetRequest::default(), &Evidence::default()).unwrap_err();
        assert!(error.hints()[0].contains("--apim-instance"));
    }
}
