use std::fmt;

use jiff::Timestamp;

use super::expiry::expiry;
use super::need::Unfinished;
use super::policy::Policy;
use super::slot::choose_slot;
use crate::error::{Error, Result};
use crate::model::annotation::{GATEWAY, LAST_USED_KEY, PREVIOUS_KEY};
use crate::model::{
    Credential, GatewayId, KeySlot, Minted, Recorded, SecretData, SecretFacts, Token, in_words,
};

/// How to make a new credential, by its kind. Where the kinds differ, each
/// function matches on all of them, so that a new kind does not compile before it
/// has an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mint {
    Token(TokenMint),
}

/// How to make a gateway token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenMint {
    pub gateway: GatewayId,
    /// The key of the Secret's data that holds the token.
    pub data_key: String,
    /// The key slot that signs it.
    pub key_slot: KeySlot,
    /// The slot that signed the token before it, if that is known.
    pub previous_key_slot: Option<KeySlot>,
    /// The expiry to request, in whole minutes.
    pub expires_at: Timestamp,
    /// Whether the token is stored with the prefix `GatewayKey `.
    pub prefixed: bool,
}

impl Mint {
    /// A new credential for a Secret, of the kind that it holds; an empty Secret
    /// gets a token.
    pub(super) fn new(secret: &SecretFacts, policy: &Policy, gateway: GatewayId, arm_now: Timestamp) -> Self {
        match secret.credential {
            Credential::Token { .. } | Credential::Unusable(_) => Self::Token(TokenMint {
                gateway,
                data_key: secret.key.clone(),
                key_slot: choose_slot(policy.key, secret.slot()),
                previous_key_slot: secret.slot(),
                expires_at: expiry(policy.life, arm_now),
                prefixed: is_prefixed(secret),
            }),
        }
    }

    /// How an unfinished rotation made the credential that the Secret holds.
    pub(super) fn of_unfinished(unfinished: &Unfinished, secret: &SecretFacts, gateway: GatewayId) -> Self {
        match unfinished.recorded {
            Recorded::Token {
                key_slot,
                previous_key_slot,
            } => Self::Token(TokenMint {
                gateway,
                data_key: secret.key.clone(),
                key_slot,
                previous_key_slot,
                expires_at: unfinished.expires_at,
                prefixed: is_prefixed(secret),
            }),
        }
    }

    /// The kind in a word, for messages.
    pub fn noun(&self) -> &'static str {
        match self {
            Self::Token(_) => "token",
        }
    }

    /// The credential that was there before, in words and without an article.
    pub fn previous(&self) -> String {
        match self {
            Self::Token(token) => match token.previous_key_slot {
                Some(slot) => format!("token of the {slot} key"),
                None => "token".to_owned(),
            },
        }
    }

    /// Checks that a credential is the one that was requested. A wrong one in
    /// the Secret would stop the gateway, so nothing is written if this fails.
    pub fn verify(&self, minted: &Credential) -> Result<()> {
        match self {
            Self::Token(token) => token.verify(minted),
        }
    }

    /// The annotations that only this kind of credential has.
    pub(super) fn annotations(&self) -> Vec<(&'static str, Option<String>)> {
        match self {
            Self::Token(token) => vec![
                (LAST_USED_KEY, Some(token.key_slot.to_string())),
                (PREVIOUS_KEY, token.previous_key_slot.map(|slot| slot.to_string())),
                (GATEWAY, Some(token.gateway.to_string())),
            ],
        }
    }

    /// Whether the credential that was there before can work although Azure
    /// refused this one.
    pub(super) fn is_independent_of(&self, previous: &SecretFacts) -> bool {
        match self {
            // A token of the same key would be refused for the same reason.
            Self::Token(token) => previous.slot() == Some(token.key_slot.other()),
        }
    }
}

impl fmt::Display for Mint {
    /// The credential in words, without an article.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(token) => write!(f, "token of the {} key", token.key_slot),
        }
    }
}

/// Whether a token is stored with the prefix. The gateway expects it in every
/// documented layout.
fn is_prefixed(secret: &SecretFacts) -> bool {
    !secret.gets_prefix
        && match &secret.credential {
            Credential::Token { prefixed, .. } => *prefixed,
            Credential::Unusable(_) => true,
        }
}

impl TokenMint {
    /// A token of the other key.
    pub(super) fn of_other_key(&self, expires_at: Timestamp) -> Self {
        Self {
            key_slot: self.key_slot.other(),
            previous_key_slot: Some(self.key_slot),
            expires_at,
            ..self.clone()
        }
    }

    /// The token in the form in which it is stored.
    pub fn minted(&self, token: &Token) -> Minted {
        Minted {
            credential: Credential::Token {
                claims: token.claims().clone(),
                prefixed: self.prefixed,
            },
            data: SecretData::from([(self.data_key.as_str(), token.reveal(self.prefixed))]),
        }
    }

    fn verify(&self, minted: &Credential) -> Result<()> {
        let Credential::Token { claims, .. } = minted else {
            return Err(Error::failed(
                "Azure did not answer with a token; nothing was written",
            ));
        };
        if !claims.gateway.eq_ignore_ascii_case(&self.gateway.name) {
            return Err(Error::failed(format!(
                "Azure answered with a token for gateway `{}` instead of `{}`; nothing was written",
                claims.gateway, self.gateway.name
            )));
        }
        if claims.expires_at != self.expires_at {
            let difference = in_words(claims.expires_at.duration_since(self.expires_at));
            return Err(Error::failed(format!(
                "Azure answered with a token that expires at {}, {difference} away from the expiry that was \
                 requested; nothing was written",
                claims.expires_at
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{DAY, mint, minted};
    use super::*;
    use crate::model::TokenError;

    #[test]
    fn a_token_has_the_prefix_once() {
        let mut secret = super::super::fixture::snapshot().secret;
        for (credential, gets_prefix, expected) in [
            (None, false, true),
            (None, true, false),
            (Some(TokenError::Empty), false, true),
            (Some(TokenError::Empty), true, false),
        ] {
            if let Some(error) = credential {
                secret.credential = Credential::Unusable(error);
            }
            secret.gets_prefix = gets_prefix;
            assert_eq!(is_prefixed(&secret), expected, "{credential:?}, {gets_prefix}");
        }
    }

    #[test]
    fn a_token_of_another_gateway_or_expiry_and_anything_else_is_refused() {
        let Credential::Token { claims, prefixed } = minted().credential else {
            panic!()
        };
        let verify = |gateway: &str, expires_at| {
            let mut claims = claims.clone();
            (claims.gateway, claims.expires_at) = (gateway.to_owned(), expires_at);
            mint().verify(&Credential::Token { claims, prefixed })
        };
        let expires_at = claims.expires_at;
        assert!(verify("gw", expires_at).is_ok());
        assert!(verify("GW", expires_at).is_ok());
        assert!(verify("other", expires_at).is_err());
        assert!(verify("gw", expires_at - DAY).is_err());
        assert!(verify("gw", expires_at + DAY).is_err());
        assert!(mint().verify(&Credential::Unusable(TokenError::Empty)).is_err());
    }
}
