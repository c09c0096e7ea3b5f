//! How a gateway signs in to Entra.

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use reqwest::Url;
use serde_json::{Value, json};

use super::ConfigurationApi;
use super::certificate::Certificate;
use super::credential::{Entra, Proof};

const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// How long an assertion of a certificate is valid.
const LIFETIME: SignedDuration = SignedDuration::from_mins(10);

impl Entra {
    /// Requests an access token for the configuration endpoint.
    pub(super) async fn sign_in(&self, api: &ConfigurationApi) -> Result<String> {
        let authority = self.authority.trim_end_matches('/');
        let url = format!("{authority}/{}/oauth2/v2.0/token", self.tenant);
        let scope = format!("{}/.default", self.audience);
        let mut fields = vec![
            ("client_id", self.client_id.clone()),
            ("scope", scope),
            ("grant_type", "client_credentials".to_owned()),
        ];
        match &self.proof {
            Proof::Secret(secret) => fields.push(("client_secret", secret.clone())),
            Proof::Certificate(certificate) => {
                fields.push(("client_assertion", self.assertion(certificate, &url)?));
            }
            Proof::Federated(token) => fields.push(("client_assertion", token.clone())),
        }
        if !matches!(self.proof, Proof::Secret(_)) {
            fields.push(("client_assertion_type", ASSERTION.to_owned()));
        }
        let host = Url::parse(&url)?;
        let host = host.host_str().context("the authority has no host")?;
        let answer = api
            .client(host)?
            .post(&url)
            .header(reqwest::header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form(&fields))
            .send()
            .await?;
        let status = answer.status();
        let body: Value = answer.json().await.context("the token endpoint's answer")?;
        if let Some(token) = body["access_token"].as_str().filter(|_| status.is_success()) {
            return Ok(token.to_owned());
        }
        let description = body["error_description"].as_str().unwrap_or_default();
        bail!("{}", description.lines().next().unwrap_or_default())
    }

    fn assertion(&self, certificate: &Certificate, audience: &str) -> Result<String> {
        let now = Timestamp::now();
        let header = json!({"alg": "RS256", "typ": "JWT", "x5t": certificate.thumbprint()});
        let claims = json!({
            "aud": audience, "iss": self.client_id, "sub": self.client_id, "jti": uuid::Uuid::new_v4().to_string(),
            "nbf": now.as_second(), "exp": (now + LIFETIME).as_second(),
        });
        let signed = [header, claims]
            .map(|part| BASE64_URL_SAFE_NO_PAD.encode(part.to_string()))
            .join(".");
        let signature = certificate.sign(signed.as_bytes())?;
        Ok(format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)))
    }
}

fn form(fields: &[(&str, String)]) -> String {
    let encode = |text| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC);
    let pairs: Vec<_> = fields
        .iter()
        .map(|(name, value)| format!("{name}={}", encode(value)))
        .collect();
    pairs.join("&")
}
