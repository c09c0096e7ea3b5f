//! What others have to do, as a script for the Azure CLI. Names that people chose
//! stand in it only as words in quotes.

mod credential;

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::model::access::RoleDefinition;
use crate::model::entra::{Id, Made};
use crate::model::quote::{odata_text, shell_word};
use crate::model::{AzureRole, GatewayId, ManagedIdentityId, assignment_id, one_line};
use crate::plan::entra::{Action, SetupPlan, Step, StepMark};

/// The API version of API Management.
const APIM_VERSION: &str = "2024-05-01";
/// The API version of roles.
const ROLES_VERSION: &str = "2022-04-01";

/// Where the actions take place.
#[derive(Clone, Copy, Debug)]
pub struct ScriptTarget<'a> {
    pub gateway: &'a GatewayId,
    /// Microsoft Graph, without a slash at its end.
    pub graph: &'a str,
    /// `None` if it is still to be made.
    pub client_id: Option<Uuid>,
    /// The user-assigned identity that the gateway uses, if it is one.
    pub identity: Option<&'a ManagedIdentityId>,
    pub namespace: &'a str,
    pub cluster: ScriptCluster<'a>,
    /// The next command of the one who may not read apps, without the client id.
    pub next: &'a str,
    /// Whether the Secret is there, with a credential that is replaced.
    pub has_secret: bool,
    pub now: Timestamp,
}

/// The cluster that a script writes to.
#[derive(Clone, Copy, Debug)]
pub struct ScriptCluster<'a> {
    /// The source of the connection, in words.
    pub origin: &'a str,
    pub server: &'a str,
    /// The context, if it alone names the cluster.
    pub context: Option<&'a str>,
}

impl ScriptCluster<'_> {
    pub(super) fn in_words(&self) -> String {
        format!("{} ({})", one_line(self.origin), one_line(self.server))
    }
}

/// A script for any POSIX shell. Of the actions in the cluster, it has only the write of a
/// credential that it makes: nobody else has what is secret of it. What an action
/// needs and no action before it makes is a variable that has to be set.
pub fn az_script(target: &ScriptTarget<'_>, plan: &SetupPlan) -> String {
    let actions: Vec<&Action> = plan
        .steps
        .iter()
        .filter_map(|step| step.action.as_ref())
        .collect();
    let adds = |action: &&Action| matches!(action, Action::AddSecret { .. } | Action::AddCertificate { .. });
    let again = if actions.iter().any(adds) {
        " Each run adds a credential to the app."
    } else {
        ""
    };
    let mut script = Script {
        target,
        secret: actions.iter().find_map(|action| match action {
            Action::WriteSecret { name, .. } => Some(name.as_str()),
            _ => None,
        }),
        text: format!(
            "#!/bin/sh\n# Run it again if Azure does not know something new yet.{again}\nset -eu\n"
        ),
        made: Vec::new(),
    };
    for action in &actions {
        script.add(action);
    }
    if actions
        .iter()
        .any(|action| matches!(action, Action::CreateApp { .. }))
    {
        script.tell_client_id();
    }
    for line in left_out(plan) {
        script.text.extend(["\n# ", &line, "\n"]);
    }
    script.text
}

/// What is missing for a reason that no script mends, each as a line.
pub fn left_out(plan: &SetupPlan) -> Vec<String> {
    let missing = plan
        .steps
        .iter()
        .filter(|step| step.mark == StepMark::Missing && step.action.is_none());
    let line = |step: &Step| {
        let parts: Vec<&str> = std::iter::once(&step.text)
            .chain(&step.hints)
            .map(String::as_str)
            .collect();
        one_line(&format!("not in the script: {}", parts.join("; "))).into_owned()
    };
    missing.map(line).collect()
}

struct Script<'a> {
    target: &'a ScriptTarget<'a>,
    /// The Secret for the credential; `None` if it is not to be written.
    secret: Option<&'a str>,
    text: String,
    /// What is in a variable already.
    made: Vec<Made>,
}

