//! An emulator with one gateway and one principal, and a client for it.

use std::time::{Duration, Instant};

use apim_sandbox::azure::{Azure, Gateway, Grant, GraphRights, Principal};
use jiff::{SignedDuration, Timestamp};
use reqwest::{Method, StatusCode, header::HeaderMap};
use serde_json::{Value, json};

pub(crate) const ARM: &str = "https://management.azure.com";
const SUBSCRIPTION: &str = "5ab50001-0000-4000-8000-000000000001";

/// Waits for something that another task does, and fails when it does not come.
pub(crate) async fn until(what: &str, comes: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !comes() {
        assert!(Instant::now() < deadline, "it did not come about that {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Every test has an emulator of its own, so that nothing is shared between tests that run side by side.
pub(crate) struct Fixture {
    pub(crate) azure: Azure,
    pub(crate) gateway: Gateway,
    pub(crate) principal: Principal,
    pub(crate) client: reqwest::Client,
}

/// An answer read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) async fn read(response: reqwest::Response) -> Answer {
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.unwrap();
        let body = if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text).unwrap()
        };
        Answer {
            status,
            headers,
            body,
        }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .unwrap_or_else(|| panic!("no header {name} in {self:?}"))
            .to_str()
            .unwrap()
    }

    pub(crate) fn code(&self) -> &str {
        self.body["error"]["code"]
            .as_str()
            .unwrap_or_else(|| panic!("no error code in {self:?}"))
    }

    pub(crate) fn message(&self) -> &str {
        self.body["error"]["message"]
            .as_str()
            .unwrap_or_else(|| panic!("no message in {self:?}"))
    }
}

impl Fixture {
    /// With a principal that may do everything.
    pub(crate) async fn start() -> Fixture {
        Fixture::start_with(Grant::new("/", &["*"])).await
    }

    /// With a principal that has these rights in Microsoft Graph, and none in ARM.
    pub(crate) async fn start_with_graph(rights: GraphRights) -> Fixture {
        let mut fixture = Fixture::start().await;
        fixture.principal.grants.clear();
        fixture.principal.graph = rights;
        fixture.azure.add_principal(fixture.principal.clone());
        fixture
    }

    /// With a principal that has this grant alone.
    pub(crate) async fn start_with(grant: Grant) -> Fixture {
        let azure = Azure::start().await.unwrap();
        let gateway = Gateway::new(SUBSCRIPTION, "Rg-One", "contoso", "gw-1");
        azure.add_gateway(&gateway);
        let principal = Principal::random().with(grant);
        azure.add_principal(principal.clone());
        let client = azure.client().unwrap();
        Fixture {
            azure,
            gateway,
            principal,
            client,
        }
    }

    pub(crate) fn subscription_id() -> String {
        format!("/subscriptions/{SUBSCRIPTION}")
    }

