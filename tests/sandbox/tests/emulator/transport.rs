//! Listeners, names, clock, log and the admin endpoint.

use apim_sandbox::azure::{Cloud, Operation};
use jiff::{SignedDuration, Timestamp, fmt::rfc2822};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::fixture::{Answer, Fixture, until};

#[tokio::test]
async fn every_host_of_every_cloud_answers_through_the_proxy() {
    let fixture = Fixture::start().await;
    for cloud in Cloud::ALL {
        let suffix = cloud.api_suffix();
        for host in [
            cloud.authority().to_owned(),
            cloud.resource_manager().to_owned(),
            format!("contoso.configuration.{suffix}"),
            format!("contoso.management.{suffix}"),
        ] {
            let answer = fixture
                .client
                .get(format!("https://{host}/x"))
                .send()
                .await
                .unwrap();
            assert!(answer.status().is_client_error(), "{host}");
            let request = fixture.azure.requests().pop().unwrap();
            assert!(request.proxied && request.host == host, "{request}");
        }
    }
}

#[tokio::test]
async fn the_listener_answers_directly_too() {
    let fixture = Fixture::start().await;
    let ca = reqwest::Certificate::from_pem(fixture.azure.ca_pem().as_bytes()).unwrap();
    let client = reqwest::Client::builder()
        .tls_certs_only([ca])
        .no_proxy()
        .build()
        .unwrap();
    for base in [fixture.azure.url(), format!("https://{}", fixture.azure.addr())] {
        let url = format!("{base}/metadata/endpoints?api-version=2022-09-01");
        assert_eq!(client.get(url).send().await.unwrap().status(), StatusCode::OK);
        assert!(!fixture.azure.requests().pop().unwrap().proxied);
    }
}

#[tokio::test]
async fn the_proxy_leads_nowhere_else() {
    let fixture = Fixture::start().await;
    let proxy = fixture.azure.proxy_url();
    for target in [
        "example.com:443",
        "management.azure.com:80",
        "localhost:22",
        "contoso.azure-api.net:443",
    ] {
        let mut stream = TcpStream::connect(proxy.trim_start_matches("http://"))
            .await
            .unwrap();
        let head = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 403 "), "{target}: {answer}");
        assert_eq!(fixture.azure.requests().pop().unwrap().path, target);
    }
}

#[tokio::test]
async fn the_listeners_end_with_the_last_handle() {
    let fixture = Fixture::start().await;
    let addresses = [
        fixture.azure.proxy_url(),
        fixture.azure.admin_url(),
        format!("http://{}", fixture.azure.addr()),
    ];
    let addresses = addresses.map(|url| url.trim_start_matches("http://").to_owned());
    drop(fixture.azure.clone());
    for address in &addresses {
        assert!(std::net::TcpStream::connect(address).is_ok());
    }
    drop(fixture);
    for address in &addresses {
        until("the listener is closed", || {
            std::net::TcpStream::connect(address).is_err()
        })
        .await;
    }
}

#[tokio::test]
async fn every_answer_has_the_time_of_the_emulator_and_the_ids_of_azure() {
    let fixture = Fixture::start().await;
    let ahead = SignedDuration::from_hours(24 * 400);
    fixture.azure.set_clock_offset(ahead);
    let entra = fixture.ask_entra("nowhere", "nobody", "nothing").await;
    let arm = fixture.get(&fixture.gateway.id()).await;
    for answer in [&entra, &arm] {
        let date = rfc2822::DateTimeParser::new()
            .parse_timestamp(answer.header("date"))
            .unwrap();
        let distance = date.duration_since(Timestamp::now()) - ahead;
        assert!(distance.abs() < SignedDuration::from_mins(1), "{answer:?}");
        for name in [
            "x-ms-request-id",
            "x-ms-correlation-request-id",
            "x-ms-routing-request-id",
        ] {
            assert!(!answer.header(name).is_empty());
        }
    }
    let logged = fixture.azure.requests().pop().unwrap();
    assert_eq!(logged.correlation_id, arm.header("x-ms-correlation-request-id"));
}

