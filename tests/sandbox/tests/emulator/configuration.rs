//! Gateways that come to the configuration endpoint with an access token of Entra.

use apim_sandbox::azure::{
    Cloud, GATEWAY_NAME, Gateway, Permission, Principal, RoleAssignment, RoleDefinition,
};
use jiff::SignedDuration;
use reqwest::StatusCode;

use super::fixture::{Answer, Fixture};

const DATA_ACTION: &str = "Microsoft.ApiManagement/service/gateways/getConfiguration/action";

/// A gateway with everything that it needs, each of which a test takes away.
struct SetUp {
    fixture: Fixture,
    reader: RoleAssignment,
    validator: RoleAssignment,
}

impl SetUp {
    async fn new() -> SetUp {
        let mut fixture = Fixture::start().await;
        fixture.principal.grants.clear();
        fixture.azure.add_principal(fixture.principal.clone());
        let identity = fixture
            .azure
            .enable_identity(&fixture.gateway, &fixture.principal.tenant);
        let subscription = Fixture::subscription_id();
        let service = fixture.gateway.service_id();
        let group = service.split("/providers/").next().unwrap();
        let role = |name: &str, permission| RoleDefinition::new(name, permission, &subscription);
        let read = role("reader", Permission::new(&[], &[DATA_ACTION]));
        let validate = role(
            "validator",
            Permission::new(&["Microsoft.Authorization/*/read"], &[]),
        );
        let reader = RoleAssignment::new(&service, &read, &fixture.principal.object_id());
        let validator = RoleAssignment::new(group, &validate, &identity);
        let set_up = SetUp {
            fixture,
            reader,
            validator,
        };
        set_up.fixture.azure.authorization(|it| {
            it.add_role_definition(read);
            it.add_role_definition(validate);
        });
        set_up.assign(&set_up.reader);
        set_up.assign(&set_up.validator);
        set_up
    }

    fn assign(&self, assignment: &RoleAssignment) {
        self.fixture
            .azure
            .authorization(|it| it.add_role_assignment(assignment.clone()));
    }

    async fn token(&self, cloud: Cloud, audience: &str) -> String {
        let Principal {
            tenant,
            client_id,
            client_secret,
            ..
        } = &self.fixture.principal;
        let secret = client_secret.replace('~', "%7E");
        let form = format!(
            "client_id={client_id}&grant_type=client_credentials&client_secret={secret}&scope={audience}/.default"
        );
        let url = format!("https://{}/{tenant}/oauth2/v2.0/token", cloud.authority());
        let answer = self.fixture.post_form(&url, form).await;
        answer.body["access_token"].as_str().unwrap().to_owned()
    }

    async fn present(&self, cloud: Cloud, token: &str, name: Option<&str>) -> Answer {
        let service = &self.fixture.gateway.service;
        let url = format!("https://{service}.configuration.{}/", cloud.api_suffix());
        let request = self.fixture.client.get(url).bearer_auth(token);
        let request = match name {
            Some(name) => request.header(GATEWAY_NAME, name),
            None => request,
        };
        Answer::read(request.send().await.unwrap()).await
    }

    async fn status(&self) -> (StatusCode, String) {
        let audience = Cloud::Public.configuration_audience();
        let token = self.token(Cloud::Public, &audience).await;
        let answer = self.present(Cloud::Public, &token, Some("gw-1")).await;
        let message = answer.body["error"]["message"].as_str().unwrap_or_default();
        (answer.status, message.to_owned())
    }
}

#[tokio::test]
async fn every_cloud_takes_the_token_of_its_own_audience() {
    let set_up = SetUp::new().await;
    for cloud in Cloud::ALL {
        let token = set_up.token(cloud, &cloud.configuration_audience()).await;
        let answer = set_up.present(cloud, &token, Some("gw-1")).await;
        assert_eq!(
            (answer.status, answer.body["gateway"].as_str()),
            (StatusCode::OK, Some("gw-1"))
        );
        let arm = set_up
            .token(cloud, &format!("https://{}", cloud.resource_manager()))
            .await;
        let refused = set_up.present(cloud, &arm, Some("gw-1")).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        assert!(refused.message().contains("audience"), "{refused:?}");
    }
    let presentations = set_up.fixture.azure.presentations(&set_up.fixture.gateway);
    assert_eq!((presentations.accepted, presentations.refused), (3, 3));
}

#[tokio::test]
async fn a_token_alone_is_not_enough() {
    let set_up = SetUp::new().await;
    let audience = Cloud::Public.configuration_audience();
    let token = set_up.token(Cloud::Public, &audience).await;
    for (name, status) in [
        (None, StatusCode::FORBIDDEN),
        (Some("gw-2"), StatusCode::FORBIDDEN),
        (Some("contoso"), StatusCode::FORBIDDEN),
        (Some("gw-1"), StatusCode::OK),
    ] {
        let answer = set_up.present(Cloud::Public, &token, name).await;
        assert_eq!(answer.status, status, "{name:?}");
    }
    let elsewhere = Gateway {
        service: "fabrikam".into(),
        ..set_up.fixture.gateway.clone()
    };
    set_up.fixture.azure.add_gateway(&elsewhere);
    let url = "https://fabrikam.configuration.azure-api.net/";
    let request = set_up
        .fixture
        .client
        .get(url)
        .bearer_auth(&token)
        .header(GATEWAY_NAME, "gw-1");
    assert_eq!(request.send().await.unwrap().status(), StatusCode::FORBIDDEN);

    let answer = set_up.present(Cloud::Public, "no.such.token", Some("gw-1")).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    set_up.fixture.azure.advance_clock(SignedDuration::from_hours(2));
    let answer = set_up.present(Cloud::Public, &token, Some("gw-1")).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn each_role_and_the_identity_are_needed() {
    let set_up = SetUp::new().await;
    let forbidden = async |what: &str| {
        let (status, message) = set_up.status().await;
        assert_eq!(status, StatusCode::FORBIDDEN);
        assert!(message.contains(what), "{message}");
    };
    assert_eq!(set_up.status().await.0, StatusCode::OK);
    let of_another = |assignment: &RoleAssignment| RoleAssignment {
        principal_id: set_up.fixture.principal.client_id.clone(),
        ..assignment.clone()
    };
    set_up.assign(&of_another(&set_up.reader));
    forbidden("getConfiguration").await;
    set_up.assign(&set_up.reader);
    set_up.assign(&of_another(&set_up.validator));
    forbidden("Microsoft.Authorization/").await;
    set_up.assign(&set_up.validator);
    assert_eq!(set_up.status().await.0, StatusCode::OK);
    set_up.fixture.azure.set_identity(
        &set_up.fixture.gateway,
        apim_sandbox::azure::InstanceIdentity::default(),
    );
    forbidden("identity").await;
    // An identity that is switched on again is another one.
    set_up
        .fixture
        .azure
        .enable_identity(&set_up.fixture.gateway, &set_up.fixture.principal.tenant);
    forbidden("Microsoft.Authorization/").await;
}