    /// Sends a request to ARM under its public name with the token given.
    pub(crate) async fn send(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> reqwest::Response {
        let separator = if path.contains('?') { '&' } else { '?' };
        let url = format!("{ARM}{path}{separator}api-version=2024-05-01");
        let request = self.client.request(method, url).bearer_auth(token);
        let request = if let Some(body) = body {
            request.json(&body)
        } else {
            request
        };
        request.send().await.unwrap()
    }

    /// An access token of the fixture's principal for Microsoft Graph.
    pub(crate) async fn graph_token(&self) -> String {
        let Principal {
            tenant,
            client_id,
            client_secret,
            ..
        } = &self.principal;
        let scope = "https%3A%2F%2Fgraph.microsoft.com%2F.default";
        let answer = self.ask_entra_for(tenant, client_id, client_secret, scope).await;
        answer.body["access_token"].as_str().unwrap().to_owned()
    }

    /// Sends a request to Microsoft Graph with the token given.
    pub(crate) async fn graph_as(&self, token: &str, method: Method, path: &str, body: &Value) -> Answer {
        let url = if path.starts_with("https://") {
            path.to_owned()
        } else {
            format!("https://graph.microsoft.com/v1.0/{path}")
        };
        let request = self.client.request(method, url).bearer_auth(token);
        let request = if body.is_null() {
            request
        } else {
            request.json(body)
        };
        Answer::read(request.send().await.unwrap()).await
    }

    pub(crate) async fn graph(&self, method: Method, path: &str, body: Value) -> Answer {
        let token = self.graph_token().await;
        self.graph_as(&token, method, path, &body).await
    }

    /// Sends a request to ARM in the version of Microsoft.Authorization.
    pub(crate) async fn arm(&self, method: Method, path: &str, body: Value) -> Answer {
        let token = self.sign_in().await;
        self.arm_as(&token, method, path, body).await
    }

    pub(crate) async fn arm_as(&self, token: &str, method: Method, path: &str, body: Value) -> Answer {
        let separator = if path.contains('?') { '&' } else { '?' };
        let version = if path.contains("Microsoft.ManagedIdentity") {
            "2023-01-31"
        } else if path.contains("Microsoft.Authorization/role") {
            "2022-04-01"
        } else {
            "2024-05-01"
        };
        let url = format!("{ARM}{path}{separator}api-version={version}");
        let request = self.client.request(method, url).bearer_auth(token);
        let request = if body.is_null() {
            request
        } else {
            request.json(&body)
        };
        Answer::read(request.send().await.unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        let token = self.sign_in().await;
        Answer::read(self.send(&token, Method::GET, path, None).await).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        let token = self.sign_in().await;
        Answer::read(self.send(&token, Method::POST, path, Some(body)).await).await
    }

    /// Asks for a gateway token that lives as long as given from the emulator's now on.
    pub(crate) async fn generate_token(&self, key_type: &str, life: SignedDuration) -> Answer {
        let expiry: Timestamp = self.azure.now() + life;
        let path = format!("{}/generateToken", self.gateway.id());
        self.post(&path, json!({"keyType": key_type, "expiry": expiry.to_string()}))
            .await
    }

    /// An access token of the fixture's principal.
    pub(crate) async fn sign_in(&self) -> String {
        let Principal {
            tenant,
            client_id,
            client_secret,
            ..
        } = &self.principal;
        let answer = self.ask_entra(tenant, client_id, client_secret).await;
        answer.body["access_token"]
            .as_str()
            .unwrap_or_else(|| panic!("no token in {answer:?}"))
            .to_owned()
    }

    pub(crate) async fn ask_entra(&self, tenant: &str, client_id: &str, secret: &str) -> Answer {
        self.ask_entra_for(
            tenant,
            client_id,
            secret,
            "https%3A%2F%2Fmanagement.azure.com%2F.default",
        )
        .await
    }

    /// Asks for a token for a scope that is already percent-encoded.
    pub(crate) async fn ask_entra_for(
        &self,
        tenant: &str,
        client_id: &str,
        secret: &str,
        scope: &str,
    ) -> Answer {
        let secret = secret.replace('~', "%7E");
        let form = format!(
            "client_id={client_id}&scope={scope}&grant_type=client_credentials&client_secret={secret}"
        );
        self.post_form(
            &format!("https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token"),
            form,
        )
        .await
    }

    pub(crate) async fn post_form(&self, url: &str, form: String) -> Answer {
        let request = self
            .client
            .post(url)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form);
        Answer::read(request.send().await.unwrap()).await
    }

    /// The log of requests, a line each in both of its forms.
    pub(crate) fn log(&self) -> String {
        let lines = self
            .azure
            .requests()
            .into_iter()
            .map(|request| format!("{request} {request:?}"));
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Presents a gateway token as a gateway does.
    pub(crate) async fn present(&self, token: &str) -> StatusCode {
        let url = format!("https://{}.configuration.azure-api.net/", self.gateway.service);
        let request = self
            .client
            .get(url)
            .header("authorization", format!("GatewayKey {token}"));
        request.send().await.unwrap().status()
    }
}
