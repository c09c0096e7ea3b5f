//! States that somebody else has left half finished: what is mended, and what is
//! named.

use apim_sandbox::azure::{FederatedIdentityCredential, Permission, RoleAssignment, RoleDefinition};

use super::{EntraCase, registered};

const READER: &str = "API Management Gateway Configuration Reader Role";
const VALIDATOR: &str = "API Management Configuration API Access Validator Service Role";

/// az drops the inner keys of the document's JSON, which begin with capitals.
async fn roles_as_az_makes_them_of_the_document() {
    let entra = EntraCase::new("az-roles").await;
    entra.deploy(|_| {}).await;
    let subscription = format!("/subscriptions/{}", entra.case.gateway.subscription);
    let names: Vec<String> = [READER, VALIDATOR]
        .iter()
        .map(|name| format!("{name} ({})", entra.case.gateway.subscription))
        .collect();
    entra.case.azure().authorization(|it| {
        for name in &names {
            it.add_role_definition(RoleDefinition::new(name, Permission::default(), &subscription));
        }
    });
    let ended = entra
        .setup(&["--create-app", "gw", "--mode", "app-secret", "--yes"])
        .exits(0)
        .await;
    let mended = ended
        .stdout
        .lines()
        .filter(|line| line.starts_with("~ add "))
        .count();
    assert_eq!(mended, 2, "{}", ended.stdout);
    assert!(
        ended.stdout.contains("0 assignments of the role gain it"),
        "{}",
        ended.stdout
    );
    let roles = entra.case.azure().authorization(|it| {
        let all = it.role_definitions().into_iter();
        let ours = all.filter(|role| role.assignable_scopes.contains(&subscription));
        ours.map(|role| (role.role_name.clone(), role.permissions.clone()))
            .collect::<Vec<_>>()
    });
    assert_eq!(roles.len(), 2, "no second role is made: {roles:?}");
}

/// ARM takes any GUID if the type of the principal is sent, and grants nothing.
async fn an_assignment_to_the_client_id_grants_nothing() {
    let entra = EntraCase::new("app-id").await;
    entra.deploy(|_| {}).await;
    let (app, object) = registered(&entra, |_, _| {});
    let subscription = format!("/subscriptions/{}", entra.case.gateway.subscription);
    let reader = "Microsoft.ApiManagement/service/gateways/getConfiguration/action";
    let name = format!("{READER} ({})", entra.case.gateway.subscription);
    let role = RoleDefinition::new(&name, Permission::new(&[], &[reader]), &subscription);
    entra.case.azure().authorization(|it| {
        it.add_role_assignment(RoleAssignment::new(&entra.case.gateway.service_id(), &role, &app));
        it.add_role_definition(role);
    });
    let ended = entra
        .setup(&["--app", &app, "--mode", "app-secret", "--yes"])
        .exits(0)
        .await;
    assert!(ended.stdout.contains("it grants nothing"), "{}", ended.stdout);
    let principals = entra.case.azure().authorization(|it| {
        let all = it.role_assignments().into_iter();
        let own = all.filter(|it| it.scope == entra.case.gateway.service_id());
        own.map(|it| it.principal_id.clone()).collect::<Vec<_>>()
    });
    assert!(principals.contains(&object), "{principals:?}");
}

async fn an_issuer_without_its_last_slash_is_mended_or_named() {
    let entra = EntraCase::new("slash").await;
    entra.deploy(|_| {}).await;
    let issuer = entra.case.sandbox.control_plane().service_account_issuer();
    let subject = format!("system:serviceaccount:{}:gw", entra.case.namespace);
    let (app, _) = registered(&entra, |app, _| {
        app.federated_credentials.push(FederatedIdentityCredential::new(
            "by-hand",
            issuer.trim_end_matches('/'),
            &subject,
            "api://AzureADTokenExchange",
        ));
    });
    let ended = entra
        .setup(&["--app", &app, "--service-account", "gw", "--yes"])
        .exits(0)
        .await;
    assert!(
        ended
            .stdout
            .contains("differs from the cluster's issuer in the last slash"),
        "{}",
        ended.stdout
    );
    let app = entra.apps().into_iter().find(|it| it.app_id == app).unwrap();
    assert!(
        app.federated_credentials.iter().any(|it| it.issuer == issuer),
        "{app:?}"
    );
}

/// An identity that was switched off and on again has another principal id.
async fn an_identity_that_was_switched_off_and_on() {
    let entra = EntraCase::new("off-and-on").await;
    entra.deploy(|_| {}).await;
    let flags = ["--create-app", "gw", "--mode", "app-secret", "--yes"];
    entra.setup(&flags).exits(0).await;
    let azure = entra.case.azure();
    let before = azure.identity(&entra.case.gateway);
    azure.set_identity(
        &entra.case.gateway,
        apim_sandbox::azure::InstanceIdentity::default(),
    );
    azure.enable_identity(&entra.case.gateway, &entra.case.principal.tenant);
    assert_ne!(azure.identity(&entra.case.gateway), before);
    let ended = entra.setup(&flags).exits(0).await;
    let assigned: Vec<&str> = ended
        .stdout
        .lines()
        .filter(|line| line.starts_with("+ "))
        .collect();
    assert_eq!(assigned.len(), 1, "{}", ended.stdout);
    assert!(
        assigned[0].contains("to the identity of the instance"),
        "{}",
        ended.stdout
    );
}

/// Side by side, since most of their time is waiting.
#[tokio::test]
async fn what_others_have_left_is_mended_or_named() {
    tokio::join!(
        roles_as_az_makes_them_of_the_document(),
        an_assignment_to_the_client_id_grants_nothing(),
        an_issuer_without_its_last_slash_is_mended_or_named(),
        an_identity_that_was_switched_off_and_on()
    );
}
