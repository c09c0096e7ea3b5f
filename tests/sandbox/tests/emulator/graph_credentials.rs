//! Microsoft Graph: client secrets, certificates and federated credentials of applications.

use std::process::Command;

use apim_sandbox::azure::Directory;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::SignedDuration;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::graph::{create, path, start};

/// The DER of a new certificate in base64.
pub(crate) fn certificate() -> String {
    let made = Command::new("openssl")
        .args([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=app", "-days", "90",
        ])
        .args(["-keyout", "/dev/null", "-outform", "DER"])
        .output()
        .expect("this test needs the command openssl, which makes RSA keys");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    BASE64_STANDARD.encode(made.stdout)
}

#[tokio::test]
async fn a_secret_signs_in_until_it_is_removed() {
    let fixture = start().await;
    let application = create(&fixture, "gw").await;
    let app_id = application["appId"].as_str().unwrap();
    let end = fixture.azure.now() + SignedDuration::from_hours(24);
    let asked = json!({"passwordCredential": {"displayName": "a", "endDateTime": end.to_string()}});
    let add = format!("{}/addPassword", path(&application));
    let added = fixture.graph(Method::POST, &add, asked).await;
    assert_eq!(added.status, StatusCode::OK);
    let secret = added.body["secretText"].as_str().unwrap();
    assert!(secret.starts_with(added.body["hint"].as_str().unwrap()));

    let tenant = &fixture.principal.tenant;
    let orphan = fixture.ask_entra(tenant, app_id, secret).await;
    assert_eq!(
        (orphan.status, &orphan.body["error_codes"]),
        (StatusCode::UNAUTHORIZED, &json!([7_000_229]))
    );
    let principal = fixture
        .graph(Method::POST, "servicePrincipals", json!({"appId": app_id}))
        .await;
    assert_eq!(principal.status, StatusCode::CREATED);
    assert_eq!(
        fixture.ask_entra(tenant, app_id, secret).await.status,
        StatusCode::OK
    );

    let shown = fixture
        .graph(Method::GET, &path(&application), Value::Null)
        .await
        .body;
    let password = &shown["passwordCredentials"][0];
    assert_eq!(
        (&password["secretText"], &password["keyId"]),
        (&Value::Null, &added.body["keyId"])
    );
    fixture.azure.advance_clock(SignedDuration::from_hours(25));
    let expired = fixture.ask_entra(tenant, app_id, secret).await;
    assert_eq!(expired.body["error_codes"], json!([7_000_222]));

    let remove = format!("{}/removePassword", path(&application));
    let body = json!({"keyId": added.body["keyId"]});
    let removed = fixture.graph(Method::POST, &remove, body.clone()).await;
    assert_eq!(removed.status, StatusCode::NO_CONTENT);
    let again = fixture.graph(Method::POST, &remove, body).await;
    let expected = format!(
        "No password credential found with keyId '{}'.",
        added.body["keyId"].as_str().unwrap()
    );
    assert_eq!(
        (again.status, again.message()),
        (StatusCode::BAD_REQUEST, expected.as_str())
    );
    let patched = fixture
        .graph(
            Method::PATCH,
            &path(&application),
            json!({"passwordCredentials": [{"displayName": "x"}]}),
        )
        .await;
    assert_eq!(patched.status, StatusCode::BAD_REQUEST);
    assert!(!fixture.log().contains(secret));
}

