//! Gateways that sign in by Entra: how, until when, and what keeps them from it.

mod chain;
mod identity;
mod kinds;
mod many;
mod texts;
mod unread;

use apim_sandbox::azure::{
    FederatedCredential, Grant, GraphRights, Operation, Permission, Principal, RoleAssignment, RoleDefinition,
};
use apim_sandbox::manifests::{EntraManifest, apply};
use apim_sandbox::workload_identity::Webhook;
use kube::api::{DeleteParams, PostParams};
use serde_json::{Value, json};

use crate::case::{Case, DAY};
use crate::run::{Ended, Run};

const AUDIENCE: &str = "api://AzureADTokenExchange";
const READS: &str = "Microsoft.ApiManagement/service/gateways/getConfiguration/action";

/// A case in which the roles are defined, and the instance has what it needs.
struct SetUp {
    case: Case,
    /// Who runs `status --azure`.
    reader: Principal,
    validator: RoleDefinition,
    config_reader: RoleDefinition,
    identity: String,
    /// The webhook of workload identity for the namespace.
    webhook: Option<Webhook>,
}

impl SetUp {
    async fn new(name: &str) -> Self {
        let case = Case::new(name).await;
        let gateway = &case.gateway;
        let tenant = case.principal.tenant.clone();
        let scope = format!("/subscriptions/{}", gateway.subscription);
        let reader = Principal {
            tenant: tenant.clone(),
            graph: GraphRights::ReadAll,
            ..Principal::random().with(Grant::reader(&scope))
        };
        case.azure().add_principal(reader.clone());
        case.hides(&reader.client_secret);
        let identity = case.azure().enable_identity(gateway, &tenant);
        let role = |name: &str, permission: Permission| {
            RoleDefinition::new(&format!("{name} of {}", case.namespace), permission, &scope)
        };
        let validator = role(
            "validator",
            Permission::new(&["Microsoft.Authorization/*/read"], &[]),
        );
        let config_reader = role("reader", Permission::new(&[], &[READS]));
        let (service, group) = places(&case);
        assert!(service.starts_with(&group));
        case.azure().authorization(|it| {
            it.add_role_definition(validator.clone());
            it.add_role_definition(config_reader.clone());
            it.add_role_assignment(RoleAssignment::new(&group, &validator, &identity));
        });
        let webhook = case.sandbox.workload_identity_webhook(&case.namespace, &tenant);
        let webhook = Some(webhook.await.unwrap());
        Self {
            case,
            reader,
            validator,
            config_reader,
            identity,
            webhook,
        }
    }

    /// An app that may read the configuration of the instance.
    fn app(&self) -> Principal {
        let app = Principal {
            tenant: self.reader.tenant.clone(),
            ..Principal::random()
        };
        self.case.azure().add_principal(app.clone());
        self.case.hides(&app.client_secret);
        self.assign(&app.object_id());
        app
    }

    fn assign(&self, principal: &str) {
        let (service, _) = places(&self.case);
        let assignment = RoleAssignment::new(&service, &self.config_reader, principal);
        self.case
            .azure()
            .authorization(|it| it.add_role_assignment(assignment));
    }

    fn trust(&self, workload: &str) -> FederatedCredential {
        FederatedCredential {
            issuer: self
                .case
                .sandbox
                .control_plane()
                .service_account_issuer()
                .to_owned(),
            subject: format!("system:serviceaccount:{}:{workload}", self.case.namespace),
            audience: AUDIENCE.to_owned(),
        }
    }

    /// An app that trusts the tokens of a workload.
    fn federated(&self, workload: &str) -> Principal {
        let app = Principal {
            federated_credentials: vec![self.trust(workload)],
            ..self.app()
        };
        self.case.azure().add_principal(app.clone());
        app
    }

    async fn deploy(&self, manifest: &EntraManifest, change: impl FnOnce(&mut [Value])) {
        let mut objects = manifest.clone().gateway("gw").objects();
        objects.last_mut().unwrap()["spec"]["replicas"] = 0.into();
        change(&mut objects);
        for object in objects {
            apply(&self.case.client, &self.case.namespace, object)
                .await
                .unwrap();
        }
    }

    async fn secret(&self, name: &str, app: &Principal) {
        let manifest = EntraManifest::app_secret(
            name,
            &self.case.endpoint(),
            &app.tenant,
            &app.client_id,
            &app.client_secret,
        );
        self.deploy(&manifest, |_| {}).await;
    }

    async fn certificate(&self, name: &str, app: &Principal, pem: &str) {
        let files = (pem, &b"pfx"[..]);
        let manifest =
            EntraManifest::app_certificate(name, &self.case.endpoint(), &app.tenant, &app.client_id, files);
        self.deploy(&manifest, |_| {}).await;
    }

    async fn workload(&self, name: &str, client_id: &str) {
        let manifest = EntraManifest::workload_identity(name, &self.case.endpoint(), client_id);
        self.deploy(&manifest, |_| {}).await;
    }

    /// Writes the client secret as the set-up does, with its annotations.
    async fn record(&self, secret: &str, begun: i32, left: i32, app: &Principal, key: &str) {
        let now = self.case.azure().now();
        let secrets = self.case.secrets();
        secrets.delete(secret, &DeleteParams::default()).await.unwrap();
        let object = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
            "stringData": {"azure-ad-app-secret": app.client_secret},
            "metadata": {"name": secret, "annotations": {
                "apim-rotate/kind": "app-secret", "apim-rotate/client-id": app.client_id, "apim-rotate/key-id": key,
                "apim-rotate/expires-at": (now + DAY * left).to_string(),
                "apim-rotate/rotated-at": (now - DAY * begun).to_string(),
            }},
        });
        let params = PostParams {
            field_manager: Some("apim-rotate".to_owned()),
            ..PostParams::default()
        };
        let object = serde_json::from_value(object).unwrap();
        secrets.create(&params, &object).await.unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Run<'_> {
        self.run_as(&self.reader, arguments)
    }

    fn run_as<'a>(&'a self, principal: &Principal, arguments: &[&str]) -> Run<'a> {
        self.case.apim(arguments).envs(&[
            ("AZURE_CLIENT_ID", &principal.client_id),
            ("AZURE_CLIENT_SECRET", &principal.client_secret),
            ("AZURE_TENANT_ID", &principal.tenant),
        ])
    }

    async fn with_azure(&self) -> Ended {
        self.run(&["status", "--azure", "-o", "json"]).exits(0).await
    }

    fn asked(&self, operation: Operation) -> usize {
        let by_it = self.case.azure().requests_where(|request| {
            request.principal.as_ref() == Some(&self.reader.client_id) && request.operation == Some(operation)
        });
        by_it.len()
    }
}

/// The ids of the instance and of its resource group.
fn places(case: &Case) -> (String, String) {
    let service = case.gateway.service_id();
    let group = service.split("/providers/").next().unwrap().to_owned();
    (service, group)
}

/// The parts of a sign-in that are broken, or unknown.
fn parts(row: &Value, state: &str) -> Vec<String> {
    let parts = row["entra"]["parts"].as_array().cloned().unwrap_or_default();
    let of_state = parts.iter().filter(|part| part["state"] == state);
    of_state
        .map(|part| part["part"].as_str().unwrap().to_owned())
        .collect()
}

fn uuid() -> String {
    Principal::random().client_id
}
