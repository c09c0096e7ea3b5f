//! The roles of ARM, who holds them where, and the locks.

mod built_in;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::directory::{Lag, Reader, Store, new_id};
use super::identity::{Grant, contains};

/// The role definitions, the role assignments and the locks.
///
/// Reading methods give what was last written, whether or not requests see it already.
pub struct Authorization {
    /// By GUID; the tenant has each only once.
    pub(super) definitions: Store<RoleDefinition>,
    /// By ARM id.
    pub(super) assignments: Store<RoleAssignment>,
    locks: Vec<Lock>,
    /// How many custom roles there may be.
    pub most_definitions: usize,
    /// How many role assignments a subscription may have.
    pub most_assignments: usize,
    /// How many roles, role assignments or permissions a page has; what ARM takes is not documented.
    pub page_size: usize,
}

/// A role definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleDefinition {
    /// The GUID that is its name in ARM.
    pub name: String,
    /// The name for people, which is unique in the tenant.
    pub role_name: String,
    /// The description.
    pub description: String,
    /// Whether it is one of Azure's.
    pub built_in: bool,
    /// What it allows.
    pub permissions: Vec<Permission>,
    /// Where it may be assigned.
    pub assignable_scopes: Vec<String>,
    /// When it was created and last changed.
    pub times: [Timestamp; 2],
}

/// One entry of a role's permissions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permission {
    /// Allowed actions.
    pub actions: Vec<String>,
    /// Exceptions from `actions`.
    pub not_actions: Vec<String>,
    /// Allowed data actions.
    pub data_actions: Vec<String>,
    /// Exceptions from `data_actions`.
    pub not_data_actions: Vec<String>,
}

/// A role assignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleAssignment {
    /// The GUID that is its name in ARM.
    pub name: String,
    /// Where it holds.
    pub scope: String,
    /// The GUID of the role definition.
    pub role: String,
    /// Whose it is: the object id of a service principal, of a user or of a group, or any other GUID.
    pub principal_id: String,
    /// The type that the creator gave, or that the directory has.
    pub principal_type: String,
    /// When it was created.
    pub created: Timestamp,
}

/// How much a lock forbids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockLevel {
    /// Deleting.
    CanNotDelete,
    /// Everything but reading; every POST is forbidden.
    ReadOnly,
}

/// A management lock at a scope and everything below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lock {
    pub(super) scope: String,
    pub(super) level: LockLevel,
}

impl Lock {
    pub(super) fn json(&self, number: usize) -> Value {
        let name = format!("sandbox-{number}");
        let scope = self.scope.trim_end_matches('/');
        json!({
            "id": format!("{scope}/providers/Microsoft.Authorization/locks/{name}"),
            "type": "Microsoft.Authorization/locks",
            "name": name,
            "properties": {
                "level": match self.level {
                    LockLevel::CanNotDelete => "CanNotDelete",
                    LockLevel::ReadOnly => "ReadOnly",
                },
                "notes": null,
            },
        })
    }
}

impl Default for Authorization {
    fn default() -> Authorization {
        let mut definitions = Store::default();
        for role in built_in::roles() {
            definitions.seed(&role.name.clone(), role);
        }
        Authorization {
            definitions,
            assignments: Store::default(),
            locks: Vec::new(),
            most_definitions: 5000,
            most_assignments: 4000,
            page_size: 1000,
        }
    }
}

impl Authorization {
    /// The custom roles.
    pub fn role_definitions(&self) -> Vec<&RoleDefinition> {
        self.definitions
            .all_latest()
            .filter(|role| !role.built_in)
            .collect()
    }

    /// The role assignments, those of [`Grant`]s not among them.
    pub fn role_assignments(&self) -> Vec<&RoleAssignment> {
        self.assignments.all_latest().collect()
    }

    /// Adds a role, or replaces the one with its GUID.
    pub fn add_role_definition(&mut self, role: RoleDefinition) {
        self.definitions.seed(&role.name.clone(), role);
    }

    /// Adds a role assignment, or replaces the one with its GUID.
    pub fn add_role_assignment(&mut self, assignment: RoleAssignment) {
        self.assignments.seed(&assignment.arm_id(), assignment);
    }

    /// Removes the role assignments at a scope for every reader at once.
    pub fn remove_role_assignments(&mut self, scope: &str) {
        let all = self.assignments.all_latest();
        let ids: Vec<String> = all
            .filter(|it| it.scope.eq_ignore_ascii_case(scope))
            .map(RoleAssignment::arm_id)
            .collect();
        for id in ids {
            self.assignments.remove(&id, Timestamp::MIN);
        }
    }

    /// Locks a scope.
    pub fn lock(&mut self, scope: &str, level: LockLevel) {
        self.locks.push(Lock {
            scope: scope.to_owned(),
            level,
        });
    }

    /// Removes every lock.
    pub fn unlock(&mut self) {
        self.locks.clear();
    }

    /// Sets how late requests see the roles and assignments that are written from now on.
    pub fn set_lag(&mut self, lag: Lag) {
        self.definitions.set_lag(lag);
        self.assignments.set_lag(lag);
    }

    pub(super) fn locks(&self) -> &[Lock] {
        &self.locks
    }

