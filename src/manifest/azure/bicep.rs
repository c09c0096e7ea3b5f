//! The roles in Bicep.

use super::template::{deploy, deployment};
use super::{Assignment, AzureRights, Grant, grants, principal_description};

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
            text(principal_description(rights.role))
        ));
    }
    for grant in &grants(rights) {
        if grant.existing.is_none() {
            parts.push(role(grant));
        }
        parts.push(assignments(grant));
    }
    parts.concat()
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
        name = text(&grant.role_name()),
        description = text(role.description),
        actions = list(role.actions),
        data_actions = list(role.data_actions),
        subscription = text(&grant.subscription()),
    )
}

fn list(actions: &[(&str, &str)]) -> String {
    if actions.is_empty() {
        return "[]".to_owned();
    }
    let line =
        |(action, why): &(&str, &str)| format!("          // For {why}.\n          {}\n", text(action));
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
        group = text(&grant.target.resource_group),
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
                text(&assignment.scope()),
                grant.role_id()
            ),
            "principalId".to_owned(),
        ),
    };
    let scope = match assignment.resource() {
        Some(resource) => format!("          scope: {}\n", text(&resource)),
        None => String::new(),
    };
    let role = match grant.existing {
        Some(_) => text(&grant.role_path()),
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

/// A string literal of Bicep.
fn text(text: &str) -> String {
    let escaped = text
        .replace('\\', "\\\\")
        .replace('\'', "\\'")
        .replace("${", "\\${");
    format!("'{escaped}'")
}
