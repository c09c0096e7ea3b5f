use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::{StreamExt, stream};
use uuid::Uuid;

use crate::azure::Arm;
use crate::discover::failed_call::unavailable;
use crate::discover::inventory::{Instance, Instances};
use crate::model::access::{RoleAssignment, RoleDefinition};
use crate::model::{Fact, InstanceAccess};

/// How many instances, and then roles, are read at a time.
const SIDE_BY_SIDE: usize = 8;

/// The custom roles of a resource group, by its path in lower case.
type Definitions = BTreeMap<String, Fact<Vec<RoleDefinition>>>;

/// Who may do what at the instances of these names, as far as it concerns their own
/// identities and these principals.
pub(super) async fn of_instances(
    arm: &Arm,
    instances: &Instances,
    names: &BTreeSet<String>,
    principals: &BTreeSet<Uuid>,
) -> BTreeMap<String, Fact<Arc<InstanceAccess>>> {
    let known = || {
        names
            .iter()
            .filter_map(|name| Some((name, instances.get(name)?.as_ref().ok()?)))
    };
    let groups: BTreeMap<String, String> = known()
        .map(|(_, instance)| (instance.id.group_path().to_lowercase(), instance.id.group_path()))
        .collect();
    let definitions = async {
        let reads = stream::iter(groups).map(async |(key, group)| {
            let roles = arm.custom_roles(&group).await;
            (key, roles.map_err(|error| unavailable(&error)))
        });
        reads
            .buffer_unordered(SIDE_BY_SIDE)
            .collect::<Definitions>()
            .await
    };
    let assignments = async {
        let reads = stream::iter(known()).map(async |(name, instance)| {
            let found = arm.assignments_at(&instance.id.path()).await;
            (name.clone(), found.map_err(|error| unavailable(&error)))
        });
        let reads = reads.buffer_unordered(SIDE_BY_SIDE);
        reads
            .collect::<BTreeMap<String, Fact<Vec<RoleAssignment>>>>()
            .await
    };
    let (definitions, mut assignments) = tokio::join!(definitions, assignments);
    let mut found = BTreeMap::new();
    let mut others = Others::default();
    for (name, instance) in names.iter().filter_map(|name| Some((name, instances.get(name)?))) {
        let access = match instance {
            Err(unavailable) => Err(unavailable.clone()),
            Ok(instance) => {
                let of_group = definitions.get(&instance.id.group_path().to_lowercase());
                let of_group = of_group.cloned().unwrap_or_else(|| Ok(Vec::new()));
                let mut at = assignments.remove(name).unwrap_or_else(|| Ok(Vec::new()));
                if let Ok(all) = &mut at {
                    let own = instance.details.identity.principal;
                    all.retain(|it| principals.contains(&it.principal) || Some(it.principal) == own);
                }
                let definitions = others.complete(arm, instance, of_group, &at).await;
                Ok(Arc::new(InstanceAccess {
                    service: instance.id.clone(),
                    identity: instance.details.identity.clone(),
                    definitions,
                    assignments: at,
                }))
            }
        };
        found.insert(name.clone(), access);
    }
    found
}

/// The roles that are assigned and are not custom roles of the resource group, each
/// read once.
#[derive(Default)]
struct Others(BTreeMap<Uuid, Option<RoleDefinition>>);

impl Others {
    /// With the roles that are assigned. One that could not be read may grant
    /// everything, so without it nothing is known.
    async fn complete(
        &mut self,
        arm: &Arm,
        instance: &Instance,
        definitions: Fact<Vec<RoleDefinition>>,
        assignments: &Fact<Vec<RoleAssignment>>,
    ) -> Fact<Vec<RoleDefinition>> {
        let mut definitions = definitions?;
        let assigned = assignments.iter().flatten().map(|it| it.role);
        let custom: BTreeSet<Uuid> = definitions.iter().map(|it| it.id).collect();
        let missing: BTreeSet<Uuid> = assigned.filter(|role| !custom.contains(role)).collect();
        let scope = instance.id.path();
        let new: Vec<Uuid> = missing
            .iter()
            .filter(|role| !self.0.contains_key(role))
            .copied()
            .collect();
        let reads = stream::iter(new).map(async |role| (role, arm.role(&scope, role).await));
        let mut reads = reads.buffer_unordered(SIDE_BY_SIDE);
        while let Some((role, read)) = reads.next().await {
            self.0.insert(role, read.map_err(|error| unavailable(&error))?);
        }
        definitions.extend(missing.iter().filter_map(|role| self.0.get(role)?.clone()));
        Ok(definitions)
    }
}
