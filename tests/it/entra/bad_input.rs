//! What stops a set-up before its first write, each with the next step.

use apim_sandbox::azure::{
    Application, FederatedIdentityCredential, InstanceIdentity, LockLevel, ManagedIdentity, Permission,
    RoleDefinition,
};
use serde_json::json;

use super::{EntraCase, registered};
use crate::run::Run;

/// Runs what must end with a code before it has changed anything.
async fn stops(entra: &EntraCase, run: Run<'_>, code: i32, texts: &[&str]) {
    let writes = entra.azure_writes().len();
    let ended = entra.case.fails_untouched(run, code).await;
    ended.says(texts);
    assert!(ended.stderr.contains("hint: "), "{}", ended.stderr);
    assert_eq!(entra.azure_writes().len(), writes, "{}", ended.stderr);
}

const YES: [&str; 3] = ["--create-app", "gw", "--yes"];

fn yes<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&YES, more].concat()
}

#[tokio::test]
async fn a_tier_without_self_hosted_gateways() {
    let entra = EntraCase::new("tier").await;
    entra.deploy(|_| {}).await;
    entra.case.azure().set_tier(&entra.case.gateway, "Basic");
    let run = entra.setup(&yes(&["--mode", "app-secret"]));
    stops(&entra, run, 4, &["Basic, which has no self-hosted gateways"]).await;
}

#[tokio::test]
async fn an_instance_with_user_assigned_identities_only() {
    let entra = EntraCase::without_identity("user-assigned").await;
    entra.deploy(|_| {}).await;
    let run = entra.setup(&yes(&["--mode", "app-secret"]));
    stops(
        &entra,
        run,
        4,
        &["has no system-assigned identity", "--enable-identity"],
    )
    .await;
    let gateway = &entra.case.gateway;
    let user = ManagedIdentity::new(
        &entra.case.principal.tenant,
        &gateway.subscription,
        "rg-apim",
        "u",
    );
    let id = user.arm_id();
    let ids = [user.principal_id.clone(), user.client_id.clone()];
    let azure = entra.case.azure();
    azure.directory(|it| it.add_managed_identity(user));
    let identity = InstanceIdentity {
        system_assigned: None,
        user_assigned: [(id.clone(), ids)].into(),
    };
    azure.set_identity(gateway, identity);
    let run = entra.setup(&yes(&["--mode", "app-secret"]));
    stops(&entra, run, 4, &["only user-assigned identities"]).await;

    // Enabling the other kind keeps it.
    let run = entra.setup(&yes(&["--mode", "app-secret", "--enable-identity"]));
    run.exits(0).await;
    let identity = entra.case.azure().identity(&entra.case.gateway);
    assert!(identity.system_assigned.is_some());
    assert!(identity.user_assigned.contains_key(&id), "{identity:?}");
}

#[tokio::test]
async fn a_role_of_that_name_with_other_permissions() {
    let entra = EntraCase::new("other-role").await;
    entra.deploy(|_| {}).await;
    let subscription = format!("/subscriptions/{}", entra.case.gateway.subscription);
    let name = format!(
        "API Management Gateway Configuration Reader Role ({})",
        entra.case.gateway.subscription
    );
    let role = RoleDefinition::new(&name, Permission::new(&["*"], &["*"]), &subscription);
    entra
        .case
        .azure()
        .authorization(|it| it.add_role_definition(role));
    let run = entra.setup(&yes(&["--mode", "app-secret"]));
    stops(
        &entra,
        run,
        4,
        &[
            "has other permissions than a gateway needs",
            "az role definition list",
        ],
    )
    .await;
}

#[tokio::test]
async fn apps_of_the_same_name() {
    let entra = EntraCase::new("namesake").await;
    entra.deploy(|_| {}).await;
    let tenant = &entra.case.principal.tenant;
    let (one, other) = (Application::new(tenant, "gw"), Application::new(tenant, "GW"));
    entra.case.azure().directory(|it| {
        it.add_application(one.clone());
        it.add_application(other.clone());
    });
    let run = entra.setup(&yes(&["--mode", "app-secret"]));
    let ids = [one, other].map(|app| format!("--app {}", app.app_id));
    stops(&entra, run, 4, &["2 apps have the name gw", &ids[0], &ids[1]]).await;
}

