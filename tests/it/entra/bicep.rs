//! What `--print-bicep` declares is what a set-up makes.

use std::collections::{BTreeMap, BTreeSet};

use apim_sandbox::azure::{ManagedIdentity, Permission, RoleDefinition};
use serde_json::{Value, json};

use super::EntraCase;
use crate::bicep::{self, Declared};

const ROLES: &str = "Microsoft.Authorization/roleDefinitions";
const ASSIGNMENTS: &str = "Microsoft.Authorization/roleAssignments";
const CREDENTIALS: &str = "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials";

/// The resources of a file by ARM id and version of the API, with their properties.
fn declared(text: &str, subscription: &str) -> BTreeMap<(String, String), Value> {
    let all = bicep::read(text);
    let subscription = format!("/subscriptions/{subscription}");
    let text_of = |value: &Value| value.as_str().unwrap().to_owned();
    let id_of_role = |body: &Value| format!("{subscription}/providers/{ROLES}/{}", text_of(&body["name"]));
    let mut found = BTreeMap::new();
    for Declared { kind, body, .. } in &all {
        let (kind, version) = kind.split_once('@').unwrap();
        if kind == ROLES {
            found.insert((id_of_role(body), version.to_owned()), body["properties"].clone());
            continue;
        }
        assert_eq!(kind, "Microsoft.Resources/deployments");
        let of = body["subscriptionId"].as_str();
        let of = of.map_or(subscription.clone(), |id| format!("/subscriptions/{id}"));
        let group = format!("{of}/resourceGroups/{}", text_of(&body["resourceGroup"]));
        for inner in body["properties"]["template"]["resources"].as_array().unwrap() {
            let mut properties = inner["properties"].clone();
            let (name, version) = (text_of(&inner["name"]), text_of(&inner["apiVersion"]));
            let id = match inner["type"].as_str() {
                Some(ASSIGNMENTS) => {
                    let role = &mut properties["roleDefinitionId"];
                    if let Some(symbol) = role["idOf"].as_str() {
                        let declared = all.iter().find(|it| it.symbol == symbol).unwrap();
                        *role = id_of_role(&declared.body).into();
                    }
                    let scope = inner["scope"].as_str().map(|scope| format!("/providers/{scope}"));
                    format!(
                        "{group}{}/providers/{ASSIGNMENTS}/{name}",
                        scope.unwrap_or_default()
                    )
                }
                Some(CREDENTIALS) => {
                    let (kind, part) = CREDENTIALS.rsplit_once('/').unwrap();
                    let (identity, name) = name.split_once('/').unwrap();
                    format!("{group}/providers/{kind}/{identity}/{part}/{name}")
                }
                other => panic!("{other:?}"),
            };
            found.insert((id, version), properties);
        }
    }
    found
}

/// The ARM ids that the set-up has written, each with the version of the API.
fn written(entra: &EntraCase) -> BTreeSet<(String, String)> {
    let kinds = [ROLES, ASSIGNMENTS, "federatedIdentityCredentials"];
    let writes = entra.azure_writes().into_iter();
    let writes = writes.filter(|it| it.method == "PUT" && kinds.iter().any(|kind| it.path.contains(kind)));
    let parts = writes.map(|it| {
        let (path, query) = it.path.split_once("?api-version=").unwrap();
        (path.to_owned(), query.to_owned())
    });
    parts.collect()
}

