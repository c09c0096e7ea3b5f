//! Checks names before they go into a request's path. The client does not
//! percent-encode them, so `a/../../x?y=1` would address another object.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::error::{Error, Result};

/// All characters but the unreserved ones of RFC 3986 are encoded in a query.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Checks the name of an object: a DNS subdomain (RFC 1123).
pub fn valid_name(name: &str) -> Result<()> {
    if name.len() <= 253 && name.split('.').all(is_label) {
        return Ok(());
    }
    Err(Error::usage(format!(
        "{} is not a valid name of a Kubernetes object: use at most 253 lower-case letters, digits, `-` and `.`, \
         with a letter or digit first and last",
        quoted(name)
    )))
}

/// Checks the name of a namespace: a DNS label (RFC 1123).
pub fn valid_namespace(name: &str) -> Result<()> {
    if name.len() <= 63 && is_label(name) {
        return Ok(());
    }
    Err(Error::usage(format!(
        "{} is not a valid name of a namespace: use at most 63 lower-case letters, digits and `-`, \
         with a letter or digit first and last",
        quoted(name)
    )))
}

/// Encodes a value for a request's query.
pub(super) fn query(value: &str) -> impl fmt::Display + '_ {
    utf8_percent_encode(value, QUERY)
}

fn is_label(label: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = label.as_bytes();
    bytes.first().is_some_and(|byte| plain(*byte))
        && bytes.last().is_some_and(|byte| plain(*byte))
        && bytes.iter().all(|byte| plain(*byte) || *byte == b'-')
}

fn quoted(name: &str) -> String {
    let shown: String = name.chars().take(80).flat_map(char::escape_debug).collect();
    format!("`{shown}`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn names_follow_the_dns_rules() {
        let long = "a".repeat(64);
        for (name, object, namespace) in [
            ("apim-gateway", true, true),
            ("a.b-c.1", true, false),
            (long.as_str(), true, false),
            ("", false, false),
            ("a/../../x?y=1", false, false),
            ("..", false, false),
            ("a..b", false, false),
            ("-a", false, false),
            ("a-", false, false),
            ("A", false, false),
            ("a%2fb", false, false),
            ("ä", false, false),
            ("a\u{1b}[31m", false, false),
        ] {
            assert_eq!(valid_name(name).is_ok(), object, "{name}");
            assert_eq!(valid_namespace(name).is_ok(), namespace, "{name}");
        }
        assert!(valid_name(&"a.".repeat(127)).is_err());
        assert!(valid_name(&"a".repeat(254)).is_err());
    }

    #[test]
    fn the_refusal_shows_no_control_characters() {
        let error = valid_name("a\u{1b}[31m").unwrap_err();
        assert_eq!(error.kind(), Kind::Usage);
        assert!(!error.to_string().contains('\u{1b}'));
    }
}
