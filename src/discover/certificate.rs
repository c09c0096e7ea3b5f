//! The validity of a certificate in a Secret.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::model::Validity;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// The most certificates that are looked at: that of the app, and its chain.
const MOST: usize = 8;

/// The validity of the certificate in a text of PEM; `None` if the text contains
/// none, and `Some(None)` if it contains none that can be parsed. Of a chain, in any
/// order, the first that issues no others counts.
#[expect(clippy::option_option, reason = "absent and broken differ")]
pub(super) fn validity(text: &str) -> Option<Option<Validity>> {
    let mut sections = text.split(BEGIN).skip(1).peekable();
    sections.peek()?;
    let mut first = None;
    for section in sections.take(MOST) {
        let Some((is_issuer, validity)) = section.split_once(END).and_then(|(body, _)| parsed(body)) else {
            continue;
        };
        if !is_issuer {
            return Some(Some(validity));
        }
        first = first.or(Some(validity));
    }
    Some(first)
}

/// Whether a certificate issues others, and its validity.
fn parsed(body: &str) -> Option<(bool, Validity)> {
    let body: String = body.split_whitespace().collect();
    let der = BASE64_STANDARD.decode(body).ok()?;
    let (_, certificate) = X509Certificate::from_der(&der).ok()?;
    let validity = certificate.validity();
    let validity = Validity {
        begins: Timestamp::from_second(validity.not_before.timestamp()).ok(),
        expires: Timestamp::from_second(validity.not_after.timestamp()).ok()?,
    };
    Some((certificate.is_ca(), validity))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by `openssl req -x509 -newkey ec -days 20 -subj /CN=x`.
    const PEM: &str = include_str!("certificate/tests/sample.pem");

    #[test]
    fn a_certificate_is_found_beside_its_key_and_garbage_is_not_one() {
        let found = validity(&format!(
            "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n{PEM}"
        ));
        let found = found.unwrap().unwrap();
        let life = found.expires.duration_since(found.begins.unwrap());
        assert_eq!(life.as_hours(), 20 * 24);
        assert_eq!(validity("no PEM"), None);
        for garbage in ["", "AAAA", "\u{1b}[31m", "////", &"A".repeat(1_000_000)] {
            assert_eq!(
                validity(&format!("{BEGIN}\n{garbage}\n{END}")),
                Some(None),
                "{garbage}"
            );
            assert_eq!(validity(&format!("{BEGIN}{garbage}")), Some(None));
        }
        let behind_garbage = validity(&format!("{BEGIN}x{END}{PEM}"));
        assert_eq!(behind_garbage, Some(Some(found)));
    }
}
