use serde::Deserialize;
use wildmatch::WildMatch;

use super::client::Arm;
use super::client::named;
use crate::azure::transport::error::Error;
use crate::azure::transport::exchange::Call;
use crate::azure::transport::wire::Page;
use crate::model::GatewayId;

const VERSION: &str = "2022-04-01";

/// What one role grants at a scope.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Permission {
    actions: Vec<String>,
    not_actions: Vec<String>,
}

impl Arm {
    /// Which of these actions the identity may not do to a gateway. Azure
    /// tells everybody what they may do.
    pub async fn lacking<'a>(&self, gateway: &GatewayId, actions: &[&'a str]) -> Result<Vec<&'a str>, Error> {
        let path = format!("{}/providers/Microsoft.Authorization/permissions", gateway.path());
        let call = Call::get(
            format!("read one's own permissions on {}", named(gateway)),
            "the scope".into(),
            self.url(&path, VERSION)?,
        );
        let granted: Page<Permission> = self.call(&call).await?;
        let lacks = |action: &&&str| !granted.value.iter().any(|permission| permission.allows(action));
        Ok(actions.iter().filter(lacks).copied().collect())
    }
}

impl Permission {
    /// Azure compares actions without regard to case; `*` stands for any text.
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
    fn a_pattern_grants_and_an_exception_takes_away() {
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
