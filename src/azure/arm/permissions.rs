use serde::Deserialize;

use super::client::Arm;
use crate::azure::transport::error::Error;
use crate::azure::transport::exchange::Call;
use crate::model::access::Permission;

const VERSION: &str = "2022-04-01";

impl Arm {
    /// What the signed-in identity may do at a scope, an ARM path. `None` if
    /// Azure does not show it: whoever may not read their own permissions may
    /// still have them. Deny assignments are not considered.
    pub async fn permissions(&self, scope: &str) -> Result<Option<Vec<Permission>>, Error> {
        let path = format!("{scope}/providers/Microsoft.Authorization/permissions");
        let call = Call::get(
            format!("read the permissions of the signed-in identity on {scope}"),
            "the scope".into(),
            self.url(&path, VERSION)?,
        );
        match self.list::<PermissionAnswer>(&call).await {
            Ok(granted) => Ok(Some(granted.into_iter().map(Permission::from).collect())),
            Err(error) if error.status() == Some(403) => {
                tracing::debug!("{error}");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// The actions that one role grants at a scope. Lists may be absent or null.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PermissionAnswer {
    actions: Option<Vec<String>>,
    not_actions: Option<Vec<String>>,
    data_actions: Option<Vec<String>>,
    not_data_actions: Option<Vec<String>>,
}

impl From<PermissionAnswer> for Permission {
    fn from(answer: PermissionAnswer) -> Self {
        Self {
            actions: answer.actions.unwrap_or_default(),
            not_actions: answer.not_actions.unwrap_or_default(),
            data_actions: answer.data_actions.unwrap_or_default(),
            not_data_actions: answer.not_data_actions.unwrap_or_default(),
        }
    }
}
