//! The documents of the issuers of clusters' tokens, which AKS serves on a public host and without login.
//!
//! There are those of each issuer that [`super::Azure::trust_issuer`] has registered on such a host. What the host
//! answers about any other is not documented; this body is ours.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::emulator::State;
use super::exchange::Call;
use super::reply::Reply;

/// A document and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Document {
    /// The path in the issuer's name, without slashes at its ends.
    path: String,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Configuration,
    Keys,
}

pub(super) fn route(method: &Method, segments: &[String]) -> Option<Document> {
    let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
    let (path, kind) = match parts.as_slice() {
        [path @ .., ".well-known", "openid-configuration"] => (path, Kind::Configuration),
        [path @ .., "openid", "v1", "jwks"] => (path, Kind::Keys),
        _ => return None,
    };
    (method == Method::GET).then(|| Document {
        path: path.join("/"),
        kind,
    })
}

pub(super) fn answer(state: &State, call: &Call, document: &Document) -> Reply {
    let base = format!("https://{}/{}", call.host, document.path);
    // A name with a slash at its end and one without it are two issuers in the same place.
    let names = [format!("{base}/"), base.clone()];
    let known = names
        .iter()
        .find_map(|issuer| Some((issuer, state.directory.keys_of(issuer)?)));
    let Some((issuer, keys)) = known else {
        let message = "The specified resource does not exist.";
        return Reply::error(StatusCode::NOT_FOUND, "ResourceNotFound", message);
    };
    let body = match document.kind {
        Kind::Keys => keys.clone(),
        Kind::Configuration => json!({
            "issuer": issuer,
            "jwks_uri": format!("{base}/openid/v1/jwks"),
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [algorithm(keys)],
        }),
    };
    Reply::json(StatusCode::OK, &body)
}

/// The algorithm of the keys, as an API server names it.
fn algorithm(keys: &Value) -> &'static str {
    if keys["keys"][0]["kty"] == "EC" {
        "ES256"
    } else {
        "RS256"
    }
}
