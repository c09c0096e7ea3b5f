//! What a gateway's sign-in by Entra rests on, part by part: what is there, what is
//! missing or wrong, and what is not known. What could not be read is never broken.

mod in_cluster;
mod settings;

use uuid::Uuid;

use super::assignment::covers_principal;
use super::federated::{Trust, differences, trust};
use super::role::{Remedy, remedy, role_command};
use super::step::Part;
use crate::model::access::{RoleAssignment, RoleDefinition};
use crate::model::directory::{Application, FederatedCredential, ServicePrincipal};
use crate::model::entra::{federated_name, is_same_but_slash, subject};
use crate::model::{
    Auth, AzureRole, CustomRole, EntraInAzure, EntraSignIn, Fact, Federation, GatewayFacts, InstanceAccess,
    PrintedCommand, Unavailable, cleaned, known, shortened,
};
use in_cluster::{by_webhook, in_cluster, own_variables};
use settings::settings;

pub use settings::right_tenant;

/// One part of a sign-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub part: Part,
    pub state: LinkState,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkState {
    Ok,
    /// It works, and grants more than is needed; as a sentence.
    Wide(String),
    /// As a sentence.
    Broken(String),
    Unknown(Unavailable),
}

impl Link {
    fn of(part: Part, judged: Fact<Result<(), String>>) -> Self {
        let state = match judged {
            Ok(Ok(())) => LinkState::Ok,
            Ok(Err(why)) => LinkState::Broken(why),
            Err(unavailable) => LinkState::Unknown(unavailable),
        };
        Self { part, state }
    }
}

/// The parts of a gateway's sign-in, in the order in which they depend on each other. If
/// Azure was not asked, only what is broken in the cluster.
pub fn chain(facts: &GatewayFacts) -> Vec<Link> {
    let Some(sign_in) = facts.entra() else {
        return Vec::new();
    };
    let broken = in_cluster(facts, sign_in).into_iter();
    let mut links: Vec<Link> = broken.map(|(part, why)| Link::of(part, Ok(Err(why)))).collect();
    let of_settings = settings(facts, sign_in).into_iter();
    links.extend(of_settings.map(|(part, judged)| Link::of(part, judged)));
    let Some(azure) = sign_in.azure.as_deref() else {
        return links;
    };
    let by_webhook = by_webhook(sign_in, azure).into_iter();
    links.extend(by_webhook.map(|(part, judged)| Link::of(part, judged)));
    // Without a client id, these have the reason why it is not known.
    let client_id = sign_in.client_id.clone();
    links.push(Link::of(
        Part::App,
        client_id.clone().and_then(|id| app(id, azure)),
    ));
    links.push(Link::of(
        Part::ServicePrincipal,
        client_id.clone().and_then(|id| service_principal(id, azure)),
    ));
    links.push(Link::of(
        Part::Credential,
        client_id.and_then(|_| credential(facts, sign_in, azure)),
    ));
    links.extend(access(azure));
    let own = own_variables(facts, &sign_in.own_variables, azure);
    links.extend(own.map(|judged| Link::of(Part::Workload, judged)));
    links
}

fn credential(facts: &GatewayFacts, sign_in: &EntraSignIn, azure: &EntraInAzure) -> Fact<Result<(), String>> {
    match (&azure.federation, facts.auth) {
        (Some(federation), _) => trusted(facts, sign_in, federation),
        (None, Auth::AppSecret | Auth::Certificate) => stored(facts.auth, sign_in, azure),
        (None, _) => Err(Unavailable::Unknown(
            "the settings do not show the kind of the credential".to_owned(),
        )),
    }
}

/// Without its app there is nothing else to judge of a credential.
fn no_app<T>() -> Fact<T> {
    Err(Unavailable::Unknown("there is no app".to_owned()))
}

