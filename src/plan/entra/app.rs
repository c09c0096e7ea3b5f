//! The app or the identity of the gateway, and who else can use it.

use super::facts::{AppFacts, AppKind, EntraFacts};
use super::notes::capped;
use super::step::{Action, Part, Step};
use super::unread::{of_unread_app, unread, unread_part};
use crate::model::directory::{AppCredential, Application};
use crate::model::entra::{
    AppRequest, Id, Made, SetupRequest, credential_name, federated_name, secret_of_credential, unique_name,
};
use crate::model::{AzureRole, cleaned, counted, one_line};

pub(super) fn steps(
    facts: &EntraFacts,
    request: &SetupRequest,
    (secret, credential): (&str, &Step),
) -> Vec<Step> {
    let changed = match credential.to_apply() {
        Some(Action::ChangeFederated(changed)) => Some(changed.name.as_str()),
        _ => None,
    };
    let own = Own { secret, changed };
    vec![app(facts, request, &own), service_principal(facts)]
}

/// What this set-up answers for of what an app has.
struct Own<'a> {
    /// The name of the Secret for the credential.
    secret: &'a str,
    /// The name of the federated credential that this run corrects.
    changed: Option<&'a str>,
}

fn app(facts: &EntraFacts, request: &SetupRequest, own: &Own<'_>) -> Step {
    match (&facts.app, &request.app) {
        (Err(why), AppRequest::Existing(client_id)) => {
            let text = format!("the app {client_id} is tried by its sign-in: {}", why.why());
            Step::by_sign_in(Part::App, text).id("clientId", client_id)
        }
        (Err(why), AppRequest::Create(name)) => {
            let what = format!("create the app {}", one_line(name));
            unread(Part::App, &what, why, Some(creation(facts, name)))
        }
        (Ok(Some(found)), _) => existing(facts, found, request, own),
        (Ok(None), AppRequest::Existing(client_id)) => Step::stop(
            Part::App,
            format!(
                "there is no app with the client id {client_id} in tenant {}",
                facts.tenant
            ),
        )
        .hint(
            "list the apps: az ad app list --show-mine --query \"[].{name:displayName, app:appId}\" -o table",
        ),
        (Ok(None), AppRequest::Create(name)) => created(facts, name),
    }
}

fn created(facts: &EntraFacts, name: &str) -> Step {
    let shown = one_line(name);
    let namesakes = match &facts.namesakes {
        Ok(namesakes) => namesakes.as_slice(),
        Err(why) => {
            let text = format!(
                "whether there is another app of the name {shown} is not known: {}",
                why.why()
            );
            return Step::stop(Part::App, text).hint("name the app of the gateway: --app CLIENT-ID");
        }
    };
    if !namesakes.is_empty() {
        let list: Vec<String> = namesakes.iter().map(candidate).collect();
        let text = format!(
            "{} the name {shown}, and this program made none of them for this gateway: {}",
            counted(namesakes.len(), "app has", "apps have"),
            list.join(", ")
        );
        let step = Step::stop(Part::App, text);
        let hint = |app: &Application| format!("to use it: --app {}", app.app_id);
        let step = namesakes.iter().map(hint).fold(step, Step::hint);
        return step.hint("or give another name: --create-app NAME");
    }
    Step::create(
        Part::App,
        format!("create the app {shown}"),
        creation(facts, name),
    )
    .permitted(&facts.rights.register_apps, "register apps in the tenant")
}

/// It creates no second app of this gateway.
fn creation(facts: &EntraFacts, name: &str) -> Action {
    Action::CreateApp {
        display_name: name.to_owned(),
        unique_name: unique_name(name, &facts.gateway),
    }
}

/// Any member of a tenant may register an app of any name.
fn candidate(app: &Application) -> String {
    format!("{} (client id {})", cleaned(&app.display_name), app.app_id)
}

