//! The gateways of the cluster in Azure.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, stream};

use super::failed_call::unavailable;
use crate::azure::{Arm, GatewayInService, ServiceDetails};
use crate::model::{AzureFacts, Fact, GatewayFacts, GatewayId, ServiceId, Unavailable, cleaned};

/// How many instances, and then gateways, are read at a time.
const SIDE_BY_SIDE: usize = 8;

/// An API Management instance.
pub struct Instance {
    pub(super) id: ServiceId,
    pub(super) details: ServiceDetails,
    /// What is known of the instance does not depend on them.
    gateways: Fact<Vec<GatewayInService>>,
}

/// The instances by name, which is unique in a cloud. ARM compares names
/// without regard to case.
pub type Instances = BTreeMap<String, Fact<Instance>>;

/// The APIs of each gateway, by instance and gateway.
type Apis = BTreeMap<(String, String), Fact<Vec<String>>>;

/// Completes gateways of one cloud. An instance costs two reads, however many
/// of its gateways there are, and a gateway one.
pub async fn inventory(arm: &Arm, gateways: &mut [&mut GatewayFacts]) -> Instances {
    let mut wanted: BTreeMap<String, (String, Option<ServiceId>)> = BTreeMap::new();
    for facts in gateways.iter() {
        if let Ok(name) = &facts.service {
            let (_, known) = wanted
                .entry(name.to_ascii_lowercase())
                .or_insert_with(|| (name.clone(), None));
            *known = known.take().or_else(|| recorded(facts, name));
        }
    }
    let instances: Instances = stream::iter(wanted)
        .map(async |(key, (name, known))| (key, instance(arm, &name, known).await))
        .buffer_unordered(SIDE_BY_SIDE)
        .collect()
        .await;
    let existing = gateways.iter().filter_map(|facts| {
        let (key, _, found) = lookup(facts, &instances)?;
        Some((key, found?.id.clone()))
    });
    let mut seen = BTreeSet::new();
    let existing: Vec<_> = existing.filter(|(key, _)| seen.insert(key.clone())).collect();
    let apis: Apis = stream::iter(existing)
        .map(async |(key, id): (_, GatewayId)| {
            let apis = arm.apis(&id).await.map_err(|error| unavailable(&error));
            (
                key,
                apis.map(|names| names.iter().map(|name| cleaned(name)).collect()),
            )
        })
        .buffer_unordered(SIDE_BY_SIDE)
        .collect()
        .await;
    for facts in gateways {
        facts.azure = Some(of_gateway(facts, &instances, &apis));
    }
    instances
}

/// The instance that an earlier rotation recorded, if it is this one.
fn recorded(facts: &GatewayFacts, name: &str) -> Option<ServiceId> {
    let service = &facts.recorded.as_ref()?.service;
    service.name.eq_ignore_ascii_case(name).then(|| service.clone())
}

/// The instance by its recorded id. One record may be wrong, or forged, and
/// must not hide the instance from the other rows: then it is looked for.
async fn instance(arm: &Arm, name: &str, known: Option<ServiceId>) -> Fact<Instance> {
    let first = match known {
        None => None,
        Some(id) => match by_id(arm, &id).await {
            Ok(instance) => return Ok(instance),
            Err(gap) => Some(gap),
        },
    };
    let searched = async {
        let services = arm
            .find_services(&[name])
            .await
            .map_err(|error| unavailable(&error))?;
        by_id(arm, &found(name, services)?).await
    };
    searched.await.map_err(|second| first.unwrap_or(second))
}

async fn by_id(arm: &Arm, id: &ServiceId) -> Fact<Instance> {
    let (details, gateways) = tokio::join!(arm.service(id), arm.gateways(id));
    Ok(Instance {
        id: id.clone(),
        details: details.map_err(|error| unavailable(&error))?,
        gateways: gateways.map_err(|error| unavailable(&error)),
    })
}

/// The only instance of a name.
fn found(name: &str, mut services: Vec<ServiceId>) -> Fact<ServiceId> {
    match (services.pop(), services.len()) {
        (Some(only), 0) => Ok(only),
        (None, _) => Err(Unavailable::Unknown(format!(
            "this identity sees no API Management instance named `{name}`"
        ))),
        (Some(_), others) => Err(Unavailable::Unknown(format!(
            "{} API Management instances are named `{name}`",
            others + 1
        ))),
    }
}

