//! Role definitions and role assignments, in the version 2022-04-01 of
//! Microsoft.Authorization. A scope is an ARM path, such as that of an instance
//! or of its resource group.

mod assignments;
mod definitions;

use uuid::Uuid;

pub use definitions::RoleAddition;

const VERSION: &str = "2022-04-01";

/// The path of the objects of a kind at a scope.
fn path(scope: &str, kind: &str) -> String {
    format!("{scope}/providers/Microsoft.Authorization/{kind}")
}

/// The ARM id of a role as it is seen in the subscription of a scope.
fn role_id(scope: &str, role: Uuid) -> String {
    let subscription: String = scope.split_inclusive('/').take(3).collect();
    let kind = path(subscription.trim_end_matches('/'), "roleDefinitions");
    format!("{kind}/{role}")
}

/// The GUID at the end of an ARM id.
fn last_guid(id: &str) -> Option<Uuid> {
    Uuid::try_parse(id.rsplit('/').next()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_named_in_the_subscription_of_the_scope() {
        let role = Uuid::from_u128(7);
        let id = "/subscriptions/s/providers/Microsoft.Authorization/roleDefinitions/\
                  00000000-0000-0000-0000-000000000007";
        for scope in [
            "/subscriptions/s",
            "/subscriptions/s/resourceGroups/r/providers/p/x/y",
        ] {
            assert_eq!(role_id(scope, role), id);
        }
        assert_eq!(last_guid(id), Some(role));
        assert_eq!(last_guid("/subscriptions/s"), None);
    }
}
