//! The assertion that a service principal presents instead of a secret: signed
//! with its certificate, or a token signed by another issuer.

use async_trait::async_trait;
use azure_core::error::ErrorKind;
use azure_core::http::ClientMethodOptions;
use azure_identity::ClientAssertion;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::certificate::Certificate;
use super::failure::FailureSlot;
use super::identity::{Assertion, WORKLOAD_IDENTITY_WEBHOOK};
use crate::azure::transport::error::Error;
use crate::azure::transport::wire;

/// The lifetime that Entra's reference recommends; an assertion is used at once.
const LIFETIME: SignedDuration = SignedDuration::from_mins(10);
/// How far the local clock may be ahead of Entra's.
const SKEW: SignedDuration = SignedDuration::from_mins(5);

/// Signs an assertion for each sign-in (RFC 7523, section 2.2).
#[derive(Debug)]
pub(crate) struct Signer {
    pub(crate) certificate: Certificate,
    /// Whether to send the certificate's chain. With it Entra recognises a
    /// certificate by subject and issuer instead of by thumbprint.
    pub(crate) send_chain: bool,
    pub(crate) client_id: String,
    /// The address of the token endpoint.
    pub(crate) audience: String,
}

#[async_trait]
impl ClientAssertion for Signer {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        #[expect(
            clippy::disallowed_methods,
            reason = "before Entra's first answer there is no clock but the local one"
        )]
        let now = Timestamp::now();
        self.assertion(now)
            .ok_or_else(|| azure_core::Error::with_message(ErrorKind::Credential, "the key cannot sign"))
    }
}

impl Signer {
    fn assertion(&self, now: Timestamp) -> Option<String> {
        let mut header = json!({"alg": "RS256", "typ": "JWT"});
        for (name, value) in self.certificate.thumbprints() {
            header[name] = Value::from(value);
        }
        if self.send_chain {
            header["x5c"] = Value::from(self.certificate.chain());
        }
        let claims = json!({
            "aud": self.audience,
            "iss": self.client_id,
            "sub": self.client_id,
            "jti": Uuid::new_v4().to_string(),
            "nbf": (now - SKEW).as_second(),
            "exp": (now + LIFETIME).as_second(),
        });
        let signed = [header, claims]
            .map(|part| BASE64_URL_SAFE_NO_PAD.encode(part.to_string()))
            .join(".");
        let signature = self.certificate.sign(signed.as_bytes())?;
        Some(format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// The token of a workload identity. The kubelet renews it in its file, so
/// the file is read at every sign-in.
#[derive(Debug)]
pub(crate) struct FederatedToken {
    pub(crate) token: Assertion,
    pub(crate) failure: FailureSlot,
}

#[async_trait]
impl ClientAssertion for FederatedToken {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        let path = match &self.token {
            Assertion::Token(token) => return Ok(token.expose_secret().to_owned()),
            Assertion::File(path) => path,
        };
        let file = path.display();
        let problem = match std::fs::read_to_string(path) {
            Ok(text) if !text.trim().is_empty() => return Ok(text.trim().to_owned()),
            Ok(_) => format!("{file} is empty"),
            Err(error) => format!("{file}: {error}"),
        };
        let error = Error::SignIn {
            code: None,
            message: format!("cannot read the token of the workload identity: {problem}"),
            hint: Some(format!(
                "AZURE_FEDERATED_TOKEN_FILE must name the token file; {WORKLOAD_IDENTITY_WEBHOOK}"
            )),
        };
        let for_crate = azure_core::Error::with_message(ErrorKind::Credential, error.to_string());
        self.failure.put(error);
        Err(for_crate)
    }
}

/// The public claims of another issuer's token, which a federated credential
/// must match. None of them is a secret.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Presented {
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) audience: String,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Presented {
    /// Reads the assertion in a form for the token endpoint; `None` if it is
    /// not a token.
    pub(crate) fn in_form(form: &[u8]) -> Option<Self> {
        // A token has no character that a form would encode.
        let form = std::str::from_utf8(form).ok()?;
        let assertion = form
            .split('&')
            .find_map(|pair| pair.strip_prefix("client_assertion="))?;
        let payload = BASE64_URL_SAFE_NO_PAD.decode(assertion.split('.').nth(1)?).ok()?;
        let claims: Claims = serde_json::from_slice(&payload).ok()?;
        let audience = match claims.aud {
            Audience::One(one) => one,
            Audience::Many(many) => many.join(", "),
        };
        Some(Self {
            issuer: wire::line(&claims.iss),
            subject: wire::line(&claims.sub),
            audience: wire::line(&audience),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_claims_of_an_assertion_are_read() {
        let form = |claims: &str| {
            let payload = BASE64_URL_SAFE_NO_PAD.encode(claims);
            format!("client_id=c&client_assertion=aGVhZA.{payload}.c2ln&scope=s")
        };
        let expected = Some(Presented {
            issuer: "https://issuer/".into(),
            subject: "system:serviceaccount:n:s".into(),
            audience: "api://AzureADTokenExchange".into(),
        });
        for audience in [
            r#""api://AzureADTokenExchange""#,
            r#"["api://AzureADTokenExchange"]"#,
        ] {
            let claims = format!(
                r#"{{"iss":"https://issuer/","sub":"system:serviceaccount:n:s","aud":{audience},"exp":1}}"#
            );
            assert_eq!(Presented::in_form(form(&claims).as_bytes()), expected);
        }
        for form in [&form("{}"), "client_assertion=x", "client_secret=s", ""] {
            assert_eq!(Presented::in_form(form.as_bytes()), None);
        }
    }

    #[tokio::test]
    async fn a_token_file_is_read_each_time_and_a_missing_one_explained() {
        let failure = FailureSlot::default();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        let token = FederatedToken {
            token: Assertion::File(file.clone()),
            failure: failure.clone(),
        };
        assert!(token.secret(None).await.is_err());
        let error = failure.take().unwrap();
        assert!(error.to_string().contains("No such file"), "{error}");
        assert!(error.hint().unwrap().contains("azure.workload.identity/use"));
        for content in ["one\n", "two\n"] {
            std::fs::write(&file, content).unwrap();
            assert_eq!(token.secret(None).await.unwrap(), content.trim());
        }
    }
}
