//! Signing in by a certificate, by the token of another issuer, and as a managed identity.

use std::process::Command;

use apim_sandbox::azure::{FederatedCredential, Machine, Operation, Principal};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use jiff::SignedDuration;
use reqwest::StatusCode;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use ring::rand::SystemRandom;
use ring::rsa::KeyPair as RsaKeyPair;
use ring::signature::{RSA_PKCS1_SHA256, RsaPublicKeyComponents};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};

use super::fixture::{Answer, Fixture};

pub(crate) fn signed(header: &Value, claims: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let text = [header, claims]
        .map(|part| BASE64_URL_SAFE_NO_PAD.encode(part.to_string()))
        .join(".");
    format!("{text}.{}", BASE64_URL_SAFE_NO_PAD.encode(sign(text.as_bytes())))
}

pub(crate) async fn present(fixture: &Fixture, assertion: &str) -> Answer {
    let Principal {
        tenant, client_id, ..
    } = &fixture.principal;
    let form = format!(
        "client_id={client_id}&scope=https://management.azure.com/.default&grant_type=client_credentials&\
         client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&\
         client_assertion={assertion}"
    );
    let url = format!("https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token");
    fixture.post_form(&url, form).await
}

pub(crate) async fn code(fixture: &Fixture, assertion: &str) -> Option<u64> {
    let answer = present(fixture, assertion).await;
    let code = answer.body["error_codes"][0].as_u64();
    let status = if code.is_some() {
        StatusCode::UNAUTHORIZED
    } else {
        StatusCode::OK
    };
    assert_eq!(answer.status, status, "{answer:?}");
    code
}

/// A certificate as PEM, and its key.
fn certificate() -> (String, RsaKeyPair) {
    let folder = tempfile::tempdir().unwrap();
    let (key_file, file) = (
        folder.path().join("key.pem"),
        folder.path().join("certificate.pem"),
    );
    let made = Command::new("openssl")
        .args([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=app", "-days", "2",
        ])
        .arg("-keyout")
        .arg(&key_file)
        .arg("-out")
        .arg(&file)
        .output()
        .expect("this test needs the command openssl, which makes RSA keys");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let key = PrivateKeyDer::from_pem_file(&key_file).unwrap();
    let key = RsaKeyPair::from_pkcs8(key.secret_der()).unwrap();
    (std::fs::read_to_string(&file).unwrap(), key)
}

fn rs256(key: &RsaKeyPair, text: &[u8]) -> Vec<u8> {
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text, &mut signature)
        .unwrap();
    signature
}

#[tokio::test]
async fn a_certificate_signs_in_with_an_assertion() {
    let mut fixture = Fixture::start().await;
    let (pem, key) = certificate();
    let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    fixture.principal.certificates = vec![pem];
    fixture.azure.add_principal(fixture.principal.clone());

    let client_id = fixture.principal.client_id.clone();
    let sign = |text: &[u8]| rs256(&key, text);
    let thumbprint = |algorithm| BASE64_URL_SAFE_NO_PAD.encode(digest(algorithm, &certificate));
    let header = json!({
        "alg": "RS256", "typ": "JWT",
        "x5t": thumbprint(&SHA1_FOR_LEGACY_USE_ONLY), "x5t#S256": thumbprint(&SHA256),
        "x5c": [BASE64_STANDARD.encode(&certificate)],
    });
    let now = fixture.azure.now().as_second();
    let tenant = &fixture.principal.tenant;
    let claims = json!({
        "aud": format!("https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token"),
        "iss": client_id, "sub": client_id, "jti": "j", "nbf": now, "exp": now + 600,
    });
    assert_eq!(code(&fixture, &signed(&header, &claims, sign)).await, None);

    let changed = |value: &Value, name: &str, to: Value| {
        let mut value = value.clone();
        value[name] = to;
        value
    };
    for (header, claims, expected) in [
        (changed(&header, "x5t", json!("AAAA")), claims.clone(), 700_027),
        (
            changed(&header, "x5t#S256", json!("AAAA")),
            claims.clone(),
            700_027,
        ),
        (changed(&header, "x5c", json!(["AAAA"])), claims.clone(), 700_027),
        (changed(&header, "alg", json!("HS256")), claims.clone(), 5_002_738),
        (json!({"alg": "RS256"}), claims.clone(), 50027),
        (
            header.clone(),
            changed(&claims, "aud", json!("https://elsewhere")),
            700_023,
        ),
        (header.clone(), changed(&claims, "sub", json!("someone")), 700_021),
        (header.clone(), changed(&claims, "exp", json!(now - 600)), 700_024),
        (header.clone(), changed(&claims, "nbf", json!(now + 600)), 700_024),
    ] {
        assert_eq!(
            code(&fixture, &signed(&header, &claims, sign)).await,
            Some(expected),
            "{header} {claims}"
        );
    }
    let other = |text: &[u8]| {
        let mut signature = sign(text);
        signature[0] ^= 1;
        signature
    };
    assert_eq!(
        code(&fixture, &signed(&header, &claims, other)).await,
        Some(700_027)
    );
    // The certificate lives for two days, and the assertion with it.
    fixture.azure.set_clock_offset(SignedDuration::from_hours(72));
    let answer = present(&fixture, &signed(&header, &claims, sign)).await;
    let description = answer.body["error_description"].as_str().unwrap();
    assert!(
        description.starts_with("AADSTS700027") && description.contains("expired"),
        "{description}"
    );
}

