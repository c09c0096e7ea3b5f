//! The app or the managed identity of a gateway, and who else can use it.

use uuid::Uuid;

use super::unavailable::{not_needed, of_azure};
use crate::azure::{Arm, Graph};
use crate::model::access::RoleAssignment;
use crate::model::directory::{AppRole, Application, FederatedCredential, Owner, ServicePrincipal};
use crate::model::entra::facts::{AppFacts, AppKind, SecretPolicy};
use crate::model::entra::{AppRequest, unique_name};
use crate::model::{Fact, GatewayId, ManagedIdentityId, Unavailable, known};

/// What Microsoft Graph knows.
pub(super) struct GraphHalf {
    pub(super) app: Fact<Option<AppFacts>>,
    pub(super) namesakes: Fact<Vec<Application>>,
    pub(super) policy: Fact<SecretPolicy>,
}

/// An app as it was found, and its service principal if that was read beside it.
struct Found {
    kind: AppKind,
    service_principal: Option<Fact<Option<ServicePrincipal>>>,
}

pub(super) struct Directory<'a> {
    pub(super) arm: &'a Arm,
    pub(super) graph: &'a Graph,
    pub(super) gateway: &'a GatewayId,
}

impl Directory<'_> {
    /// Finds the app that was asked for. `is_stored` is whether it may need a secret or
    /// a certificate, which policies restrict.
    pub(super) async fn half(&self, request: &AppRequest, is_stored: bool) -> GraphHalf {
        let found = async {
            match request {
                AppRequest::Create(name) => self.by_name(name).await,
                AppRequest::Existing(client_id) => (self.by_client_id(*client_id).await, Ok(Vec::new())),
            }
        };
        let of_tenant = async {
            if is_stored {
                of_azure(self.graph.tenant_policy().await)
            } else {
                not_needed()
            }
        };
        let ((found, namesakes), of_tenant) = tokio::join!(found, of_tenant);
        let object = match &found {
            Ok(Some(Found {
                kind: AppKind::Application(app),
                ..
            })) => Some(app.id),
            _ => None,
        };
        let policy = async {
            let of_tenant = of_tenant?;
            let own = match object {
                Some(object) => of_azure(self.graph.app_policy(object).await)?,
                None => None,
            };
            Ok(of_tenant.with(own.as_ref(), object.is_some()))
        };
        let (app, policy) = tokio::join!(self.facts(found), policy);
        GraphHalf {
            app,
            namesakes,
            policy,
        }
    }

    /// The app of the unique name, and the others of the same display name.
    async fn by_name(&self, name: &str) -> (Fact<Option<Found>>, Fact<Vec<Application>>) {
        let unique = unique_name(name, self.gateway);
        let (own, named) = tokio::join!(
            self.graph.application_of_unique_name(&unique),
            self.graph.applications_named(name)
        );
        let namesakes = of_azure(named).map(|mut all| {
            all.retain(|it| it.unique_name.as_ref() != Some(&unique));
            all
        });
        let found = of_azure(own).map(|own| {
            own.map(|app| Found {
                kind: AppKind::Application(app),
                service_principal: None,
            })
        });
        (found, namesakes)
    }

    /// The app of a client id, or else the managed identity.
    async fn by_client_id(&self, client_id: Uuid) -> Fact<Option<Found>> {
        let (app, principal) = tokio::join!(
            self.graph.application(client_id),
            self.graph.service_principal(client_id)
        );
        let (app, principal) = (of_azure(app), of_azure(principal));
        let identity = known(&principal);
        let kind = match (app, identity.and_then(ServicePrincipal::managed_identity)) {
            (Ok(Some(app)), _) => AppKind::Application(app),
            (_, Some(identity)) => AppKind::Identity(identity, client_id),
            (Ok(None), None) => {
                // Whether there is a managed identity is not known.
                principal?;
                return Ok(None);
            }
            (Err(why), None) => return Err(why),
        };
        Ok(Some(Found {
            kind,
            service_principal: Some(principal),
        }))
    }

    async fn facts(&self, found: Fact<Option<Found>>) -> Fact<Option<AppFacts>> {
        let Some(Found {
            kind,
            service_principal,
        }) = found?
        else {
            return Ok(None);
        };
        // Two connections are there, so two requests at a time are the fastest.
        let (by_principal, (owners, federated)) =
            tokio::join!(self.by_principal(&kind, service_principal), self.by_app(&kind));
        let (service_principal, app_roles, assignments) = by_principal;
        Ok(Some(AppFacts {
            kind,
            service_principal,
            owners,
            federated,
            app_roles,
            assignments,
        }))
    }

    async fn by_principal(
        &self,
        kind: &AppKind,
        known: Option<Fact<Option<ServicePrincipal>>>,
    ) -> (
        Fact<Option<ServicePrincipal>>,
        Fact<Vec<AppRole>>,
        Fact<Vec<RoleAssignment>>,
    ) {
        let principal = match (known, kind) {
            (Some(known), _) => known,
            (None, AppKind::Application(app)) => of_azure(self.graph.service_principal(app.app_id).await),
            (None, AppKind::Identity(_, client_id)) => {
                of_azure(self.graph.service_principal(*client_id).await)
            }
        };
        match &principal {
            Ok(Some(found)) => {
                let subscription = self.gateway.service.subscription_path();
                let (roles, assignments) = tokio::join!(
                    self.graph.app_roles(found.id),
                    self.arm.assignments_in(&subscription, found.id)
                );
                (principal, of_azure(roles), of_azure(assignments))
            }
            Ok(None) => (principal, Ok(Vec::new()), Ok(Vec::new())),
            Err(why) => {
                let why = why.clone();
                (principal, Err(why.clone()), Err(why))
            }
        }
    }

    async fn by_app(&self, kind: &AppKind) -> (Fact<Vec<Owner>>, Fact<Vec<FederatedCredential>>) {
        match kind {
            AppKind::Application(app) => {
                let owners = of_azure(self.graph.owners(app.id).await);
                (owners, of_azure(self.graph.federated_credentials(app.id).await))
            }
            // Who may change a managed identity is a matter of roles.
            AppKind::Identity(id, _) => (Ok(Vec::new()), self.of_identity(id).await),
        }
    }

    async fn of_identity(&self, id: &ManagedIdentityId) -> Fact<Vec<FederatedCredential>> {
        of_azure(self.arm.identity_credentials(id).await)
    }
}

/// The object id of the service principal, if there is one.
pub(super) fn principal_of(app: &Fact<Option<AppFacts>>) -> Option<Uuid> {
    let app = app.as_ref().ok()?.as_ref()?;
    let principal: Result<_, &Unavailable> = app.service_principal.as_ref();
    principal.ok()?.as_ref().map(|it| it.id)
}
