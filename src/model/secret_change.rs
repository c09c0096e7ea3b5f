use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};

use super::Credential;

/// Annotations to set; `None` removes one.
pub type Annotations = BTreeMap<String, Option<String>>;

/// A credential in the form in which a Secret holds it: a value for each key
/// of the Secret's data. A token needs one key, other kinds need more.
#[derive(Clone, Debug, Default)]
pub struct SecretData(BTreeMap<String, SecretString>);

impl SecretData {
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &SecretString)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// Whether both hold the same values under the same keys.
    pub fn same_as(&self, other: &Self) -> bool {
        self.0.len() == other.0.len()
            && self.0.iter().all(|(key, value)| {
                let theirs = other.0.get(key);
                theirs.is_some_and(|theirs| theirs.expose_secret() == value.expose_secret())
            })
    }
}

impl<const N: usize> From<[(&str, SecretString); N]> for SecretData {
    fn from(entries: [(&str, SecretString); N]) -> Self {
        let owned = entries.map(|(key, value)| (key.to_owned(), value));
        Self(BTreeMap::from(owned))
    }
}

/// A new credential: its public part, and what a Secret must hold.
#[derive(Clone, Debug)]
pub struct Minted {
    pub credential: Credential,
    pub data: SecretData,
}

/// One write to a Secret. The credential and the annotations about it go in one
/// request, so that they never contradict each other.
#[derive(Clone, Debug)]
pub struct SecretChange {
    pub data: SecretData,
    pub annotations: Annotations,
    /// Whether the annotation `apim-rotate/rotated-at` is set to the time at which
    /// the write is sent.
    pub stamps_time: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_and_every_value_counts() {
        let pair = |password: &str| SecretData::from([("pfx", "a".into()), ("password", password.into())]);
        assert!(pair("b").same_as(&pair("b")));
        assert!(!pair("b").same_as(&pair("c")));
        assert!(!pair("b").same_as(&SecretData::from([("pfx", "a".into())])));
        assert!(!SecretData::from([("pfx", "a".into())]).same_as(&pair("b")));
        assert!(!SecretData::from([("pfx", "a".into()), ("pin", "b".into())]).same_as(&pair("b")));
    }

    #[test]
    fn debug_shows_no_value() {
        let data = SecretData::from([("pfx", "c2VjcmV0".into())]);
        assert!(!format!("{data:?}").contains("c2Vj"));
    }
}
