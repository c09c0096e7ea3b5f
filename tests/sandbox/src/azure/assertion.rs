//! Client assertions: those that an application's certificate signed, and the tokens of other issuers that a federated
//! credential trusts.

use std::fmt::Write as _;

use axum::http::StatusCode;
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;
use serde_json::Value;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::directory::{Client, Directory, FederatedIdentityCredential, KeyCredential};
use super::entra::Failure;

/// How much Entra allows the clocks to differ.
const SKEW: SignedDuration = SignedDuration::from_mins(5);

/// The values that an assertion is checked against.
pub(super) struct Check<'a> {
    pub(super) client: &'a Client<'a>,
    pub(super) directory: &'a Directory,
    /// The address of the token endpoint that was asked.
    pub(super) token_url: String,
    pub(super) now: Timestamp,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    x5t: Option<String>,
    #[serde(rename = "x5t#S256")]
    x5t_sha256: Option<String>,
    #[serde(default)]
    x5c: Vec<String>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    exp: i64,
    nbf: Option<i64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    fn has(&self, wanted: &str) -> bool {
        match self {
            Audience::One(one) => one == wanted,
            Audience::Many(many) => many.iter().any(|one| one == wanted),
        }
    }

    fn shown(&self) -> String {
        match self {
            Audience::One(one) => one.clone(),
            Audience::Many(many) => many.join(", "),
        }
    }
}

struct Assertion<'a> {
    header: Header,
    claims: Claims,
    signed: &'a [u8],
    signature: Vec<u8>,
}

impl Assertion<'_> {
    fn parse(text: &str) -> Option<Assertion<'_>> {
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let decode = |part: &str| BASE64_URL_SAFE_NO_PAD.decode(part).ok();
        Some(Assertion {
            header: serde_json::from_slice(&decode(header)?).ok()?,
            claims: serde_json::from_slice(&decode(claims)?).ok()?,
            signed: signed.as_bytes(),
            signature: decode(signature)?,
        })
    }
}

