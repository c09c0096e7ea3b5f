//! What keeps a gateway from its sign-in, by what Azure has.

use apim_sandbox::azure::{ManagedIdentity, Permission, Principal, RoleDefinition};
use apim_sandbox::manifests::EntraManifest;
use serde_json::{Value, json};

use super::{AUDIENCE, SetUp, parts, uuid};

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
    let mut set_up = SetUp::new("entra-chain").await;
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

    azure.directory(|it| it.change_application(&app.client_id, |it| it.disabled = true));
    is_broken(
        &set_up,
        "app",
        "is disabled, so it gets no token",
        "az ad app show --id",
    )
    .await;
    azure.directory(|it| it.change_application(&app.client_id, |it| it.disabled = false));

    the_cluster_half_is_named(&set_up, &app).await;

    set_up.workload("gw", &app.client_id).await;
    set_up.webhook.take().unwrap().remove().await.unwrap();
    is_broken(&set_up, "webhook", "is not registered", &with_app).await;
}

async fn the_cluster_half_is_named(set_up: &SetUp, app: &Principal) {
    // The container itself names another app, which the webhook leaves as it is.
    let manifest = EntraManifest::workload_identity("gw", &set_up.case.endpoint(), &app.client_id);
    let own = json!({"name": "AZURE_CLIENT_ID", "value": uuid()});
    let add = |objects: &mut [Value]| {
        let container = &mut objects.last_mut().unwrap()["spec"]["template"]["spec"]["containers"][0];
        container["env"].as_array_mut().unwrap().push(own);
    };
    set_up.deploy(&manifest, add).await;
    let fix = format!("kubectl -n {} set env deployment/gw -c ", set_up.case.namespace);
    is_broken(set_up, "app", "the container sets AZURE_CLIENT_ID to ", &fix).await;
    let row = set_up.with_azure().await.gateway("gw");
    set_up.case.shell(row["fix"].as_str().unwrap()).exits(0).await;
    let row = set_up.with_azure().await.gateway("gw");
    assert_eq!(row["verdict"], "Healthy", "{row:#}");

    // What lacks in the cluster is known without Azure.
    let template = |objects: &mut [Value], change: &dyn Fn(&mut Value)| {
        change(&mut objects.last_mut().unwrap()["spec"]["template"]);
    };
    let label = "azure.workload.identity/use";
    let no_label = |it: &mut Value| it["metadata"]["labels"][label] = "false".into();
    set_up.deploy(&manifest, |all| template(all, &no_label)).await;
    is_broken(set_up, "webhook", label, "kubectl apim entra setup").await;
    let row = set_up
        .case
        .apim(&["status", "-o", "json"])
        .exits(0)
        .await
        .gateway("gw");
    assert_eq!(row["verdict"], "CannotSignIn", "{row:#}");
    set_up.deploy(&manifest, |_| {}).await;
    the_annotations_are_named(set_up, app).await;
}

async fn the_annotations_are_named(set_up: &SetUp, app: &Principal) {
    let annotate = async |annotations: &str| {
        let namespace = &set_up.case.namespace;
        let line = format!("kubectl -n {namespace} annotate serviceaccount gw {annotations}");
        set_up.case.shell(&line).exits(0).await;
    };
    annotate("azure.workload.identity/client-id-").await;
    is_broken(
        set_up,
        "serviceAccount",
        "has no annotation",
        "kubectl apim entra setup",
    )
    .await;
    let (client_id, tenant) = (&app.client_id, uuid());
    annotate(&format!("azure.workload.identity/client-id={client_id}")).await;
    annotate(&format!("azure.workload.identity/tenant-id={tenant}")).await;
    let said = format!("is {tenant}, but the tenant of the instance is ");
    let fix = format!("--app {client_id}");
    is_broken(set_up, "serviceAccount", &said, &fix).await;
    annotate("azure.workload.identity/tenant-id-").await;
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
    azure.set_tier(&set_up.case.gateway, "Basic");
    is_broken(
        &set_up,
        "tier",
        "which has no self-hosted gateways",
        "az apim show --name",
    )
    .await;
    azure.set_tier(&set_up.case.gateway, "Developer");
    role(vec![Permission::default()]);
    is_broken(&set_up, "readerRole", "no role with the permission", &with_app).await;
    role(set_up.config_reader.permissions.clone());
    a_role_in_the_way_is_named(&set_up).await;
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

/// A role that was made for gateways, and that somebody has changed since: a set-up leaves
/// it alone, so the command shows it.
async fn a_role_in_the_way_is_named(set_up: &SetUp) {
    let azure = set_up.case.azure();
    let changed = |change: &dyn Fn(&mut RoleDefinition)| {
        let mut role = RoleDefinition {
            role_name: "API Management Configuration API Access Validator Service Role".to_owned(),
            ..set_up.validator.clone()
        };
        change(&mut role);
        azure.authorization(|it| it.add_role_definition(role));
    };
    let show = format!(
        "az role definition list --custom-role-only true --subscription {} --query \"[?name=='{}']\"",
        set_up.case.gateway.subscription, set_up.validator.name
    );
    changed(&|role| {
        role.permissions[0].not_actions = vec!["Microsoft.Authorization/roleAssignments/read".to_owned()];
    });
    is_broken(set_up, "validatorRole", "and has others or excludes some", &show).await;
    changed(&|role| {
        let more = "Microsoft.Authorization/roleAssignments/write".to_owned();
        role.permissions[0].actions.push(more);
    });
    let ended = set_up.run(&["status", "--azure"]).exits(0).await;
    assert!(ended.stdout.contains("Healthy"), "{}", ended.stdout);
    ended.says(&["grants more than a gateway needs", &show]);
    let row = set_up.with_azure().await.gateway("gw");
    assert_eq!(parts(&row, "ok").len(), 8, "{row:#}");
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
