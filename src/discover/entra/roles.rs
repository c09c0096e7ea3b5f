//! The two roles of a gateway among those that exist.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use uuid::Uuid;

use super::unavailable::of_azure;
use crate::azure::Arm;
use crate::model::access::{RoleAssignment, RoleDefinition};
use crate::model::entra::facts::RoleFacts;
use crate::model::{AzureRole, CustomRole, Fact, GatewayId};

/// How many roles of one principal are read that are not custom. Nobody needs more.
const MOST: usize = 32;

/// What the roles are sought among.
pub(super) struct Sought<'a> {
    pub(super) gateway: &'a GatewayId,
    pub(super) custom_roles: &'a Fact<Vec<RoleDefinition>>,
    pub(super) assignments: &'a Fact<Vec<RoleAssignment>>,
    /// Whether the assignments of a role of ours are counted even if it stays as it is.
    pub(super) counts_use: bool,
}

impl Sought<'_> {
    /// One of the roles. `principal` is who needs it, if that exists.
    pub(super) async fn role(&self, arm: &Arm, role: AzureRole, principal: Option<Uuid>) -> RoleFacts {
        let wanted = role.definition();
        let definitions = self.definitions(arm, wanted, principal).await;
        let kept: BTreeSet<Uuid> = definitions.iter().flatten().map(|it| it.id).collect();
        let assignments = self.assignments.as_ref().map_err(Clone::clone);
        let of_these = |all: &Vec<RoleAssignment>| {
            let all = all.iter().filter(|it| kept.contains(&it.role));
            all.cloned().collect()
        };
        RoleFacts {
            in_use: self.in_use(arm, wanted, &definitions).await,
            assignments: assignments.map(of_these),
            definitions,
        }
    }

    /// Those with one of the names or with exactly the wanted permissions, and of those
    /// that the principal has, the ones that are enough.
    async fn definitions(
        &self,
        arm: &Arm,
        wanted: &CustomRole,
        principal: Option<Uuid>,
    ) -> Fact<Vec<RoleDefinition>> {
        let custom = self.custom_roles.as_ref().map_err(Clone::clone)?;
        let assigned = self.assigned_to(principal);
        let is_enough = |it: &RoleDefinition| it.grants(&wanted.action_names(), &wanted.data_action_names());
        let subscription = &self.gateway.service.subscription;
        let is_kept = |it: &&RoleDefinition| {
            is_named(it, wanted, subscription)
                || it.grants_exactly(&wanted.action_names(), &wanted.data_action_names())
                || (assigned.contains(&it.id) && is_enough(it))
        };
        let mut kept: Vec<RoleDefinition> = custom.iter().filter(is_kept).cloned().collect();
        let has_one = kept.iter().any(|it| assigned.contains(&it.id) && is_enough(it));
        let others = assigned
            .iter()
            .filter(|id| !custom.iter().any(|it| it.id == **id));
        let scope = self.gateway.service.path();
        if !has_one {
            let reads = others.take(MOST).map(|id| arm.role(&scope, *id));
            let read = join_all(reads).await.into_iter();
            // A role that cannot be read counts for nothing.
            kept.extend(read.filter_map(|role| role.ok().flatten()).filter(is_enough));
        }
        Ok(kept)
    }

    fn assigned_to(&self, principal: Option<Uuid>) -> BTreeSet<Uuid> {
        let all = self.assignments.as_deref().unwrap_or_default().iter();
        let own = all.filter(|it| Some(it.principal) == principal);
        own.map(|it| it.role).collect()
    }

    /// Counts the assignments of each role that has a name of ours and may be mended.
    async fn in_use(
        &self,
        arm: &Arm,
        wanted: &CustomRole,
        definitions: &Fact<Vec<RoleDefinition>>,
    ) -> BTreeMap<Uuid, Fact<usize>> {
        let subscription = &self.gateway.service.subscription;
        let is_counted = |it: &&RoleDefinition| {
            let is_whole = it.grants_exactly(&wanted.action_names(), &wanted.data_action_names());
            is_named(it, wanted, subscription) && !it.built_in && (self.counts_use || !is_whole)
        };
        let counted = definitions.iter().flatten().filter(is_counted);
        let scope = self.gateway.service.subscription_path();
        let counts = counted.map(async |it| {
            let all = of_azure(arm.assignments_of_role(&scope, it.id).await);
            (it.id, all.map(|all| all.len()))
        });
        join_all(counts).await.into_iter().collect()
    }
}

/// Whether a role has the document's name, or that of this subscription.
fn is_named(role: &RoleDefinition, wanted: &CustomRole, subscription: &str) -> bool {
    let names = [wanted.name, &wanted.name_in(subscription)];
    // Somebody may have given it another name.
    role.id == wanted.id_in(subscription) || names.iter().any(|name| role.name.eq_ignore_ascii_case(name))
}
