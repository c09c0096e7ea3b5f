//! What ARM knows, apart from rights: the instance and its gateway, roles and
//! assignments, locks.

use super::caller_rights::{AzureRights, azure_rights};
use super::unavailable::of_azure;
use crate::azure::{self, Arm};
use crate::error::{Error, Kind, Result};
use crate::model::access::{RoleAssignment, RoleDefinition};
use crate::model::entra::facts::{GatewayResource, InstanceFacts};
use crate::model::{Fact, GatewayId, cleaned};

/// ARM's answers if the signed-in tenant has no such subscription.
const ELSEWHERE: [&str; 3] = [
    "InvalidAuthenticationTokenTenant",
    "SubscriptionNotFound",
    "InvalidSubscriptionId",
];

/// What is asked for at once.
pub(super) struct ArmHalf {
    pub(super) instance: Fact<InstanceFacts>,
    pub(super) resource: Fact<Option<GatewayResource>>,
    /// Every custom role that can be assigned at the instance.
    pub(super) custom_roles: Fact<Vec<RoleDefinition>>,
    /// Everybody's roles at the instance and above.
    pub(super) assignments: Fact<Vec<RoleAssignment>>,
    pub(super) lock: Fact<Option<String>>,
    pub(super) rights: AzureRights,
}

pub(super) async fn arm_half(arm: &Arm, gateway: &GatewayId) -> Result<ArmHalf> {
    let scope = gateway.service.path();
    let (instance, resource, custom_roles, assignments, locks, rights) = tokio::join!(
        instance(arm, gateway),
        resource(arm, gateway),
        arm.custom_roles(&scope),
        arm.assignments_at(&scope),
        arm.write_locks(&scope),
        azure_rights(arm, gateway)
    );
    Ok(ArmHalf {
        instance: instance?,
        resource,
        custom_roles: of_azure(custom_roles),
        assignments: of_azure(assignments),
        lock: of_azure(locks).map(|locks| locks.into_iter().next()),
        rights,
    })
}

/// The error is that there is no such instance, for which nothing can be set up, or that its
/// subscription is of another tenant: whatever is made in this one is of no use to it.
async fn instance(arm: &Arm, gateway: &GatewayId) -> Result<Fact<InstanceFacts>> {
    let found = match arm.service(&gateway.service).await {
        Err(error @ azure::Error::NotFound { .. }) => return Err(error.into()),
        Err(error) if ELSEWHERE.iter().any(|code| error.has_code(code)) => {
            return Err(Error::from(error).with_kind(Kind::Refused));
        }
        found => of_azure(found),
    };
    Ok(found.map(|found| InstanceFacts {
        updating: found.is_updating(),
        tier: cleaned(&found.tier),
        identity: found.identity,
    }))
}

/// The APIs are counted beside the read of the gateway, which decides.
async fn resource(arm: &Arm, gateway: &GatewayId) -> Fact<Option<GatewayResource>> {
    let (found, apis) = tokio::join!(arm.gateway(gateway), arm.count_apis(gateway));
    match found {
        Ok(found) => Ok(Some(GatewayResource {
            name: found.name,
            apis: of_azure(apis),
        })),
        // Without the instance, nothing is known of its gateways.
        Err(error @ azure::Error::NotFound { .. }) if is_of_gateway(&error) => Ok(None),
        Err(error) => of_azure(Err(error)),
    }
}

/// API Management's own answer; ARM's names the parent.
fn is_of_gateway(error: &azure::Error) -> bool {
    error.has_code("ResourceNotFound") && !error.to_string().contains("under resource group")
}