fn existing(facts: &EntraFacts, app: &AppFacts, request: &SetupRequest, own: &Own<'_>) -> Step {
    let client_id = app.client_id();
    let name = match &app.kind {
        AppKind::Application(app) => format!("the app {}", cleaned(&app.display_name)),
        AppKind::Identity(id, _) => format!("the managed identity {}", cleaned(&id.name)),
    };
    if let AppKind::Application(found) = &app.kind
        && found.disabled
    {
        let text = format!("{name} (client id {client_id}) is disabled, so it gets no token");
        return Step::stop(Part::App, text)
            .hint("enable it in the Entra admin center, or choose another one with --app CLIENT-ID");
    }
    let others = others(facts, app, own);
    let text = format!("{name} has the client id {client_id}");
    let is_made_here = matches!(request.app, AppRequest::Create(_));
    if request.yes && is_made_here && !others.is_empty() {
        let shown = capped(&others);
        let is_whole = shown == others;
        return Step::stop(
            Part::App,
            format!(
                "{text}, but it may have more than this program gave it, which --yes does not consent to: {}",
                shown.join("; ")
            ),
        )
        .notes(if is_whole { Vec::new() } else { others })
        .hint(format!(
            "if that is meant, name the app itself: --app {client_id}"
        ));
    }
    Step::ok(Part::App, text)
        .notes(others)
        .notes(of_other_secrets(facts, app, own.secret))
        .id("clientId", &client_id)
}

/// Who else can sign in as the app or change it, and what else it may do.
fn others(facts: &EntraFacts, app: &AppFacts, own: &Own<'_>) -> Vec<String> {
    let mut others = Vec::new();
    match &app.owners {
        Ok(owners) => {
            let caller = facts.caller.as_ref().ok();
            let strangers = owners.iter().filter(|owner| Some(&owner.id) != caller);
            let strangers = sorted(strangers, |owner| (owner.name.as_deref(), owner.id));
            others.extend(strangers.into_iter().map(|owner| {
                let name = owner.name.as_deref().map(cleaned).unwrap_or_default();
                format!("it has the owner {name} ({} {})", cleaned(&owner.kind), owner.id)
            }));
        }
        Err(why) => others.push(format!("its owners are not known: {}", why.why())),
    }
    let credentials = sorted(app.credentials(), |it| (it.name.as_deref(), it.key_id));
    let foreign = credentials.into_iter();
    others.extend(foreign.filter_map(|it| other_credential(facts, own.secret, it)));
    match &app.federated {
        Ok(all) => {
            let foreign = all.iter().filter(|it| {
                it.name != federated_name(&it.issuer, &it.subject) && Some(it.name.as_str()) != own.changed
            });
            let foreign = sorted(foreign, |it| (it.name.as_str(), it.subject.as_str()));
            others.extend(foreign.into_iter().map(|it| {
                format!(
                    "it has a federated credential that was not made here: {} trusts {} of {}",
                    cleaned(&it.name),
                    cleaned(&it.subject),
                    cleaned(&it.issuer)
                )
            }));
        }
        Err(why) => others.push(format!("its federated credentials are not known: {}", why.why())),
    }
    others.extend(other_roles(facts, app));
    others
}

