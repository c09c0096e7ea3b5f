//! Signing in.

use apim_sandbox::azure::{Cloud, Principal};
use jiff::SignedDuration;
use reqwest::StatusCode;

use super::fixture::{Answer, Fixture};

fn assert_refused(answer: &Answer, status: StatusCode, error: &str, code: u32) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.body["error"], error);
    assert_eq!(answer.body["error_codes"][0], code);
    let description = answer.body["error_description"].as_str().unwrap();
    assert!(
        description.starts_with(&format!("AADSTS{code}: ")),
        "{description}"
    );
    assert!(description.contains("\r\nTrace ID: "), "{description}");
    for field in ["trace_id", "correlation_id", "timestamp", "error_uri"] {
        assert!(answer.body[field].is_string(), "no {field} in {answer:?}");
    }
}

#[tokio::test]
async fn a_token_is_issued_for_every_spelling_of_the_audience_of_arm() {
    let fixture = Fixture::start().await;
    let Principal {
        tenant,
        client_id,
        client_secret,
        ..
    } = &fixture.principal;
    let direct = fixture.azure.url();
    let (public, china, gov) = (
        Cloud::Public.authority(),
        Cloud::China.authority(),
        Cloud::UsGov.authority(),
    );
    let secret = client_secret.replace('~', "%7E");
    for (authority, audience) in [
        (public, "https://management.azure.com"),
        (public, "https://management.core.windows.net"),
        (public, "https://management.core.windows.net/"),
        (china, "https://management.chinacloudapi.cn"),
        (china, "https://management.core.chinacloudapi.cn/"),
        (gov, "https://management.core.usgovcloudapi.net"),
        (gov, "https://management.usgovcloudapi.net/"),
        (public, &direct),
    ] {
        let scope = format!("{audience}/.default");
        let form = format!(
            "client_id={client_id}&scope={scope}&grant_type=client_credentials&client_secret={secret}"
        );
        let url = format!("https://{authority}/{tenant}/oauth2/v2.0/token");
        let answer = fixture.post_form(&url, form).await;
        assert_eq!(answer.status, StatusCode::OK, "{scope}: {answer:?}");
        assert_eq!(answer.body["token_type"], "Bearer");
        assert_eq!(
            answer.body["access_token"].as_str().unwrap().split('.').count(),
            3
        );
    }
    let graph = fixture
        .ask_entra_for(
            tenant,
            client_id,
            client_secret,
            "https://vault.azure.net/.default",
        )
        .await;
    assert_refused(&graph, StatusCode::BAD_REQUEST, "invalid_resource", 500_011);
    let scope = fixture
        .ask_entra_for(tenant, client_id, client_secret, "https://management.azure.com")
        .await;
    assert_refused(&scope, StatusCode::BAD_REQUEST, "invalid_scope", 1_002_012);
}

#[tokio::test]
async fn a_failed_sign_in_is_reported_as_by_entra() {
    let fixture = Fixture::start().await;
    let Principal {
        tenant,
        client_id,
        client_secret,
        ..
    } = &fixture.principal;
    let answer = fixture.ask_entra(tenant, client_id, "wrong").await;
    assert_refused(&answer, StatusCode::UNAUTHORIZED, "invalid_client", 7_000_215);
    assert!(
        answer.body["error_description"]
            .as_str()
            .unwrap()
            .contains(&format!("app \"{client_id}\""))
    );

    let answer = fixture.ask_entra(tenant, "someone-else", client_secret).await;
    assert_refused(&answer, StatusCode::BAD_REQUEST, "unauthorized_client", 700_016);
    let answer = fixture.ask_entra("nowhere", client_id, client_secret).await;
    assert_refused(&answer, StatusCode::BAD_REQUEST, "invalid_request", 90002);

    fixture.azure.add_principal(Principal {
        secret_expired: true,
        ..fixture.principal.clone()
    });
    let answer = fixture.ask_entra(tenant, client_id, client_secret).await;
    assert_refused(&answer, StatusCode::UNAUTHORIZED, "invalid_client", 7_000_222);
}

#[tokio::test]
async fn an_assertion_is_refused_in_the_form_of_entra() {
    let fixture = Fixture::start().await;
    let Principal {
        tenant, client_id, ..
    } = &fixture.principal;
    let form = format!(
        "client_id={client_id}&scope=https://management.azure.com/.default&grant_type=client_credentials&\
         client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion=a.b.c"
    );
    let url = format!("https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token");
    let answer = fixture.post_form(&url, form).await;
    assert_refused(&answer, StatusCode::UNAUTHORIZED, "invalid_client", 50027);
    let answer = fixture
        .post_form(&url, "grant_type=client_credentials".to_owned())
        .await;
    assert_refused(&answer, StatusCode::BAD_REQUEST, "invalid_request", 900_144);
}

#[tokio::test]
async fn an_access_token_expires_by_the_clock_of_the_emulator() {
    let fixture = Fixture::start().await;
    let token = fixture.sign_in().await;
    let path = fixture.gateway.id();
    let before = fixture.send(&token, reqwest::Method::GET, &path, None).await;
    assert_eq!(before.status(), StatusCode::OK);
    fixture.azure.set_clock_offset(SignedDuration::from_hours(2));
    let after = Answer::read(fixture.send(&token, reqwest::Method::GET, &path, None).await).await;
    assert_eq!(
        (after.status, after.code()),
        (StatusCode::UNAUTHORIZED, "ExpiredAuthenticationToken")
    );
    assert!(after.header("www-authenticate").starts_with("Bearer "));
}

#[tokio::test]
async fn discovery_leads_to_the_token_endpoint() {
    let fixture = Fixture::start().await;
    let tenant = &fixture.principal.tenant;
    // MSAL asks the public authority about an address that it does not know, and drops the port of the address.
    let asked = format!(
        "https://login.microsoftonline.com/common/discovery/instance?api-version=1.0&\
         authorization_endpoint=https://localhost/{tenant}/oauth2/v2.0/authorize"
    );
    let answer = Answer::read(fixture.client.get(asked).send().await.unwrap()).await;
    let openid = answer.body["tenant_discovery_endpoint"].as_str().unwrap();
    assert_eq!(
        openid,
        format!(
            "{}/{tenant}/v2.0/.well-known/openid-configuration",
            fixture.azure.url()
        )
    );
    let configuration = Answer::read(fixture.client.get(openid).send().await.unwrap()).await;
    let endpoint = configuration.body["token_endpoint"].as_str().unwrap();
    assert_eq!(
        endpoint,
        format!("{}/{tenant}/oauth2/v2.0/token", fixture.azure.url())
    );

    let unknown = openid
        .replace("localhost", "127.0.0.1")
        .replace(tenant, "nowhere");
    let unknown = Answer::read(fixture.client.get(unknown).send().await.unwrap()).await;
    assert_refused(&unknown, StatusCode::BAD_REQUEST, "invalid_request", 90002);
    let asked = "https://login.microsoftonline.com/common/discovery/instance?authorization_endpoint=https://evil.test/t";
    let unknown = Answer::read(fixture.client.get(asked).send().await.unwrap()).await;
    assert_refused(&unknown, StatusCode::BAD_REQUEST, "invalid_instance", 50049);
}
