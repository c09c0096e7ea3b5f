use reqwest::Url;
use serde::Deserialize;

use super::client::Arm;
use super::client::{gateway_title, in_resource_group};
use super::find::service_id;
use super::identity::IdentityAnswer;
use crate::azure::transport::error::Error;
use crate::azure::transport::error::Flaw;
use crate::azure::transport::exchange::Call;
use crate::azure::transport::wire::Resource;
use crate::model::access::InstanceIdentity;
use crate::model::{GatewayId, ServiceId, cleaned};

/// How many entries to ask for at a time. The reference gives no maximum, and
/// this is the default of a service.
const PAGE: &str = "100";

/// What is before the name of a gateway in its id.
const GATEWAYS: &str = "/gateways/";

/// A gateway as the list of its service shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayInService {
    /// Its id as ARM spells it.
    pub id: GatewayId,
    /// The name of its location, which is free text.
    pub location: Option<String>,
}

/// The properties of an API Management instance that the product reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceDetails {
    /// Its region, `West Europe`.
    pub location: String,
    /// Its tier, `Developer`.
    pub tier: String,
    /// The oldest API version that it accepts, if it is limited.
    pub min_api_version: Option<String>,
    /// Its provisioning state, `Succeeded`.
    pub state: String,
    pub identity: InstanceIdentity,
}

impl ServiceDetails {
    /// Whether a change of the instance is under way.
    pub fn is_updating(&self) -> bool {
        ["Updating", "Activating", "Transitioning"]
            .iter()
            .any(|state| self.state.eq_ignore_ascii_case(state))
    }
}

impl Arm {
    /// Reads an API Management instance.
    pub async fn service(&self, service: &ServiceId) -> Result<ServiceDetails, Error> {
        let url = self.url(&service.path(), self.api_version())?;
        let call = service_call(service, format!("read service `{}`", service.name), url);
        let answer: ServiceAnswer = self.call(&call).await?;
        service_id(&answer.id)
            .filter(|found| found.same_as(service))
            .ok_or_else(|| other_object(&call))?;
        Ok(answer.details())
    }

    /// Lists the self-hosted gateways of an instance.
    pub async fn gateways(&self, service: &ServiceId) -> Result<Vec<GatewayInService>, Error> {
        let url = self.pages(&format!("{}/gateways", service.path()))?;
        let purpose = format!("list the gateways of service `{}`", service.name);
        let call = service_call(service, purpose, url);
        let listed: Vec<Listed> = self.list(&call).await?;
        listed
            .into_iter()
            .map(|gateway| gateway.of(service).ok_or_else(|| other_object(&call)))
            .collect()
    }

    /// Lists the APIs that are assigned to a gateway, by their names in ARM.
    pub async fn apis(&self, gateway: &GatewayId) -> Result<Vec<String>, Error> {
        let call = Call::get(
            format!("list the APIs of {}", gateway_title(gateway)),
            in_resource_group(&gateway_title(gateway), &gateway.service),
            self.pages(&format!("{}/apis", gateway.path()))?,
        );
        let apis: Vec<Resource> = self.list(&call).await?;
        Ok(apis.into_iter().map(|api| api.name).collect())
    }

    /// The address of a paged list.
    fn pages(&self, path: &str) -> Result<Url, Error> {
        self.filtered(path, self.api_version(), &[("$top", PAGE)])
    }
}

fn service_call(service: &ServiceId, purpose: String, url: Url) -> Call {
    let what = in_resource_group(&format!("service `{}`", service.name), service);
    Call::get(purpose, what, url)
}

fn other_object(call: &Call) -> Error {
    call.malformed("Azure answered with another object", Flaw::Form)
}