#[tokio::test]
async fn the_certificates_are_replaced_all_together() {
    let fixture = start().await;
    let application = create(&fixture, "gw").await;
    let path = path(&application);
    let new = json!({"type": "AsymmetricX509Cert", "usage": "Verify", "key": certificate()});
    let set = async |keys: Value| {
        fixture
            .graph(Method::PATCH, &path, json!({"keyCredentials": keys}))
            .await
    };
    assert_eq!(set(json!([new])).await.status, StatusCode::NO_CONTENT);
    let shown = fixture.graph(Method::GET, &path, Value::Null).await.body;
    let mut old = shown["keyCredentials"][0].clone();
    assert_eq!((&old["key"], &old["usage"]), (&Value::Null, &json!("Verify")));
    let selected = format!("{path}?$select=id,keyCredentials");
    let whole = fixture.graph(Method::GET, &selected, Value::Null).await.body;
    assert_eq!(whole["keyCredentials"][0]["key"], new["key"]);
    let listed = fixture
        .graph(Method::GET, "applications?$select=keyCredentials", Value::Null)
        .await;
    assert!(!listed.body.to_string().contains(new["key"].as_str().unwrap()));

    let other = json!({"type": "AsymmetricX509Cert", "usage": "Verify", "key": certificate()});
    assert_eq!(set(json!([old, other])).await.status, StatusCode::NO_CONTENT);
    old["displayName"] = "changed".into();
    let refused = set(json!([old])).await;
    let expected = format!(
        "Update to existing credential with KeyId '{}' is not allowed.",
        old["keyId"].as_str().unwrap()
    );
    assert_eq!(
        (refused.code(), refused.message()),
        ("Request_BadRequest", expected.as_str())
    );
    assert_eq!(set(json!([other])).await.status, StatusCode::NO_CONTENT);
    let app_id = application["appId"].as_str().unwrap();
    let left = |directory: &mut Directory| directory.application(app_id).unwrap().keys.len();
    assert_eq!(
        fixture.azure.directory(left),
        1,
        "the list replaced the two that were there"
    );
    for bad in [
        json!({"type": "AsymmetricX509Cert", "usage": "Verify", "key": "AAAA"}),
        json!({"type": "AsymmetricX509Cert", "usage": "Verify", "key": other["key"], "endDateTime": "2999-01-01T00:00:00Z"}),
    ] {
        assert_eq!(set(json!([bad])).await.status, StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn federated_credentials_have_limits() {
    let fixture = start().await;
    let application = create(&fixture, "gw").await;
    let all = format!("{}/federatedIdentityCredentials", path(&application));
    let credential = |name: &str, subject: &str| {
        json!({"name": name, "issuer": "https://issuer.example/", "subject": subject,
            "audiences": ["api://AzureADTokenExchange"]})
    };
    let add = async |body: Value| fixture.graph(Method::POST, &all, body).await;
    let first = add(credential("one", "s")).await;
    assert_eq!(first.status, StatusCode::CREATED);
    let same_name = add(credential("one", "t")).await;
    assert_eq!(
        (
            same_name.status,
            same_name.code(),
            &same_name.body["error"]["details"][0]["code"]
        ),
        (
            StatusCode::CONFLICT,
            "Request_MultipleObjectsWithSameKeyValue",
            &json!("ObjectConflict")
        )
    );
    let same_subject = add(credential("two", "s")).await;
    assert_eq!(
        (same_subject.status, same_subject.code()),
        (StatusCode::BAD_REQUEST, "InvalidFederatedIdentityCredentialValue")
    );
    for (field, value) in [
        ("name", json!("a b")),
        ("name", json!("ab")),
        ("audiences", json!(["a", "b"])),
        ("subject", json!("x".repeat(601))),
        ("issuer", json!("http://issuer.example")),
    ] {
        let mut body = credential("bad-one", "u");
        body[field] = value;
        assert_eq!(add(body).await.status, StatusCode::BAD_REQUEST, "{field}");
    }
    for index in 2..=20 {
        let added = add(credential(&format!("c-{index}"), &format!("s{index}"))).await;
        assert_eq!(added.status, StatusCode::CREATED);
    }
    assert_eq!(
        add(credential("c-21", "s21")).await.status,
        StatusCode::BAD_REQUEST
    );
}

#[tokio::test]
async fn a_federated_credential_is_changed_and_deleted() {
    let fixture = start().await;
    let application = create(&fixture, "gw").await;
    let all = format!("{}/federatedIdentityCredentials", path(&application));
    let body = json!({"name": "one", "issuer": "https://issuer.example/", "subject": "s",
        "audiences": ["api://AzureADTokenExchange"]});
    let first = fixture.graph(Method::POST, &all, body).await;
    let one = format!("{all}/{}", first.body["id"].as_str().unwrap());
    let changed = fixture
        .graph(Method::PATCH, &one, json!({"subject": "moved"}))
        .await;
    assert_eq!(changed.status, StatusCode::NO_CONTENT);
    let shown = fixture
        .graph(Method::GET, &format!("{all}/one"), Value::Null)
        .await
        .body;
    assert_eq!(shown["subject"], "moved");
    assert_eq!(
        fixture.graph(Method::DELETE, &one, Value::Null).await.status,
        StatusCode::NO_CONTENT
    );
    let left = fixture.graph(Method::GET, &all, Value::Null).await.body;
    assert_eq!(left["value"].as_array().unwrap().len(), 0);
}
