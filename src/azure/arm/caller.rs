use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Deserialize;
use uuid::Uuid;

use super::client::Arm;
use crate::azure::transport::error::Error;

/// Who has signed in, by the claims of the access token, as the Azure CLI does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    pub tenant: Uuid,
    /// The object id of the user or of the service principal.
    pub object: Option<Uuid>,
}

impl Arm {
    /// Who signs in. It signs in first if nothing else has.
    pub async fn caller(&self) -> Result<Caller, Error> {
        let token = self.connection().credential.token(self.deadline()).await?;
        claims(token.token.secret())
            .and_then(Claims::caller)
            .ok_or_else(|| Error::SignIn {
                code: None,
                message: "the access token does not name the tenant".to_owned(),
                hint: None,
            })
    }
}

/// The claims are for display and for names only; ARM checks the signature.
fn claims(token: &str) -> Option<Claims> {
    let payload = token.split('.').nth(1)?;
    let json = BASE64_URL_SAFE_NO_PAD
        .decode(payload.trim_end_matches('='))
        .ok()?;
    serde_json::from_slice(&json).ok()
}

#[derive(Deserialize)]
struct Claims {
    #[serde(default)]
    tid: String,
    #[serde(default)]
    oid: String,
}

impl Claims {
    fn caller(self) -> Option<Caller> {
        Some(Caller {
            tenant: Uuid::try_parse(&self.tid).ok()?,
            object: Uuid::try_parse(&self.oid).ok(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(payload: &str) -> Option<Caller> {
        let token = format!("e30.{}.c2ln", BASE64_URL_SAFE_NO_PAD.encode(payload));
        claims(&token).and_then(Claims::caller)
    }

    #[test]
    fn a_token_names_its_tenant_and_mostly_its_owner() {
        let (tenant, object) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let both = format!(r#"{{"tid": "{tenant}", "oid": "{object}", "aud": "x"}}"#);
        let expected = Caller {
            tenant,
            object: Some(object),
        };
        assert_eq!(caller(&both), Some(expected));
        let alone = caller(&format!(r#"{{"tid": "{tenant}"}}"#)).unwrap();
        assert_eq!((alone.tenant, alone.object), (tenant, None));
        for opaque in ["", "e30", "a.b.c"] {
            assert!(claims(opaque).and_then(Claims::caller).is_none(), "{opaque}");
        }
        assert_eq!(caller(r#"{"tid": "common"}"#), None);
    }
}
