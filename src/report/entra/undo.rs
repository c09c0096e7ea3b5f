//! What removes a set-up from Azure again.

use uuid::Uuid;

use crate::model::directory::Application;
use crate::model::entra::facts::{AppFacts, AppKind, EntraFacts, RoleFacts};
use crate::model::entra::{AppRequest, SetupRequest, federated_name, unique_name};
use crate::model::quote::shell_word;
use crate::model::{AzureRole, assignment_id};

/// A script that removes what a set-up makes, by the names that only a set-up gives:
/// the assignments, the federated credentials, the app, and each role that has no
/// other assignment. The gateway and the identity of the instance stay.
pub fn undo_script(facts: &EntraFacts, request: &SetupRequest) -> String {
    let mut text =
        "#!/bin/sh\n# The gateway in API Management and the identity of its instance stay.\nset -eu\n"
            .to_owned();
    let app = facts.app.as_ref().ok().and_then(Option::as_ref);
    let principal = app.and_then(|app| app.service_principal.as_ref().ok()?.as_ref());
    let reader = principal.map(|it| it.id);
    let identity = facts.instance.as_ref().ok().and_then(|it| it.identity.principal);
    let roles = [
        (AzureRole::ConfigReader, &facts.reader, reader),
        (AzureRole::ConfigValidator, &facts.validator, identity),
    ];
    for (role, of_role, principal) in roles {
        let removed = assignments(of_role, principal);
        if role == AzureRole::ConfigValidator && has_other_readers(facts, reader) {
            text += "# The rights of the instance stay: other gateways of it sign in by Entra.\n";
            continue;
        }
        for id in &removed {
            text += &format!("az role assignment delete --ids {}\n", shell_word(id));
        }
        text += &definition(facts, role, of_role, removed.len());
    }
    if let Some(app) = app {
        text += &app_and_trust(facts, app, request);
    }
    text
}

/// Whether others read configurations from the instance, which needs its rights.
fn has_other_readers(facts: &EntraFacts, principal: Option<Uuid>) -> bool {
    let Ok(assignments) = &facts.reader.assignments else {
        return true;
    };
    assignments.iter().any(|it| Some(it.principal) != principal)
}

/// The assignments with the name that a set-up gives.
fn assignments(facts: &RoleFacts, principal: Option<Uuid>) -> Vec<String> {
    let all = facts.assignments.as_deref().unwrap_or_default().iter();
    let ours = all.filter(|it| {
        let name = assignment_id(&it.scope, it.principal, it.role).to_string();
        let has_our_name = it
            .id
            .rsplit('/')
            .next()
            .is_some_and(|last| last.eq_ignore_ascii_case(&name));
        Some(it.principal) == principal && has_our_name
    });
    ours.map(|it| it.id.clone()).collect()
}

fn definition(facts: &EntraFacts, role: AzureRole, of_role: &RoleFacts, removed: usize) -> String {
    let subscription = &facts.gateway.service.subscription;
    let id = role.definition().id_in(subscription);
    let definitions = of_role.definitions.as_deref().unwrap_or_default();
    if !definitions.iter().any(|it| it.id == id) {
        return String::new();
    }
    match of_role.in_use.get(&id) {
        Some(Ok(number)) if *number <= removed => format!(
            "az role definition delete --custom-role-only true --name {id} --scope {}\n",
            shell_word(&facts.gateway.service.subscription_path())
        ),
        _ => format!("# The role {id} stays: it has other assignments, or may have.\n"),
    }
}

fn app_and_trust(facts: &EntraFacts, app: &AppFacts, request: &SetupRequest) -> String {
    let is_ours = |found: &Application| match &request.app {
        AppRequest::Create(name) => found.unique_name.as_ref() == Some(&unique_name(name, &facts.gateway)),
        AppRequest::Existing(_) => false,
    };
    if let AppKind::Application(found) = &app.kind
        && is_ours(found)
    {
        return format!("az ad app delete --id {}\n", found.app_id);
    }
    let federated = app.federated.as_deref().unwrap_or_default();
    let issuer = facts.issuer.as_ref().ok().map(|it| it.name.as_str());
    let ours = federated.iter().filter(|it| {
        it.name == federated_name(&it.issuer, &it.subject) && Some(it.issuer.as_str()) == issuer
    });
    let command = |name: &str| match &app.kind {
        AppKind::Application(found) => format!(
            "az ad app federated-credential delete --id {} --federated-credential-id {}\n",
            found.app_id,
            shell_word(name)
        ),
        AppKind::Identity(id, _) => format!(
            "az identity federated-credential delete --yes --name {} --subscription {} --resource-group {} --identity-name {}\n",
            shell_word(name),
            shell_word(&id.subscription),
            shell_word(&id.resource_group),
            shell_word(&id.name)
        ),
    };
    ours.map(|it| command(&it.name)).collect()
}