fn app(client_id: Uuid, azure: &EntraInAzure) -> Fact<Result<(), String>> {
    let principal = known(&azure.service_principal);
    match (borrowed(&azure.application)?, principal) {
        (Some(app), _) if app.disabled => Ok(Err(format!(
            "the app {} is disabled, so it gets no token",
            brief(&app.display_name)
        ))),
        // A managed identity, or an app of another tenant, has no registration here.
        (Some(_), _) | (None, Some(_)) => Ok(Ok(())),
        (None, None) => {
            borrowed(&azure.service_principal)?;
            Ok(Err(format!(
                "there is no app or managed identity with the client id {client_id}"
            )))
        }
    }
}

fn service_principal(client_id: Uuid, azure: &EntraInAzure) -> Fact<Result<(), String>> {
    Ok(match borrowed(&azure.service_principal)? {
        Some(found) if !found.enabled => Err(format!(
            "the service principal {} of the app is disabled, so it gets no token",
            found.id
        )),
        Some(_) => Ok(()),
        None => Err(format!(
            "the app {client_id} has no service principal in the tenant"
        )),
    })
}

/// Whether a federated credential trusts the tokens of the gateway's `ServiceAccount`.
fn trusted(facts: &GatewayFacts, sign_in: &EntraSignIn, federation: &Federation) -> Fact<Result<(), String>> {
    let all = borrowed(&federation.credentials)?;
    let issuer = borrowed(&federation.issuer)?;
    let subject = subject(&facts.namespace, &sign_in.service_account);
    // In a custom cloud, whatever is there counts.
    let audiences = federation.audience.map(|audience| vec![audience.to_owned()]);
    let wanted = FederatedCredential {
        name: federated_name(issuer, &subject),
        issuer: issuer.clone(),
        subject,
        audiences: audiences.clone().unwrap_or_default(),
    };
    let whom = format!("{} of the issuer {}", brief(&wanted.subject), brief(issuer));
    Ok(match trust(all, &wanted) {
        Trust::Full(_) => Ok(()),
        Trust::Differs(found) => {
            let differences = differences(found, &wanted);
            let differences = differences
                .into_iter()
                .filter(|it| it.what != "audience" || audiences.is_some());
            let words: Vec<String> = differences
                .map(|it| format!("the {} {}, not {}", it.what, brief(&it.found), brief(&it.wanted)))
                .collect();
            if words.is_empty() {
                Ok(())
            } else {
                Err(not_trusting(found, &wanted, &words.join(", and ")))
            }
        }
        Trust::None => {
            let mut of_subject = all.iter().filter(|it| it.subject == wanted.subject);
            let almost = of_subject.find(|it| is_same_but_slash(&it.issuer, &wanted.issuer));
            Err(almost.map_or_else(
                || format!("no federated credential trusts {whom}"),
                |found| {
                    let words = format!("the issuer {}, not {}", brief(&found.issuer), brief(issuer));
                    not_trusting(found, &wanted, &words)
                },
            ))
        }
    })
}

fn not_trusting(found: &FederatedCredential, wanted: &FederatedCredential, differences: &str) -> String {
    let slash = if is_same_but_slash(&found.issuer, &wanted.issuer) {
        ": they differ in the last slash"
    } else {
        ""
    };
    format!(
        "the federated credential {} has {differences}, as the tokens of the cluster have it{slash}",
        brief(&found.name)
    )
}

/// Whether the app has the credential that the Secret holds.
fn stored(auth: Auth, sign_in: &EntraSignIn, azure: &EntraInAzure) -> Fact<Result<(), String>> {
    let Some(app) = borrowed(&azure.application)? else {
        return no_app();
    };
    let (all, what) = credentials(app, auth);
    if all.is_empty() {
        return Ok(Err(format!("the app {} has no {what}", brief(&app.display_name))));
    }
    let recorded = sign_in.recorded();
    let id = recorded.and_then(|secret| Some((secret, secret.marks.app.key_id?)));
    Ok(match id {
        Some((secret, id)) if !all.iter().any(|it| it.key_id == id) => Err(format!(
            "the app {} does not have the {what} {id} any more, which secret/{} holds",
            brief(&app.display_name),
            secret.version.name
        )),
        _ => Ok(()),
    })
}