#[tokio::test]
async fn an_app_that_gets_no_token() {
    let entra = EntraCase::new("disabled").await;
    entra.deploy(|_| {}).await;
    let (id, _) = registered(&entra, |app, _| app.disabled = true);
    let run = entra.setup(&["--app", &id, "--mode", "app-secret", "--yes"]);
    stops(&entra, run, 4, &["is disabled, so it gets no token"]).await;
    let (id, _) = registered(&entra, |_, principal| principal.account_enabled = false);
    let run = entra.setup(&["--app", &id, "--mode", "app-secret", "--yes"]);
    stops(
        &entra,
        run,
        4,
        &["is disabled, so it gets no token", "az ad sp update"],
    )
    .await;
    let unknown = uuid::Uuid::new_v4().to_string();
    let run = entra.setup(&["--app", &unknown, "--mode", "app-secret", "--yes"]);
    stops(
        &entra,
        run,
        4,
        &["there is no app with the client id", "az ad app list"],
    )
    .await;
}

#[tokio::test]
async fn twenty_federated_credentials() {
    let entra = EntraCase::new("twenty").await;
    entra.deploy(|_| {}).await;
    let (id, _) = registered(&entra, |app, _| {
        for at in 0..20 {
            let credential = FederatedIdentityCredential::new(
                &format!("other-{at}"),
                "https://issuer.example/",
                &format!("s{at}"),
                "api://AzureADTokenExchange",
            );
            app.federated_credentials.push(credential);
        }
    });
    let run = entra.setup(&["--app", &id, "--service-account", "gw", "--yes"]);
    stops(&entra, run, 4, &["allows 20 at most"]).await;
}

#[tokio::test]
async fn no_webhook() {
    let entra = EntraCase::new("no-webhook").await;
    entra.deploy(|_| {}).await;
    let EntraCase { case, webhook } = entra;
    webhook.remove().await.unwrap();
    let target: Vec<String> = super::target(&case).to_vec();
    let run = |more: &[&str]| {
        let target: Vec<&str> = target.iter().map(String::as_str).collect();
        case.apim(
            &[
                &["entra", "setup", "deploy/gw", "--service-account", "gw"],
                &YES[..],
                more,
                &target,
            ]
            .concat(),
        )
    };
    let ended = case
        .fails_untouched(run(&["--mode", "workload-identity"]), 4)
        .await;
    ended.says(&[
        "the webhook of Azure Workload Identity is missing",
        "--enable-workload-identity",
    ]);
    // Nobody has asked for it.
    let ended = case.fails_untouched(run(&[]), 2).await;
    ended.says(&["--mode app-certificate or --mode app-secret"]);
}

#[tokio::test]
async fn a_policy_that_forbids_secrets() {
    let entra = EntraCase::new("secret-policy").await;
    entra.deploy(|_| {}).await;
    let tenant = entra.case.principal.tenant.clone();
    let azure = entra.case.azure();
    azure.directory(|it| it.tenant_mut(&tenant).passwords_allowed = false);
    let run = entra.setup(&yes(&["--mode", "app-secret"]));
    stops(
        &entra,
        run,
        4,
        &[
            "a policy of the tenant forbids client secrets",
            "--mode workload-identity",
        ],
    )
    .await;
    azure.directory(|it| {
        it.tenant_mut(&tenant).passwords_allowed = true;
        it.tenant_mut(&tenant).longest_password = Some(jiff::SignedDuration::from_hours(24 * 30));
    });
    let ended = entra
        .setup(&yes(&["--mode", "app-secret", "--dry-run"]))
        .exits(0)
        .await;
    assert!(
        ended.stdout.contains("a policy of the tenant allows"),
        "{}",
        ended.stdout
    );
}

#[tokio::test]
async fn a_workload_of_another_gateway() {
    let entra = EntraCase::new("other-gateway").await;
    entra
        .deploy(|it| {
            let env = &mut it["spec"]["template"]["spec"]["containers"][0]["env"];
            env[0]["value"] = json!("https://elsewhere.configuration.azure-api.net");
        })
        .await;
    let run = entra.setup(&yes(&["--mode", "app-secret"]));
    let ended = [
        "elsewhere",
        "choose the workload of the gateway, or correct the one that is wrong",
    ];
    stops(&entra, run, 4, &ended).await;
}

