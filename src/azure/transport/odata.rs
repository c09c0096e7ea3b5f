//! Queries and literals of `OData`, as ARM and Microsoft Graph read them.

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What a value in a path or a query keeps; all else is percent-encoded, the
/// space included, which a form would write as `+`.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A text as a part of a path or as the value of a query.
pub(crate) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, VALUE).to_string()
}

/// A query of these parameters.
pub(crate) fn query(parameters: &[(&str, &str)]) -> String {
    let mut query = String::new();
    for (name, value) in parameters {
        if !query.is_empty() {
            query.push('&');
        }
        let _ = write!(query, "{name}={}", encoded(value));
    }
    query
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::quote::odata_text;

    #[test]
    fn a_name_cannot_leave_its_literal() {
        assert_eq!(odata_text("gw"), "'gw'");
        assert_eq!(odata_text("O'Brien"), "'O''Brien'");
        assert_eq!(odata_text("a' or 'b' eq 'b"), "'a'' or ''b'' eq ''b'");
    }

    #[test]
    fn a_value_cannot_leave_its_parameter() {
        let filter = format!("displayName eq {}", odata_text("a'; touch x #&$(id)\n+"));
        assert_eq!(
            query(&[("$filter", &filter), ("$top", "1")]),
            "$filter=displayName%20eq%20%27a%27%27%3B%20touch%20x%20%23%26%24%28id%29%0A%2B%27&$top=1"
        );
        assert_eq!(query(&[]), "");
    }
}
