//! The rights of Azure's role-based access control, as facts.

use std::collections::BTreeSet;

use jiff::Timestamp;
use uuid::Uuid;
use wildmatch::WildMatch;

/// What one entry of a role grants: its actions without those that it excludes,
/// and the same for data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permission {
    pub actions: Vec<String>,
    pub not_actions: Vec<String>,
    pub data_actions: Vec<String>,
    pub not_data_actions: Vec<String>,
}

impl Permission {
    /// Whether it grants an action of the control plane, or all actions of a pattern.
    pub fn allows(&self, action: &str) -> bool {
        covers(&self.actions, action) && !meets(&self.not_actions, action)
    }

    /// Whether it grants an action on data, or all actions of a pattern.
    pub fn allows_data(&self, action: &str) -> bool {
        covers(&self.data_actions, action) && !meets(&self.not_data_actions, action)
    }
}

/// Whether one of the patterns has all actions of another. Azure ignores the case of
/// actions; `*` stands for any text.
fn covers(patterns: &[String], action: &str) -> bool {
    let action = action.to_ascii_lowercase();
    patterns
        .iter()
        .any(|pattern| WildMatch::new(&pattern.to_ascii_lowercase()).matches(&action))
}

/// Whether one of the patterns has an action in common with another.
fn meets(patterns: &[String], action: &str) -> bool {
    let action = action.to_ascii_lowercase();
    patterns
        .iter()
        .any(|pattern| have_common(&pattern.to_ascii_lowercase(), &action))
}

/// Whether a text matches both patterns. Between the first and the last `*` of two
/// patterns there is room for the rest of both, so only their ends have to agree.
fn have_common(one: &str, other: &str) -> bool {
    match (ends(one), ends(other)) {
        (Some((begin, end)), Some((other_begin, other_end))) => {
            (begin.starts_with(other_begin) || other_begin.starts_with(begin))
                && (end.ends_with(other_end) || other_end.ends_with(end))
        }
        (None, _) => WildMatch::new(other).matches(one),
        (_, None) => WildMatch::new(one).matches(other),
    }
}

/// What is before the first `*` of a pattern, and after its last.
fn ends(pattern: &str) -> Option<(&str, &str)> {
    let (begin, _) = pattern.split_once('*')?;
    let (_, end) = pattern.rsplit_once('*')?;
    Some((begin, end))
}

/// A role definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleDefinition {
    /// The GUID at the end of its id.
    pub id: Uuid,
    /// Its name for people, unique among the custom roles of a tenant.
    pub name: String,
    pub description: String,
    /// Whether it is built in, and so cannot be changed.
    pub built_in: bool,
    pub permissions: Vec<Permission>,
    /// The scopes at which it can be assigned, as ARM spells them.
    pub assignable_scopes: Vec<String>,
}

impl RoleDefinition {
    /// Whether it grants these actions and data actions, whatever else it grants.
    pub fn grants(&self, actions: &[&str], data_actions: &[&str]) -> bool {
        let any = |allows: &dyn Fn(&Permission) -> bool| self.permissions.iter().any(allows);
        actions.iter().all(|action| any(&|it| it.allows(action)))
            && data_actions
                .iter()
                .all(|action| any(&|it| it.allows_data(action)))
    }

    /// Whether it grants these actions and data actions, and nothing else. Roles
    /// are compared by their permissions: `az role definition create` makes a
    /// role of the right name without any from JSON in upper case.
    pub fn grants_exactly(&self, actions: &[&str], data_actions: &[&str]) -> bool {
        !self.excludes()
            && self.named(|it| &it.actions) == lower(actions)
            && self.named(|it| &it.data_actions) == lower(data_actions)
    }

    /// Whether it excludes anything of what it grants.
    pub fn excludes(&self) -> bool {
        let excludes = |it: &Permission| !(it.not_actions.is_empty() && it.not_data_actions.is_empty());
        self.permissions.iter().any(excludes)
    }

    /// Whether it names none but these actions and data actions, and maybe not all.
    pub fn grants_at_most(&self, actions: &[&str], data_actions: &[&str]) -> bool {
        self.named(|it| &it.actions).is_subset(&lower(actions))
            && self.named(|it| &it.data_actions).is_subset(&lower(data_actions))
    }

