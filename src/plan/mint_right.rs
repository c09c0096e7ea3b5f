//! Whether an identity may mint tokens of a gateway.

use crate::error::Error;
use crate::model::access::Permission;
use crate::model::{AzureRole, GatewayId, grant_minting};

/// The right to mint, by what Azure shows of an identity's permissions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MintRight {
    Granted,
    /// These actions are not allowed.
    Lacking(Vec<&'static str>),
    /// Azure does not show the permissions. Who may not read their own may still have
    /// them.
    Unknown,
}

/// Judges the permissions at a gateway.
pub fn mint_right(permissions: Option<&[Permission]>) -> MintRight {
    let Some(permissions) = permissions else {
        return MintRight::Unknown;
    };
    let is_missing = |action: &&str| !permissions.iter().any(|permission| permission.allows(action));
    let actions = AzureRole::TokenOperator.definition().action_names();
    let lacking: Vec<&str> = actions.into_iter().filter(is_missing).collect();
    if lacking.is_empty() {
        MintRight::Granted
    } else {
        MintRight::Lacking(lacking)
    }
}

/// The refusal of an identity that lacks these actions. `principal` is its object id.
pub fn refuse_powerless(lacking: &[&str], gateway: &GatewayId, principal: Option<&str>) -> Error {
    let who = principal.map_or_else(
        || "the identity that signs in".to_owned(),
        |id| format!("the principal {id}"),
    );
    Error::refused(format!("{who} may not do {} on {gateway}", lacking.join(" and ")))
        .hint(format!("grant it: {}", grant_minting(gateway, principal)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::fixture::gateway_id;

    const READ: &str = "Microsoft.ApiManagement/service/gateways/read";
    const MINT: &str = "Microsoft.ApiManagement/service/gateways/generateToken/action";

    fn granting(actions: &[&str], not_actions: &[&str]) -> Permission {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Permission {
            actions: owned(actions),
            not_actions: owned(not_actions),
            ..Permission::default()
        }
    }

    #[test]
    fn both_actions_are_needed_from_any_roles() {
        let lacking = |permissions: &[Permission]| match mint_right(Some(permissions)) {
            MintRight::Lacking(actions) => actions,
            other => panic!("{other:?}"),
        };
        assert_eq!(lacking(&[]), [READ, MINT]);
        assert_eq!(lacking(&[granting(&["*/read"], &[])]), [MINT]);
        assert_eq!(lacking(&[granting(&["*"], &[MINT])]), [MINT]);
        let apart = [granting(&[READ], &[]), granting(&[MINT], &[])];
        assert_eq!(mint_right(Some(&apart)), MintRight::Granted);
        let excluded_and_granted = [granting(&["*"], &[MINT]), granting(&[MINT], &[])];
        assert_eq!(mint_right(Some(&excluded_and_granted)), MintRight::Granted);
        assert_eq!(mint_right(None), MintRight::Unknown);
    }

    #[test]
    fn a_refusal_has_the_command_that_grants_the_right() {
        let mut gateway = gateway_id();
        gateway.name = "it's gw".to_owned();
        let error = refuse_powerless(&[MINT], &gateway, Some("an-id"));
        let [hint] = error.hints() else {
            panic!("{:?}", error.hints())
        };
        assert!(
            hint.ends_with(" -g \"it's gw\" --principal-id an-id | sh"),
            "{hint}"
        );
        assert!(
            error.to_string().starts_with("the principal an-id may not do"),
            "{error}"
        );
        let unnamed = refuse_powerless(&[MINT], &gateway, None);
        assert!(!unnamed.hints()[0].contains("--principal-id"));
    }
}
