//! What a new sign-in has to fulfil, as a 401 of ARM says it: multifactor
//! authentication, or a conditional access policy.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;
use serde_json::Value;
use uuid::Uuid;

/// A claims challenge (learn.microsoft.com, "Claims challenges, claims requests
/// and client capabilities").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// The tenant to sign in to.
    tenant: Option<Uuid>,
    /// The claims in base64, as `az login --claims-challenge` takes them.
    claims: String,
}

impl Challenge {
    pub(crate) fn read(headers: &HeaderMap) -> Option<Self> {
        let challenges = headers.get_all(WWW_AUTHENTICATE).iter();
        challenges
            .filter_map(|value| value.to_str().ok())
            .find_map(|text| {
                let claims = parameter(text, "claims")?;
                let json = BASE64_STANDARD.decode(claims).ok()?;
                serde_json::from_slice::<Value>(&json).ok()?.as_object()?;
                let address = parameter(text, "authorization_uri")
                    .or_else(|| parameter(text, "authorization"))
                    .unwrap_or_default();
                Some(Self {
                    tenant: address.split('/').find_map(|part| Uuid::try_parse(part).ok()),
                    claims: claims.to_owned(),
                })
            })
    }

    /// The next step of a user. `az` below 2.76 does not know the option.
    pub(super) fn next_step(&self) -> String {
        let tenant = self
            .tenant
            .map(|id| format!(" --tenant {id}"))
            .unwrap_or_default();
        format!(
            "Azure wants a stronger sign-in for this, such as multifactor authentication: run `az logout && az \
             login{tenant} --claims-challenge {}` with az 2.76 or newer, or sign in as a service principal with \
             --client-id",
            self.claims
        )
    }
}

/// The value of a parameter, which is in quotes.
fn parameter<'a>(challenge: &'a str, name: &str) -> Option<&'a str> {
    let begin = format!("{name}=\"");
    let parts = challenge.split(&begin);
    let mut pairs = parts.clone().zip(parts.skip(1));
    let found = pairs.find(|(before, _)| before.is_empty() || before.ends_with([' ', ',']));
    found?.1.split('"').next()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const TENANT: &str = "00000000-1111-2222-3333-444444444444";
    /// `{"access_token":{"acrs":{"essential":true,"values":["p1"]}}}`
    const MFA: &str = "eyJhY2Nlc3NfdG9rZW4iOnsiYWNycyI6eyJlc3NlbnRpYWwiOnRydWUsInZhbHVlcyI6WyJwMSJdfX19";

    fn read(challenges: &[&str]) -> Option<Challenge> {
        let mut headers = HeaderMap::new();
        for challenge in challenges {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_str(challenge).unwrap());
        }
        Challenge::read(&headers)
    }

    #[test]
    fn the_claims_become_a_sign_in() {
        let arms = format!(
            r#"Bearer realm="", authorization_uri="https://login.microsoftonline.com/{TENANT}/oauth2/authorize", client_id="00000003-0000-0000-c000-000000000000", error="insufficient_claims", claims="{MFA}""#
        );
        let hint = read(&[&arms]).unwrap().next_step();
        let command = format!("`az logout && az login --tenant {TENANT} --claims-challenge {MFA}`");
        assert!(hint.contains(&command), "{hint}");

        let common = format!(
            r#"Bearer authorization_uri="https://login.windows.net/common",error="insufficient_claims",claims="{MFA}""#
        );
        let hint = read(&["PoP nonce=\"x\"", &common]).unwrap().next_step();
        assert!(
            hint.contains(&format!("`az logout && az login --claims-challenge {MFA}`")),
            "{hint}"
        );
    }

    #[test]
    fn what_is_no_challenge_is_left_out() {
        for challenge in [
            r#"Bearer authorization_uri="https://login.windows.net/", error="invalid_token", error_description="x""#,
            r#"Bearer claims="$(touch x)""#,
            r#"Bearer claims="e30""#,
            r#"Bearer xclaims="e30=""#,
            r#"Bearer claims="WzFd""#,
        ] {
            assert_eq!(read(&[challenge]), None, "{challenge}");
        }
    }
}
