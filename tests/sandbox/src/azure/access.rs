//! The access tokens that Entra issues and ARM checks.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use ring::hmac;
use ring::rand::SystemRandom;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// How long an access token lives; Entra chooses between 60 and 90 minutes.
pub(super) const LIFETIME: SignedDuration = SignedDuration::from_secs(3599);

/// The claims of a token, with the names of the version 1.0 tokens that ARM receives.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Claims {
    pub(super) aud: String,
    pub(super) iss: String,
    pub(super) iat: i64,
    pub(super) nbf: i64,
    pub(super) exp: i64,
    pub(super) appid: String,
    pub(super) oid: String,
    pub(super) sub: String,
    pub(super) tid: String,
    pub(super) ver: String,
    /// `app` or `user`.
    pub(super) idtyp: String,
    /// The nanosecond of issue, which Entra's tokens do not have; what counts for a token depends on it.
    pub(super) issued: String,
}

impl Claims {
    /// When the token was issued.
    pub(super) fn issued(&self) -> Timestamp {
        let nanosecond = self.issued.parse().ok();
        nanosecond
            .and_then(|nanosecond| Timestamp::from_nanosecond(nanosecond).ok())
            .unwrap_or(Timestamp::MIN)
    }
}

/// Whose token is issued.
pub(super) struct Subject {
    pub(super) tenant: String,
    pub(super) client_id: String,
    pub(super) object_id: String,
    pub(super) is_user: bool,
}

/// Signs access tokens and recognises its own.
///
/// Entra signs with RSA; no client may look into a token for ARM, so the cheaper HMAC does not show.
pub(super) struct Issuer(hmac::Key);

impl Issuer {
    pub(super) fn generate() -> anyhow::Result<Issuer> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new());
        key.map(Issuer)
            .map_err(|_| anyhow::anyhow!("the machine has no source of randomness"))
    }

    pub(super) fn issue(&self, subject: Subject, audience: &str, now: Timestamp) -> String {
        let claims = Claims {
            aud: audience.to_owned(),
            iss: format!("https://sts.windows.net/{}/", subject.tenant),
            iat: now.as_second(),
            nbf: now.as_second(),
            exp: (now + LIFETIME).as_second(),
            appid: subject.client_id,
            oid: subject.object_id.clone(),
            sub: subject.object_id,
            tid: subject.tenant,
            ver: "1.0".to_owned(),
            idtyp: if subject.is_user { "user" } else { "app" }.to_owned(),
            issued: now.as_nanosecond().to_string(),
        };
        let header = json!({"typ": "JWT", "alg": "HS256", "kid": "apim-sandbox"}).to_string();
        let payload = serde_json::to_string(&claims).expect("the claims are plain text and numbers");
        let signed = [header, payload]
            .map(|part| BASE64_URL_SAFE_NO_PAD.encode(part))
            .join(".");
        let signature = hmac::sign(&self.0, signed.as_bytes());
        format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }

    /// The claims of a token that this issuer signed, even if it has expired.
    pub(super) fn claims(&self, token: &str) -> Option<Claims> {
        let (signed, signature) = token.rsplit_once('.')?;
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).ok()?;
        hmac::verify(&self.0, signed.as_bytes(), &signature).ok()?;
        let (_, payload) = signed.split_once('.')?;
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
    }
}
