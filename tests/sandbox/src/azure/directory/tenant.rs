//! Tenants and users.

use std::collections::BTreeSet;

use jiff::SignedDuration;

/// What a tenant allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Whether users without a role may register applications.
    pub users_may_register_apps: bool,
    /// Whether applications may have client secrets.
    pub passwords_allowed: bool,
    /// How long a client secret may live.
    pub longest_password: Option<SignedDuration>,
    /// How long a certificate may live.
    pub longest_certificate: Option<SignedDuration>,
    /// Whether everybody may read the policies for credentials.
    pub policies_readable: bool,
    /// The application ids that conditional access blocks.
    pub blocked_by_conditional_access: BTreeSet<String>,
}

impl Default for Tenant {
    fn default() -> Tenant {
        Tenant {
            users_may_register_apps: true,
            passwords_allowed: true,
            longest_password: None,
            longest_certificate: None,
            policies_readable: true,
            blocked_by_conditional_access: BTreeSet::new(),
        }
    }
}

/// A person, whose access tokens come from [`crate::azure::Azure::token_of_user`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The id of the tenant.
    pub tenant: String,
    /// The object id.
    pub id: String,
    /// The name.
    pub display_name: String,
    /// Whether the user is an administrator of applications, and not a member who manages what is theirs.
    pub administrator: bool,
}

impl User {
    /// A member of a tenant with a new object id.
    pub fn new(tenant: &str, display_name: &str) -> User {
        User {
            tenant: tenant.to_owned(),
            id: super::new_id(),
            display_name: display_name.to_owned(),
            administrator: false,
        }
    }
}
