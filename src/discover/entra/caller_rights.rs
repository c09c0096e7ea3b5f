//! What the caller may do, where it can be known beforehand: ARM and the API server
//! answer it, Microsoft Graph does not.

use super::unavailable::{not_needed, of_azure, of_cluster};
use crate::azure::Arm;
use crate::cluster::Cluster;
use crate::cluster::access::Act;
use crate::model::access::Permission;
use crate::model::entra::facts::{AppFacts, AppKind, CallerRights, ServiceAccountFacts, StoredFacts};
use crate::model::{Fact, GatewayId, ObjectKind, Unavailable, WorkloadRef};

const DEFINE: &str = "Microsoft.Authorization/roleDefinitions/write";
const ASSIGN: &str = "Microsoft.Authorization/roleAssignments/write";
const CHANGE: &str = "Microsoft.ApiManagement/service/write";
const CREATE: &str = "Microsoft.ApiManagement/service/gateways/write";
const FEDERATE: &str = "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/write";

/// What the caller may do at each scope of ARM.
#[derive(Debug)]
pub(super) struct AzureRights {
    subscription: Fact<Vec<Permission>>,
    group: Fact<Vec<Permission>>,
    instance: Fact<Vec<Permission>>,
}

/// What the caller may do in the namespace.
#[derive(Debug)]
pub(super) struct ClusterRights {
    service_account: Written,
    secret: Written,
    workload: Fact<bool>,
}

/// The rights to write an object that may not exist yet.
#[derive(Debug)]
struct Written {
    create: Fact<bool>,
    patch: Fact<bool>,
}

pub(super) async fn azure_rights(arm: &Arm, gateway: &GatewayId) -> AzureRights {
    let service = &gateway.service;
    let [subscription, group, instance] = [service.subscription_path(), service.group_path(), service.path()];
    let (subscription, group, instance) = tokio::join!(
        permissions(arm, &subscription),
        permissions(arm, &group),
        permissions(arm, &instance)
    );
    AzureRights {
        subscription,
        group,
        instance,
    }
}

async fn permissions(arm: &Arm, scope: &str) -> Fact<Vec<Permission>> {
    let permissions = of_azure(arm.permissions(scope).await)?;
    permissions.ok_or_else(|| Unavailable::Forbidden(format!("Azure does not show your rights at {scope}")))
}

fn allows(permissions: &Fact<Vec<Permission>>, action: &str) -> Fact<bool> {
    let permissions = permissions.as_ref().map_err(Clone::clone)?;
    Ok(permissions.iter().any(|it| it.allows(action)))
}

pub(super) async fn cluster_rights(
    cluster: &Cluster,
    account: Option<&str>,
    secret: Option<&str>,
    workload: Option<&WorkloadRef>,
) -> ClusterRights {
    let (service_account, secret, workload) = tokio::join!(
        written(cluster, ObjectKind::ServiceAccount, account),
        written(cluster, ObjectKind::Secret, secret),
        changed(cluster, workload)
    );
    ClusterRights {
        service_account,
        secret,
        workload,
    }
}

async fn written(cluster: &Cluster, kind: ObjectKind, name: Option<&str>) -> Written {
    let Some(name) = name else {
        return Written {
            create: not_needed(),
            patch: not_needed(),
        };
    };
    let act = |verb, name| Act {
        verb,
        group: "",
        resource: kind.plural(),
        name,
    };
    let (create, patch) = tokio::join!(
        may(cluster, act("create", None)),
        may(cluster, act("patch", Some(name)))
    );
    Written { create, patch }
}

async fn changed(cluster: &Cluster, workload: Option<&WorkloadRef>) -> Fact<bool> {
    let Some(workload) = workload else {
        return not_needed();
    };
    let act = Act {
        verb: "patch",
        group: "apps",
        resource: workload.kind.plural(),
        name: Some(&workload.name),
    };
    may(cluster, act).await
}

async fn may(cluster: &Cluster, act: Act<'_>) -> Fact<bool> {
    let cluster = cluster.for_optional_reads();
    of_cluster(
        cluster.may(act).await,
        &format!("asking for the right to {} {}", act.verb, act.resource),
    )
}

impl Written {
    /// An object that does not exist is created by a patch, which needs both.
    fn may<T>(&self, existing: &Fact<Option<T>>) -> Fact<bool> {
        let patch = self.patch.clone()?;
        match existing {
            Ok(Some(_)) => Ok(patch),
            Ok(None) => Ok(patch && self.create.clone()?),
            Err(_) if !patch => Ok(false),
            Err(why) => Err(why.clone()),
        }
    }
}

/// All rights, as a plan takes them.
pub(super) async fn caller_rights(
    arm: &Arm,
    azure: &AzureRights,
    cluster: &ClusterRights,
    app: &Fact<Option<AppFacts>>,
    account: &Fact<Option<ServiceAccountFacts>>,
    secret: &Fact<Option<StoredFacts>>,
) -> CallerRights {
    let of_graph = || {
        Err(Unavailable::Unknown(
            "Microsoft Graph does not show beforehand what you may do".to_owned(),
        ))
    };
    let change_app = match app {
        Ok(Some(AppFacts {
            kind: AppKind::Identity(id, _),
            ..
        })) => allows(&permissions(arm, &id.path()).await, FEDERATE),
        _ => of_graph(),
    };
    CallerRights {
        define_roles: allows(&azure.subscription, DEFINE),
        assign_in_group: allows(&azure.group, ASSIGN),
        assign_at_instance: allows(&azure.instance, ASSIGN),
        change_instance: allows(&azure.instance, CHANGE),
        create_gateway: allows(&azure.instance, CREATE),
        register_apps: of_graph(),
        change_app,
        write_service_account: cluster.service_account.may(account),
        write_secret: cluster.secret.may(secret),
        change_workload: cluster.workload.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_that_does_not_exist_needs_two_rights() {
        let written = |create, patch| Written {
            create: Ok(create),
            patch: Ok(patch),
        };
        assert_eq!(written(false, true).may(&Ok(Some(()))), Ok(true));
        assert_eq!(written(false, true).may::<()>(&Ok(None)), Ok(false));
        assert_eq!(written(true, true).may::<()>(&Ok(None)), Ok(true));
        assert_eq!(written(true, false).may(&Ok(Some(()))), Ok(false));
        let unread: Fact<Option<()>> = not_needed();
        assert!(written(true, true).may(&unread).is_err());
        assert_eq!(written(true, false).may(&unread), Ok(false));
    }
}