/// The properties that Azure has now, by the last part of the ARM id.
fn made(entra: &EntraCase, identity: &str) -> BTreeMap<String, Value> {
    let subscription = format!("/subscriptions/{}", entra.case.gateway.subscription);
    let mut made = BTreeMap::new();
    entra.case.azure().authorization(|it| {
        for role in it.role_definitions() {
            let permission = |it: &Permission| {
                json!({
                    "actions": it.actions, "notActions": it.not_actions,
                    "dataActions": it.data_actions, "notDataActions": it.not_data_actions,
                })
            };
            let permissions: Vec<Value> = role.permissions.iter().map(permission).collect();
            let properties = json!({
                "roleName": role.role_name, "description": role.description, "type": "CustomRole",
                "permissions": permissions, "assignableScopes": role.assignable_scopes,
            });
            made.insert(role.name.clone(), properties);
        }
        for it in it.role_assignments() {
            let properties = json!({
                "roleDefinitionId": format!("{subscription}/providers/{ROLES}/{}", it.role),
                "principalId": it.principal_id, "principalType": it.principal_type,
            });
            made.insert(it.name.clone(), properties);
        }
    });
    entra.case.azure().directory(|it| {
        let all = it.managed_identities().into_iter();
        for credential in all
            .filter(|it| it.arm_id() == identity)
            .flat_map(|it| &it.federated_credentials)
        {
            let properties = json!({
                "issuer": credential.issuer, "subject": credential.subject, "audiences": credential.audiences,
            });
            made.insert(credential.name.clone(), properties);
        }
    });
    made
}

/// A managed identity of the subscription: its client id and its ARM id.
fn identity(entra: &EntraCase) -> (String, String) {
    let gateway = &entra.case.gateway;
    // The group of an identity may be another one.
    let tenant = &entra.case.principal.tenant;
    let identity = ManagedIdentity::new(tenant, &gateway.subscription, "rg-identities", "gw");
    let ids = (identity.client_id.clone(), identity.arm_id());
    entra
        .case
        .azure()
        .directory(|it| it.add_managed_identity(identity));
    ids
}

async fn of_all_that_a_set_up_makes() {
    let entra = EntraCase::new("bicep").await;
    entra.deploy(|_| {}).await;
    let (client_id, arm_id) = identity(&entra);
    let flags = ["--app", &client_id, "--service-account", "gw"];
    let print = || entra.setup(&[&flags[..], &["--print-bicep"]].concat()).exits(0);
    let subscription = &entra.case.gateway.subscription;
    let declared_first = declared(&print().await.stdout, subscription);
    assert_eq!(declared_first.len(), 5, "{declared_first:#?}");
    assert!(entra.azure_writes().is_empty());

    entra
        .setup(&[&flags[..], &["--yes", "--no-wait"]].concat())
        .exits(0)
        .await;
    let ids: BTreeSet<_> = declared_first.keys().cloned().collect();
    assert_eq!(ids, written(&entra));
    let made = made(&entra, &arm_id);
    for ((id, _), properties) in &declared_first {
        let name = id.rsplit('/').next().unwrap();
        assert_eq!(properties, &made[name], "{id}");
    }
    // What is there is not declared again.
    let text = print().await.stdout;
    assert!(bicep::read(&text).is_empty(), "{text}");
}

/// A role with these permissions is used, whatever its name.
async fn with_a_role_that_exists() {
    let entra = EntraCase::new("bicep-role").await;
    entra.deploy(|_| {}).await;
    let (client_id, _) = identity(&entra);
    let subscription = format!("/subscriptions/{}", entra.case.gateway.subscription);
    let reads = "Microsoft.ApiManagement/service/gateways/getConfiguration/action";
    let role = RoleDefinition::new("Our readers", Permission::new(&[], &[reads]), &subscription);
    let wanted = format!("{subscription}/providers/{ROLES}/{}", role.name);
    entra
        .case
        .azure()
        .authorization(|it| it.add_role_definition(role));
    let flags = ["--app", &client_id, "--service-account", "gw", "--print-bicep"];
    let text = entra.setup(&flags).exits(0).await.stdout;
    let declared = declared(&text, &entra.case.gateway.subscription);
    let of_kind = |kind: &str| declared.iter().filter(|((id, _), _)| id.contains(kind)).count();
    assert_eq!((of_kind(ROLES), of_kind(ASSIGNMENTS)), (1, 2), "{text}");
    let uses_it = |properties: &Value| properties["roleDefinitionId"] == json!(wanted);
    assert_eq!(declared.values().filter(|it| uses_it(it)).count(), 1, "{text}");
}

#[tokio::test]
async fn declares_what_a_set_up_makes() {
    tokio::join!(of_all_that_a_set_up_makes(), with_a_role_that_exists());
}
