use jiff::Timestamp;

use super::{Claims, KeySlot, TokenError};

/// A credential by its kind, as far as it is public.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// A gateway token.
    Token {
        claims: Claims,
        /// Whether it has the prefix `GatewayKey `.
        prefixed: bool,
    },
    /// Nothing, or a text that is not a credential of a known kind.
    Unusable(TokenError),
}

impl Credential {
    pub fn expires_at(&self) -> Option<Timestamp> {
        match self {
            Self::Token { claims, .. } => Some(claims.expires_at),
            Self::Unusable(_) => None,
        }
    }
}

/// How the annotations of a Secret describe its credential, by its kind. It
/// exists only while they describe the credential that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    Token {
        key_slot: KeySlot,
        /// The slot that signed the token before this one, if it was known.
        previous_key_slot: Option<KeySlot>,
    },
}
