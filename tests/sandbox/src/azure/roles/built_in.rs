//! The built-in roles that have to do with API Management, as far as the emulator knows their actions.

use jiff::Timestamp;

use super::{Permission, RoleDefinition};

pub(super) fn roles() -> Vec<RoleDefinition> {
    let not = |actions: &[&str]| actions.iter().map(|action| (*action).to_owned()).collect();
    let contributor = Permission {
        not_actions: not(&[
            "Microsoft.Authorization/*/Delete",
            "Microsoft.Authorization/*/Write",
            "Microsoft.Authorization/elevateAccess/Action",
        ]),
        ..Permission::new(&["*"], &[])
    };
    [
        (
            "8e3af657-a8ff-443c-a75c-2fe8c4bcb635",
            "Owner",
            Permission::new(&["*"], &[]),
        ),
        ("b24988ac-6180-42a0-ab88-20f7382dd24c", "Contributor", contributor),
        (
            "acdd72a7-3385-48ef-bd42-f606fba81ae7",
            "Reader",
            Permission::new(&["*/read"], &[]),
        ),
        (
            "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9",
            "User Access Administrator",
            Permission::new(
                &["*/read", "Microsoft.Authorization/*", "Microsoft.Support/*"],
                &[],
            ),
        ),
        (
            "312a565d-c81f-4fd8-895a-4e21e48d571c",
            "API Management Service Contributor",
            Permission::new(
                &[
                    "Microsoft.ApiManagement/service/*",
                    "Microsoft.Authorization/*/read",
                ],
                &[],
            ),
        ),
    ]
    .into_iter()
    .map(|(name, role_name, permission)| RoleDefinition {
        name: name.to_owned(),
        built_in: true,
        times: [Timestamp::UNIX_EPOCH; 2],
        ..RoleDefinition::new(role_name, permission, "/")
    })
    .collect()
}