/// The key of a gateway among those of Azure, its instance, and the gateway
/// itself if it exists; `None` if the instance is not known.
fn lookup<'a>(
    facts: &GatewayFacts,
    instances: &'a Instances,
) -> Option<((String, String), &'a Instance, Option<&'a GatewayInService>)> {
    let (service, name) = (facts.service.as_ref().ok()?, facts.gateway.as_ref().ok()?);
    let key = (service.to_ascii_lowercase(), name.to_ascii_lowercase());
    let instance = instances.get(&key.0)?.as_ref().ok()?;
    let mut gateways = instance.gateways.iter().flatten();
    let found = gateways.find(|gateway| gateway.id.name.eq_ignore_ascii_case(name));
    Some((key, instance, found))
}

fn of_gateway(facts: &GatewayFacts, instances: &Instances, apis: &Apis) -> Fact<AzureFacts> {
    let service = facts.service.as_ref().map_err(Unavailable::clone)?;
    facts.gateway.as_ref().map_err(Unavailable::clone)?;
    if let Some(Err(gap)) = instances.get(&service.to_ascii_lowercase()) {
        return Err(gap.clone());
    }
    let not_looked_up = || Unavailable::Unknown("it was not looked up in Azure".to_owned());
    let (key, instance, found) = lookup(facts, instances).ok_or_else(not_looked_up)?;
    instance.gateways.as_ref().map_err(Unavailable::clone)?;
    let apis = match found {
        Some(_) => apis.get(&key).cloned().unwrap_or_else(|| Err(not_looked_up())),
        None => Ok(Vec::new()),
    };
    Ok(AzureFacts {
        exists: found.is_some(),
        location: found.and_then(|gateway| gateway.location.as_deref().map(cleaned)),
        apis,
        tier: cleaned(&instance.details.tier),
        min_api_version: instance.details.min_api_version.as_deref().map(cleaned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::GatewayId;
    use crate::model::access::InstanceIdentity;
    use crate::plan::fixture::gateway;

    fn service() -> ServiceId {
        ServiceId {
            subscription: "s".to_owned(),
            resource_group: "rg".to_owned(),
            name: "Svc".to_owned(),
        }
    }

    #[test]
    fn names_agree_in_any_case_and_a_gateway_may_be_missing() {
        let details = ServiceDetails {
            location: "West Europe".to_owned(),
            tier: "Premium".to_owned(),
            min_api_version: None,
            state: "Succeeded".to_owned(),
            identity: InstanceIdentity::default(),
        };
        let listed = |name: &str| GatewayInService {
            id: service().gateway(name),
            location: Some("Plant 7".to_owned()),
        };
        let instance = |gateways| {
            let details = details.clone();
            Instances::from([(
                "svc".to_owned(),
                Ok(Instance {
                    id: service(),
                    details,
                    gateways,
                }),
            )])
        };
        let key = ("svc".to_owned(), "gw".to_owned());
        let apis = Apis::from([(key, Ok(vec!["orders".to_owned()]))]);
        let of = |gateways| of_gateway(&gateway(), &instance(Ok(gateways)), &apis).unwrap();
        let there = of(vec![listed("other"), listed("GW")]);
        assert_eq!((there.exists, there.apis.unwrap().len()), (true, 1));
        assert_eq!(there.location.as_deref(), Some("Plant 7"));
        let missing = of(vec![listed("other")]);
        assert_eq!((missing.exists, missing.apis.unwrap().len()), (false, 0));
        assert_eq!((missing.tier.as_str(), missing.location), ("Premium", None));
        let denied = Unavailable::Forbidden("gateways".to_owned());
        let unlisted = instance(Err(denied.clone()));
        assert_eq!(of_gateway(&gateway(), &unlisted, &apis), Err(denied));
        assert!(unlisted["svc"].is_ok());
    }

    #[test]
    fn a_recorded_id_counts_for_the_instance_of_the_endpoint_alone() {
        let mut facts = gateway();
        facts.recorded = Some(GatewayId {
            service: service(),
            name: "gw".to_owned(),
        });
        assert_eq!(recorded(&facts, "svc"), Some(service()));
        assert_eq!(recorded(&facts, "moved"), None);
    }

    #[test]
    fn an_instance_must_be_the_only_one_of_its_name() {
        assert_eq!(found("svc", vec![service()]), Ok(service()));
        for services in [Vec::new(), vec![service(), service()]] {
            assert!(
                matches!(found("svc", services), Err(Unavailable::Unknown(why)) if why.contains("`svc`"))
            );
        }
    }
}
