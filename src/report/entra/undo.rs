//! What removes a set-up from Azure again.

use serde_json::json;
use uuid::Uuid;

use super::az::ScriptCluster;
use crate::model::directory::{AppCredential, Application};
use crate::model::entra::facts::{AppFacts, AppKind, EntraFacts, RoleFacts, RunningPod, WorkloadSide};
use crate::model::entra::{
    AppRequest, CLIENT_ID_ANNOTATION, Mode, SetupRequest, SignsIn, TENANT_ID_ANNOTATION, USE_LABEL,
    credential_name, federated_name, subject, unique_name,
};
use crate::model::quote::shell_word;
use crate::model::{AzureRole, assignment_id, known, one_line, setting};

/// A script that removes what a set-up makes, by the names that only a set-up gives:
/// the assignments, the credential, the app, and each role that has no other
/// assignment. What another gateway uses stays, and so do the gateway and the identity
/// of the instance.
pub fn undo_script(facts: &EntraFacts, request: &SetupRequest, cluster: &ScriptCluster<'_>) -> String {
    let mut text =
        "#!/bin/sh\n# The gateway in API Management and the identity of its instance stay.\nset -eu\n"
            .to_owned();
    let app = known(&facts.app);
    let own = Own::of(facts, request);
    let user = own.other_user(facts);
    text.extend(match (user, &facts.cluster.pods) {
        (Some(pod), _) => Some(format!(
            "# {pod} of another workload signs in by what is for this one, so that stays.\n"
        )),
        (None, Err(why)) => Some(format!(
            "# Whether pods of other workloads use the same is not known: {}\n",
            one_line(why.why())
        )),
        (None, Ok(_)) => None,
    });
    let is_shared = user.is_some() || app.is_some_and(|app| own.is_shared(app));
    let principal = app.and_then(|app| app.service_principal.as_ref().ok()?.as_ref());
    let reader = principal.map(|it| it.id);
    let identity = facts.instance.as_ref().ok().and_then(|it| it.identity.principal);
    let roles = [
        (AzureRole::ConfigReader, &facts.reader, reader),
        (AzureRole::ConfigValidator, &facts.validator, identity),
    ];
    for (role, of_role, principal) in roles {
        if role == AzureRole::ConfigReader && is_shared {
            text += "# The rights of the app stay: it has other credentials, which others may use.\n";
            continue;
        }
        let removed = assignments(of_role, principal);
        if role == AzureRole::ConfigValidator {
            if is_shared || has_other_readers(facts, reader) {
                text += "# The rights of the instance stay: other gateways of it sign in by Entra.\n";
                continue;
            }
            text +=
                "# Keep the rights of the instance if others read configurations by a role of their own.\n";
        }
        let command = |id: &String| format!("az role assignment delete --ids {}\n", shell_word(id));
        text.extend(removed.iter().map(command));
        text += &definition(facts, role, of_role, removed.len());
    }
    if app.is_none() {
        text += "# There is no such app.\n";
    }
    if let Some(app) = app.filter(|_| user.is_none()) {
        text += &own.assumption(app);
        text += &own.removal(facts, request, app);
    }
    text + &in_cluster(facts, &own, user.is_some(), cluster)
}

/// What stays in the cluster, with the commands that remove it, as comments: the pods
/// need it until they sign in in another way.
fn in_cluster(facts: &EntraFacts, own: &Own, is_used: bool, cluster: &ScriptCluster<'_>) -> String {
    let kubectl = format!("# kubectl -n {}", facts.cluster.namespace);
    let mut commands: Vec<String> = Vec::new();
    if let Some(workload) = &facts.cluster.workload {
        commands.extend(of_template(workload).map(|command| format!("{kubectl} {command}")));
    }
    if !is_used {
        commands.extend(of_objects(facts, own).map(|command| format!("{kubectl} {command}")));
    }
    if commands.is_empty() {
        return String::new();
    }
    format!(
        "# What stays in the cluster, {}, and the commands that remove it:\n{}\n",
        cluster.in_words(),
        commands.join("\n")
    )
}

