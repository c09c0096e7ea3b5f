//! The app registrations of Entra and what they may do in ARM.

use std::fmt;

use ring::digest;
use serde::Deserialize;

use super::directory::GraphRights;

/// An app registration with its service principal and its role assignments.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Principal {
    /// The id of the tenant.
    pub tenant: String,
    /// The application id.
    pub client_id: String,
    /// The secret that signs it in.
    pub client_secret: String,
    /// Whether Entra answers that the secret has expired.
    #[serde(default)]
    pub secret_expired: bool,
    /// The certificates that sign it in, PEM without their keys.
    #[serde(default)]
    pub certificates: Vec<String>,
    /// The tokens of other issuers that sign it in.
    #[serde(default)]
    pub federated_credentials: Vec<FederatedCredential>,
    /// What the principal may do, and where.
    #[serde(default)]
    pub grants: Vec<Grant>,
    /// What the principal may do in Microsoft Graph.
    #[serde(default)]
    pub graph: GraphRights,
}

/// The claims that a token of another issuer must have, each exactly.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FederatedCredential {
    /// The issuer; its keys are registered with [`super::Azure::trust_issuer`].
    pub issuer: String,
    /// The subject, `system:serviceaccount:{namespace}:{name}`.
    pub subject: String,
    /// The audience.
    pub audience: String,
}

/// A role assignment: the actions of a role at a scope and everything below it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Grant {
    /// An ARM id, or `/` for everything.
    pub scope: String,
    /// Actions, in which `*` matches any text.
    pub actions: Vec<String>,
    /// Actions that the role takes out of `actions`.
    #[serde(default)]
    pub not_actions: Vec<String>,
    /// Data actions, in which `*` matches any text.
    #[serde(default)]
    pub data_actions: Vec<String>,
    /// Data actions that the role takes out of `data_actions`.
    #[serde(default)]
    pub not_data_actions: Vec<String>,
}

impl Grant {
    /// Grants actions at a scope and below it.
    pub fn new(scope: &str, actions: &[&str]) -> Grant {
        Grant {
            scope: scope.to_owned(),
            actions: actions.iter().map(|action| (*action).to_owned()).collect(),
            not_actions: Vec::new(),
            data_actions: Vec::new(),
            not_data_actions: Vec::new(),
        }
    }

    /// The role "API Management Self-Hosted Gateway Token Operator" of the product's documentation.
    pub fn token_operator(scope: &str) -> Grant {
        Grant::new(
            scope,
            &[
                "Microsoft.ApiManagement/service/read",
                "Microsoft.ApiManagement/service/gateways/read",
                "Microsoft.ApiManagement/service/gateways/generateToken/action",
            ],
        )
    }

    /// The built-in role "API Management Service Contributor", as far as the emulator knows its actions.
    pub fn contributor(scope: &str) -> Grant {
        Grant::new(
            scope,
            &[
                "Microsoft.ApiManagement/service/*",
                "Microsoft.Authorization/*/read",
            ],
        )
    }

    /// The built-in role "Reader".
    pub fn reader(scope: &str) -> Grant {
        Grant::new(scope, &["*/read"])
    }

    /// The grant with data actions too.
    #[must_use]
    pub fn with_data(mut self, data_actions: &[&str]) -> Grant {
        self.data_actions
            .extend(data_actions.iter().map(|action| (*action).to_owned()));
        self
    }

    pub(super) fn allows(&self, action: &str) -> bool {
        any(&self.actions, action) && !any(&self.not_actions, action)
    }

    pub(super) fn allows_data(&self, action: &str) -> bool {
        any(&self.data_actions, action) && !any(&self.not_data_actions, action)
    }
}

impl Principal {
    /// A principal with a valid secret and no rights.
    pub fn new(tenant: &str, client_id: &str, client_secret: &str) -> Principal {
        Principal {
            tenant: tenant.to_owned(),
            client_id: client_id.to_owned(),
            client_secret: client_secret.to_owned(),
            secret_expired: false,
            certificates: Vec::new(),
            federated_credentials: Vec::new(),
            grants: Vec::new(),
            graph: GraphRights::None,
        }
    }

