//! Tokens of another issuer, which sign an application or a managed identity in.

use std::process::Command;

use apim_sandbox::azure::{
    Application, FederatedIdentityCredential, GraphRights, Lag, ManagedIdentity, ServicePrincipal,
};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::SignedDuration;
use reqwest::Method;
use ring::rand::SystemRandom;
use ring::rsa::KeyPair;
use ring::signature::{RSA_PKCS1_SHA256, RsaPublicKeyComponents};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};

use super::assertions::signed;
use super::fixture::Fixture;

const URL: &str = "https://oidc.test/cluster/";
const SUBJECT: &str = "system:serviceaccount:n:s";
const AUDIENCE: &str = "api://AzureADTokenExchange";

/// An issuer with an RSA key, as clusters in Azure have it.
struct Issuer(KeyPair);

impl Issuer {
    fn trusted_by(fixture: &Fixture) -> Issuer {
        let made = Command::new("openssl")
            .args(["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"])
            .output()
            .expect("this test needs the command openssl, which makes RSA keys");
        let key = PrivateKeyDer::from_pem_slice(&made.stdout).unwrap();
        let key = KeyPair::from_pkcs8(key.secret_der()).unwrap();
        let part = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let public: RsaPublicKeyComponents<Vec<u8>> = key.public().into();
        let jwk = json!({
            "kty": "RSA",
            "kid": "k",
            "n": part(&public.n),
            "e": part(&public.e),
        });
        fixture.azure.trust_issuer(URL, json!({"keys": [jwk]}));
        Issuer(key)
    }

    fn token(&self, fixture: &Fixture, subject: &str) -> String {
        let exp = fixture.azure.now().as_second() + 600;
        let claims = json!({"iss": URL, "sub": subject, "aud": [AUDIENCE], "exp": exp});
        let sign = |text: &[u8]| {
            let mut signature = vec![0; self.0.public().modulus_len()];
            self.0
                .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text, &mut signature)
                .unwrap();
            signature
        };
        signed(&json!({"alg": "RS256", "kid": "k"}), &claims, sign)
    }
}

/// The code with which Entra refuses a client that comes with a token, if it does.
async fn code(fixture: &Fixture, client_id: &str, assertion: &str) -> Option<u64> {
    let form = format!(
        "client_id={client_id}&scope=https://management.azure.com/.default&grant_type=client_credentials&\
         client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&\
         client_assertion={assertion}"
    );
    let url = format!(
        "https://login.microsoftonline.com/{}/oauth2/v2.0/token",
        fixture.principal.tenant
    );
    let answer = fixture.post_form(&url, form).await;
    answer.body["error_codes"][0].as_u64()
}

#[tokio::test]
async fn a_federated_credential_of_an_application_arrives_after_a_while() {
    let fixture = Fixture::start_with_graph(GraphRights::ReadWriteAll).await;
    fixture.azure.stop_clock();
    let issuer = Issuer::trusted_by(&fixture);
    let tenant = &fixture.principal.tenant;
    let application = Application::new(tenant, "gw");
    let app_id = application.app_id.clone();
    fixture.azure.directory(|directory| {
        directory.add_application(application.clone());
        directory.add_service_principal(ServicePrincipal::new(tenant, &app_id, &app_id, "gw"));
    });
    let lag = SignedDuration::from_secs(10);
    fixture.azure.set_lag(Lag::of(lag));
    let body = json!({"name": "one", "issuer": URL, "subject": SUBJECT, "audiences": [AUDIENCE]});
    let path = format!("applications/{}/federatedIdentityCredentials", application.id);
    let made = fixture.graph(Method::POST, &path, body).await.body;
    let sign_in = async |subject: &str| code(&fixture, &app_id, &issuer.token(&fixture, subject)).await;
    assert_eq!(sign_in(SUBJECT).await, Some(700_211));
    fixture.azure.advance_clock(lag);
    assert_eq!(sign_in(SUBJECT).await, None);
    assert_eq!(sign_in("system:serviceaccount:N:s").await, Some(7_002_138));
    assert_eq!(sign_in("system:serviceaccount:n:t").await, Some(700_213));

    // A change is not there at once either.
    let one = format!("{path}/{}", made["id"].as_str().unwrap());
    let other = json!({"audiences": ["api://AzureADTokenExchangeChina"]});
    fixture.graph(Method::PATCH, &one, other).await;
    assert_eq!(sign_in(SUBJECT).await, None);
    fixture.azure.advance_clock(lag);
    assert_eq!(sign_in(SUBJECT).await, Some(700_212));
    fixture.graph(Method::DELETE, &one, Value::Null).await;
    fixture.azure.advance_clock(lag);
    assert_eq!(sign_in(SUBJECT).await, Some(700_211));
}

#[tokio::test]
async fn a_federated_credential_signs_a_managed_identity_in() {
    let fixture = Fixture::start().await;
    let issuer = Issuer::trusted_by(&fixture);
    let mut identity = ManagedIdentity::new(&fixture.principal.tenant, "s", "g", "one");
    let client_id = identity.client_id.clone();
    let sign_in = async || code(&fixture, &client_id, &issuer.token(&fixture, SUBJECT)).await;
    assert_eq!(sign_in().await, Some(700_016));
    // AKS's issuers end with a slash, which the credential must have.
    let without = URL.trim_end_matches('/');
    for (url, expected) in [(without, Some(700_211)), (URL, None)] {
        identity.federated_credentials =
            vec![FederatedIdentityCredential::new("fic", url, SUBJECT, AUDIENCE)];
        fixture
            .azure
            .directory(|directory| directory.add_managed_identity(identity.clone()));
        assert_eq!(sign_in().await, expected);
    }
    let secret = fixture
        .ask_entra(&fixture.principal.tenant, &client_id, "x")
        .await;
    assert_eq!(secret.body["error_codes"], json!([7_000_215]));
}
