use std::collections::BTreeSet;

use crate::model::request::Scope;

/// An object by namespace and name.
pub type Key = (String, String);

/// Up to this many objects that were named are read one by one; more are
/// listed.
pub const FEW: usize = 8;

/// How many objects are read at a time.
pub const SIDE_BY_SIDE: usize = 16;

/// Up to this many namespaces are listed one by one.
const FEW_NAMESPACES: usize = 4;

/// Where to list what is in these namespaces.
pub fn scopes<'a>(scope: &Scope, namespaces: impl IntoIterator<Item = &'a str>) -> Vec<Scope> {
    let namespaces: BTreeSet<&str> = namespaces.into_iter().collect();
    if *scope == Scope::Everywhere && namespaces.len() > FEW_NAMESPACES {
        return vec![Scope::Everywhere];
    }
    let each = |namespace: &str| Scope::Namespace(namespace.to_owned());
    namespaces.into_iter().map(each).collect()
}
