use jiff::Timestamp;
use uuid::Uuid;

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

/// How long a credential is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    pub begins: Option<Timestamp>,
    pub expires: Timestamp,
}

/// How the annotations of a Secret describe a credential of an Entra app, as they
/// are. Only [`SecretFacts::app_marks_hold`](super::SecretFacts::app_marks_hold) shows whether it is the one there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppMarks {
    /// `apim-rotate/kind`
    pub kind: Option<String>,
    /// `apim-rotate/client-id`
    pub client_id: Option<Uuid>,
    /// `apim-rotate/key-id`
    pub key_id: Option<Uuid>,
}
