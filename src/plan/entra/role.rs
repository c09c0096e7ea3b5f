//! The custom roles, and which of those that exist can be assigned.

use percent_encoding::percent_decode_str;
use uuid::Uuid;

use super::facts::{EntraFacts, RoleFacts};
use super::step::{Action, Part, Step};
use super::unread::unread;
use crate::model::access::{Permission, RoleDefinition};
use crate::model::{AzureRole, CustomRole, PrintedCommand, cleaned, counted};

/// A role's step, and the definition that is to be assigned.
pub(super) struct RoleStep {
    pub(super) step: Step,
    pub(super) definition: Uuid,
}

/// One of the two roles that a gateway needs.
pub(super) struct Need<'a> {
    pub(super) role: AzureRole,
    pub(super) facts: &'a RoleFacts,
    /// The scope of the assignment.
    pub(super) scope: &'a str,
    part: Part,
    subscription: &'a str,
}

impl<'a> Need<'a> {
    pub(super) fn validator(facts: &'a EntraFacts, scope: &'a str) -> Self {
        Self {
            role: AzureRole::ConfigValidator,
            facts: &facts.validator,
            scope,
            part: Part::ValidatorRole,
            subscription: &facts.gateway.service.subscription,
        }
    }

    pub(super) fn reader(facts: &'a EntraFacts, scope: &'a str) -> Self {
        Self {
            role: AzureRole::ConfigReader,
            facts: &facts.reader,
            scope,
            part: Part::ReaderRole,
            subscription: &facts.gateway.service.subscription,
        }
    }

    fn wanted(&self) -> &'static CustomRole {
        self.role.definition()
    }

    pub(super) fn step(&self, facts: &EntraFacts) -> RoleStep {
        let may = &facts.rights.define_roles;
        let may_not = "define roles in the subscription";
        let own = self.wanted().id_in(self.subscription);
        let definitions = match &self.facts.definitions {
            Ok(definitions) => definitions,
            Err(why) => {
                let what = format!("role {}", self.wanted().name);
                return RoleStep {
                    step: unread(self.part, &what, why, Some(self.create_action())),
                    definition: own,
                };
            }
        };
        if let Some(found) = self.best_exact(definitions) {
            let text = format!("the role {} exists", cleaned(&found.name));
            return RoleStep {
                step: Step::ok(self.part, text).id("roleDefinitionId", &found.id),
                definition: found.id,
            };
        }
        match remedy(self.wanted(), self.subscription, self.scope, definitions) {
            Remedy::InTheWay(namesake) => RoleStep {
                step: self.other_permissions(namesake),
                definition: namesake.id,
            },
            Remedy::Mend(namesake) => RoleStep {
                step: self.mend(namesake).permitted(may, may_not),
                definition: namesake.id,
            },
            Remedy::Create(foreign) => RoleStep {
                step: self.create(foreign).permitted(may, may_not),
                definition: own,
            },
        }
    }

    fn create(&self, foreign: Option<&RoleDefinition>) -> Step {
        let name = self.wanted().name_in(self.subscription);
        let step = Step::create(self.part, format!("create the role {name}"), self.create_action());
        let Some(foreign) = foreign else { return step };
        step.note(format!(
            "the role {} lacks permissions, and can be assigned outside of the subscription {} too, so it is left alone",
            cleaned(&foreign.name),
            self.subscription
        ))
    }

    /// Of several roles with exactly the wanted permissions, the one that is in use
    /// already, then the one of this program, then the first by its name.
    fn best_exact<'d>(&self, definitions: &'d [RoleDefinition]) -> Option<&'d RoleDefinition> {
        let wanted = self.wanted();
        let is_exact = |it: &&RoleDefinition| {
            it.grants_exactly(&wanted.action_names(), &wanted.data_action_names())
                && is_assignable(it, self.scope)
        };
        let own = wanted.id_in(self.subscription);
        definitions.iter().filter(is_exact).min_by_key(|it| {
            let assigned = self.facts.assignments.as_ref();
            let assigned = assigned.is_ok_and(|all| all.iter().any(|assignment| assignment.role == it.id));
            (!assigned, it.id != own, it.name.clone(), it.id)
        })
    }

    /// Whether a role that somebody has assigned grants what is wanted, whatever else
    /// it grants. A mended role counts: it is the one that is assigned.
    pub(super) fn is_enough(&self, role: Uuid) -> bool {
        let definitions = self.facts.definitions.as_deref().unwrap_or_default();
        let wanted = self.wanted();
        let mut found = definitions.iter().filter(|it| it.id == role);
        found.any(|it| it.grants(&wanted.action_names(), &wanted.data_action_names()))
    }

    fn mend(&self, definition: &RoleDefinition) -> Step {
        let missing = |wanted: Vec<&'static str>, allows: &dyn Fn(&str) -> bool| -> Vec<&'static str> {
            wanted.into_iter().filter(|action| !allows(action)).collect()
        };
        let permissions = &definition.permissions;
        let actions = missing(self.wanted().action_names(), &|action| {
            permissions.iter().any(|it| it.allows(action))
        });
        let data_actions = missing(self.wanted().data_action_names(), &|action| {
            permissions.iter().any(|it| it.allows_data(action))
        });
        let added: Vec<&str> = actions.iter().chain(&data_actions).copied().collect();
        let text = format!(
            "add {} to the role {}, which lacks it",
            added.join(", "),
            cleaned(&definition.name)
        );
        let gain = match self.facts.in_use.get(&definition.id) {
            Some(Ok(number)) => counted(
                *number,
                "assignment of the role gains it",
                "assignments of the role gain it",
            ),
            _ => "every assignment of the role gains it; how many there are is not known".to_owned(),
        };
        let owned = |actions: Vec<&str>| actions.into_iter().map(str::to_owned).collect::<Vec<_>>();
        let mut mended = definition.clone();
        // az makes one entry that grants nothing.
        mended.permissions.retain(|it| *it != Permission::default());
        mended.permissions.push(Permission {
            actions: owned(actions),
            data_actions: owned(data_actions),
            ..Permission::default()
        });
        let action = Action::MendRole(mended);
        Step::change(self.part, text, action)
            .note(gain)
            .id("roleDefinitionId", &definition.id)
    }

    fn other_permissions(&self, definition: &RoleDefinition) -> Step {
        let text = format!(
            "the role {} has other permissions than a gateway needs, so it is not assigned",
            cleaned(&definition.name)
        );
        Step::stop(self.part, text)
            .hint(format!(
                "show what it allows: {}",
                role_command(self.subscription, definition.id)
            ))
            .hint("rename that role, or remove the other permissions from it, and run the same command again")
    }

    fn create_action(&self) -> Action {
        Action::CreateRole {
            role: self.role,
            id: self.wanted().id_in(self.subscription),
            name: self.wanted().name_in(self.subscription),
        }
    }
}

