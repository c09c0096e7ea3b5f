use serde::Deserialize;

use super::client::Arm;
use super::client::gateway_title;
use crate::azure::transport::error::Error;
use crate::azure::transport::exchange::Call;
use crate::model::GatewayId;
use crate::model::access::Permission;

const VERSION: &str = "2022-04-01";

impl Arm {
    /// The actions that the identity is not allowed to do on a gateway; `None` if
    /// Azure does not show its permissions.
    pub async fn missing_actions<'a>(
        &self,
        gateway: &GatewayId,
        actions: &[&'a str],
    ) -> Result<Option<Vec<&'a str>>, Error> {
        let granted = self
            .permissions_on(&gateway.path(), &gateway_title(gateway))
            .await?;
        Ok(granted.map(|granted| {
            let missing = |action: &&&str| !granted.iter().any(|permission| permission.allows(action));
            actions.iter().filter(missing).copied().collect()
        }))
    }

    /// What the signed-in identity may do at a scope, an ARM path. `None` if
    /// Azure does not show it: whoever may not read their own permissions may
    /// still have them. Deny assignments are not considered.
    pub async fn permissions(&self, scope: &str) -> Result<Option<Vec<Permission>>, Error> {
        self.permissions_on(scope, scope).await
    }

    async fn permissions_on(&self, scope: &str, title: &str) -> Result<Option<Vec<Permission>>, Error> {
        let path = format!("{scope}/providers/Microsoft.Authorization/permissions");
        let call = Call::get(
            format!("read the permissions of the signed-in identity on {title}"),
            "the scope".into(),
            self.url(&path, VERSION)?,
        );
        match self.list::<PermissionAnswer>(&call).await {
            Err(error) if error.status() == Some(403) => {
                tracing::debug!("{error}");
                Ok(None)
            }
            granted => Ok(Some(granted?.into_iter().map(Permission::from).collect())),
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
