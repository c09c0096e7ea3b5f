//! The only file that names the YAML crate.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

/// A value as a YAML document that kubectl reads as it was meant.
pub(crate) fn to_yaml<T: Serialize>(value: &T) -> Result<String> {
    // The default folds long lines, which ARM ids and messages have.
    let options = serde_yaml::ser_options! { folded_wrap_chars: 1_000_000 };
    serde_yaml::to_string_with_options(value, options)
        .map_err(|error| Error::failed(format!("cannot write YAML: {error}")).caused_by(error))
}

/// Values as a stream of documents that `kubectl apply -f` takes.
pub(crate) fn to_documents<T: Serialize>(values: &[T]) -> Result<String> {
    let documents: Vec<String> = values.iter().map(to_yaml).collect::<Result<_>>()?;
    Ok(documents.join("---\n"))
}

/// A value from YAML; `None` where the text is none, whose error could quote a
/// secret.
pub(crate) fn from_yaml<T: DeserializeOwned>(text: &[u8]) -> Option<T> {
    serde_yaml::from_slice(text).ok()
}
