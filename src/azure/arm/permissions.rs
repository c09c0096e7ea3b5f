use serde::Deserialize;
use wildmatch::WildMatch;

use super::client::Arm;
use super::client::gateway_title;
use crate::azure::transport::error::Error;
use crate::azure::transport::exchange::Call;
use crate::azure::transport::wire::Page;
use crate::model::GatewayId;

const VERSION: &str = "2022-04-01";

/// The actions that one role grants at a scope.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Permission {
    actions: Vec<String>,
    not_actions: Vec<String>,
}

impl Arm {
    /// The actions that the identity is not allowed to do on a gateway. Reading
    /// one's own permissions needs no right.
    pub async fn missing_actions<'a>(
        &self,
        gateway: &GatewayId,
        actions: &[&'a str],
    ) -> Result<Vec<&'a str>, Error> {
        let path = format!("{}/providers/Microsoft.Authorization/permissions", gateway.path());
        let call = Call::get(
            format!(
                "read the permissions of the signed-in identity on {}",
                gateway_title(gateway)
            ),
            "the scope".into(),
            self.url(&path, VERSION)?,
        );
        let granted: Page<Permission> = self.call(&call).await?;
        let missing = |action: &&&str| !granted.value.iter().any(|permission| permission.allows(action));
        Ok(actions.iter().filter(missing).copied().collect())
    }
}

impl Permission {
    /// Azure ignores the case of actions; `*` matches any text.
    fn allows(&self, action: &str) -> bool {
        let action = action.to_ascii_lowercase();
        let any = |patterns: &[String]| {
            patterns
                .iter()
                .any(|pattern| WildMatch::new(&pattern.to_ascii_lowercase()).matches(&action))
        };
        any(&self.actions) && !any(&self.not_actions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_grant_and_not_actions_subtract() {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let allows = |actions: &[&str], not: &[&str]| {
            let permission = Permission {
                actions: words(actions),
                not_actions: words(not),
            };
            permission.allows("Microsoft.ApiManagement/service/gateways/read")
        };
        assert!(allows(&["microsoft.apimanagement/SERVICE/gateways/read"], &[]));
        assert!(allows(&["*/read"], &[]) && allows(&["*"], &["*/write"]));
        assert!(!allows(&["*"], &["*/read"]) && !allows(&[], &[]));
    }
}
