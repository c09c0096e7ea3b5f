//! The roles as commands of the Azure CLI.

use serde_json::json;

use super::{Assignment, AzureRights, Grant, grants, principal_description};
use crate::model::quote::shell_word;

const HEAD: &str = "#!/bin/sh
# Run it again if Azure does not know the new role yet: nothing is created twice.
set -eu
";

/// A script for any POSIX shell.
pub fn az_cli(rights: &AzureRights) -> String {
    let mut parts = vec![HEAD.to_owned()];
    if rights.principal.is_none() {
        parts.push(format!(
            "\n# {}.\n: \"${{PRINCIPAL_ID:?}}\"\n",
            principal_description(rights.role)
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

/// `az role definition create` generates a new id each time, so the definition
/// is put with its id by `az rest`.
fn role(grant: &Grant<'_>) -> String {
    let role = &grant.role;
    let reason = |(action, why): &(&str, &str)| format!("#   {action}:\n#     for {why}\n");
    let all = role.actions.iter().chain(role.data_actions);
    let reasons: Vec<String> = all.map(reason).collect();
    let body = json!({"properties": grant.role_properties()});
    format!(
        "
# The role {name}, which allows:
{reasons}az rest --method put --url {url} --body {body}
",
        name = grant.role_name(),
        reasons = reasons.concat(),
        url = shell_word(&format!("{}?api-version=2022-04-01", grant.role_path())),
        body = shell_word(&format!("{body:#}")),
    )
}

fn assignment(assignment: &Assignment<'_>) -> String {
    let grant = assignment.grant;
    let (name, principal) = match grant.principal {
        Some(principal) => (
            format!("--name {} ", assignment.name(principal)),
            principal.to_string(),
        ),
        // Without a name, the Azure CLI accepts an existing assignment.
        None => (String::new(), "\"$PRINCIPAL_ID\"".to_owned()),
    };
    format!(
        "
# The role is assigned at {scope_in_words}.
az role assignment create {name}--assignee-object-id {principal} \\
  --assignee-principal-type ServicePrincipal \\
  --role {role} \\
  --scope {scope}
",
        scope_in_words = assignment.scope_in_words(),
        role = shell_word(&grant.role_path()),
        scope = shell_word(&assignment.scope()),
    )
}