#[tokio::test]
async fn a_token_of_another_issuer_signs_in_with_a_matching_federated_credential() {
    const ISSUER: &str = "https://oidc.test/cluster/";
    const AUDIENCE: &str = "api://AzureADTokenExchange";
    let mut fixture = Fixture::start().await;
    let (_, key) = certificate();
    let public = RsaPublicKeyComponents::<Vec<u8>>::from(key.public());
    let part = |part: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(part);
    let keys = json!({"keys": [{"kty": "RSA", "kid": "k", "n": part(&public.n), "e": part(&public.e)}]});
    let sign = |text: &[u8]| rs256(&key, text);
    let now = fixture.azure.now().as_second();
    let assertion = |kid: &str, issuer: &str, subject: &str, audience: Value, exp: i64| {
        let claims = json!({"iss": issuer, "sub": subject, "aud": audience, "exp": exp});
        signed(&json!({"alg": "RS256", "kid": kid}), &claims, sign)
    };
    let good = assertion(
        "k",
        ISSUER,
        "system:serviceaccount:n:s",
        json!([AUDIENCE]),
        now + 600,
    );
    assert_eq!(code(&fixture, &good).await, Some(700_211));
    fixture.principal.federated_credentials = vec![FederatedCredential {
        issuer: ISSUER.to_owned(),
        subject: "system:serviceaccount:n:s".to_owned(),
        audience: AUDIENCE.to_owned(),
    }];
    fixture.azure.add_principal(fixture.principal.clone());
    assert_eq!(
        code(&fixture, &good).await,
        Some(90061),
        "the issuer's keys are not known yet"
    );
    fixture.azure.trust_issuer(ISSUER, keys);
    assert_eq!(code(&fixture, &good).await, None);

    let subject = "system:serviceaccount:n:s";
    let claims = json!({"iss": ISSUER, "sub": subject, "aud": AUDIENCE, "exp": now + 600});
    let elliptic = signed(&json!({"alg": "ES256", "kid": "k"}), &claims, sign);
    assert_eq!(code(&fixture, &elliptic).await, Some(5_002_738));
    for (assertion, expected) in [
        (
            assertion(
                "k",
                ISSUER.trim_end_matches('/'),
                subject,
                json!(AUDIENCE),
                now + 600,
            ),
            700_211,
        ),
        (
            assertion(
                "k",
                ISSUER,
                "system:serviceaccount:n:t",
                json!(AUDIENCE),
                now + 600,
            ),
            700_213,
        ),
        (
            assertion("k", ISSUER, subject, json!("https://kubernetes"), now + 600),
            700_212,
        ),
        (assertion("l", ISSUER, subject, json!(AUDIENCE), now + 600), 50013),
        (
            assertion("k", ISSUER, subject, json!(AUDIENCE), now - 600),
            700_024,
        ),
        ("a.b.c".to_owned(), 50027),
    ] {
        assert_eq!(code(&fixture, &assertion).await, Some(expected));
    }
}

#[tokio::test]
async fn a_machine_gets_tokens_for_its_own_identities_only() {
    let fixture = Fixture::start().await;
    let client_id = &fixture.principal.client_id;
    let (azure, client) = (
        &fixture.azure,
        reqwest::Client::builder().no_proxy().build().unwrap(),
    );
    let ask = async |url: &str, headers: &[(&'static str, &str)]| {
        let request = headers.iter().fold(client.get(url), |request, (name, value)| {
            request.header(*name, *value)
        });
        Answer::read(request.send().await.unwrap()).await
    };
    let header = azure.add_machine(Machine {
        system_assigned: Some(client_id.clone()),
        user_assigned: Vec::new(),
    });
    let query = "api-version=2019-08-01&resource=https://management.azure.com";
    let app_service = format!("{}?{query}", azure.identity_endpoint());
    let imds = format!("{}?{query}", azure.metadata_endpoint());
    for (url, headers) in [
        (&app_service, [("x-identity-header", header.as_str())]),
        (&imds, [("metadata", "true")]),
        (&format!("{imds}&client_id={client_id}"), [("metadata", "true")]),
    ] {
        let answer = ask(url, &headers).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        assert!(answer.body["expires_on"].is_string());
        let token = answer.body["access_token"].as_str().unwrap();
        let gateway = fixture
            .send(token, reqwest::Method::GET, &fixture.gateway.id(), None)
            .await;
        assert_eq!(gateway.status(), StatusCode::OK);
    }
    for (url, headers, status) in [
        (
            &app_service,
            [("x-identity-header", "wrong")],
            StatusCode::UNAUTHORIZED,
        ),
        (&imds, [("accept", "*/*")], StatusCode::BAD_REQUEST),
        (
            &format!("{imds}&client_id=another"),
            [("metadata", "true")],
            StatusCode::BAD_REQUEST,
        ),
        (
            &imds.replace("management.azure.com", "elsewhere"),
            [("metadata", "true")],
            StatusCode::BAD_REQUEST,
        ),
    ] {
        let answer = ask(url, &headers).await;
        assert_eq!(answer.status, status, "{url} {answer:?}");
    }
    assert_eq!(azure.requests_for(Operation::ManagedIdentity).len(), 7);
    assert!(!fixture.log().contains(&header));
}