/// In an order that does not change from one answer of Graph to the next.
fn sorted<'a, T, K: Ord>(all: impl Iterator<Item = &'a T>, key: impl Fn(&'a T) -> K) -> Vec<&'a T> {
    let mut all: Vec<&T> = all.collect();
    all.sort_by_key(|it| key(*it));
    all
}

/// By its name, which contains the uid of the namespace.
fn other_credential(facts: &EntraFacts, secret: &str, found: &AppCredential) -> Option<String> {
    let name = found.name.as_deref().unwrap_or_default();
    let (shown, id) = (cleaned(name), found.key_id);
    let namespace = &facts.cluster.namespace;
    let why = match (&facts.cluster.place, secret_of_credential(name, namespace)) {
        (Ok(place), _) if found.is_named(&credential_name(place, namespace, secret)) => return None,
        (Ok(place), Some(other)) if found.is_named(&credential_name(place, namespace, other)) => return None,
        (Err(why), Some(_)) => why.why(),
        _ => {
            return Some(format!(
                "it has a credential that was not made here: {shown} ({id})"
            ));
        }
    };
    Some(format!(
        "whether its credential {shown} ({id}) was made here is not known: {why}"
    ))
}

/// The credentials that were made here for another Secret of the namespace.
fn of_other_secrets(facts: &EntraFacts, app: &AppFacts, secret: &str) -> Vec<String> {
    let Ok(place) = &facts.cluster.place else {
        return Vec::new();
    };
    let namespace = &facts.cluster.namespace;
    let note = |found: &AppCredential| {
        let name = found.name.as_deref()?;
        let other = secret_of_credential(name, namespace).filter(|other| *other != secret)?;
        let is_ours = found.is_named(&credential_name(place, namespace, other));
        let id = found.key_id;
        is_ours.then(|| format!("it has a credential that was made here for secret/{other} ({id})"))
    };
    let all = sorted(app.credentials(), |it| (it.name.as_deref(), it.key_id));
    all.into_iter().filter_map(note).collect()
}

fn other_roles(facts: &EntraFacts, app: &AppFacts) -> Vec<String> {
    let mut others = Vec::new();
    match &app.app_roles {
        Ok(roles) => others.extend(
            sorted(roles.iter(), |it| (it.resource, it.role))
                .into_iter()
                .map(|it| {
                    let resource = it.resource_name.as_deref().map(cleaned);
                    let resource = resource.unwrap_or_else(|| it.resource.to_string());
                    format!("it has the role {} of {resource}", it.role)
                }),
        ),
        Err(why) => others.push(format!("its roles in other apps are not known: {}", why.why())),
    }
    let readers = facts.reader.assignments.as_deref().unwrap_or_default();
    let definitions = facts.reader.definitions.as_deref().unwrap_or_default();
    let wanted = AzureRole::ConfigReader.definition();
    // A role that grants more than the reader's is another one; one that lacks something is
    // to be mended.
    let is_reader = |role| {
        let found = definitions.iter().find(|it| it.id == role);
        // One that an earlier run has made a moment ago may not be shown yet.
        found.map_or(role == wanted.id_in(&facts.gateway.service.subscription), |it| {
            it.grants_at_most(&wanted.action_names(), &wanted.data_action_names())
        })
    };
    let instance = facts.gateway.service.path();
    match &app.assignments {
        Ok(assignments) => {
            let other = assignments.iter().filter(|it| {
                let is_at_scope = it.scope.eq_ignore_ascii_case(&instance)
                    || readers
                        .iter()
                        .any(|reader| reader.id.eq_ignore_ascii_case(&it.id));
                !(is_at_scope && is_reader(it.role))
            });
            let other = sorted(other, |it| (it.scope.as_str(), it.role));
            others.extend(
                other
                    .into_iter()
                    .map(|it| format!("it has the role {} at {}", it.role, cleaned(&it.scope))),
            );
        }
        Err(why) => others.push(format!("its other roles in Azure are not known: {}", why.why())),
    }
    others
}

fn service_principal(facts: &EntraFacts) -> Step {
    let part = Part::ServicePrincipal;
    if let Some(client_id) = facts.unread_app() {
        let action = Action::CreateServicePrincipal {
            app: Id::Known(client_id),
        };
        return Step::by_sign_in(part, "the service principal of the app is tried by its sign-in")
            .doing(action);
    }
    let app = match &facts.app {
        Ok(Some(app)) => app,
        Ok(None) => {
            let action = Action::CreateServicePrincipal {
                app: Id::Of(Made::App),
            };
            return Step::create(part, "create the service principal of the app", action)
                .permitted(&facts.rights.register_apps, "register apps in the tenant");
        }
        Err(why) => {
            let action = Action::CreateServicePrincipal {
                app: Id::Of(Made::App),
            };
            return of_unread_app(part, "create the service principal of the app", why, Some(action));
        }
    };
    match &app.service_principal {
        Ok(Some(found)) if !found.enabled => Step::stop(
            part,
            format!(
                "the service principal {} is disabled, so it gets no token",
                found.id
            ),
        )
        .hint(format!(
            "enable it: az ad sp update --id {} --set accountEnabled=true",
            found.id
        )),
        Ok(Some(found)) => Step::ok(part, format!("the app has the service principal {}", found.id))
            .id("servicePrincipalId", &found.id),
        Ok(None) => {
            let action = Action::CreateServicePrincipal {
                app: Id::Known(app.client_id()),
            };
            Step::create(part, "create the service principal of the app", action)
                .permitted(&facts.rights.change_app, "change the app")
        }
        Err(why) => {
            let action = Action::CreateServicePrincipal {
                app: Id::Known(app.client_id()),
            };
            unread_part(part, "service principal of the app", why, action)
        }
    }
}
