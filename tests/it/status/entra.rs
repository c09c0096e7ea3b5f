//! Gateways that sign in by Entra: how, until when, and what keeps them from it.

use apim_sandbox::azure::{
    Action, FederatedCredential, Grant, GraphRights, ManagedIdentity, Operation, PasswordCredential,
    Permission, Principal, RoleAssignment, RoleDefinition,
};
use apim_sandbox::manifests::{EntraManifest, apply};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::case::{Case, DAY};
use crate::run::{Ended, Run};
use crate::sign_in::openssl;

mod many;

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
        Self {
            case,
            reader,
            validator,
            config_reader,
            identity,
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

/// A gateway of each kind, and an app's secrets of several ages.
async fn kinds(set_up: &SetUp) -> Principal {
    let case = &set_up.case;
    let app = set_up.app();
    set_up.secret("secret", &app).await;
    set_up.secret("due", &app).await;
    set_up.secret("unknown", &app).await;
    set_up.record("secret-entra", 30, 150, &app, &app.client_id).await;
    set_up.record("due-entra", 130, 50, &app, &app.client_id).await;
    let folder = openssl::Folder::with_certificate();
    let pem = std::fs::read_to_string(folder.path("certificate.pem")).unwrap();
    set_up.certificate("certificate", &app, &pem).await;
    set_up.workload("federated", &app.client_id).await;
    case.deploy(&case.gateway("token", 20)).await;
    app
}

#[tokio::test]
async fn the_cluster_shows_each_kind_and_its_expiry() {
    let set_up = SetUp::new("entra-kinds").await;
    let case = &set_up.case;
    let app = kinds(&set_up).await;
    let ended = case.apim(&["status", "-o", "json"]).exits(0).await;
    let kinds = ["secret", "due", "unknown", "certificate", "federated", "token"].map(|name| {
        let row = ended.gateway(name);
        let text = |field: &str| row[field].as_str().unwrap_or_default().to_owned();
        (
            name,
            text("auth"),
            text("verdict"),
            row["entra"]["expiryFrom"].as_str().unwrap_or_default().to_owned(),
        )
    });
    let kinds = kinds
        .each_ref()
        .map(|(name, auth, verdict, from)| [*name, auth.as_str(), verdict.as_str(), from.as_str()]);
    assert_eq!(
        kinds,
        [
            ["secret", "app-secret", "Healthy", "annotation"],
            ["due", "app-secret", "Due", "annotation"],
            ["unknown", "app-secret", "Unknown", ""],
            ["certificate", "certificate", "Healthy", "certificate"],
            ["federated", "workload-identity", "Healthy", ""],
            ["token", "token", "Unprotected", ""],
        ]
    );
    let federated = ended.gateway("federated");
    assert_eq!(
        (&federated["doesNotExpire"], &federated["expiresAt"]),
        (&json!(true), &Value::Null)
    );
    assert_eq!(
        ended.gateway("secret")["entra"]["clientId"],
        app.client_id.as_str()
    );
    let fix = ended.gateway("due")["fix"].as_str().unwrap().to_owned();
    assert!(fix.ends_with(&format!("--app {}", app.client_id)), "{fix}");
}

#[tokio::test]
async fn the_table_the_metrics_and_the_alarm_know_each_kind() {
    let set_up = SetUp::new("entra-shown").await;
    let case = &set_up.case;
    kinds(&set_up).await;
    let table = case.apim(&["status"]).exits(0).await.stdout;
    let row = |name: &str| {
        table
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap()
            .to_owned()
    };
    assert!(
        row("federated").contains("never") && row("due").contains("Due"),
        "{table}"
    );
    let metrics = case.apim(&["status", "-o", "prometheus"]).exits(0).await.stdout;
    assert_eq!(metrics.matches("auth=\"app-secret\"} 1").count(), 3, "{metrics}");
    assert_eq!(
        metrics
            .matches("\napim_gateway_credential_expiry_timestamp_seconds{")
            .count(),
        4
    );
    assert!(!metrics.contains("apim_gateway_sign_in_part{"));
    // A due secret is none of this alarm, an unknown one is.
    case.apim(&["status", "due", "--fail-within", "49d"])
        .exits(0)
        .await;
    case.apim(&["status", "due", "--fail-within", "51d"])
        .exits(9)
        .await
        .says(&["the client secret expires in"]);
    case.apim(&["status", "federated", "--fail-within", "51d"])
        .exits(0)
        .await;
    case.apim(&["status", "unknown", "--fail-within", "1d"])
        .exits(9)
        .await;

    // Another writer of the key ends what the annotations describe.
    case.patch_secret(
        "secret-entra",
        &json!({"stringData": {"azure-ad-app-secret": "other"}}),
    )
    .await;
    let row = case
        .apim(&["status", "-o", "json"])
        .exits(0)
        .await
        .gateway("secret");
    assert_eq!(row["verdict"], "Unknown");
    assert!(
        row["reason"]
            .as_str()
            .unwrap()
            .contains("somebody-else replaced it"),
        "{row:#}"
    );
    assert_eq!(set_up.asked(Operation::SignIn), 0);
}

#[tokio::test]
async fn graph_shows_what_the_cluster_does_not() {
    let set_up = SetUp::new("entra-graph").await;
    let case = &set_up.case;
    let app = set_up.app();
    let now = case.azure().now();
    let ends_in = |days: i32| {
        case.azure().directory(|it| {
            it.change_application(&app.client_id, |app| {
                app.passwords[0].start = now - DAY * 100;
                app.passwords[0].end = now + DAY * days;
            });
        });
    };
    ends_in(100);
    set_up.secret("gw", &app).await;
    let row = set_up.with_azure().await.gateway("gw");
    assert_eq!(
        (&row["verdict"], &row["entra"]["expiryFrom"]),
        (&json!("Healthy"), &json!("graph")),
        "{row:#}"
    );
    assert_eq!(parts(&row, "ok").len(), 8, "{row:#}");
    for (days, verdict) in [(49, "Due"), (6, "Expiring"), (-1, "Expired")] {
        ends_in(days);
        let row = set_up.with_azure().await.gateway("gw");
        assert_eq!(row["verdict"], verdict, "{row:#}");
    }
    // Two, of which one has expired: nothing shows which one is in use.
    case.azure().directory(|it| {
        it.change_application(&app.client_id, |app| {
            app.passwords
                .push(PasswordCredential::new("another one that nobody has"));
        });
    });
    let row = set_up.with_azure().await.gateway("gw");
    assert_eq!(row["verdict"], "Unknown", "{row:#}");
    assert!(
        row["reason"].as_str().unwrap().contains("2 client secrets"),
        "{row:#}"
    );
    // The annotation does.
    let kept = case.azure().directory(|it| {
        it.application(&app.client_id).unwrap().passwords[1]
            .key_id
            .clone()
    });
    set_up.record("gw-entra", 1, 1, &app, &kept).await;
    let row = set_up.with_azure().await.gateway("gw");
    assert_eq!(
        (&row["verdict"], &row["entra"]["keyId"]),
        (&json!("Healthy"), &json!(kept)),
        "{row:#}"
    );
    // It was removed in Entra.
    case.azure().directory(|it| {
        it.change_application(&app.client_id, |app| app.passwords.truncate(1));
    });
    ends_in(100);
    let row = set_up.with_azure().await.gateway("gw");
    assert_eq!(parts(&row, "broken"), ["credential"], "{row:#}");
}

/// The broken part, and the words of the reason and of the command.
async fn is_broken(set_up: &SetUp, part: &str, said: &str, fix: &str) {
    let ended = set_up.with_azure().await;
    let row = ended.gateway("gw");
    assert_eq!(row["verdict"], "CannotSignIn", "{part}: {row:#}");
    assert_eq!(
        parts(&row, "broken").first().map(String::as_str),
        Some(part),
        "{row:#}"
    );
    let text = |field: &str| row[field].as_str().unwrap().to_owned();
    assert!(text("reason").contains(said), "{said}: {row:#}");
    assert!(text("fix").contains(fix), "{fix}: {row:#}");
}

#[tokio::test]
async fn each_broken_part_of_a_federation_is_named() {
    let set_up = SetUp::new("entra-chain").await;
    let azure = set_up.case.azure();
    let app = set_up.federated("gw");
    set_up.workload("gw", &app.client_id).await;
    let row = set_up.with_azure().await.gateway("gw");
    assert_eq!(
        (row["verdict"].clone(), parts(&row, "ok").len()),
        (json!("Healthy"), 8),
        "{row:#}"
    );
    set_up
        .run(&["status", "--azure", "--fail-within", "9d"])
        .exits(0)
        .await;

    let with_app = format!("--app {}", app.client_id);
    let here = format!(
        "-n {} -s {} -r rg-apim -a {} -g gw",
        set_up.case.namespace, set_up.case.gateway.subscription, set_up.case.gateway.service
    );
    let change = |change: &dyn Fn(&mut apim_sandbox::azure::FederatedIdentityCredential)| {
        azure.directory(|it| {
            it.change_application(&app.client_id, |app| change(&mut app.federated_credentials[0]))
        });
    };
    let trusted = set_up.trust("gw");
    change(&|it| it.issuer += "/");
    is_broken(&set_up, "credential", "they differ in the last slash", &with_app).await;
    change(&|it| it.issuer.clone_from(&trusted.issuer));
    change(&|it| it.audiences = vec!["api://other".to_owned()]);
    is_broken(&set_up, "credential", "has the audience api://other", &here).await;
    change(&|it| it.audiences = vec![AUDIENCE.to_owned()]);
    change(&|it| it.subject += "-other");
    is_broken(
        &set_up,
        "credential",
        "no federated credential trusts system:serviceaccount:",
        &with_app,
    )
    .await;
    change(&|it| it.subject.clone_from(&trusted.subject));

    azure.directory(|it| it.change_service_principal(&app.client_id, |it| it.account_enabled = false));
    is_broken(&set_up, "servicePrincipal", "is disabled", "az ad sp update --id").await;
    azure.directory(|it| it.change_service_principal(&app.client_id, |it| it.account_enabled = true));
}

#[tokio::test]
async fn roles_and_the_identity_of_the_instance_are_named() {
    let set_up = SetUp::new("entra-roles").await;
    let azure = set_up.case.azure();
    let app = set_up.federated("gw");
    set_up.workload("gw", &app.client_id).await;
    let with_app = format!("--app {}", app.client_id);
    // What az makes of the document's JSON: a role without permissions.
    let role = |permissions: Vec<Permission>| {
        let role = RoleDefinition {
            permissions,
            ..set_up.config_reader.clone()
        };
        azure.authorization(|it| it.add_role_definition(role));
    };
    role(vec![Permission::default()]);
    is_broken(&set_up, "readerRole", "no role with the permission", &with_app).await;
    role(set_up.config_reader.permissions.clone());
    let validator = |permissions: Vec<Permission>| {
        let role = RoleDefinition {
            permissions,
            ..set_up.validator.clone()
        };
        azure.authorization(|it| it.add_role_definition(role));
    };
    validator(Vec::new());
    is_broken(
        &set_up,
        "validatorRole",
        "Microsoft.Authorization/*/read",
        &with_app,
    )
    .await;
    validator(set_up.validator.permissions.clone());
    let row = set_up.with_azure().await.gateway("gw");
    assert_eq!(row["verdict"], "Healthy", "{row:#}");

    // The identity was switched off and on: its assignment is that of another one.
    let mut identity = azure.identity(&set_up.case.gateway);
    let system = identity.system_assigned.clone();
    assert_eq!(system.as_ref().unwrap().principal_id, set_up.identity);
    identity.system_assigned.as_mut().unwrap().principal_id = uuid();
    azure.set_identity(&set_up.case.gateway, identity.clone());
    is_broken(
        &set_up,
        "validatorAssignment",
        "its resource group or above",
        &with_app,
    )
    .await;
    identity.system_assigned = None;
    azure.set_identity(&set_up.case.gateway, identity.clone());
    is_broken(
        &set_up,
        "identity",
        "no system-assigned identity",
        "--enable-identity",
    )
    .await;
    identity.system_assigned = system;
    azure.set_identity(&set_up.case.gateway, identity);
    let ended = set_up.run(&["status", "--azure"]).exits(0).await;
    assert!(ended.stdout.contains("Healthy"), "{}", ended.stdout);
}

fn uuid() -> String {
    Principal::random().client_id
}

#[tokio::test]
async fn an_app_that_is_not_there_and_one_without_a_role_are_named() {
    let set_up = SetUp::new("entra-app").await;
    let azure = set_up.case.azure();
    // An assignment to the app instead of its service principal grants nothing.
    let app = Principal {
        tenant: set_up.reader.tenant.clone(),
        federated_credentials: vec![set_up.trust("gw")],
        ..Principal::random()
    };
    azure.add_principal(app.clone());
    set_up.assign(&app.client_id);
    set_up.workload("gw", &app.client_id).await;
    is_broken(
        &set_up,
        "readerAssignment",
        "does not have the role",
        &format!("--app {}", app.client_id),
    )
    .await;
    let metrics = set_up
        .run(&["status", "--azure", "-o", "prometheus"])
        .exits(0)
        .await
        .stdout;
    assert!(
        metrics.contains("part=\"readerAssignment\"} 0") && metrics.contains("part=\"app\"} 1"),
        "{metrics}"
    );
    let ended = set_up
        .run(&["status", "--azure", "--fail-within", "9d"])
        .exits(9)
        .await;
    ended.says(&["CannotSignIn"]);

    set_up.workload("gw", &uuid()).await;
    is_broken(
        &set_up,
        "app",
        "there is no app or managed identity",
        "--create-app gw",
    )
    .await;
}

#[tokio::test]
async fn a_managed_identity_is_checked_too() {
    let set_up = SetUp::new("entra-identity").await;
    let azure = set_up.case.azure();
    let mut identity = ManagedIdentity::new(
        &set_up.reader.tenant,
        &set_up.case.gateway.subscription,
        "rg-apim",
        "id",
    );
    let trusted = set_up.trust("gw");
    identity
        .federated_credentials
        .push(apim_sandbox::azure::FederatedIdentityCredential::new(
            "gw",
            &trusted.issuer,
            &trusted.subject,
            &trusted.audience,
        ));
    azure.directory(|it| it.add_managed_identity(identity.clone()));
    set_up.assign(&identity.principal_id);
    set_up.workload("gw", &identity.client_id).await;
    let row = set_up.with_azure().await.gateway("gw");
    assert_eq!(
        (row["verdict"].clone(), parts(&row, "ok").len()),
        (json!("Healthy"), 8),
        "{row:#}"
    );
    assert_eq!(row["entra"]["app"], "id");
    identity.federated_credentials.clear();
    azure.directory(|it| it.add_managed_identity(identity.clone()));
    is_broken(
        &set_up,
        "credential",
        "no federated credential trusts",
        &identity.client_id,
    )
    .await;
}

#[tokio::test]
async fn without_rights_parts_are_unknown_and_never_broken() {
    let set_up = SetUp::new("entra-rights").await;
    let app = set_up.federated("gw");
    set_up.workload("gw", &app.client_id).await;
    set_up.secret("secret", &app).await;
    let without_graph = Principal {
        graph: GraphRights::None,
        ..set_up.reader.clone()
    };
    set_up.case.azure().add_principal(without_graph.clone());
    let ended = set_up.with_azure().await;
    let row = ended.gateway("gw");
    assert_eq!(row["verdict"], "Healthy", "{row:#}");
    assert_eq!(parts(&row, "broken"), Vec::<String>::new());
    assert_eq!(
        parts(&row, "unknown"),
        ["app", "servicePrincipal", "credential", "readerAssignment"],
        "{row:#}"
    );
    assert!(
        row["reason"]
            .as_str()
            .unwrap()
            .contains("4 parts of its sign-in could not be checked")
    );
    let unread = row["unread"].as_array().unwrap();
    assert!(
        unread
            .iter()
            .any(|it| it["part"] == "entra" && it["forbidden"] == true),
        "{row:#}"
    );
    let secret = ended.gateway("secret");
    assert_eq!(secret["verdict"], "Unknown");
    assert!(
        secret["reason"].as_str().unwrap().contains("could not be asked"),
        "{secret:#}"
    );
    // An alarm that cannot read must not pass.
    set_up
        .run(&["status", "gw", "--azure", "--fail-within", "1d"])
        .exits(9)
        .await;

    // Nothing in Azure at all: what the cluster shows stays.
    let stranger = Principal {
        grants: Vec::new(),
        ..without_graph
    };
    set_up.case.azure().add_principal(stranger);
    let row = set_up.with_azure().await.gateway("gw");
    assert_eq!(
        (&row["verdict"], parts(&row, "broken").len()),
        (&json!("Healthy"), 0),
        "{row:#}"
    );
}

#[tokio::test]
async fn graph_that_is_busy_or_fails_is_asked_again() {
    let set_up = SetUp::new("entra-faults").await;
    let app = set_up.federated("gw");
    set_up.workload("gw", &app.client_id).await;
    for action in [
        Action::status(429),
        Action::status(500),
        Action::ResetAfter,
        Action::CutBody,
    ] {
        let fault = apim_sandbox::azure::Fault::on(Operation::ListApplications, action);
        set_up.case.azure().fault(fault.matching(&app.client_id).times(1));
        let row = set_up.with_azure().await.gateway("gw");
        assert_eq!(
            (row["verdict"].clone(), parts(&row, "ok").len()),
            (json!("Healthy"), 8),
            "{row:#}"
        );
    }
    // Lists that Graph does not expand are read app by app.
    let refused = Action::status(400);
    let fault = apim_sandbox::azure::Fault::on(Operation::ListApplications, refused);
    set_up.case.azure().fault(fault.matching(&app.client_id).times(1));
    let row = set_up.with_azure().await.gateway("gw");
    assert_eq!(parts(&row, "ok").len(), 8, "{row:#}");
    assert_eq!(set_up.asked(Operation::ListFederatedCredentials), 1);
}

/// Gateways with a client id that is not a GUID, in each place, and one with a certificate that is none.
async fn odd_client_ids(set_up: &SetUp, app: &Principal, hostile: &str) {
    let case = &set_up.case;
    set_up.workload("account", &app.client_id).await;
    let change = json!({"metadata": {"annotations": {
        "azure.workload.identity/client-id": format!("{hostile}not-a-guid{}", "x".repeat(50_000)),
    }}});
    let accounts: Api<ServiceAccount> = Api::namespaced(case.client.clone(), &case.namespace);
    let params = PatchParams::default();
    accounts
        .patch("account", &params, &Patch::Merge(&change))
        .await
        .unwrap();
    let no_guid = Principal {
        client_id: "../../me".to_owned(),
        ..app.clone()
    };
    set_up.secret("setting", &no_guid).await;
    let in_secret = |objects: &mut [Value]| {
        let env = objects[1]["spec"]["template"]["spec"]["containers"][0]["env"]
            .as_array_mut()
            .unwrap();
        let client_id = env
            .iter_mut()
            .find(|it| it["name"] == "config.service.auth.azureAd.clientId")
            .unwrap();
        let reference = json!({"secretKeyRef": {"name": "reference-entra", "key": "azure-ad-app-secret"}});
        *client_id = json!({"name": client_id["name"], "valueFrom": reference});
    };
    let reference = EntraManifest::app_secret(
        "reference",
        &case.endpoint(),
        &app.tenant,
        &app.client_id,
        &app.client_secret,
    );
    set_up.deploy(&reference, in_secret).await;
    set_up
        .certificate(
            "garbage",
            app,
            "-----BEGIN CERTIFICATE-----\n\u{1b}[31mgarbled\n-----END CERTIFICATE-----",
        )
        .await;
}

#[tokio::test]
async fn texts_of_others_take_over_no_terminal() {
    const HOSTILE: &str = "\u{1b}]0;owned\u{7}\u{9b}2J\u{202e}";
    let set_up = SetUp::new("entra-hostile").await;
    let case = &set_up.case;
    let app = set_up.federated("gw");
    let long = format!("{HOSTILE}{}", "x".repeat(50_000));
    case.azure().directory(|it| {
        it.change_application(&app.client_id, |app| {
            app.display_name.clone_from(&long);
            app.federated_credentials[0].issuer = format!("https://{long}");
            app.federated_credentials[0].name = HOSTILE.repeat(10);
        })
    });
    set_up.workload("gw", &app.client_id).await;
    set_up.secret("secret", &app).await;
    let annotations = json!({"metadata": {"annotations": {
        "apim-rotate/kind": long, "apim-rotate/client-id": long, "apim-rotate/key-id": long, "apim-rotate/expires-at": long,
    }}});
    case.patch_secret("secret-entra", &annotations).await;
    odd_client_ids(&set_up, &app, HOSTILE).await;
    for format in ["json", "wide", "prometheus", "yaml"] {
        for azure in [
            &["status", "-o", format][..],
            &["status", "-o", format, "--azure"],
        ] {
            set_up.run(azure).exits(0).await.is_harmless();
        }
    }
    let ended = set_up.with_azure().await;
    let reason = |name: &str| {
        let row = ended.gateway(name);
        format!("{} {}", row["reason"], row["unread"])
    };
    assert!(
        reason("account").contains("is not a GUID"),
        "{}",
        reason("account")
    );
    assert!(
        reason("setting").contains("is not a GUID"),
        "{}",
        reason("setting")
    );
    assert!(
        reason("reference").contains("nothing else records it"),
        "{}",
        reason("reference")
    );
    assert!(
        reason("garbage").contains("holds no certificate that can be read"),
        "{}",
        reason("garbage")
    );
    assert_eq!(ended.gateway("gw")["verdict"], "CannotSignIn");
}

#[tokio::test]
async fn a_client_id_comes_from_settings_and_never_from_a_secret() {
    let set_up = SetUp::new("entra-settings").await;
    let case = &set_up.case;
    let app = set_up.app();
    let other = uuid();
    for object in [
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "ids"}, "data": {"id": app.client_id}}),
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "ids"}, "stringData": {"id": other}}),
    ] {
        apply(&case.client, &case.namespace, object).await.unwrap();
    }
    for (name, kind) in [("map", "configMapKeyRef"), ("secret", "secretKeyRef")] {
        let manifest = EntraManifest::app_secret(name, &case.endpoint(), &app.tenant, "", &app.client_secret);
        let with_reference = |objects: &mut [Value]| {
            let env = &mut objects[1]["spec"]["template"]["spec"]["containers"][0]["env"];
            let setting = "config.service.auth.azureAd.clientId";
            let from = json!({"name": setting, "valueFrom": {kind: {"name": "ids", "key": "id"}}});
            env.as_array_mut().unwrap().push(from);
        };
        set_up.deploy(&manifest, with_reference).await;
    }
    let ended = case.apim(&["status", "-o", "json"]).exits(0).await;
    assert_eq!(ended.gateway("map")["entra"]["clientId"], app.client_id.as_str());
    // Anything may be in a Secret that a setting refers to.
    let secret = ended.gateway("secret");
    assert!(
        secret["entra"]["clientId"].is_null() && !ended.stdout.contains(&other),
        "{secret:#}"
    );
    assert!(
        secret["unread"]
            .to_string()
            .contains("the client id is in secret/ids"),
        "{secret:#}"
    );
    // The annotation of the set-up names it.
    set_up.record("secret-entra", 1, 100, &app, &app.client_id).await;
    let secret = case
        .apim(&["status", "-o", "json"])
        .exits(0)
        .await
        .gateway("secret");
    assert_eq!(secret["entra"]["clientId"], app.client_id.as_str());
}