/// The credentials of a kind that an app has, and what they are called.
pub fn credentials(
    app: &Application,
    auth: Auth,
) -> (&[crate::model::directory::AppCredential], &'static str) {
    match auth {
        Auth::Certificate => (&app.certificates, "certificate"),
        _ => (&app.secrets, "client secret"),
    }
}

/// What is known with the instance.
const ACCESS: [Part; 5] = [
    Part::Identity,
    Part::ValidatorRole,
    Part::ReaderRole,
    Part::ValidatorAssignment,
    Part::ReaderAssignment,
];

/// The identity of the instance, both roles, and both assignments.
fn access(azure: &EntraInAzure) -> Vec<Link> {
    let access = match &azure.access {
        Ok(access) => access,
        Err(why) => return ACCESS.map(|part| Link::of(part, Err(why.clone()))).into(),
    };
    let (group, service) = (access.service.group_path(), access.service.path());
    let instance = brief(&access.service.name);
    let principal =
        borrowed(&azure.service_principal).map(|found| found.as_ref().map(|it: &ServicePrincipal| it.id));
    let identity = access.identity.principal;
    let validator = Role {
        parts: [Part::ValidatorRole, Part::ValidatorAssignment],
        wanted: AzureRole::ConfigValidator.definition(),
        principal: Ok(identity),
        scope: &group,
        whose: format!("the system-assigned identity of the instance {instance}"),
        at: "its resource group",
    };
    let reader = Role {
        parts: [Part::ReaderRole, Part::ReaderAssignment],
        wanted: AzureRole::ConfigReader.definition(),
        principal,
        scope: &service,
        whose: "the service principal of the app".to_owned(),
        at: "the instance",
    };
    let has_identity = identity.map(|_| ()).ok_or_else(|| {
        format!("the instance {instance} has no system-assigned identity, by which it checks the rights of gateways")
    });
    let ([validator_role, validator_assignment], [reader_role, reader_assignment]) =
        (validator.links(access), reader.links(access));
    vec![
        Link::of(Part::Identity, Ok(has_identity)),
        validator_role,
        reader_role,
        validator_assignment,
        reader_assignment,
    ]
}

/// The command that shows the role that keeps a set-up from mending this part.
pub fn role_in_the_way(part: Part, azure: &EntraInAzure) -> Option<PrintedCommand> {
    let access = azure.access.as_ref().ok()?;
    let (role, scope) = match part {
        Part::ValidatorRole => (AzureRole::ConfigValidator, access.service.group_path()),
        Part::ReaderRole => (AzureRole::ConfigReader, access.service.path()),
        _ => return None,
    };
    let subscription = &access.service.subscription;
    let definitions = access.definitions.as_ref().ok()?;
    match remedy(role.definition(), subscription, &scope, definitions) {
        Remedy::InTheWay(found) => Some(role_command(subscription, found.id)),
        _ => None,
    }
}

/// One of the two roles, and whom it is assigned to.
struct Role<'a> {
    /// Those of the role and of its assignment.
    parts: [Part; 2],
    wanted: &'static CustomRole,
    /// `None` if it does not exist.
    principal: Fact<Option<Uuid>>,
    scope: &'a str,
    whose: String,
    at: &'static str,
}