#[derive(Deserialize)]
struct Listed {
    id: String,
    #[serde(default)]
    properties: GatewayProperties,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct GatewayProperties {
    location_data: Option<LocationData>,
}

#[derive(Deserialize)]
struct LocationData {
    name: Option<String>,
}

impl Listed {
    fn of(self, service: &ServiceId) -> Option<GatewayInService> {
        let id = GatewayId::parse(&self.id)
            .ok()
            .or_else(|| of_odd_name(&self.id))?;
        id.service.same_as(service).then_some(GatewayInService {
            id,
            location: self.properties.location_data.and_then(|data| data.name),
        })
    }
}

/// The id of a gateway whose name is not percent-encoded in it, or is none that is taken
/// here. It must not hide the others of the list.
fn of_odd_name(id: &str) -> Option<GatewayId> {
    let end = id.to_ascii_lowercase().rfind(GATEWAYS)?;
    let (service, name) = id.split_at_checked(end)?;
    let name = cleaned(name.get(GATEWAYS.len()..)?);
    let other = GatewayId::parse(&format!("{service}{GATEWAYS}x")).ok()?;
    (!name.is_empty()).then(|| other.service.gateway(name))
}

#[derive(Deserialize)]
struct ServiceAnswer {
    id: String,
    location: String,
    sku: Sku,
    #[serde(default)]
    identity: Option<IdentityAnswer>,
    #[serde(default)]
    properties: ServiceProperties,
}

#[derive(Deserialize)]
struct Sku {
    name: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ServiceProperties {
    api_version_constraint: Option<ApiVersionConstraint>,
    provisioning_state: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ApiVersionConstraint {
    min_api_version: Option<String>,
}

impl ServiceAnswer {
    fn details(self) -> ServiceDetails {
        let constraint = self.properties.api_version_constraint;
        ServiceDetails {
            location: self.location,
            tier: self.sku.name,
            min_api_version: constraint.and_then(|constraint| constraint.min_api_version),
            state: cleaned(&self.properties.provisioning_state.unwrap_or_default()),
            identity: self.identity.unwrap_or_default().fact(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, from_value, json};

    use super::*;

    const SERVICE: &str =
        "/subscriptions/s/resourceGroups/Rg/providers/Microsoft.ApiManagement/service/Contoso";

    fn service() -> ServiceId {
        service_id(&SERVICE.to_lowercase()).unwrap()
    }

    #[test]
    fn a_gateway_keeps_arms_spelling_and_its_location() {
        let listed = |body: Value| from_value::<Listed>(body).unwrap().of(&service());
        let id = format!("{SERVICE}/gateways/Gw-1");
        let full = listed(json!({
            "id": id,
            "name": "Gw-1",
            "properties": {"description": null, "locationData": {"name": "Building 7", "city": "c"}},
        }));
        let expected = GatewayInService {
            id: GatewayId::parse(&id).unwrap(),
            location: Some("Building 7".into()),
        };
        assert_eq!(full.unwrap(), expected);
        assert_eq!(expected.id.to_string(), id);

        for bare in [
            json!({ "id": id }),
            json!({ "id": id, "properties": {} }),
            json!({ "id": id, "properties": {"locationData": null} }),
        ] {
            assert_eq!(listed(bare).unwrap().location, None);
        }
        // A name of its own kind hides no other gateway.
        for name in ["a/b", "a\u{1b}[2Jb"] {
            let odd = listed(json!({ "id": format!("{SERVICE}/Gateways/{name}") })).unwrap();
            assert_eq!(odd.id, expected.id.service.gateway(cleaned(name)));
        }
        let elsewhere = id.replace("Contoso", "fabrikam");
        let odd = format!("{elsewhere}/b");
        for id in [SERVICE, &elsewhere, &odd, ""] {
            assert_eq!(listed(json!({ "id": id })), None, "{id}");
        }
    }

    #[test]
    fn a_service_has_a_region_a_tier_and_an_oldest_version() {
        let details = |properties: Value| {
            let body = json!({
                "id": SERVICE,
                "location": "East US",
                "sku": {"name": "Premium", "capacity": 1},
                "properties": properties,
            });
            from_value::<ServiceAnswer>(body).unwrap().details()
        };
        let expected = ServiceDetails {
            location: "East US".into(),
            tier: "Premium".into(),
            min_api_version: Some("2021-08-01".into()),
            state: String::new(),
            identity: InstanceIdentity::default(),
        };
        let constraint = json!({"apiVersionConstraint": {"minApiVersion": "2021-08-01"}});
        assert_eq!(details(constraint), expected);
        for none in [
            json!({}),
            json!({"apiVersionConstraint": null}),
            json!({"apiVersionConstraint": {}}),
            json!({"apiVersionConstraint": {"minApiVersion": null}}),
        ] {
            assert_eq!(details(none).min_api_version, None);
        }
    }
}
