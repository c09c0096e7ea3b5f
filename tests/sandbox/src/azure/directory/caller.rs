//! Who asks for a token, and who comes with one.

use jiff::Timestamp;

use super::super::access::Claims;
use super::super::identity::{Grant, contains};
use super::super::roles::Authorization;
use super::Directory;
use super::application::FederatedIdentityCredential;
use super::key::KeyCredential;
use super::password::PasswordCredential;
use super::replicated::Reader;
use super::service_principal::{GraphRights, ServicePrincipal};

/// What the token endpoint sees of a client id.
pub(in crate::azure) struct Client<'a> {
    pub(in crate::azure) app_id: &'a str,
    pub(in crate::azure) display_name: &'a str,
    pub(in crate::azure) passwords: &'a [PasswordCredential],
    pub(in crate::azure) keys: &'a [KeyCredential],
    pub(in crate::azure) federated_credentials: &'a [FederatedIdentityCredential],
    pub(in crate::azure) service_principal: Option<&'a ServicePrincipal>,
    pub(in crate::azure) disabled: bool,
}

/// Who holds an access token, with what they may do.
pub(in crate::azure) struct Caller {
    pub(in crate::azure) tenant: String,
    pub(in crate::azure) client_id: String,
    pub(in crate::azure) object_id: String,
    pub(in crate::azure) is_user: bool,
    pub(in crate::azure) is_administrator: bool,
    pub(in crate::azure) graph: GraphRights,
    grants: Vec<Grant>,
}

impl Directory {
    /// The client that the token endpoint of a tenant sees under an application id.
    pub(in crate::azure) fn client(&self, app_id: &str, tenant: &str, now: Timestamp) -> Option<Client<'_>> {
        let reader = Reader::Effect(now);
        let is_it = |id: &str, of: &str| id.eq_ignore_ascii_case(app_id) && of.eq_ignore_ascii_case(tenant);
        let service_principal = self
            .service_principals
            .all(reader)
            .find(|principal| is_it(&principal.app_id, &principal.tenant));
        let enabled = service_principal.is_none_or(|principal| principal.account_enabled);
        let application = self
            .applications
            .all(reader)
            .find(|it| is_it(&it.app_id, &it.tenant));
        if let Some(application) = application {
            return Some(Client {
                app_id: &application.app_id,
                display_name: &application.display_name,
                passwords: &application.passwords,
                keys: &application.keys,
                federated_credentials: &application.federated_credentials,
                service_principal,
                disabled: application.disabled || !enabled,
            });
        }
        let identity = self
            .identities
            .all(reader)
            .find(|it| is_it(&it.client_id, &it.tenant))?;
        Some(Client {
            app_id: &identity.client_id,
            display_name: &identity.name,
            passwords: &[],
            keys: &[],
            federated_credentials: &identity.federated_credentials,
            service_principal,
            disabled: !enabled,
        })
    }

    /// The holder of an access token, if the directory has them.
    ///
    /// A role counts for a token if it was in effect when the token was issued, and still is.
    pub(in crate::azure) fn caller(
        &self,
        claims: &Claims,
        roles: &Authorization,
        now: Timestamp,
    ) -> Option<Caller> {
        let user = self.user(&claims.oid);
        let graph = match user {
            Some(_) => GraphRights::None,
            None => self.service_principals.latest(&claims.oid)?.graph,
        };
        let mut grants = self.grants_of(&claims.oid).to_vec();
        grants.extend(roles.grants(&claims.oid, claims.issued(), now));
        Some(Caller {
            tenant: claims.tid.clone(),
            client_id: claims.appid.clone(),
            object_id: claims.oid.clone(),
            is_user: user.is_some(),
            is_administrator: user.is_some_and(|user| user.administrator),
            graph,
            grants,
        })
    }
}

impl Caller {
    pub(in crate::azure) fn may(&self, action: &str, scope: &str) -> bool {
        self.grants_over(scope).any(|grant| grant.allows(action))
    }

    pub(in crate::azure) fn may_with_data(&self, data_action: &str, scope: &str) -> bool {
        self.grants_over(scope)
            .any(|grant| grant.allows_data(data_action))
    }

    /// The grants at the scope or above it.
    pub(in crate::azure) fn grants_over<'a>(&'a self, scope: &'a str) -> impl Iterator<Item = &'a Grant> {
        self.grants
            .iter()
            .filter(move |grant| contains(&grant.scope, scope))
    }

    /// Whether the caller has a role at the scope, above it or below it, and so sees that it exists.
    pub(in crate::azure) fn sees(&self, scope: &str) -> bool {
        self.grants
            .iter()
            .any(|grant| contains(&grant.scope, scope) || contains(scope, &grant.scope))
    }
}