impl Role<'_> {
    /// The role, and its assignment.
    fn links(&self, access: &InstanceAccess) -> [Link; 2] {
        let [role, assignment] = self.parts;
        let definitions = match &access.definitions {
            Ok(definitions) => definitions,
            Err(why) => return self.parts.map(|part| Link::of(part, Err(why.clone()))),
        };
        let (actions, data_actions) = (self.wanted.action_names(), self.wanted.data_action_names());
        let suits = |it: &&RoleDefinition| it.grants(&actions, &data_actions);
        let assigned = self.assigned(access);
        if let Ok(Some(assigned)) = &assigned {
            let is_assigned = |it: &&RoleDefinition| assigned.iter().any(|of| of.role == it.id);
            let mut in_use = definitions.iter().filter(suits).filter(is_assigned).peekable();
            if in_use.peek().is_some() {
                let state = self.width(in_use, access);
                return [Link { part: role, state }, Link::of(assignment, Ok(Ok(())))];
            }
        }
        // Without a role there is nothing to assign.
        if !definitions.iter().any(|it| suits(&it)) {
            let missing = Unavailable::Unknown("its role is missing".to_owned());
            let why = self.why_no_role(access, definitions);
            return [Link::of(role, Ok(Err(why))), Link::of(assignment, Err(missing))];
        }
        let name = self.wanted.name;
        let unassigned = assigned.map(|assigned| match assigned {
            None => Err(format!(
                "nothing has the role {name} at {}, because {} does not exist",
                self.at, self.whose
            )),
            Some(_) => Err(format!(
                "{} does not have the role {name} at {} or above",
                self.whose, self.at
            )),
        });
        [Link::of(role, Ok(Ok(()))), Link::of(assignment, unassigned)]
    }

    fn remedy<'a>(&self, access: &InstanceAccess, definitions: &'a [RoleDefinition]) -> Remedy<'a> {
        remedy(self.wanted, &access.service.subscription, self.scope, definitions)
    }

    /// Whether the role is one of a gateway that has got more permissions. A role that was
    /// made for something else is its owner's matter.
    fn width<'a>(
        &self,
        mut in_use: impl Iterator<Item = &'a RoleDefinition>,
        access: &'a InstanceAccess,
    ) -> LinkState {
        let definitions = access.definitions.as_deref().unwrap_or_default();
        let Remedy::InTheWay(wide) = self.remedy(access, definitions) else {
            return LinkState::Ok;
        };
        if in_use.all(|it| it.id != wide.id) {
            return LinkState::Ok;
        }
        LinkState::Wide(format!(
            "the role {} grants more than a gateway needs: show it with `{}`, and remove the rest",
            brief(&wide.name),
            role_command(&access.service.subscription, wide.id)
        ))
    }

    fn why_no_role(&self, access: &InstanceAccess, definitions: &[RoleDefinition]) -> String {
        let actions = [self.wanted.action_names(), self.wanted.data_action_names()].concat();
        let actions = actions.join(", ");
        match self.remedy(access, definitions) {
            Remedy::InTheWay(found) => format!(
                "the role {} lacks the permission {actions} and has others or excludes some, so a set-up leaves it alone;                  rename it, or leave it with that permission alone",
                brief(&found.name)
            ),
            Remedy::Mend(found) | Remedy::Create(Some(found)) => {
                format!("the role {} lacks the permission {actions}", brief(&found.name))
            }
            Remedy::Create(None) => format!(
                "no role with the permission {actions} can be assigned at {}",
                self.at
            ),
        }
    }

    /// The roles of the principal at the scope or above it; `None` if there is no
    /// principal.
    fn assigned<'a>(&self, access: &'a InstanceAccess) -> Fact<Option<Vec<&'a RoleAssignment>>> {
        let all = borrowed(&access.assignments)?;
        let Some(principal) = self.principal.clone()? else {
            return Ok(None);
        };
        let of_it = all
            .iter()
            .filter(|it| covers_principal(it, principal, self.scope));
        Ok(Some(of_it.collect()))
    }
}

/// Several texts of others are in one sentence.
fn brief(text: &str) -> String {
    shortened(&cleaned(text), LONGEST)
}

/// More than the name of an app, and than the issuer of a cluster.
const LONGEST: usize = 256;

fn borrowed<T>(fact: &Fact<T>) -> Fact<&T> {
    fact.as_ref().map_err(Clone::clone)
}

#[cfg(test)]
mod tests;