    /// A principal with new random ids and a random secret that holds the token operator's role at `scope`.
    pub fn token_operator(scope: &str) -> Principal {
        Principal::random().with(Grant::token_operator(scope))
    }

    /// A principal with new random ids, a random secret and no rights.
    pub fn random() -> Principal {
        let id = || uuid::Uuid::new_v4().to_string();
        // Entra's secrets carry `~` and `.`, which tests should meet in URLs and forms too.
        let secret = format!("sbx8Q~{}.{}", uuid::Uuid::new_v4().simple(), &id()[..4]);
        Principal::new(&id(), &id(), &secret)
    }

    /// The principal with one more grant.
    #[must_use]
    pub fn with(mut self, grant: Grant) -> Principal {
        self.grants.push(grant);
        self
    }

    /// The principal with rights in Microsoft Graph.
    #[must_use]
    pub fn with_graph(mut self, rights: GraphRights) -> Principal {
        self.graph = rights;
        self
    }

    /// The object id of the service principal, derived from the client id.
    pub fn object_id(&self) -> String {
        derived_id(&self.client_id)
    }

    /// The object id of the application, derived from the client id.
    pub fn application_id(&self) -> String {
        derived_id(&format!("application {}", self.client_id))
    }
}

fn derived_id(text: &str) -> String {
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.as_ref()[..16]);
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}

impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Principal {
            tenant,
            client_id,
            client_secret: _,
            secret_expired,
            certificates: _,
            federated_credentials,
            grants,
            graph,
        } = self;
        f.debug_struct("Principal")
            .field("tenant", tenant)
            .field("client_id", client_id)
            .field("secret_expired", secret_expired)
            .field("federated_credentials", federated_credentials)
            .field("grants", grants)
            .field("graph", graph)
            .finish_non_exhaustive()
    }
}

/// Whether `scope` is `parent` or lies below it.
pub(super) fn contains(parent: &str, scope: &str) -> bool {
    let parent = parent.trim_end_matches('/').to_lowercase();
    let scope = scope.trim_end_matches('/').to_lowercase();
    scope
        .strip_prefix(&parent)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn any(patterns: &[String], action: &str) -> bool {
    patterns.iter().any(|pattern| matches_pattern(pattern, action))
}

/// Whether an action matches a pattern, in which `*` matches any text; case is ignored.
pub(super) fn matches_pattern(pattern: &str, action: &str) -> bool {
    let (pattern, action) = (pattern.to_lowercase(), action.to_lowercase());
    let Some((head, tail)) = pattern.split_once('*') else {
        return pattern == action;
    };
    let Some(rest) = action.strip_prefix(head) else {
        return false;
    };
    (0..=rest.len())
        .filter(|&at| rest.is_char_boundary(at))
        .any(|at| matches_pattern(tail, &rest[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_matches_any_text_and_nothing_else() {
        assert!(matches_pattern("*", "Microsoft.ApiManagement/service/read"));
        assert!(matches_pattern("*/read", "Microsoft.ApiManagement/service/read"));
        assert!(matches_pattern(
            "microsoft.apimanagement/*/Read",
            "Microsoft.ApiManagement/service/gateways/read"
        ));
        assert!(!matches_pattern(
            "*/read",
            "Microsoft.ApiManagement/service/write"
        ));
        assert!(!matches_pattern(
            "Microsoft.ApiManagement/service/read",
            "Microsoft.ApiManagement/service/readAll"
        ));
    }

    #[test]
    fn a_scope_contains_its_children_and_no_similar_names() {
        assert!(contains("/", "/subscriptions/s"));
        assert!(contains("/subscriptions/S", "/subscriptions/s/resourceGroups/g"));
        assert!(!contains(
            "/subscriptions/s/resourceGroups/g",
            "/subscriptions/s/resourceGroups/g2"
        ));
    }
}