    fn named(&self, of: fn(&Permission) -> &Vec<String>) -> BTreeSet<String> {
        let lists = self.permissions.iter().flat_map(of);
        lists.map(|action| action.to_ascii_lowercase()).collect()
    }
}

fn lower(actions: &[&str]) -> BTreeSet<String> {
    actions.iter().map(|action| action.to_ascii_lowercase()).collect()
}

/// A role of a principal at a scope and all that is below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleAssignment {
    /// Its ARM id.
    pub id: String,
    /// The scope, as ARM spells it.
    pub scope: String,
    /// The GUID of the role definition.
    pub role: Uuid,
    /// The object id of the principal.
    pub principal: Uuid,
    pub created: Option<Timestamp>,
}

/// The managed identities of an API Management instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InstanceIdentity {
    /// The object id of the system-assigned identity, if it is enabled. It is
    /// another one after the identity was switched off and on.
    pub principal: Option<Uuid>,
    /// The tenant of the system-assigned identity.
    pub tenant: Option<Uuid>,
    /// The ARM ids of the user-assigned identities, as ARM spells them.
    pub user_assigned: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    const READ: &str = "Microsoft.ApiManagement/service/gateways/read";

    #[test]
    fn actions_grant_and_not_actions_subtract() {
        let allows = |actions: &[&str], not: &[&str]| {
            let control = Permission {
                actions: words(actions),
                not_actions: words(not),
                ..Permission::default()
            };
            let data = Permission {
                data_actions: words(actions),
                not_data_actions: words(not),
                ..Permission::default()
            };
            assert!(!control.allows_data(READ) && !data.allows(READ));
            assert_eq!(control.allows(READ), data.allows_data(READ));
            control.allows(READ)
        };
        assert!(allows(&["microsoft.apimanagement/SERVICE/gateways/read"], &[]));
        assert!(allows(&["*/read"], &[]) && allows(&["*"], &["*/write"]));
        assert!(!allows(&["*"], &["*/read"]) && !allows(&[], &[]));
    }

    /// Of a pattern, nothing may be excluded.
    #[test]
    fn a_pattern_is_granted_as_a_whole() {
        let allows = |not: &str| {
            let permission = Permission {
                actions: words(&["*"]),
                not_actions: words(&[not]),
                ..Permission::default()
            };
            permission.allows("Microsoft.Authorization/*/read")
        };
        for not in [
            "Microsoft.Authorization/roleAssignments/read",
            "microsoft.authorization/ROLEASSIGNMENTS/*",
            "Microsoft.Authorization/*/read",
            "*/roleDefinitions/*",
            "*",
        ] {
            assert!(!allows(not), "{not}");
        }
        for not in [
            "Microsoft.Authorization/roleAssignments/write",
            "Microsoft.Authorization/*/write",
            "Microsoft.ApiManagement/*",
            "*/action",
        ] {
            assert!(allows(not), "{not}");
        }
    }

    #[test]
    fn a_role_is_compared_by_its_permissions() {
        let role = |permissions: Vec<Permission>| RoleDefinition {
            id: Uuid::nil(),
            name: "n".into(),
            description: String::new(),
            built_in: false,
            permissions,
            assignable_scopes: Vec::new(),
        };
        let reads = Permission {
            actions: words(&[&READ.to_uppercase()]),
            ..Permission::default()
        };
        let empty = Permission::default();
        assert!(role(vec![reads.clone()]).grants_exactly(&[READ], &[]));
        assert!(role(vec![reads.clone(), empty.clone()]).grants_exactly(&[READ], &[]));
        // What az makes of the document's JSON.
        assert!(!role(vec![empty]).grants_exactly(&[READ], &[]));
        assert!(!role(Vec::new()).grants_exactly(&[READ], &[]));
        let more = Permission {
            actions: words(&[READ, "*"]),
            ..reads.clone()
        };
        let less = Permission {
            not_actions: words(&[READ]),
            ..reads
        };
        for other in [more, less] {
            assert!(!role(vec![other]).grants_exactly(&[READ], &[]));
        }
    }
}