#[tokio::test]
async fn an_instance_of_another_tenant() {
    let entra = EntraCase::without_identity("other-tenant").await;
    entra.deploy(|_| {}).await;
    let other = uuid::Uuid::new_v4().to_string();
    entra.case.azure().enable_identity(&entra.case.gateway, &other);
    let run = entra.setup(&yes(&["--mode", "app-secret"]));
    stops(
        &entra,
        run,
        4,
        &["belongs to tenant", &format!("--tenant {other}")],
    )
    .await;
}

#[tokio::test]
async fn a_lock_on_the_instance() {
    let entra = EntraCase::new("lock").await;
    entra.deploy(|_| {}).await;
    let group = format!(
        "/subscriptions/{}/resourceGroups/rg-apim",
        entra.case.gateway.subscription
    );
    entra
        .case
        .azure()
        .authorization(|it| it.lock(&group, LockLevel::ReadOnly));
    let run = entra.setup(&yes(&["--mode", "app-secret"]));
    let command = format!("az lock list --subscription {}", entra.case.gateway.subscription);
    stops(&entra, run, 4, &["lets nothing be written", &command]).await;
}

#[tokio::test]
async fn a_service_account_that_every_pod_uses() {
    let entra = EntraCase::new("default-account").await;
    entra.deploy(|_| {}).await;
    let run = entra.setup(&yes(&["--mode", "workload-identity"]));
    stops(&entra, run, 4, &["--service-account NAME"]).await;
}

#[tokio::test]
async fn a_target_that_is_not_given_in_full() {
    let entra = EntraCase::new("not-given").await;
    entra.deploy(|_| {}).await;
    let run = entra
        .case
        .apim(&["entra", "setup", "deploy/gw", "--create-app", "gw", "--yes"]);
    stops(
        &entra,
        run,
        2,
        &["the cluster does not decide where rights are granted"],
    )
    .await;
    let run = entra.setup(&["--create-app", "gw"]);
    stops(&entra, run, 2, &["there is no terminal to ask on"]).await;
}

#[tokio::test]
async fn an_image_that_is_too_old() {
    let entra = EntraCase::new("old-image").await;
    let image = |tag: &str| format!("mcr.microsoft.com/azure-api-management/gateway:{tag}");
    entra
        .deploy(|it| it["spec"]["template"]["spec"]["containers"][0]["image"] = json!(image("2.2.0")))
        .await;
    let run = entra.setup(&yes(&["--mode", "app-secret"]));
    stops(&entra, run, 4, &["is older than 2.3", "kubectl -n "]).await;
}

/// The webhook leaves a variable that the container has, so the gateway would sign in as
/// another app.
#[tokio::test]
async fn a_client_id_that_the_container_sets_itself() {
    let entra = EntraCase::new("own-client-id").await;
    let own = json!({"name": "AZURE_CLIENT_ID", "value": uuid::Uuid::new_v4()});
    let deploy = |it: &mut serde_json::Value| {
        let container = &mut it["spec"]["template"]["spec"]["containers"][0];
        container["env"].as_array_mut().unwrap().push(own);
    };
    entra.deploy(deploy).await;
    let run = entra.setup(&yes(&["--service-account", "gw"]));
    let command = format!(
        "kubectl -n {} set env deployment/gw -c gateway AZURE_CLIENT_ID-",
        entra.case.namespace
    );
    stops(&entra, run, 4, &["sets AZURE_CLIENT_ID to ", &command]).await;
}

#[tokio::test]
async fn a_subscription_of_another_tenant() {
    let entra = EntraCase::new("other-subscription").await;
    entra.deploy(|_| {}).await;
    let other = uuid::Uuid::new_v4().to_string();
    entra
        .case
        .azure()
        .set_tenant(&entra.case.gateway.subscription, &other);
    let run = entra.setup(&yes(&["--mode", "app-secret"]));
    let hint = "that the subscription belongs to the tenant that signs in (--tenant)";
    stops(&entra, run, 4, &[hint]).await;
}