    /// What an object may do by its role assignments, those that were in effect at `since` and are now.
    pub(super) fn grants(&self, object_id: &str, since: Timestamp, now: Timestamp) -> Vec<Grant> {
        let held = self.assignments.all(Reader::Effect(since)).filter(|assignment| {
            assignment.principal_id.eq_ignore_ascii_case(object_id)
                && self
                    .assignments
                    .get(&assignment.arm_id(), Reader::Effect(now))
                    .is_some()
        });
        let granted = held.filter_map(|assignment| {
            let role = self.definitions.get(&assignment.role, Reader::Effect(since))?;
            Some(role.permissions.iter().map(|it| it.grant(&assignment.scope)))
        });
        granted.flatten().collect()
    }
}

impl Permission {
    /// Allows actions and data actions without exceptions.
    pub fn new(actions: &[&str], data_actions: &[&str]) -> Permission {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Permission {
            actions: owned(actions),
            data_actions: owned(data_actions),
            ..Permission::default()
        }
    }

    fn grant(&self, scope: &str) -> Grant {
        Grant {
            scope: scope.to_owned(),
            actions: self.actions.clone(),
            not_actions: self.not_actions.clone(),
            data_actions: self.data_actions.clone(),
            not_data_actions: self.not_data_actions.clone(),
        }
    }
}

impl RoleDefinition {
    /// A custom role with a new GUID.
    pub fn new(role_name: &str, permission: Permission, assignable_scope: &str) -> RoleDefinition {
        RoleDefinition {
            name: new_id(),
            role_name: role_name.to_owned(),
            description: String::new(),
            built_in: false,
            permissions: vec![permission],
            assignable_scopes: vec![assignable_scope.to_owned()],
            times: [Timestamp::UNIX_EPOCH; 2],
        }
    }

    /// The ARM id as a subscription shows it.
    pub fn arm_id(&self, subscription: Option<&str>) -> String {
        let scope = subscription.map_or_else(String::new, |id| format!("/subscriptions/{id}"));
        format!(
            "{scope}/providers/Microsoft.Authorization/roleDefinitions/{}",
            self.name
        )
    }

    /// Whether it may be assigned at a scope.
    pub(super) fn is_assignable_at(&self, scope: &str) -> bool {
        self.assignable_scopes.iter().any(|it| contains(it, scope))
    }

    pub(super) fn json(&self, subscription: Option<&str>) -> Value {
        let permissions: Vec<Value> = self.permissions.iter().map(Permission::json).collect();
        json!({
            "id": self.arm_id(subscription),
            "type": "Microsoft.Authorization/roleDefinitions",
            "name": self.name,
            "properties": {
                "roleName": self.role_name,
                "type": if self.built_in { "BuiltInRole" } else { "CustomRole" },
                "description": self.description,
                "assignableScopes": self.assignable_scopes,
                "permissions": permissions,
                "createdOn": self.times[0].to_string(),
                "updatedOn": self.times[1].to_string(),
                "createdBy": null,
                "updatedBy": null,
            },
        })
    }
}

impl Permission {
    fn json(&self) -> Value {
        json!({
            "actions": self.actions,
            "notActions": self.not_actions,
            "dataActions": self.data_actions,
            "notDataActions": self.not_data_actions,
        })
    }
}

impl RoleAssignment {
    /// An assignment with a new GUID.
    pub fn new(scope: &str, role: &RoleDefinition, principal_id: &str) -> RoleAssignment {
        RoleAssignment {
            name: new_id(),
            scope: scope.to_owned(),
            role: role.name.clone(),
            principal_id: principal_id.to_owned(),
            principal_type: "ServicePrincipal".to_owned(),
            created: Timestamp::UNIX_EPOCH,
        }
    }

    /// The ARM id.
    pub fn arm_id(&self) -> String {
        format!(
            "{}/providers/Microsoft.Authorization/roleAssignments/{}",
            self.scope.trim_end_matches('/'),
            self.name
        )
    }

    pub(super) fn json(&self) -> Value {
        let subscription = subscription_of(&self.scope);
        let role = subscription.map_or_else(String::new, |id| format!("/subscriptions/{id}"));
        json!({
            "id": self.arm_id(),
            "type": "Microsoft.Authorization/roleAssignments",
            "name": self.name,
            "properties": {
                "roleDefinitionId": format!(
                    "{role}/providers/Microsoft.Authorization/roleDefinitions/{}",
                    self.role
                ),
                "principalId": self.principal_id,
                "principalType": self.principal_type,
                "scope": self.scope,
                "condition": null,
                "conditionVersion": null,
                "createdOn": self.created.to_string(),
                "updatedOn": self.created.to_string(),
                "createdBy": null,
                "updatedBy": null,
                "delegatedManagedIdentityResourceId": null,
                "description": null,
            },
        })
    }
}

/// The subscription id in an ARM id.
pub(super) fn subscription_of(id: &str) -> Option<&str> {
    let mut segments = id.split('/').filter(|segment| !segment.is_empty());
    let first = segments.next()?;
    first
        .eq_ignore_ascii_case("subscriptions")
        .then(|| segments.next())
        .flatten()
}
