use serde::Deserialize;

use super::client::Arm;
use crate::azure::transport::error::Error;
use crate::azure::transport::exchange::Call;
use crate::model::cleaned;

/// The stable version of management locks.
const VERSION: &str = "2016-09-01";

impl Arm {
    /// The names of the locks that let nothing be written at a scope, those of what
    /// is above it included.
    pub async fn write_locks(&self, scope: &str) -> Result<Vec<String>, Error> {
        let path = format!("{scope}/providers/Microsoft.Authorization/locks");
        let call = Call::get(
            format!("list the locks at {scope}"),
            format!("the scope {scope}"),
            self.url(&path, VERSION)?,
        );
        let listed: Vec<LockAnswer> = self.list(&call).await?;
        let locks = listed.into_iter().filter(|lock| lock.forbids_writes_at(scope));
        Ok(locks.map(|lock| cleaned(&lock.name)).collect())
    }
}

impl LockAnswer {
    /// ARM lists those of what is below the scope too.
    fn forbids_writes_at(&self, scope: &str) -> bool {
        const KIND: &str = "/providers/microsoft.authorization/locks/";
        let (id, scope) = (self.id.to_lowercase(), format!("{}/", scope.to_lowercase()));
        let is_above = id
            .rsplit_once(KIND)
            .is_some_and(|(locked, _)| scope.starts_with(&format!("{locked}/")));
        is_above && self.properties.level.eq_ignore_ascii_case("ReadOnly")
    }
}

#[derive(Deserialize)]
struct LockAnswer {
    id: String,
    name: String,
    properties: LockProperties,
}

#[derive(Deserialize)]
struct LockProperties {
    level: String,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_a_read_only_lock_at_or_above_the_scope_forbids_writes() {
        let scope = "/subscriptions/s/resourceGroups/Rg/providers/Microsoft.ApiManagement/service/svc";
        let forbids = |locked: &str, level: &str| {
            let id = format!("{locked}/providers/Microsoft.Authorization/locks/l");
            let lock = json!({"id": id, "name": "l", "properties": {"level": level}});
            let lock: LockAnswer = serde_json::from_value(lock).unwrap();
            lock.forbids_writes_at(scope)
        };
        assert!(forbids(scope, "ReadOnly"));
        assert!(forbids("/subscriptions/S/resourcegroups/rg", "readonly"));
        assert!(!forbids("/subscriptions/s/resourceGroups/Rg2", "ReadOnly"));
        assert!(!forbids(&format!("{scope}/gateways/gw"), "ReadOnly"));
        assert!(!forbids(scope, "CanNotDelete"));
    }
}
