//! The operation of a request to Microsoft Graph.

use axum::http::Method;

use super::super::operation::Operation;

/// A request to Microsoft Graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::azure) struct GraphRoute {
    pub(in crate::azure) operation: Operation,
    pub(in crate::azure) collection: Collection,
    pub(in crate::azure) key: Option<Key>,
    /// The id below the object, of a federated credential or of an owner.
    pub(in crate::azure) child: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::azure) enum Collection {
    Applications,
    ServicePrincipals,
    Objects,
    Policies,
    /// `/directory/deletedItems`.
    Deleted,
}

/// How a path names an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::azure) enum Key {
    Id(String),
    AppId(String),
    UniqueName(String),
}

pub(super) fn route(method: &Method, segments: &[String]) -> Option<GraphRoute> {
    let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
    let ["v1.0", first, rest @ ..] = parts.as_slice() else {
        return None;
    };
    let (name, key) = match first.split_once('(') {
        Some((name, key)) => (name, Some(alternate(key.strip_suffix(')')?)?)),
        None => (*first, None),
    };
    let collection = match name {
        "applications" => Collection::Applications,
        "servicePrincipals" => Collection::ServicePrincipals,
        "directoryObjects" => Collection::Objects,
        "policies" => Collection::Policies,
        "directory" => Collection::Deleted,
        _ => return None,
    };
    let (key, rest) = match (key, rest) {
        (None, [id, rest @ ..])
            if matches!(
                collection,
                Collection::Applications | Collection::ServicePrincipals
            ) =>
        {
            (Some(Key::Id((*id).to_owned())), rest)
        }
        (key, rest) => (key, rest),
    };
    let method = method.as_str();
    let operation = match (collection, &key) {
        (Collection::Objects, _) => (method == "POST"
            && matches!(rest, ["getByIds" | "microsoft.graph.getByIds"]))
        .then_some(Operation::GetDirectoryObjects),
        (Collection::Policies, _) => (method == "GET" && matches!(rest, ["defaultAppManagementPolicy"]))
            .then_some(Operation::GetAppPolicies),
        (Collection::Deleted, _) => match (method, rest) {
            ("GET", ["deletedItems", "microsoft.graph.application"]) => {
                Some(Operation::ListDeletedApplications)
            }
            ("POST", ["deletedItems", _, "restore"]) => Some(Operation::RestoreApplication),
            _ => None,
        },
        (_, None) => top(method, collection, rest),
        (Collection::Applications, Some(key)) => application(method, key, rest),
        (Collection::ServicePrincipals, Some(_)) => service_principal(method, rest),
    }?;
    Some(GraphRoute {
        operation,
        collection,
        key,
        child: rest.get(1).map(|child| (*child).to_owned()),
    })
}

fn top(method: &str, collection: Collection, rest: &[&str]) -> Option<Operation> {
    match (method, collection, rest) {
        ("GET", Collection::Applications, []) => Some(Operation::ListApplications),
        ("POST", Collection::Applications, []) => Some(Operation::CreateApplication),
        ("GET", Collection::ServicePrincipals, []) => Some(Operation::ListServicePrincipals),
        ("POST", Collection::ServicePrincipals, []) => Some(Operation::CreateServicePrincipal),
        _ => None,
    }
}

fn application(method: &str, key: &Key, rest: &[&str]) -> Option<Operation> {
    Some(match (method, rest) {
        ("GET", []) => Operation::GetApplication,
        ("PATCH", []) if matches!(key, Key::UniqueName(_)) => Operation::UpsertApplication,
        ("PATCH", []) => Operation::UpdateApplication,
        ("DELETE", []) => Operation::DeleteApplication,
        ("POST", ["addPassword" | "microsoft.graph.addPassword"]) => Operation::AddPassword,
        ("POST", ["removePassword" | "microsoft.graph.removePassword"]) => Operation::RemovePassword,
        ("GET", ["appManagementPolicies"]) => Operation::GetAppPolicies,
        ("GET", ["federatedIdentityCredentials"]) => Operation::ListFederatedCredentials,
        ("GET", ["federatedIdentityCredentials", _]) => Operation::GetFederatedCredential,
        ("POST", ["federatedIdentityCredentials"]) | ("PATCH", ["federatedIdentityCredentials", _]) => {
            Operation::PutFederatedCredential
        }
        ("DELETE", ["federatedIdentityCredentials", _]) => Operation::DeleteFederatedCredential,
        _ => return owners(method, rest),
    })
}

fn service_principal(method: &str, rest: &[&str]) -> Option<Operation> {
    Some(match (method, rest) {
        ("GET", []) => Operation::GetServicePrincipal,
        ("PATCH", []) => Operation::UpdateServicePrincipal,
        ("DELETE", []) => Operation::DeleteServicePrincipal,
        ("GET", ["appRoleAssignments"]) => Operation::ListAppRoleAssignments,
        _ => return owners(method, rest),
    })
}

fn owners(method: &str, rest: &[&str]) -> Option<Operation> {
    Some(match (method, rest) {
        ("GET", ["owners"]) => Operation::ListOwners,
        ("POST", ["owners", "$ref"]) => Operation::AddOwner,
        ("DELETE", ["owners", _, "$ref"]) => Operation::RemoveOwner,
        _ => return None,
    })
}

/// Reads an alternate key, as in `appId='x'`; a quote in the value is doubled.
fn alternate(key: &str) -> Option<Key> {
    let (name, value) = key.split_once('=')?;
    let value = value.strip_prefix('\'')?.strip_suffix('\'')?;
    if value.replace("''", "").contains('\'') {
        return None;
    }
    let value = value.replace("''", "'");
    match name {
        "appId" => Some(Key::AppId(value)),
        "uniqueName" => Some(Key::UniqueName(value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_an_id_or_a_literal_with_doubled_quotes() {
        let route = |method: &str, path: &str| {
            let segments: Vec<String> = path.split('/').map(str::to_owned).collect();
            route(&method.parse().unwrap(), &segments)
        };
        let upsert = route("PATCH", "v1.0/applications(uniqueName='O''Brien')").unwrap();
        assert_eq!(upsert.key, Some(Key::UniqueName("O'Brien".into())));
        assert_eq!(upsert.operation, Operation::UpsertApplication);
        assert_eq!(route("PATCH", "v1.0/applications(uniqueName='O'Brien')"), None);
        let owners = route("DELETE", "v1.0/servicePrincipals/sp/owners/o/$ref").unwrap();
        assert_eq!(
            (owners.operation, owners.child.as_deref()),
            (Operation::RemoveOwner, Some("o"))
        );
        assert_eq!(route("GET", "v1.0/me"), None);
    }
}
