//! The public documents of an issuer of tokens, which are read without login.

use http::StatusCode;
use reqwest::Url;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::arm::client::{Arm, https_url};
use super::transport::error::{Error, Flaw};
use super::transport::exchange::receive;
use super::transport::wire;
use crate::model::cleaned;
use crate::retry::retrying;

/// The first document of an issuer (`OpenID` Connect Discovery 1.0).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerDocument {
    /// What it calls the issuer, to the letter.
    pub issuer: String,
    keys: String,
}

impl Arm {
    /// Reads the document of an issuer as anyone on the internet does, by the proxy
    /// and with the roots that requests to Azure use.
    pub async fn issuer_document(&self, issuer: &str) -> Result<IssuerDocument, Error> {
        let address = format!(
            "{}/.well-known/openid-configuration",
            issuer.trim_end_matches('/')
        );
        let url = https_url(&address)?;
        let answer: DocumentAnswer = self.public(url, "read the document of the issuer").await?;
        Ok(IssuerDocument {
            issuer: cleaned(&answer.issuer),
            keys: answer.jwks_uri,
        })
    }

    /// Reads the types of an issuer's keys, such as `RSA`.
    pub async fn issuer_key_types(&self, document: &IssuerDocument) -> Result<Vec<String>, Error> {
        let url = https_url(&document.keys)?;
        let answer: KeysAnswer = self.public(url, "read the keys of the issuer").await?;
        let mut types: Vec<String> = answer.keys.iter().map(|key| cleaned(&key.kty)).collect();
        types.sort();
        types.dedup();
        Ok(types)
    }

    async fn public<T: DeserializeOwned>(&self, url: Url, what: &str) -> Result<T, Error> {
        let host = cleaned(url.host_str().unwrap_or_default());
        let purpose = format!("{what} at {host}");
        let wire_error = |problem: String, flaw| Error::Wire {
            purpose: purpose.clone(),
            problem,
            flaw,
        };
        let timed_out = || wire_error(format!("{host} did not answer in time"), Flaw::Form);
        let attempt = async || {
            let request = self.connection().http.get(url.clone());
            let (status, answer) = receive("issuer", &purpose, request).await?;
            if !status.is_success() {
                let may_pass = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
                let flaw = if may_pass { Flaw::Truncated } else { Flaw::Form };
                return Err(wire_error(format!("the answer is {}", status.as_u16()), flaw));
            }
            wire::parse(&answer.headers, &answer.body)
                .map_err(|(came, flaw)| wire_error(format!("the answer is {came}"), flaw))
        };
        retrying(self.deadline(), Error::retry_decision, timed_out, attempt).await
    }
}

#[derive(Deserialize)]
struct DocumentAnswer {
    issuer: String,
    jwks_uri: String,
}

#[derive(Deserialize)]
struct KeysAnswer {
    keys: Vec<Key>,
}

#[derive(Deserialize)]
struct Key {
    kty: String,
}
