//! The assignments of the two roles.

use jiff::Timestamp;
use uuid::Uuid;

use super::facts::{AppFacts, AppKind, EntraFacts, RoleFacts};
use super::role::{Need, covers};
use super::step::{Action, Part, Step};
use super::unread::{of_unread_app, unread_part};
use crate::model::access::RoleAssignment;
use crate::model::entra::{Id, Made};
use crate::model::quote::shell_word;
use crate::model::{Fact, cleaned, known};

/// When the newest of the assignments was made that the gateway needs.
pub fn newest_assignment(facts: &EntraFacts) -> Option<Timestamp> {
    let identity = facts.instance.as_ref().ok().and_then(|it| it.identity.principal);
    let app = known(&facts.app);
    let principal = app.and_then(|app| app.service_principal.as_ref().ok()?.as_ref());
    let of = |role: &RoleFacts, principal: Option<Uuid>| {
        let all = role.assignments.as_deref().unwrap_or_default().iter();
        let own = all.filter(|it| Some(it.principal) == principal);
        own.filter_map(|it| it.created).max()
    };
    of(&facts.validator, identity).max(of(&facts.reader, principal.map(|it| it.id)))
}

/// Whom a role is for.
struct Assignee<'a> {
    part: Part,
    /// In words.
    whose: String,
    /// `None` if it does not exist yet.
    principal: Fact<Option<Uuid>>,
    /// Whether it is that of an app that only its sign-in shows.
    is_unread: bool,
    made: Made,
    is_of_unread_app: bool,
    /// Other ids of the same app, to which a role is assigned in vain.
    useless: Vec<Uuid>,
    right: &'a Fact<bool>,
    /// The scope, in words.
    at: &'static str,
}

pub(super) fn validator(facts: &EntraFacts, need: &Need<'_>, definition: Uuid) -> Step {
    let instance = facts.instance.as_ref();
    let assignee = Assignee {
        part: Part::ValidatorAssignment,
        whose: format!(
            "the identity of the instance {}",
            cleaned(&facts.gateway.service.name)
        ),
        principal: instance.map(|it| it.identity.principal).map_err(Clone::clone),
        is_unread: false,
        made: Made::InstanceIdentity,
        is_of_unread_app: false,
        useless: Vec::new(),
        right: &facts.rights.assign_in_group,
        at: "the resource group of the instance",
    };
    assignee.step(need, definition)
}

pub(super) fn reader(facts: &EntraFacts, need: &Need<'_>, definition: Uuid) -> Step {
    let assignee = Assignee {
        part: Part::ReaderAssignment,
        whose: "the service principal of the gateway".to_owned(),
        principal: service_principal(facts),
        is_unread: facts.unread_app().is_some(),
        made: Made::ServicePrincipal,
        is_of_unread_app: facts.app.is_err(),
        useless: match &facts.app {
            Ok(Some(app)) => other_ids(app),
            _ => Vec::new(),
        },
        right: &facts.rights.assign_at_instance,
        at: "the instance",
    };
    assignee.step(need, definition)
}

fn service_principal(facts: &EntraFacts) -> Fact<Option<Uuid>> {
    match &facts.app {
        Ok(Some(app)) => match &app.service_principal {
            Ok(found) => Ok(found.as_ref().map(|it| it.id)),
            Err(why) => Err(why.clone()),
        },
        Ok(None) => Ok(None),
        Err(why) => Err(why.clone()),
    }
}

/// ARM accepts any GUID if the type of the principal is sent, so a role may be
/// assigned to one of these.
fn other_ids(app: &AppFacts) -> Vec<Uuid> {
    match &app.kind {
        AppKind::Application(app) => vec![app.app_id, app.id],
        AppKind::Identity(_, client_id) => vec![*client_id],
    }
}

/// Whether an assignment gives its role to a principal at a scope.
pub(super) fn covers_principal(assignment: &RoleAssignment, principal: Uuid, scope: &str) -> bool {
    assignment.principal == principal && covers(&assignment.scope, scope)
}

impl Assignee<'_> {
    fn step(&self, need: &Need<'_>, definition: Uuid) -> Step {
        let role = need.role.definition().name;
        let assign = |principal| Action::Assign {
            role: need.role,
            definition,
            principal,
            scope: need.scope.to_owned(),
        };
        let create = |principal| {
            let text = format!("assign the role {role} to {}, at {}", self.whose, self.at);
            Step::create(self.part, text, assign(principal))
                .notes(self.in_vain(need))
                .permitted(self.right, "assign roles there")
        };
        let principal = match &self.principal {
            Ok(Some(principal)) => *principal,
            Ok(None) => return create(Id::Of(self.made)),
            Err(_) if self.is_unread => return self.unread(need, assign(Id::Of(self.made)), definition),
            Err(why) => {
                let what = format!("assignment of the role {role} to {}", self.whose);
                let action = assign(Id::Of(self.made));
                if self.is_of_unread_app {
                    return of_unread_app(self.part, &what, why, Some(action));
                }
                return Step::unknown(self.part, format!("{what}: {}", why.why())).doing(action);
            }
        };
        let assignments = match &need.facts.assignments {
            Ok(assignments) => assignments,
            Err(why) => {
                let what = format!("assignment of the role {role} to {}", self.whose);
                let action = assign(Id::Known(principal));
                if *self.right == Ok(false) {
                    return unread_part(self.part, &what, why, action);
                }
                return Step::unknown(self.part, format!("{what}: {}", why.why())).doing(action);
            }
        };
        let suits = |role: Uuid| role == definition || need.is_enough(role);
        let found = assignments
            .iter()
            .find(|it| suits(it.role) && covers_principal(it, principal, need.scope));
        let Some(found) = found else {
            return create(Id::Known(principal));
        };
        let inherited = if covers(need.scope, &found.scope) {
            ""
        } else {
            ", inherited from above"
        };
        let text = format!("{} has the role {role}, at {}{inherited}", self.whose, self.at);
        Step::ok(self.part, text)
            .notes(self.in_vain(need))
            .id("roleAssignmentId", &found.id)
            .id("principalId", &principal)
    }

    /// Of an app that cannot be read. If nobody has the role there, it has not either.
    fn unread(&self, need: &Need<'_>, action: Action, definition: Uuid) -> Step {
        let role = need.role.definition().name;
        let suits = |it: &RoleAssignment| {
            (it.role == definition || need.is_enough(it.role)) && covers(&it.scope, need.scope)
        };
        if let Ok(assignments) = &need.facts.assignments
            && !assignments.iter().any(suits)
        {
            let text = format!("assign the role {role} to {}, at {}", self.whose, self.at);
            return Step::missing(self.part, format!("{text}: its id is not known")).doing(action);
        }
        let text = format!(
            "the role {role} of {}, at {}, is tried by its sign-in",
            self.whose, self.at
        );
        Step::by_sign_in(self.part, text).doing(action)
    }

    /// Notes about assignments that grant nothing, because they name another id of
    /// the app.
    fn in_vain(&self, need: &Need<'_>) -> Vec<String> {
        let assignments = need.facts.assignments.as_deref().unwrap_or_default();
        let useless = assignments
            .iter()
            .filter(|it| self.useless.contains(&it.principal));
        let note = |it: &RoleAssignment| {
            format!(
                "an assignment names {}, an id of the app but not the object id of the service principal, so it grants nothing; \
                 remove it: az role assignment delete --ids {}",
                it.principal,
                shell_word(&it.id)
            )
        };
        useless.map(note).collect()
    }
}
