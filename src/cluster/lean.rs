//! Deserialization that keeps of an object what is used and skips the rest while
//! parsing: what users of the cluster write must not fill the memory.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::model::annotation::{OUR_PREFIX, RESTARTED_AT};
use crate::model::cleaned;
use crate::model::entra::USE_LABEL;

/// How many elements of a list, or entries of a map, are kept.
pub const MOST: usize = 128;

/// An element of a list that may be of no use.
pub trait Element {
    fn is_used(&self) -> bool {
        true
    }
}

impl Element for String {}

/// A list, with the first of its elements that are used.
pub fn few<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Element,
{
    at_most::<D, T, MOST>(deserializer)
}

/// A list as [`few`], with up to `N` elements.
pub fn at_most<'de, D, T, const N: usize>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Element,
{
    struct AtMost<T, const N: usize>(PhantomData<T>);
    impl<'de, T: Deserialize<'de> + Element, const N: usize> Visitor<'de> for AtMost<T, N> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(Vec::new())
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut kept = Vec::new();
            while kept.len() < N {
                match list.next_element::<T>()? {
                    Some(element) if element.is_used() => kept.push(element),
                    Some(_) => {}
                    None => return Ok(kept),
                }
            }
            while list.next_element::<IgnoredAny>()?.is_some() {}
            Ok(kept)
        }
    }
    deserializer.deserialize_any(AtMost::<T, N>(PhantomData))
}

/// A text that is cleaned; empty for null.
pub fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = Option::<Cow<'de, str>>::deserialize(deserializer)?;
    Ok(text.map(|text| cleaned(&text)).unwrap_or_default())
}

/// Labels or annotations. Those of rotations are kept whatever else there is.
pub fn marks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    let is_ours = |name: &str| name.starts_with(OUR_PREFIX) || name == RESTARTED_AT;
    deserializer.deserialize_any(Entries(|name: &str, kept: usize| kept < MOST || is_ours(name)))
}

/// Of labels, the one that asks the webhook of Azure Workload Identity.
pub fn use_label<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    deserializer.deserialize_any(Entries(|name: &str, _| name == USE_LABEL))
}

/// Parses the JSON of an object. By bytes, as an answer of the API server is, since the
/// code of each type is compiled for each form of input: twice as much of it.
pub fn parse<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, serde_json::Error> {
    serde_json::from_slice(json.as_bytes())
}

/// The texts of a JSON object under these keys.
pub fn picked(json: &str, keys: &BTreeSet<String>) -> Result<BTreeMap<String, String>, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(json.as_bytes());
    Entries(|key: &str, _| keys.contains(key)).deserialize(&mut deserializer)
}

/// The entries of a map for which the function returns true, by the key and the
/// number of those before it.
struct Entries<F>(F);

impl<'de, F: Fn(&str, usize) -> bool> DeserializeSeed<'de> for Entries<F> {
    type Value = BTreeMap<String, String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, F: Fn(&str, usize) -> bool> Visitor<'de> for Entries<F> {
    type Value = BTreeMap<String, String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of texts")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(BTreeMap::new())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut kept = BTreeMap::new();
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            if (self.0)(&key, kept.len()) {
                let value = map.next_value::<Option<Cow<'de, str>>>()?;
                kept.insert(key.into_owned(), cleaned(&value.unwrap_or_default()));
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(kept)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    struct Sample {
        #[serde(deserialize_with = "few")]
        list: Vec<String>,
        #[serde(deserialize_with = "text")]
        text: String,
        #[serde(deserialize_with = "marks")]
        marks: BTreeMap<String, String>,
    }

    #[test]
    fn long_lists_texts_and_maps_are_cut_while_parsing() {
        let mut marks: BTreeMap<String, String> = (0..1000)
            .map(|number| (format!("a{number}"), "v".to_owned()))
            .collect();
        marks.insert("apim-rotate/proved".to_owned(), "id".to_owned());
        let sample: Sample = serde_json::from_value(json!({
            "list": vec!["x"; 1000], "text": "\u{1b}".repeat(100_000), "marks": marks,
        }))
        .unwrap();
        assert_eq!(sample.list.len(), MOST);
        assert!(sample.text.len() < 2000 && !sample.text.contains('\u{1b}'));
        assert_eq!(sample.marks.len(), MOST + 1);
        assert_eq!(sample.marks["apim-rotate/proved"], "id");
    }

    #[test]
    fn what_is_null_is_empty() {
        let sample: Sample = serde_json::from_str(r#"{"list": null, "text": null, "marks": null}"#).unwrap();
        assert!(sample.list.is_empty() && sample.text.is_empty() && sample.marks.is_empty());
    }

    #[test]
    fn only_the_keys_that_are_asked_for_are_picked() {
        let keys = BTreeSet::from(["a".to_owned(), "b".to_owned()]);
        let found = picked(r#"{"a": "1", "c": {"d": [2]}, "e": "5"}"#, &keys).unwrap();
        assert_eq!(found, BTreeMap::from([("a".to_owned(), "1".to_owned())]));
    }
}
