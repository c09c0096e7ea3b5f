//! The roles in Bicep.

use super::template::{deploy, deployment};
use super::{Assignment, AzureRights, Grant, grants, principal_description};
use crate::model::directory::FederatedCredential;
use crate::model::quote::bicep_text;
use crate::model::{ManagedIdentityId, stable_uuid};

/// A Bicep file for a deployment at the scope of the subscription.
pub fn bicep(rights: &AzureRights) -> String {
    let head = format!(
        "// {}\ntargetScope = 'subscription'\n",
        deploy(rights, "role.bicep")
    );
    let mut parts = vec![head];
    if rights.principal.is_none() {
        parts.push(format!(
            "\n@description({})\nparam principalId string\n",
            bicep_text(principal_description(rights.role))
        ));
    }
    parts.extend(resources(rights));
    parts.concat()
}

/// A Bicep file for the roles and assignments of a set-up, each of a known
/// principal, and for the federated credential of a managed identity.
pub fn setup_bicep(
    subscription: &str,
    rights: &[AzureRights],
    trust: Option<(&ManagedIdentityId, &FederatedCredential)>,
) -> String {
    let mut parts = vec![format!(
        "// az deployment sub create --subscription {subscription} --location REGION --template-file setup.bicep\n\
         targetScope = 'subscription'\n"
    )];
    parts.extend(rights.iter().flat_map(resources));
    parts.extend(trust.map(|(identity, credential)| federated(identity, credential)));
    parts.concat()
}

fn resources(rights: &AzureRights) -> Vec<String> {
    let mut parts = Vec::new();
    for grant in &grants(rights) {
        if grant.existing.is_none() {
            parts.push(role(grant));
        }
        parts.push(assignments(grant));
    }
    parts
}

/// The identity may be in another subscription and group.
fn federated(identity: &ManagedIdentityId, credential: &FederatedCredential) -> String {
    let audiences: Vec<String> = credential.audiences.iter().map(|it| bicep_text(it)).collect();
    format!(
        "
resource federatedCredential 'Microsoft.Resources/deployments@2022-09-01' = {{
  name: 'federatedCredential-{deployment}'
  subscriptionId: {subscription}
  resourceGroup: {group}
  properties: {{
    mode: 'Incremental'
    template: {{
      '$schema': 'https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#'
      contentVersion: '1.0.0.0'
      resources: [
        {{
          type: 'Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials'
          apiVersion: '2023-01-31'
          name: {name}
          properties: {{
            issuer: {issuer}
            subject: {subject}
            audiences: [{audiences}]
          }}
        }}
      ]
    }}
  }}
}}
",
        deployment = stable_uuid(&[&identity.path(), &credential.name]),
        subscription = bicep_text(&identity.subscription),
        group = bicep_text(&identity.resource_group),
        name = bicep_text(&format!("{}/{}", identity.name, credential.name)),
        issuer = bicep_text(&credential.issuer),
        subject = bicep_text(&credential.subject),
        audiences = audiences.join(", "),
    )
}

fn role(grant: &Grant<'_>) -> String {
    let role = &grant.role;
    format!(
        "
resource {symbol} 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {{
  name: '{id}'
  properties: {{
    roleName: {name}
    description: {description}
    type: 'CustomRole'
    permissions: [
      {{
        actions: {actions}
        notActions: []
        dataActions: {data_actions}
        notDataActions: []
      }}
    ]
    assignableScopes: [
      {subscription}
    ]
  }}
}}
",
        symbol = role.symbol,
        id = grant.role_id(),
        name = bicep_text(&grant.role_name()),
        description = bicep_text(role.description),
        actions = list(role.actions),
        data_actions = list(role.data_actions),
        subscription = bicep_text(&grant.subscription()),
    )
}

fn list(actions: &[(&str, &str)]) -> String {
    if actions.is_empty() {
        return "[]".to_owned();
    }
    let line =
        |(action, why): &(&str, &str)| format!("          // For {why}.\n          {}\n", bicep_text(action));
    let lines: Vec<String> = actions.iter().map(line).collect();
    format!("[\n{}        ]", lines.concat())
}

/// A file at the scope of the subscription can reach a resource in a group only
/// with an inner deployment or a second file.
fn assignments(grant: &Grant<'_>) -> String {
    let each: Vec<String> = grant.assignments().iter().map(assignment).collect();
    format!(
        "
resource {symbol}Assignment 'Microsoft.Resources/deployments@2022-09-01' = {{
  name: '{deployment}'
  resourceGroup: {group}
  properties: {{
    mode: 'Incremental'
    template: {{
      '$schema': 'https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#'
      contentVersion: '1.0.0.0'
      resources: [
{each}      ]
    }}
  }}
}}
",
        symbol = grant.role.symbol,
        deployment = deployment(grant),
        group = bicep_text(&grant.target.resource_group),
        each = each.concat(),
    )
}

fn assignment(assignment: &Assignment<'_>) -> String {
    let grant = assignment.grant;
    let (name, principal) = match grant.principal {
        Some(principal) => (
            format!("'{}'", assignment.name(principal)),
            format!("'{principal}'"),
        ),
        None => (
            format!(
                "guid({}, principalId, '{}')",
                bicep_text(&assignment.scope()),
                grant.role_id()
            ),
            "principalId".to_owned(),
        ),
    };
    let scope = match assignment.resource() {
        Some(resource) => format!("          scope: {}\n", bicep_text(&resource)),
        None => String::new(),
    };
    let role = match grant.existing {
        Some(_) => bicep_text(&grant.role_path()),
        None => format!("{}.id", grant.role.symbol),
    };
    format!(
        "        // The role is assigned at {scope_in_words}.
        {{
          type: 'Microsoft.Authorization/roleAssignments'
          apiVersion: '2022-04-01'
{scope}          name: {name}
          properties: {{
            roleDefinitionId: {role}
            principalId: {principal}
            principalType: 'ServicePrincipal'
          }}
        }}
",
        scope_in_words = assignment.scope_in_words(),
    )
}
