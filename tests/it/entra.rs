//! `entra setup`: from an empty Entra and a gateway without a credential to pods
//! that sign in and read their configuration.

mod ahead;
mod az;
mod bad_input;
mod bicep;
mod clouds;
mod drifted;
mod edited;
mod half;
mod handed_over;
mod identity;
mod issuer;
mod killed;
mod kinds;
mod lag;
mod limits;
mod modes;
mod named;
mod owed;
mod owners;
mod question;
mod refused;
mod renewal;
mod requests;
mod rights;
mod settings;
mod unverified;
mod updating;

use apim_sandbox::azure::{Application, Grant, GraphRights, Operation, Principal, Request, ServicePrincipal};
use apim_sandbox::workload_identity::Webhook;
use apim_sandbox::{Sandbox, shared};
use serde_json::{Value, json};

use crate::case::Case;
use crate::run::Run;

/// The image that knows every mode.
const IMAGE: &str = "mcr.microsoft.com/azure-api-management/gateway:2.11.1";

/// The flags of a workload identity for the gateway `gw`.
const BY_IDENTITY: [&str; 6] = [
    "--create-app",
    "gw",
    "--service-account",
    "gw",
    "--mode",
    "workload-identity",
];

/// A case whose principal may set up a gateway.
pub(crate) struct EntraCase {
    pub(crate) case: Case,
    /// The webhook of workload identity for its namespace.
    pub(crate) webhook: Webhook,
}

impl EntraCase {
    /// A gateway with an identity of its instance, and nothing else.
    pub(crate) async fn new(name: &str) -> Self {
        let this = Self::without_identity(name).await;
        let case = &this.case;
        case.azure()
            .enable_identity(&case.gateway, &case.principal.tenant);
        this
    }

    /// The same without the identity.
    pub(crate) async fn without_identity(name: &str) -> Self {
        let sandbox = tokio::task::spawn_blocking(shared).await.unwrap().unwrap();
        Self::in_sandbox(sandbox, name).await
    }

    /// The same in a sandbox that may be the test's own, whose clock and lag it may set.
    pub(crate) async fn in_sandbox(sandbox: &'static Sandbox, name: &str) -> Self {
        // Roles can be defined only in a subscription with a GUID.
        let subscription = |_: &str| uuid::Uuid::new_v4().to_string();
        let mut case = Case::in_subscription(sandbox, name, subscription).await;
        let subscription = format!("/subscriptions/{}", case.gateway.subscription);
        case.principal = Principal::random()
            .with(Grant::new(&subscription, &["*"]))
            .with_graph(GraphRights::ReadWriteAll);
        let azure = case.azure();
        azure.add_principal(case.principal.clone());
        azure.set_tenant(&case.gateway.subscription, &case.principal.tenant);
        azure.assign_api(&case.gateway, "echo");
        let webhook = case
            .sandbox
            .workload_identity_webhook(&case.namespace, &case.principal.tenant)
            .await
            .unwrap();
        Self { case, webhook }
    }

    /// A gateway's Deployment without a credential, with changes.
    pub(crate) async fn deploy(&self, change: impl FnOnce(&mut Value)) {
        let mut deployment = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "gw"},
            "spec": {
                "selector": {"matchLabels": {"app": "gw"}},
                "template": {
                    "metadata": {"labels": {"app": "gw"}},
                    "spec": {"containers": [{
                        "name": "gateway", "image": IMAGE,
                        "env": [{"name": "config.service.endpoint", "value": self.case.endpoint()}],
                    }]},
                },
            },
        });
        change(&mut deployment);
        apim_sandbox::manifests::apply(&self.case.client, &self.case.namespace, deployment)
            .await
            .unwrap();
    }

    /// `entra setup deploy/gw` for the gateway, with more arguments.
    pub(crate) fn setup(&self, more: &[&str]) -> Run<'_> {
        self.setup_of(&[&["deploy/gw"], more].concat())
    }

    /// `entra setup` for the gateway.
    pub(crate) fn setup_of(&self, more: &[&str]) -> Run<'_> {
        let target = target(&self.case);
        let target: Vec<&str> = target.iter().map(String::as_str).collect();
        self.case.apim(&[&["entra", "setup"], more, &target].concat())
    }

    /// The requests of the set-up that change something in Azure, sign-ins apart.
    pub(crate) fn azure_writes(&self) -> Vec<Request> {
        let client_id = &self.case.principal.client_id;
        self.case.azure().requests_where(|request| {
            request.principal.as_ref() == Some(client_id)
                && request.method != "GET"
                && !matches!(
                    request.operation,
                    Some(Operation::SignIn | Operation::ResourceGraph | Operation::Configuration)
                )
        })
    }

    /// The apps of the tenant of this test, apart from the one that signs in.
    pub(crate) fn apps(&self) -> Vec<Application> {
        let principal = &self.case.principal;
        self.case.azure().directory(|it| {
            let apps = it.applications().into_iter();
            let own = apps.filter(|app| app.tenant == principal.tenant && app.app_id != principal.client_id);
            own.cloned().collect()
        })
    }
}

/// The flags that name the gateway in full.
fn target(case: &Case) -> [String; 8] {
    let gateway = &case.gateway;
    [
        "-s",
        &gateway.subscription,
        "-r",
        &gateway.resource_group,
        "-a",
        &gateway.service,
        "-g",
        &gateway.name,
    ]
    .map(str::to_owned)
}

/// An app with a service principal, which somebody has registered; its client id and the
/// object id of the service principal.
fn registered(
    entra: &EntraCase,
    change: impl FnOnce(&mut Application, &mut ServicePrincipal),
) -> (String, String) {
    let mut app = Application::new(&entra.case.principal.tenant, "known");
    let object = uuid::Uuid::new_v4().to_string();
    let mut principal = ServicePrincipal::new(&app.tenant, &object, &app.app_id, "known");
    change(&mut app, &mut principal);
    let id = app.app_id.clone();
    entra.case.azure().directory(|it| {
        it.add_application(app);
        it.add_service_principal(principal);
    });
    (id, object)
}
