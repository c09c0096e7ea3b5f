//! The only file that uses the YAML crate.

use serde::Serialize;
use serde_json::Value;

use crate::error::{Error, Result};

/// A value as a YAML document for kubectl.
pub(crate) fn to_yaml<T: Serialize>(value: &T) -> Result<String> {
    // By default long lines are folded, such as ARM ids and messages.
    let options = serde_yaml::ser_options! { folded_wrap_chars: 1_000_000 };
    serde_yaml::to_string_with_options(value, options)
        .map_err(|error| Error::failed(format!("cannot write YAML: {error}")).caused_by(error))
}

/// Values as a stream of documents for `kubectl apply -f`.
pub(crate) fn to_documents<T: Serialize>(values: &[T]) -> Result<String> {
    let documents: Vec<String> = values.iter().map(to_yaml).collect::<Result<_>>()?;
    Ok(documents.join("---\n"))
}

/// The first document of a text, as Go reads it: of a key that occurs twice the
/// last value counts. The error is the line, since a text could quote a secret.
pub(crate) fn first_document(text: &str) -> Result<Value, Option<u64>> {
    let options = serde_yaml::options! { duplicate_keys: serde_yaml::DuplicateKeyPolicy::LastWins };
    let mut reader = text.as_bytes();
    let mut documents = serde_yaml::read_with_options(&mut reader, options);
    match documents.next() {
        None => Ok(Value::Null),
        Some(document) => document.map_err(|error| error.location().map(|place| place.line())),
    }
}

/// YAML as JSON. There is no error to return, because its text could quote a
/// secret.
pub(crate) fn from_yaml(text: &[u8]) -> Option<Value> {
    serde_yaml::from_slice(text).ok()
}