/// What can be done where no role has exactly the wanted permissions.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Remedy<'d> {
    /// A role of that name grants something else, which nobody but its owner can judge.
    InTheWay(&'d RoleDefinition),
    /// A role of that name lacks something, and only this subscription has it.
    Mend(&'d RoleDefinition),
    /// There is none, or only one that other subscriptions have too.
    Create(Option<&'d RoleDefinition>),
}

pub(super) fn remedy<'d>(
    wanted: &CustomRole,
    subscription: &str,
    scope: &str,
    definitions: &'d [RoleDefinition],
) -> Remedy<'d> {
    let own = wanted.id_in(subscription);
    let named = |name: &str| definitions.iter().find(|it| it.name.eq_ignore_ascii_case(name));
    let by_id = definitions.iter().find(|it| it.id == own);
    let namesakes = [by_id, named(&wanted.name_in(subscription)), named(wanted.name)];
    let mut foreign = None;
    for namesake in namesakes.into_iter().flatten() {
        if has_more(wanted, namesake) {
            return Remedy::InTheWay(namesake);
        }
        if !namesake.built_in && is_assignable(namesake, scope) && is_of_subscription(namesake, subscription)
        {
            return Remedy::Mend(namesake);
        }
        foreign = Some(namesake);
    }
    Remedy::Create(foreign)
}

/// Whether a role grants, or excludes, something that is not wanted.
fn has_more(wanted: &CustomRole, definition: &RoleDefinition) -> bool {
    definition.excludes() || !definition.grants_at_most(&wanted.action_names(), &wanted.data_action_names())
}

fn is_assignable(definition: &RoleDefinition, scope: &str) -> bool {
    let mut scopes = definition.assignable_scopes.iter();
    definition.built_in || scopes.any(|it| covers(it, scope))
}

/// Whether a change of it reaches only this subscription.
fn is_of_subscription(definition: &RoleDefinition, subscription: &str) -> bool {
    let subscription = format!("/subscriptions/{subscription}");
    let mut scopes = definition.assignable_scopes.iter();
    scopes.all(|it| covers(&subscription, it))
}

/// The command that shows what a role allows.
pub fn role_command(subscription: &str, role: Uuid) -> PrintedCommand {
    PrintedCommand::new(&["az", "role", "definition", "list", "--custom-role-only", "true"])
        .with(&["--subscription", subscription])
        .with(&["--query", &format!("[?name=='{role}']")])
}

/// Whether a scope is another one or above it. ARM ignores case and may or may not
/// percent-encode.
pub(super) fn covers(scope: &str, other: &str) -> bool {
    let segments = |text: &str| -> Vec<String> {
        let segments = text.split('/').filter(|segment| !segment.is_empty());
        segments
            .map(|segment| percent_decode_str(segment).decode_utf8_lossy().to_lowercase())
            .collect()
    };
    segments(other).starts_with(&segments(scope))
}
