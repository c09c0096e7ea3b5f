use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::client::{Arm, gateway_title, in_resource_group};
use crate::azure::transport::error::{Error, Flaw};
use crate::azure::transport::exchange::Call;
use crate::azure::transport::wire::Resource;
use crate::model::GatewayId;

impl Arm {
    /// Creates a gateway at a location, whose name is free text, and returns its
    /// id as ARM spells it. One that is there already stays as it is.
    pub async fn create_gateway(&self, gateway: &GatewayId, location: &str) -> Result<GatewayId, Error> {
        let title = gateway_title(gateway);
        let what = in_resource_group(&format!("service `{}`", gateway.service.name), &gateway.service);
        let url = self.url(&gateway.path(), self.api_version())?;
        let body = json!({"properties": {"locationData": {"name": location}}});
        let call = Call::new(Method::PUT, format!("create {title}"), what, url).with(body);
        match self.call::<Resource>(&call).await {
            Ok(answer) => GatewayId::parse(&answer.id)
                .ok()
                .filter(|made| made.same_as(gateway))
                .ok_or_else(|| call.malformed("Azure answered with another object", Flaw::Form)),
            // ARM changes a gateway only by its ETag, which is not sent: if there
            // is one now, an attempt without an answer or somebody else made it.
            Err(error) if matches!(error.status(), Some(400 | 409 | 412)) => {
                self.gateway(gateway).await.map_err(|_| error)
            }
            Err(error) => Err(error),
        }
    }

    /// How many APIs are assigned to a gateway.
    pub async fn count_apis(&self, gateway: &GatewayId) -> Result<usize, Error> {
        let url = self.filtered(
            &format!("{}/apis", gateway.path()),
            self.api_version(),
            &[("$top", "1")],
        )?;
        let call = Call::get(
            format!("count the APIs of {}", gateway_title(gateway)),
            in_resource_group(&gateway_title(gateway), &gateway.service),
            url,
        );
        let answer: Counted = self.call(&call).await?;
        Ok(answer.count.unwrap_or(answer.value.len()))
    }
}

/// A page with the number of all entries.
#[derive(Deserialize)]
struct Counted {
    #[serde(default)]
    value: Vec<Resource>,
    #[serde(default)]
    count: Option<usize>,
}
