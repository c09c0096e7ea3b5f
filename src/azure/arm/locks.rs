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
        let locks = listed
            .into_iter()
            .filter(|lock| lock.properties.level.eq_ignore_ascii_case("ReadOnly"));
        Ok(locks.map(|lock| cleaned(&lock.name)).collect())
    }
}

#[derive(Deserialize)]
struct LockAnswer {
    name: String,
    properties: LockProperties,
}

#[derive(Deserialize)]
struct LockProperties {
    level: String,
}