const fn variable(made: Made) -> &'static str {
    match made {
        Made::App => "APP_ID",
        Made::ServicePrincipal => "PRINCIPAL_ID",
        Made::InstanceIdentity => "IDENTITY_ID",
    }
}

const fn meaning(made: Made) -> &'static str {
    match made {
        Made::App => "The client id of the app",
        Made::ServicePrincipal => "The object id of the service principal of the app",
        Made::InstanceIdentity => "The principal id of the system-assigned identity of the instance",
    }
}

/// A request to ARM or to Graph.
fn rest(method: &str, url: &str, body: &Value) -> String {
    format!(
        "az rest --method {method} --url {url} --body {}\n",
        shell_word(&format!("{body:#}"))
    )
}

impl Script<'_> {
    fn add(&mut self, action: &Action) {
        let text = match action {
            Action::EnableIdentity { keep } => self.enable_identity(keep),
            Action::CreateGateway { location } => self.create_gateway(location),
            Action::CreateRole { role, id, name } => self.create_role(*role, *id, name),
            Action::MendRole(definition) => self.mend_role(definition),
            Action::Assign {
                role,
                definition,
                principal,
                scope,
            } => self.assign(*role, *definition, *principal, scope),
            Action::CreateApp {
                display_name,
                unique_name,
            } => self.create_app(display_name, unique_name),
            Action::CreateServicePrincipal { app } => self.create_service_principal(*app),
            Action::AddSecret { name, expires, .. } => self.add_secret(name, *expires),
            Action::AddCertificate { name, expires, .. } => self.add_certificate(name, *expires),
            Action::AddFederated(federated) => self.federated("create", federated),
            Action::ChangeFederated(federated) => self.federated("update", federated),
            Action::AwaitIdentity
            | Action::WriteServiceAccount { .. }
            | Action::WriteSecret { .. }
            | Action::AdoptCredential { .. }
            | Action::RemoveCredentials { .. }
            | Action::ConfigureWorkload { .. }
            | Action::RestartWorkload { .. }
            | Action::Prove { .. } => return,
        };
        self.text.push('\n');
        self.text += &text;
    }

    /// An id as a word of the shell. A variable that nothing has set is required.
    fn word(&mut self, id: Id) -> String {
        let made = match id {
            Id::Known(id) => return id.to_string(),
            Id::Of(made) => made,
        };
        let name = variable(made);
        if !self.made.contains(&made) {
            self.made.push(made);
            let required = format!("\n# {}.\n: \"${{{name}:?}}\"\n", meaning(made));
            self.text += &required;
        }
        format!("\"${name}\"")
    }

    fn app(&mut self) -> String {
        self.word(self.target.client_id.map_or(Id::Of(Made::App), Id::Known))
    }

    fn is_made(&mut self, made: Made) {
        if !self.made.contains(&made) {
            self.made.push(made);
        }
    }

    /// Who may not read apps needs it to go on.
    fn tell_client_id(&mut self) {
        let next = shell_word(self.target.next);
        let text = format!(
            "\n# The one who asked for this goes on with the client id.\necho \"The client id of the app: $APP_ID\"\nprintf 'Next: %s %s\\n' {next} \"$APP_ID\"\n"
        );
        self.text += &text;
    }

    fn role_path(&self, id: Uuid) -> String {
        let subscription = self.target.gateway.service.subscription_path();
        format!("{subscription}/providers/Microsoft.Authorization/roleDefinitions/{id}")
    }

    fn enable_identity(&mut self, keep: &[String]) -> String {
        let service = self.target.gateway.service.path();
        let users: serde_json::Map<String, Value> = keep.iter().map(|id| (id.clone(), json!({}))).collect();
        let identity = if users.is_empty() {
            json!({"type": "SystemAssigned"})
        } else {
            json!({"type": "SystemAssigned, UserAssigned", "userAssignedIdentities": users})
        };
        self.is_made(Made::InstanceIdentity);
        let url = shell_word(&format!("{service}?api-version={APIM_VERSION}"));
        let ids = shell_word(&service);
        format!(
            "# Enables the system-assigned identity of the instance.\n{}az resource wait --updated --ids {ids}\nIDENTITY_ID=$(az resource show --ids {ids} --query identity.principalId -o tsv)\n",
            rest("patch", &url, &json!({"identity": identity})),
        )
    }

    fn create_gateway(&self, location: &str) -> String {
        let url = format!("{}?api-version={APIM_VERSION}", self.target.gateway.path());
        let body = json!({"properties": {"locationData": {"name": location}}});
        format!(
            "# Creates the gateway.\n{}",
            rest("put", &shell_word(&url), &body)
        )
    }

    /// The inner keys are in lower case: az drops others without a word.
    fn create_role(&self, role: AzureRole, id: Uuid, name: &str) -> String {
        let wanted = role.definition();
        let permissions = json!([{
            "actions": wanted.action_names(), "notActions": [],
            "dataActions": wanted.data_action_names(), "notDataActions": [],
        }]);
        let scopes = json!([self.target.gateway.service.subscription_path()]);
        let properties = json!({
            "roleName": name, "description": wanted.description, "type": "CustomRole",
            "permissions": permissions, "assignableScopes": scopes,
        });
        self.put_role(id, name, &properties)
    }

    fn mend_role(&self, definition: &RoleDefinition) -> String {
        let permissions = definition.permissions.iter().map(|it| {
            json!({
                "actions": it.actions, "notActions": it.not_actions,
                "dataActions": it.data_actions, "notDataActions": it.not_data_actions,
            })
        });
        let properties = json!({
            "roleName": definition.name, "description": definition.description, "type": "CustomRole",
            "permissions": permissions.collect::<Vec<_>>(), "assignableScopes": definition.assignable_scopes,
        });
        self.put_role(definition.id, &definition.name, &properties)
    }

    fn put_role(&self, id: Uuid, name: &str, properties: &Value) -> String {
        let url = shell_word(&format!("{}?api-version={ROLES_VERSION}", self.role_path(id)));
        let body = json!({"properties": properties});
        format!("# The role {}.\n{}", one_line(name), rest("put", &url, &body))
    }

    fn assign(&mut self, role: AzureRole, definition: Uuid, principal: Id, scope: &str) -> String {
        let principal_word = self.word(principal);
        let name = match principal {
            Id::Known(principal) => format!("--name {} ", assignment_id(scope, principal, definition)),
            // Without a name, the Azure CLI accepts an existing assignment.
            Id::Of(_) => String::new(),
        };
        format!(
            "# Assigns the role {}.\naz role assignment create {name}--assignee-object-id {principal_word} \\\n  --assignee-principal-type ServicePrincipal \\\n  --role {} \\\n  --scope {}\n",
            role.definition().name,
            shell_word(&self.role_path(definition)),
            shell_word(scope),
        )
    }

    fn create_app(&mut self, display_name: &str, unique_name: &str) -> String {
        self.is_made(Made::App);
        let app = format!(
            "{}/v1.0/applications(uniqueName={})",
            self.target.graph,
            odata_text(unique_name)
        );
        let body = json!({"displayName": display_name, "signInAudience": "AzureADMyOrg"});
        format!(
            "# Creates the app, or finds it by its unique name.\naz rest --method patch --url {app} --headers Prefer=create-if-missing Content-Type=application/json \\\n  --body {}\nAPP_ID=$(az rest --method get --url {app} --query appId -o tsv)\n",
            shell_word(&body.to_string()),
            app = shell_word(&app),
        )
    }

    fn create_service_principal(&mut self, app: Id) -> String {
        let app = self.word(app);
        self.is_made(Made::ServicePrincipal);
        let start = shell_word(&format!("{}/v1.0/servicePrincipals(appId='", self.target.graph));
        let url = format!("{start}{app}{}", shell_word("')"));
        format!(
            "# Creates the service principal of the app, or finds it.\naz rest --method patch --url {url} --headers Prefer=create-if-missing Content-Type=application/json --body '{{}}'\nPRINCIPAL_ID=$(az rest --method get --url {url} --query id -o tsv)\n"
        )
    }
}
