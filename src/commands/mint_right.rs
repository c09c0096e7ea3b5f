//! Checks whether the identity that has signed in may mint tokens of a gateway.

use crate::azure::Arm;
use crate::discover::directory::Directory;
use crate::error::Result;
use crate::model::GatewayId;
use crate::plan::{MintRight, mint_right, refuse_powerless};

/// Refuses an identity without the right; `false` if Azure does not show it.
pub(super) async fn may_mint(arm: &Arm, directory: &Directory, gateway: &GatewayId) -> Result<bool> {
    let of_instance = directory.permissions(arm, &gateway.service).await?;
    if mint_right(of_instance.as_deref()) == MintRight::Granted {
        return Ok(true);
    }
    let permissions = arm.permissions(&gateway.path()).await?;
    match mint_right(permissions.as_deref()) {
        MintRight::Granted => Ok(true),
        MintRight::Unknown => Ok(false),
        MintRight::Lacking(actions) => {
            let caller = arm.caller().await.ok();
            let principal = caller.and_then(|caller| caller.object).map(|id| id.to_string());
            Err(refuse_powerless(&actions, gateway, principal.as_deref()))
        }
    }
}
