//! How lists are asked for, and what a failed read leaves unknown.

use std::collections::BTreeSet;

use crate::cluster::explain;
use crate::error::Result;
use crate::model::Unavailable;
use crate::model::request::Scope;

/// Over up to this many namespaces, each is listed by itself.
const FEW_NAMESPACES: usize = 4;

/// Where to list what is in these namespaces.
pub(crate) fn scopes<'a>(scope: &Scope, namespaces: impl IntoIterator<Item = &'a str>) -> Vec<Scope> {
    let namespaces: BTreeSet<&str> = namespaces.into_iter().collect();
    if *scope == Scope::Everywhere && namespaces.len() > FEW_NAMESPACES {
        return vec![Scope::Everywhere];
    }
    let each = |namespace: &str| Scope::Namespace(namespace.to_owned());
    namespaces.into_iter().map(each).collect()
}

pub(crate) fn is_forbidden(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.is_forbidden())
}

/// What a failed read leaves unknown, where that is no reason to end the run.
pub(crate) fn unavailable(error: kube::Error, doing: &str) -> Result<Unavailable> {
    let forbidden = is_forbidden(&error);
    // Who is not signed in, or reaches no server, can read nothing at all.
    let of_this_alone =
        matches!(&error, kube::Error::Api(status) if status.code != 401 && status.details.is_some());
    let error = explain(error, doing);
    if forbidden {
        Ok(Unavailable::Forbidden(error.to_string()))
    } else if of_this_alone {
        Ok(Unavailable::Unknown(error.to_string()))
    } else {
        Err(error)
    }
}
