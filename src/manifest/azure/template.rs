//! The roles as an ARM template.

use serde_json::{Map, Value, json};

use super::{Assignment, AzureRights, Grant, grants, principal_description};

/// A template for a deployment at the scope of the subscription.
pub fn template(rights: &AzureRights) -> Value {
    let mut parameters = Map::new();
    if rights.principal.is_none() {
        let principal = json!({
            "type": "string",
            "metadata": {"description": principal_description(rights.role)},
        });
        parameters.insert("principalId".to_owned(), principal);
    }
    let resources: Vec<Value> = grants(rights)
        .iter()
        .flat_map(|grant| {
            let role = grant.existing.is_none().then(|| role(grant));
            role.into_iter().chain([assignments(grant)])
        })
        .collect();
    json!({
        "$schema": "https://schema.management.azure.com/schemas/2018-05-01/subscriptionDeploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "metadata": {"deploy": deploy(rights, "role.json")},
        "parameters": parameters,
        "resources": resources,
    })
}

/// The command that deploys a file.
pub(super) fn deploy(rights: &AzureRights, file: &str) -> String {
    let parameter = match rights.principal {
        Some(_) => "",
        None => " --parameters principalId=OBJECT_ID",
    };
    format!(
        "az deployment sub create --subscription {} --location REGION --template-file {file}{parameter}",
        rights.target.subscription
    )
}

fn role(grant: &Grant<'_>) -> Value {
    json!({
        "type": "Microsoft.Authorization/roleDefinitions",
        "apiVersion": "2022-04-01",
        "name": grant.role_id().to_string(),
        "comments": reasons(grant),
        "properties": grant.role_properties(),
    })
}

/// The text for `comments`, because JSON itself has no comments: each action,
/// and the request that needs it.
fn reasons(grant: &Grant<'_>) -> String {
    let all = grant.role.actions.iter().chain(grant.role.data_actions);
    let reasons: Vec<String> = all
        .map(|(action, why)| format!("{action} is for {why}."))
        .collect();
    reasons.join(" ")
}

/// The role belongs to the subscription and the scope of its assignment to a
/// resource group, which requires a deployment within the deployment.
fn assignments(grant: &Grant<'_>) -> Value {
    let mut deployment = json!({
        "type": "Microsoft.Resources/deployments",
        "apiVersion": "2022-09-01",
        "name": deployment(grant),
        "resourceGroup": grant.target.resource_group,
        "properties": {
            "mode": "Incremental",
            "template": {
                "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
                "contentVersion": "1.0.0.0",
                "resources": grant.assignments().iter().map(assignment).collect::<Vec<_>>(),
            },
        },
    });
    if grant.existing.is_none() {
        deployment["dependsOn"] = json!([format!(
            "[subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '{}')]",
            grant.role_id()
        )]);
    }
    deployment
}

fn assignment(assignment: &Assignment<'_>) -> Value {
    let grant = assignment.grant;
    let (name, principal) = match grant.principal {
        Some(principal) => (assignment.name(principal).to_string(), principal.to_string()),
        None => (
            format!(
                "[guid({}, parameters('principalId'), '{}')]",
                literal(&assignment.scope()),
                grant.role_id()
            ),
            "[parameters('principalId')]".to_owned(),
        ),
    };
    let mut resource = json!({
        "type": "Microsoft.Authorization/roleAssignments",
        "apiVersion": "2022-04-01",
        "name": name,
        "comments": format!("At {}.", assignment.scope_in_words()),
        "properties": {
            "roleDefinitionId": grant.role_path(),
            "principalId": principal,
            "principalType": "ServicePrincipal",
        },
    });
    if let Some(scope) = assignment.resource() {
        resource["scope"] = json!(scope);
    }
    resource
}

/// The name of the inner deployment, at most 64 characters. The role's id makes
/// it differ between subscriptions.
pub(super) fn deployment(grant: &Grant<'_>) -> String {
    format!("{}-{}", grant.role.symbol, grant.role_id())
}

/// A string literal of ARM's expressions.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
