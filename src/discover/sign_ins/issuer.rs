use serde::Deserialize;

use crate::cluster::{Cluster, explain};
use crate::discover::read::is_forbidden;
use crate::error::Result;
use crate::model::{Fact, Unavailable, cleaned};

/// The path at which an API server publishes the issuer of its tokens.
const DISCOVERY: &str = "/.well-known/openid-configuration";

#[derive(Deserialize)]
struct Document {
    issuer: String,
}

/// The issuer of the cluster's tokens, to the letter.
pub(super) async fn issuer(cluster: &Cluster) -> Result<Fact<String>> {
    match cluster.for_optional_reads().get::<Document>(DISCOVERY).await {
        Ok(document) => Ok(Ok(cleaned(&document.issuer))),
        Err(error) => {
            let is_denied = is_forbidden(&error);
            let why = explain(error, "reading the issuer of the cluster's tokens").to_string();
            Ok(Err(if is_denied {
                Unavailable::Forbidden(why)
            } else {
                Unavailable::Unknown(why)
            }))
        }
    }
}