/// What takes the sign-in out of the pod template.
fn of_template(workload: &WorkloadSide) -> impl Iterator<Item = String> {
    let (name, container) = (workload.workload.short(), &workload.container);
    let there = |name: &&&str| workload.template.settings.contains_key(**name);
    let removed = SET_FOR_ENTRA.iter().filter(there).map(|name| format!(" {name}-"));
    let removed: String = removed.collect();
    let settings = (!removed.is_empty() && is_of_entra(workload))
        .then(|| format!("set env {name} -c {container}{removed}"));
    let label = workload.template.labels.contains_key(USE_LABEL).then(|| {
        let label = format!("/spec/template/metadata/labels/{}", USE_LABEL.replace('/', "~1"));
        let patch = json!([{"op": "remove", "path": label}]).to_string();
        format!("patch {name} --type json -p {}", shell_word(&patch))
    });
    // Without its Secret, no pod of the workload could start.
    let volume = workload.certificate_volume.as_ref().map(|volume| {
        let mount = json!({"$patch": "delete", "mountPath": volume.path});
        let spec = json!({
            "containers": [{"name": container, "volumeMounts": [mount]}],
            "volumes": [{"$patch": "delete", "name": volume.name}],
        });
        let patch = json!({"spec": {"template": {"spec": spec}}}).to_string();
        format!("patch {name} -p {}", shell_word(&patch))
    });
    settings.into_iter().chain(label).chain(volume)
}

/// What takes it out of the `ServiceAccount`, and the Secret.
fn of_objects(facts: &EntraFacts, own: &Own) -> impl Iterator<Item = String> {
    let account = known(&facts.cluster.service_account);
    let is_annotated = |name: &&&str| account.is_some_and(|it| it.annotations.contains_key(**name));
    let annotations = [CLIENT_ID_ANNOTATION, TENANT_ID_ANNOTATION];
    let removed = annotations
        .iter()
        .filter(is_annotated)
        .map(|name| format!(" {name}-"));
    let removed: String = removed.collect();
    let account = own.account.as_ref().filter(|_| !removed.is_empty());
    let account = account.map(|name| format!("annotate serviceaccount {name}{removed}"));
    let secret = known(&facts.cluster.secret);
    let is_recorded = secret.is_some_and(|it| it.kind.is_some());
    let secret = own.secret.as_ref().filter(|_| is_recorded);
    account
        .into_iter()
        .chain(secret.map(|name| format!("delete secret {name}")))
}

fn is_of_entra(workload: &WorkloadSide) -> bool {
    matches!(workload.signs_in, Ok(SignsIn::By(_)))
}

/// The settings of the container that a set-up writes and no other sign-in needs.
const SET_FOR_ENTRA: [&str; 7] = [
    setting::AUTH,
    setting::TOKEN_AUDIENCE,
    setting::APP_TENANT,
    setting::APP_CLIENT,
    setting::APP_AUTHORITY,
    setting::APP_SECRET,
    setting::APP_CERTIFICATE,
];

/// The credentials that are for this gateway, by the names that they get.
struct Own {
    /// The `ServiceAccount`.
    account: Option<String>,
    /// The Secret.
    secret: Option<String>,
    is_assumed: bool,
    /// Of the federated credential.
    federated: Option<String>,
    /// Of a client secret or a certificate.
    stored: Option<String>,
}

impl Own {
    fn of(facts: &EntraFacts, request: &SetupRequest) -> Self {
        let cluster = &facts.cluster;
        let workload = cluster.workload.as_ref();
        let present = workload.map(|it| match it.template.service_account.as_str() {
            "" => "default".to_owned(),
            present => present.to_owned(),
        });
        let account = request.service_account.clone().or(present);
        let issuer = facts.issuer.as_ref().ok();
        let federated = issuer
            .zip(account.as_ref())
            .map(|(issuer, account)| federated_name(&issuer.name, &subject(&cluster.namespace, account)));
        let signs_in = workload.and_then(|it| match it.signs_in {
            Ok(SignsIn::By(mode)) => Some(mode),
            _ => None,
        });
        let mode = request.mode.or(signs_in).unwrap_or(Mode::WorkloadIdentity);
        let of_workload = workload.map(|it| it.secret(mode, facts.client_id()));
        let is_assumed = request.secret.is_none()
            && workload
                .zip(of_workload.as_ref())
                .is_none_or(|(it, secret)| !it.refers_to(secret));
        let secret = request.secret.clone().or(of_workload);
        let stored = cluster.place.as_ref().ok().zip(secret.as_ref());
        Self {
            federated,
            stored: stored.map(|(place, secret)| credential_name(place, &cluster.namespace, secret)),
            account,
            secret,
            is_assumed,
        }
    }

