use std::fmt;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use super::setting::is_of_entra;
use super::text::is_azure_name;

/// The longest lifetime of a gateway token that ARM accepts (REST reference,
/// "Gateway - Generate Token").
pub const MAX_LIFE: SignedDuration = SignedDuration::from_hours(30 * 24);

const STAMP: &str = "%Y%m%d%H%M";

/// The parts of a token that are not secret. They may appear in any output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Claims {
    /// The gateway's id, in the case that the token has.
    pub gateway: String,
    /// In whole minutes.
    pub expires_at: Timestamp,
}

/// A gateway access token, `{id}&{yyyyMMddHHmm}&{signature}`. It cannot be
/// printed; only the write to the Secret may use [`Token::reveal`].
#[derive(Clone)]
pub struct Token {
    claims: Claims,
    bare: SecretString,
    prefixed: bool,
}

impl Token {
    /// What may stand before a token.
    pub const PREFIX: &str = "GatewayKey ";

    /// Parses a token from a Secret or from ARM. White space around it and the
    /// prefix `GatewayKey ` are optional. A gateway's id may contain `&`, so
    /// the text is split from the right.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let text = text.trim();
        let stripped = text.strip_prefix(Self::PREFIX);
        let bare = stripped.unwrap_or(text).trim_start();
        if bare.is_empty() {
            return Err(TokenError::Empty);
        }
        if is_of_entra(bare) {
            return Err(TokenError::Entra);
        }
        let mut parts = bare.rsplitn(3, '&');
        let (Some(signature), Some(stamp), Some(gateway)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(TokenError::NotAToken);
        };
        if gateway.is_empty() || stamp.len() != 12 || !stamp.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(TokenError::NotAToken);
        }
        let printable =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'-' | b'_');
        if signature.is_empty() || !signature.bytes().all(printable) {
            return Err(TokenError::BadSignature);
        }
        if !is_azure_name(gateway) {
            return Err(TokenError::NotAToken);
        }
        let expires_at = DateTime::strptime(STAMP, stamp)
            .and_then(|time| time.to_zoned(TimeZone::UTC))
            .map_err(|_| TokenError::BadStamp)?
            .timestamp();
        Ok(Self {
            claims: Claims {
                gateway: gateway.to_owned(),
                expires_at,
            },
            bare: SecretString::from(bare),
            prefixed: stripped.is_some(),
        })
    }

    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// Whether the parsed text had the prefix `GatewayKey `.
    pub fn is_prefixed(&self) -> bool {
        self.prefixed
    }

    /// The text for the Secret, with or without the prefix.
    pub fn reveal(&self, prefixed: bool) -> SecretString {
        let bare = self.bare.expose_secret();
        SecretString::from(if prefixed {
            format!("{}{bare}", Self::PREFIX)
        } else {
            bare.to_owned()
        })
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("claims", &self.claims)
            .finish_non_exhaustive()
    }
}

/// Why a text is not a usable token. No variant contains the text, because it
/// may be another secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("it is empty")]
    Empty,
    #[error("it is not a gateway token (GatewayKey id&yyyyMMddHHmm&signature)")]
    NotAToken,
    /// What `config.service.auth` is where a gateway signs in by Entra.
    #[error("it says that the gateway signs in by Entra")]
    Entra,
    /// Twelve digits that are not a date.
    #[error("its expiry is not a date")]
    BadStamp,
    /// Characters outside Base64, such as a line break.
    #[error("its signature is not Base64")]
    BadSignature,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bare_text(token: &Token) -> String {
        token.reveal(false).expose_secret().to_owned()
    }

    fn token(text: &str) -> Token {
        Token::parse(text).unwrap()
    }

    #[test]
    fn a_token_as_azure_prints_it() {
        let token = token("gw1&201904210044&9A1GR1f5WIhFvFmzQG+x/kBeu87DWad3tkasUXuvPL+MgzlwUHyg==");
        assert_eq!(token.claims().gateway, "gw1");
        assert_eq!(token.claims().expires_at.to_string(), "2019-04-21T00:44:00Z");
        assert!(!token.is_prefixed());
    }

    #[test]
    fn white_space_and_the_prefix_are_optional() {
        let bare = token("gw&203001010000&c2ln");
        let decorated = token("  GatewayKey gw&203001010000&c2ln\n");
        assert!(decorated.is_prefixed());
        assert_eq!(bare_text(&decorated), bare_text(&bare));
        assert_eq!(
            bare.reveal(true).expose_secret(),
            "GatewayKey gw&203001010000&c2ln"
        );
    }

    #[test]
    fn an_id_may_contain_an_ampersand() {
        assert_eq!(token("a&b&203001010000&c2ln").claims().gateway, "a&b");
    }

    #[test]
    fn other_texts_are_refused() {
        for (text, error) in [
            ("", TokenError::Empty),
            ("GatewayKey ", TokenError::NotAToken),
            ("GatewayKey  \n", TokenError::NotAToken),
            ("key", TokenError::NotAToken),
            (" azureAdApp\n", TokenError::Entra),
            ("workloadidentity", TokenError::Entra),
            ("gw&2030&c2ln", TokenError::NotAToken),
            ("&203001010000&c2ln", TokenError::NotAToken),
            ("gw&203013010000&c2ln", TokenError::BadStamp),
            ("gw&203001010000&", TokenError::BadSignature),
            ("gw&203001010000&c2\r\nln", TokenError::BadSignature),
        ] {
            assert_eq!(Token::parse(text).unwrap_err(), error, "{text:?}");
        }
    }

    #[test]
    fn debug_shows_no_signature() {
        assert!(!format!("{:?}", token("gw&203001010000&c2lnbmF0dXJl")).contains("c2ln"));
    }

    proptest! {
        #[test]
        fn parsing_a_printed_token_gives_the_same_token(
            gateway in "[a-zA-Z0-9&._-]{1,80}",
            minute in 0_i64..100_000_000,
            signature in "[A-Za-z0-9+/]{8,88}={0,2}",
            prefixed: bool,
        ) {
            let expires_at = Timestamp::from_second(minute * 60).unwrap();
            let text = format!("{gateway}&{}&{signature}", expires_at.strftime(STAMP));
            let token = Token::parse(&text).unwrap();
            prop_assert_eq!(token.claims(), &Claims { gateway, expires_at });
            let again = Token::parse(token.reveal(prefixed).expose_secret()).unwrap();
            prop_assert_eq!(bare_text(&again), bare_text(&token));
            prop_assert_eq!(again.is_prefixed(), prefixed);
        }

        #[test]
        fn parsing_never_panics(text in ".{0,200}") {
            let _ = Token::parse(&text);
        }
    }
}
