//! Cutting the copies of a credential out of `last-applied-configuration`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::model::annotation::LAST_APPLIED;

/// How to keep `last-applied-configuration` free of copies of the credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LastApplied {
    /// It contains no copy.
    Clean,
    /// The annotation without the copy.
    Cut(String),
    /// It does not parse and must be removed.
    Remove,
}

/// Cuts the keys of a credential out of `last-applied-configuration`. The rest of
/// its text stays as it is: an admission policy can check a cut, but it cannot parse
/// JSON (`manifest/admission/last_applied.rs`).
pub fn scrub_last_applied(annotations: &BTreeMap<String, String>, keys: &[&str]) -> LastApplied {
    let Some(text) = annotations.get(LAST_APPLIED) else {
        return LastApplied::Clean;
    };
    let mut cut = text.clone();
    loop {
        match copy(&cut, keys) {
            Err(Odd) => return LastApplied::Remove,
            Ok(Some((range, rest))) => cut.replace_range(range, rest),
            Ok(None) if cut == *text => return LastApplied::Clean,
            Ok(None) => return LastApplied::Cut(cut),
        }
    }
}

/// The text is not what `kubectl apply` writes.
struct Odd;

/// A copy of the credential with the commas or braces around it, and which of them
/// must stay.
fn copy(text: &str, keys: &[&str]) -> Result<Option<(Range<usize>, &'static str)>, Odd> {
    let Fields(fields) = serde_json::from_str(text).map_err(|_| Odd)?;
    for (field, value) in fields {
        if field != "data" && field != "stringData" {
            continue;
        }
        let Ok(Fields(values)) = serde_json::from_str(value.get()) else {
            continue;
        };
        for (key, value) in values {
            if keys.contains(&key.as_ref()) && value.get().starts_with('"') {
                return around(text, &key, value.get()).map(Some).ok_or(Odd);
            }
        }
    }
    Ok(None)
}

/// Finds the member around a value, which is a part of the text. `None` if the key is
/// not spelled plainly.
fn around(text: &str, key: &str, value: &str) -> Option<(Range<usize>, &'static str)> {
    let at = value.as_ptr().addr() - text.as_ptr().addr();
    let before = text.get(..at)?.trim_end().strip_suffix(':')?.trim_end();
    let before = before.strip_suffix(&format!("\"{key}\""))?.trim_end();
    let after = text.get(at + value.len()..)?.trim_start();
    let rest = match (before.chars().next_back()?, after.chars().next()?) {
        ('{', '}') => "{}",
        ('{', ',') => "{",
        (',', '}') => "}",
        (',', ',') => ",",
        _ => return None,
    };
    Some((before.len() - 1..text.len() - after.len() + 1, rest))
}

/// The members of an object, each with its text. A name may be repeated.
struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Fields(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scrub(text: &str, keys: &[&str]) -> LastApplied {
        scrub_last_applied(
            &BTreeMap::from([(LAST_APPLIED.to_owned(), text.to_owned())]),
            keys,
        )
    }

    const VALUE: [&str; 1] = ["value"];
    const PAIR: [&str; 2] = ["password", "pfx"];

    fn is_cut(text: &str, keys: &[&str], cut: &str) {
        assert_eq!(scrub(text, keys), LastApplied::Cut(cut.to_owned()), "{text}");
    }

    #[test]
    fn only_the_credential_is_cut_out_and_the_rest_stays_byte_for_byte() {
        let text = r#"{"apiVersion":"v1","data":{"other":"eA==","value":"c2VjcmV0"},"kind":"Secret","stringData":{"value":"a\u0026\"b"}}
"#;
        let cut = r#"{"apiVersion":"v1","data":{"other":"eA=="},"kind":"Secret","stringData":{}}
"#;
        is_cut(text, &VALUE, cut);
        let odd = r#"{ "metadata": {"n": 1e3, "annotations": {"value": "<>"}}, "data": { "value": "c2Vj" , "z": "eA=="} }"#;
        let cut = r#"{ "metadata": {"n": 1e3, "annotations": {"value": "<>"}}, "data": { "z": "eA=="} }"#;
        is_cut(odd, &VALUE, cut);
    }

    #[test]
    fn every_key_of_a_credential_is_cut_out() {
        let text = r#"{"data":{"other":"eA==","pfx":"c2VjcmV0"},"stringData":{"password":"x"}}"#;
        let cut = r#"{"data":{"other":"eA=="},"stringData":{}}"#;
        is_cut(text, &PAIR, cut);
        let text = r#"{"data":{"a":"eA==","password":"x","pfx":"c2VjcmV0","z":""}}"#;
        is_cut(text, &PAIR, r#"{"data":{"a":"eA==","z":""}}"#);
    }

    #[test]
    fn a_repeated_member_is_cut_out_each_time() {
        let text = r#"{"data":{"value":"b25l","value":"dHdv"},"data":{"value":"dGhyZWU="}}"#;
        is_cut(text, &VALUE, r#"{"data":{},"data":{}}"#);
    }

    #[test]
    fn an_annotation_without_a_copy_is_kept_and_an_invalid_one_removed() {
        assert_eq!(scrub_last_applied(&BTreeMap::new(), &VALUE), LastApplied::Clean);
        for clean in [
            r#"{"data":{"other":"eA=="}}"#,
            r#"{"data":null,"stringData":{"value":null}}"#,
            r#"{"metadata":{"annotations":{"value":"x"}}}"#,
        ] {
            assert_eq!(scrub(clean, &VALUE), LastApplied::Clean);
        }
        for odd in ["not json", "[]", r#"{"data":{"\u0076alue":"c2VjcmV0"}}"#] {
            assert_eq!(scrub(odd, &VALUE), LastApplied::Remove);
        }
    }
}