    /// A pod or the template of another workload that has the `ServiceAccount` with the client id, or the
    /// Secret.
    fn other_user<'f>(&self, facts: &'f EntraFacts) -> Option<&'f str> {
        let account = known(&facts.cluster.service_account);
        let names_app = account.is_some_and(|it| it.annotations.contains_key(CLIENT_ID_ANNOTATION));
        let account = self.account.as_ref().filter(|_| names_app);
        let uses = |pod: &&RunningPod| {
            let by_account = account.is_some_and(|name| pod.service_account == *name);
            !pod.is_own && (by_account || self.secret.as_ref().is_some_and(|it| pod.secrets.contains(it)))
        };
        let pods = facts.cluster.pods.as_deref().unwrap_or_default();
        pods.iter().find(uses).map(|pod| pod.name.as_str())
    }

    /// Which Secret's credentials the script removes, if neither the command line nor the pod
    /// template names it.
    fn assumption(&self, app: &AppFacts) -> String {
        if !self.is_assumed || app.credentials().next().is_none() {
            return String::new();
        }
        let assumed = match &self.secret {
            Some(secret) => format!("It is assumed that the credential of the app is in secret/{secret}"),
            None => "No client secret or certificate of the app is removed".to_owned(),
        };
        format!("# {assumed}: name its Secret with --secret NAME.\n")
    }

    fn has_stored(&self, credential: &AppCredential) -> bool {
        self.stored.as_ref().is_some_and(|name| credential.is_named(name))
    }

    /// Whether the app has a credential that is not for this gateway.
    fn is_shared(&self, app: &AppFacts) -> bool {
        let Ok(federated) = &app.federated else {
            return true;
        };
        federated
            .iter()
            .any(|it| Some(&it.name) != self.federated.as_ref())
            || app.credentials().any(|it| !self.has_stored(it))
    }

    fn removal(&self, facts: &EntraFacts, request: &SetupRequest, app: &AppFacts) -> String {
        let is_ours = |found: &Application| match &request.app {
            AppRequest::Create(name) => {
                found.unique_name.as_ref() == Some(&unique_name(name, &facts.gateway))
            }
            AppRequest::Existing(_) => false,
        };
        if let AppKind::Application(found) = &app.kind
            && is_ours(found)
            && !self.is_shared(app)
        {
            return format!("az ad app delete --id {}\n", found.app_id);
        }
        let mut text = String::new();
        for (mode, cert) in [(Mode::AppSecret, ""), (Mode::AppCertificate, " --cert")] {
            let all = app.credentials_of(mode).iter();
            let own = all.filter(|it| self.has_stored(it));
            text.extend(own.map(|it| {
                let (client_id, key_id) = (app.client_id(), it.key_id);
                format!("az ad app credential delete --id {client_id}{cert} --key-id {key_id}\n")
            }));
        }
        let federated = app.federated.as_deref().unwrap_or_default();
        let own = federated
            .iter()
            .filter(|it| Some(&it.name) == self.federated.as_ref());
        text + &own.map(|it| federated_removal(app, &it.name)).collect::<String>()
    }
}

fn federated_removal(app: &AppFacts, name: &str) -> String {
    match &app.kind {
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
    }
}

/// Whether others read configurations from the instance, which needs its rights: by an
/// assignment there, or by one of the same role elsewhere.
fn has_other_readers(facts: &EntraFacts, principal: Option<Uuid>) -> bool {
    let Ok(assignments) = &facts.reader.assignments else {
        return true;
    };
    let (own, others): (Vec<_>, Vec<_>) = assignments.iter().partition(|it| Some(it.principal) == principal);
    let is_used_elsewhere = facts.reader.in_use.values().any(|number| match number {
        Ok(number) => *number > own.len(),
        Err(_) => true,
    });
    !others.is_empty() || is_used_elsewhere
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
