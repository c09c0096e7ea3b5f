use super::super::effects::{Failure, Ids, Known};
use super::RealSetup;
use crate::azure::{Error as AzureError, RoleAddition};
use crate::error::Error;
use crate::model::access::{Permission, RoleDefinition};
use crate::model::cleaned;
use crate::model::directory::FederatedCredential;
use crate::model::entra::Id;
use crate::model::entra::facts::AppKind;
use crate::model::{AzureRole, ManagedIdentityId};
use crate::plan::entra::Action;
use uuid::Uuid;

impl RealSetup<'_> {
    /// Carries out an action that concerns only Azure. What is there already is a
    /// success.
    pub(super) async fn in_azure(&mut self, action: &Action, known: &Known) -> Result<Ids, Failure> {
        let gateway = &self.facts.gateway;
        match action {
            Action::EnableIdentity { .. } | Action::AwaitIdentity => self.identity(action).await,
            Action::CreateGateway { location } => {
                let made = self.arm.create_gateway(gateway, location).await.map_err(failed)?;
                Ok(ids([("gatewayId", made.to_string())]))
            }
            Action::CreateRole { role, id, name } => self.create_role(*role, *id, name).await,
            Action::MendRole(definition) => self.mend_role(definition).await,
            Action::Assign {
                definition,
                principal,
                scope,
                ..
            } => self.assign(*definition, known.resolve(*principal)?, scope).await,
            Action::CreateApp {
                display_name,
                unique_name,
            } => {
                let made = self.graph.upsert_application(unique_name, display_name).await;
                let application = made.map_err(failed)?.application;
                self.application = Some(application.id);
                Ok(ids([("clientId", application.app_id.to_string())]))
            }
            Action::CreateServicePrincipal { app } => {
                let app = known.resolve(*app)?;
                let made = self.graph.create_service_principal(app).await.map_err(failed)?;
                Ok(ids([("servicePrincipalId", made.id.to_string())]))
            }
            Action::AddFederated(credential) => self.trust(credential, true).await,
            Action::ChangeFederated(credential) => self.trust(credential, false).await,
            _ => Ok(Ids::new()),
        }
    }

    async fn identity(&mut self, action: &Action) -> Result<Ids, Failure> {
        let service = &self.facts.gateway.service;
        let waiting = self.output.waiting();
        waiting.on("Azure updates the instance, which can take many minutes");
        let details = if matches!(action, Action::AwaitIdentity) {
            self.arm.await_identity(service).await
        } else {
            self.arm.enable_identity(service).await
        };
        drop(waiting);
        let details = details.map_err(|error| match error {
            AzureError::Timeout { .. } => Failure::OutOfTime(error.into()),
            error => failed(error),
        })?;
        self.newest_assignment = Some(self.azure_now());
        let principal = details.identity.principal.ok_or_else(|| {
            Failure::Failed(
                Error::failed(format!(
                    "the update of the instance {} has ended, and it has no system-assigned identity",
                    service.name
                ))
                .hint("run the same command with --enable-identity"),
            )
        })?;
        Ok(ids([("principalId", principal.to_string())]))
    }

    async fn create_role(&mut self, role: AzureRole, id: Uuid, name: &str) -> Result<Ids, Failure> {
        let subscription = self.facts.gateway.service.subscription_path();
        let owned = |actions: Vec<&str>| actions.into_iter().map(str::to_owned).collect();
        let wanted = role.definition();
        let definition = RoleDefinition {
            id,
            name: name.to_owned(),
            description: wanted.description.to_owned(),
            built_in: false,
            permissions: vec![Permission {
                actions: owned(wanted.action_names()),
                data_actions: owned(wanted.data_action_names()),
                ..Permission::default()
            }],
            assignable_scopes: vec![subscription.clone()],
        };
        // A role of this id that the plan could not see would be replaced.
        let present = self.arm.role(&subscription, id).await.map_err(failed)?;
        let is_same =
            |it: &RoleDefinition| it.grants_exactly(&wanted.action_names(), &wanted.data_action_names());
        if let Some(other) = present.filter(|it| !is_same(it)) {
            return Err(Failure::Failed(Error::failed(format!(
                "the role {id} exists as {}, with other permissions",
                cleaned(&other.name)
            ))));
        }
        let made = self
            .arm
            .put_role(&subscription, &definition)
            .await
            .map_err(failed)?;
        self.newest_assignment = Some(self.azure_now());
        Ok(ids([("roleDefinitionId", made.id.to_string())]))
    }

    /// Adds what the role lacks by the plan; what else it is now stays.
    async fn mend_role(&mut self, wanted: &RoleDefinition) -> Result<Ids, Failure> {
        let all = |of: fn(&Permission) -> &Vec<String>| -> Vec<String> {
            wanted.permissions.iter().flat_map(of).cloned().collect()
        };
        let addition = RoleAddition {
            scopes: Vec::new(),
            actions: all(|it| &it.actions),
            data_actions: all(|it| &it.data_actions),
        };
        let subscription = self.facts.gateway.service.subscription_path();
        self.arm
            .add_to_role(&subscription, wanted.id, &addition)
            .await
            .map_err(failed)?;
        self.newest_assignment = Some(self.azure_now());
        Ok(ids([("roleDefinitionId", wanted.id.to_string())]))
    }

    async fn assign(&mut self, role: Uuid, principal: Uuid, scope: &str) -> Result<Ids, Failure> {
        let waiting = self.output.waiting();
        waiting.on(&format!(
            "Azure assigns the role {role}, once it knows the role and the principal"
        ));
        let made = self.arm.assign_role(scope, role, principal).await;
        drop(waiting);
        let made = made.map_err(failed)?;
        self.newest_assignment = Some(self.azure_now());
        Ok(ids([
            ("roleAssignmentId", made.id),
            ("principalId", principal.to_string()),
        ]))
    }

    /// A managed identity has its federated credentials in ARM, an app in Graph.
    async fn trust(&self, credential: &FederatedCredential, is_new: bool) -> Result<Ids, Failure> {
        if let Some(identity) = self.managed_identity() {
            self.arm.put_identity_credential(identity, credential).await
        } else if is_new {
            let application = self.application()?;
            self.graph
                .create_federated_credential(application, credential)
                .await
        } else {
            let application = self.application()?;
            self.graph
                .change_federated_credential(application, credential)
                .await
        }
        .map_err(failed)?;
        Ok(ids([("federatedCredential", credential.name.clone())]))
    }

    fn managed_identity(&self) -> Option<&ManagedIdentityId> {
        match &self.facts.app.as_ref().ok()?.as_ref()?.kind {
            AppKind::Identity(id, _) => Some(id),
            AppKind::Application(_) => None,
        }
    }

    /// The object id of the app registration.
    pub(super) fn application(&self) -> Result<Uuid, Failure> {
        self.application
            .ok_or_else(|| Failure::Failed(Error::failed("the app is not known")))
    }

    /// The client id of the app or the identity.
    pub(super) fn client_id(known: &Known) -> Result<Uuid, Failure> {
        known.resolve(Id::Of(crate::model::entra::Made::App))
    }
}

pub(super) fn ids<const N: usize>(all: [(&'static str, String); N]) -> Ids {
    all.into_iter().collect()
}

/// The codes of policies, locks and limits, which the same command meets again.
const FORBIDDING: [&str; 6] = [
    "ScopeLocked",
    "CredentialTypeNotAllowedAsPerAppPolicy",
    "CredentialInvalidLifetimeAsPerAppPolicy",
    "RoleAssignmentLimitExceeded",
    "RoleDefinitionLimitExceeded",
    "Directory_QuotaExceeded",
];

pub(super) fn failed(error: AzureError) -> Failure {
    let is_forbidden = error.status() == Some(403) || FORBIDDING.iter().any(|code| error.has_code(code));
    let is_ambiguous = error.is_ambiguous();
    let error = Error::from(error);
    if is_forbidden {
        Failure::Forbidden(error)
    } else if is_ambiguous {
        Failure::Unknown(error)
    } else {
        Failure::Failed(error)
    }
}