#[tokio::test]
async fn the_log_has_client_and_operation_and_no_secret() {
    let fixture = Fixture::start().await;
    let answer = fixture
        .generate_token("primary", SignedDuration::from_hours(1))
        .await;
    let token = answer.body["value"].as_str().unwrap();
    fixture.present(token).await;

    let operations: Vec<_> = fixture
        .azure
        .requests()
        .iter()
        .map(|request| request.operation)
        .collect();
    let expected = [
        Operation::SignIn,
        Operation::GenerateToken,
        Operation::Configuration,
    ];
    assert_eq!(operations, expected.map(Some));
    let requests = fixture.azure.requests();
    assert!(
        requests[..2]
            .iter()
            .all(|request| request.principal.as_ref() == Some(&fixture.principal.client_id))
    );
    assert!(
        requests[1..]
            .iter()
            .all(|request| request.gateway.as_deref() == Some("gw-1"))
    );

    let log = fixture.log();
    let signature = &token[token.len() - 88..];
    assert!(
        !log.contains(&fixture.principal.client_secret) && !log.contains(signature),
        "{log}"
    );
    let line = requests[1].to_string();
    assert!(
        line.contains("200 POST https://management.azure.com/subscriptions/"),
        "{line}"
    );

    fixture.azure.clear_requests();
    assert!(fixture.azure.requests().is_empty());
}

#[tokio::test]
async fn the_admin_endpoint_does_the_same_for_scripts() {
    let fixture = Fixture::start().await;
    let client = reqwest::Client::builder()
        .tls_certs_only([])
        .no_proxy()
        .build()
        .unwrap();
    let admin = fixture.azure.admin_url();

    let sent = client
        .put(format!("{admin}/clock"))
        .json(&json!({"offsetSeconds": 86400}))
        .send()
        .await
        .unwrap();
    assert_eq!(sent.status(), StatusCode::NO_CONTENT);
    assert!(fixture.azure.now().duration_since(Timestamp::now()) > SignedDuration::from_hours(23));

    let fault = json!({"operation": "getGateway", "times": 1, "action": {"kind": "status", "code": 418}});
    let sent = client
        .post(format!("{admin}/faults"))
        .json(&fault)
        .send()
        .await
        .unwrap();
    assert_eq!(sent.status(), StatusCode::NO_CONTENT);
    assert_eq!(fixture.get_status().await, 418);

    let requests = client.get(format!("{admin}/requests")).send().await.unwrap();
    let requests: Vec<Value> = requests.json().await.unwrap();
    assert_eq!(
        (&requests[1]["operation"], &requests[1]["status"]),
        (&json!("getGateway"), &json!(418))
    );
    client.delete(format!("{admin}/requests")).send().await.unwrap();
    assert!(fixture.azure.requests().is_empty());

    let gateway = json!({"subscription": "s", "resourceGroup": "g", "service": "v", "name": "n"});
    client
        .post(format!("{admin}/gateways"))
        .json(&gateway)
        .send()
        .await
        .unwrap();
    let body = json!({"gateway": gateway, "slot": "secondary"});
    let sent = client
        .post(format!("{admin}/gateways/regenerate"))
        .json(&body)
        .send()
        .await
        .unwrap();
    assert_eq!(sent.status(), StatusCode::NO_CONTENT);

    let principal = json!({
        "tenant": "t", "clientId": "c", "clientSecret": "s", "grants": [{"scope": "/", "actions": ["*"]}],
    });
    client
        .post(format!("{admin}/principals"))
        .json(&principal)
        .send()
        .await
        .unwrap();
    assert_eq!(fixture.ask_entra("t", "c", "s").await.status, StatusCode::OK);
}

impl Fixture {
    async fn get_status(&self) -> u16 {
        let token = self.sign_in().await;
        let answer = self
            .send(&token, reqwest::Method::GET, &self.gateway.id(), None)
            .await;
        Answer::read(answer).await.status.as_u16()
    }
}
