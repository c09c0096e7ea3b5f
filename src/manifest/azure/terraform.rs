//! The roles for Terraform, with the provider azurerm.

use uuid::Uuid;

use super::{Assignment, AzureRights, Grant, grants, principal_description};

/// A file with the resources, without the configuration of the provider.
pub fn terraform(rights: &AzureRights) -> String {
    let mut parts = vec!["# For the provider hashicorp/azurerm.\n".to_owned()];
    if rights.principal.is_none() {
        parts.push(format!(
            "
variable \"principal_id\" {{
  description = {}
  type        = string
}}
",
            text(principal_description(rights.role))
        ));
    }
    for grant in &grants(rights) {
        if grant.existing.is_none() {
            parts.push(role(grant));
        }
        parts.extend(grant.assignments().iter().map(assignment));
    }
    parts.concat()
}

fn role(grant: &Grant<'_>) -> String {
    let role = &grant.role;
    let kinds = [("actions", role.actions), ("data_actions", role.data_actions)];
    let some = kinds.into_iter().filter(|(_, actions)| !actions.is_empty());
    let permissions: Vec<String> = some.map(|(name, actions)| list(name, actions)).collect();
    format!(
        "
resource \"azurerm_role_definition\" \"{symbol}\" {{
  role_definition_id = \"{id}\"
  name               = {name}
  description        = {description}
  scope              = {subscription}
  assignable_scopes  = [{subscription}]

  permissions {{
{permissions}  }}
}}
",
        symbol = symbol(grant),
        id = grant.role_id(),
        name = text(&grant.role_name()),
        description = text(role.description),
        subscription = text(&grant.subscription()),
        permissions = permissions.concat(),
    )
}

fn list(name: &str, actions: &[(&str, &str)]) -> String {
    let line = |(action, why): &(&str, &str)| format!("      # For {why}.\n      {},\n", text(action));
    let lines: Vec<String> = actions.iter().map(line).collect();
    format!("    {name} = [\n{}    ]\n", lines.concat())
}

fn assignment(assignment: &Assignment<'_>) -> String {
    let grant = assignment.grant;
    let (name, principal) = match grant.principal {
        Some(principal) => (
            format!("\"{}\"", assignment.name(principal)),
            format!("\"{principal}\""),
        ),
        None => (computed(assignment), "var.principal_id".to_owned()),
    };
    let role = match grant.existing {
        Some(_) => text(&grant.role_path()),
        None => format!(
            "azurerm_role_definition.{}.role_definition_resource_id",
            symbol(grant)
        ),
    };
    format!(
        "
# The role is assigned at {scope_in_words}.
resource \"azurerm_role_assignment\" \"{symbol}\" {{
  name               = {name}
  scope              = {scope}
  role_definition_id = {role}
  principal_id       = {principal}
  principal_type     = \"ServicePrincipal\"
}}
",
        scope_in_words = assignment.scope_in_words(),
        symbol = label(assignment),
        scope = text(&assignment.scope()),
    )
}

/// The name of an assignment's block. It contains the gateway, so that the others keep
/// theirs when one is added. A name that cannot be a part of it as it is gets a hash
/// at its end after an underscore, which no other contains, so no two are the same.
fn label(assignment: &Assignment<'_>) -> String {
    let symbol = symbol(assignment.grant);
    let Some(gateway) = assignment.gateway else {
        return symbol;
    };
    let plain = |letter: char| {
        if letter.is_ascii_alphanumeric() || letter == '-' {
            letter
        } else {
            '_'
        }
    };
    let name: String = gateway.chars().map(plain).collect();
    if name == gateway && !name.contains('_') {
        return format!("{symbol}_{name}");
    }
    let hash = Uuid::new_v5(&Uuid::NAMESPACE_URL, gateway.as_bytes())
        .simple()
        .to_string();
    format!("{symbol}_{name}_{}", hash.split_at(8).0)
}

/// An expression for the name that [`Assignment::name`] computes when the principal is
/// known.
fn computed(assignment: &Assignment<'_>) -> String {
    let scope = text(&format!("{}|", assignment.scope()).to_lowercase());
    let scope = scope.trim_end_matches('"');
    format!(
        "uuidv5(\"url\", {scope}${{lower(var.principal_id)}}|{}\")",
        assignment.grant.role_id()
    )
}

/// The name of a role's blocks, in snake case.
fn symbol(grant: &Grant<'_>) -> String {
    let mut symbol = String::new();
    for letter in grant.role.symbol.chars() {
        if letter.is_ascii_uppercase() {
            symbol.push('_');
        }
        symbol.push(letter.to_ascii_lowercase());
    }
    symbol
}

/// A string literal of HCL.
fn text(text: &str) -> String {
    let escaped = text
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace("${", "$${")
        .replace("%{", "%%{");
    format!("\"{escaped}\"")
}