impl Check<'_> {
    pub(super) fn assertion(&self, text: &str) -> Result<(), Failure> {
        let assertion =
            Assertion::parse(text).ok_or_else(|| refused(50027, "JWT token is invalid or malformed."))?;
        let algorithm = &assertion.header.alg;
        if algorithm != "RS256" {
            let message = format!(
                "Invalid JWT token. '{algorithm}' is not a supported signature algorithm. Supported signing algorithms \
                 are: 'RS256, RS384, RS512'"
            );
            return Err(refused(5_002_738, &message));
        }
        if assertion.claims.iss.eq_ignore_ascii_case(self.client.app_id) {
            self.certificate(&assertion)
        } else {
            self.federated(&assertion)
        }
    }

    fn certificate(&self, assertion: &Assertion<'_>) -> Result<(), Failure> {
        let Header {
            x5t, x5t_sha256, x5c, ..
        } = &assertion.header;
        if x5t.is_none() && x5t_sha256.is_none() {
            return Err(refused(
                50027,
                "JWT token is invalid or malformed: no key is identified in its header.",
            ));
        }
        // Every thumbprint that is given must be the certificate's.
        let is = |key: &&KeyCredential| {
            let fits = |given: &Option<String>, algorithm| {
                let thumbprint = BASE64_URL_SAFE_NO_PAD.encode(digest(algorithm, &key.der));
                given.as_ref().is_none_or(|given| *given == thumbprint)
            };
            fits(x5t, &SHA1_FOR_LEGACY_USE_ONLY) && fits(x5t_sha256, &SHA256)
        };
        let thumbprint = x5t
            .as_ref()
            .or(x5t_sha256.as_ref())
            .map_or_else(String::new, |text| {
                let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
                bytes.iter().fold(String::new(), |mut hex, byte| {
                    let _ = write!(hex, "{byte:02X}");
                    hex
                })
            });
        let registered = self.client.keys.iter().find(is).ok_or_else(|| {
            refused(
                700_027,
                &format!(
                    "The certificate with identifier used to sign the client assertion is not registered on \
                     application. [Reason - The key was not found., Thumbprint of key used by client: \
                     '{thumbprint}', Please visit the Azure Portal, Graph Explorer or directly use MS Graph to see \
                     configured keys for app Id '{}'.]",
                    self.client.app_id
                ),
            )
        })?;
        let (_, certificate) = X509Certificate::from_der(&registered.der)
            .map_err(|_| refused(700_027, "The registered certificate cannot be parsed."))?;
        if registered.end < self.now {
            return Err(refused(
                700_027,
                &format!(
                    "The certificate with identifier used to sign the client assertion is expired on application. \
                     [Reason - The key used is expired., Found key 'Start={}, End={}', Thumbprint of key used by \
                     client: '{thumbprint}'.]",
                    registered.start, registered.end
                ),
            ));
        }
        if x5c
            .first()
            .is_some_and(|leaf| *leaf != BASE64_STANDARD.encode(&registered.der))
        {
            return Err(refused(
                700_027,
                "The first certificate of x5c is not the one that signed.",
            ));
        }
        let key = &certificate.public_key().subject_public_key.data;
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.as_ref());
        if key.verify(assertion.signed, &assertion.signature).is_err() {
            return Err(refused(
                700_027,
                "Client assertion contains an invalid signature. [Reason - The key was found, but use of the key to \
                 verify the signature failed.]",
            ));
        }
        if !assertion.claims.sub.eq_ignore_ascii_case(self.client.app_id) {
            return Err(refused(
                700_021,
                "Client assertion application identifier doesn't match 'client_id' parameter.",
            ));
        }
        if !assertion.claims.aud.has(&self.token_url) {
            return Err(refused(
                700_023,
                "Client assertion audience claim does not match Realm issuer.",
            ));
        }
        self.life(&assertion.claims)
    }

    fn federated(&self, assertion: &Assertion<'_>) -> Result<(), Failure> {
        let Claims { iss, sub, aud, .. } = &assertion.claims;
        let records = self.client.federated_credentials;
        let matching = |fits: &dyn Fn(&FederatedIdentityCredential) -> bool| records.iter().any(fits);
        let missing = |code, what: &str, value: &str, more: &str| {
            refused(
                code,
                &format!(
                    "No matching federated identity record found for presented assertion {what} '{value}'.{more} Check \
                     your federated identity credential Subject, Audience and Issuer against the presented assertion. \
                     https://learn.microsoft.com/entra/workload-id/workload-identity-federation"
                ),
            )
        };
        let issued = |record: &FederatedIdentityCredential| record.issuer == *iss;
        if !matching(&issued) {
            return Err(missing(700_211, "issuer", iss, ""));
        }
        let about = |record: &FederatedIdentityCredential| issued(record) && record.subject == *sub;
        if !matching(&about) {
            let similar = |record: &FederatedIdentityCredential| {
                issued(record) && record.subject.to_lowercase() == sub.to_lowercase()
            };
            let (code, more) = if matching(&similar) {
                let more = " The subject matches with case-insensitive comparison, but not with case-sensitive \
                            comparison.";
                (7_002_138, more)
            } else {
                (700_213, "")
            };
            return Err(missing(code, "subject", sub, more));
        }
        if !matching(&|record| about(record) && record.audiences.iter().any(|it| aud.has(it))) {
            return Err(missing(700_212, "audience", &aud.shown(), ""));
        }
        let keys = self
            .directory
            .keys_of(iss)
            .ok_or_else(|| refused(90061, "Request to External OIDC endpoint failed."))?;
        if !verified(keys, assertion) {
            return Err(refused(
                50013,
                "Assertion failed signature validation. [Reason - The key was not found.]",
            ));
        }
        self.life(&assertion.claims)
    }

    fn life(&self, claims: &Claims) -> Result<(), Failure> {
        let at = |seconds| Timestamp::from_second(seconds).unwrap_or(Timestamp::MIN);
        let (begin, end) = (claims.nbf.map_or(Timestamp::MIN, at), at(claims.exp));
        if begin <= self.now + SKEW && self.now <= end + SKEW {
            return Ok(());
        }
        Err(refused(
            700_024,
            &format!(
                "Client assertion is not within its valid time range. Current time: {}, assertion valid from {begin}, \
                 expiry time of assertion {end}.",
                self.now
            ),
        ))
    }
}

/// Whether an RSA key of the set signed the assertion.
fn verified(keys: &Value, assertion: &Assertion<'_>) -> bool {
    let keys = keys["keys"].as_array().map(Vec::as_slice).unwrap_or_default();
    keys.iter()
        .filter(|key| {
            assertion.header.kid.is_none() || key["kid"].as_str() == assertion.header.kid.as_deref()
        })
        .any(|key| {
            let part = |name: &str| {
                BASE64_URL_SAFE_NO_PAD
                    .decode(key[name].as_str().unwrap_or_default())
                    .ok()
            };
            part("n").zip(part("e")).is_some_and(|(n, e)| {
                let key = RsaPublicKeyComponents { n, e };
                key.verify(
                    &RSA_PKCS1_2048_8192_SHA256,
                    assertion.signed,
                    &assertion.signature,
                )
                .is_ok()
            })
        })
}

fn refused(code: u32, message: &str) -> Failure {
    Failure {
        status: StatusCode::UNAUTHORIZED,
        error: "invalid_client",
        code,
        message: message.to_owned(),
    }
}
