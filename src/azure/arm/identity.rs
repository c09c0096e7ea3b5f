use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::model::access::InstanceIdentity;
use crate::model::cleaned;

/// The block `identity` of an instance, which is absent or null if it has none.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct IdentityAnswer {
    #[serde(rename = "type")]
    kind: Option<String>,
    principal_id: Option<String>,
    tenant_id: Option<String>,
    user_assigned_identities: Option<Map<String, Value>>,
}

impl IdentityAnswer {
    pub(super) fn fact(self) -> InstanceIdentity {
        let guid = |text: Option<String>| Uuid::try_parse(&text?).ok();
        let kind = self.kind.unwrap_or_default().to_ascii_lowercase();
        let system = kind.split(',').any(|kind| kind.trim() == "systemassigned");
        InstanceIdentity {
            principal: guid(self.principal_id).filter(|_| system),
            tenant: guid(self.tenant_id).filter(|_| system),
            user_assigned: self
                .user_assigned_identities
                .unwrap_or_default()
                .keys()
                .map(|id| cleaned(id))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ID: &str =
        "/subscriptions/s/resourcegroups/r/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i";

    fn read(identity: Value) -> InstanceIdentity {
        let answer: Option<IdentityAnswer> = serde_json::from_value(identity).unwrap();
        answer.unwrap_or_default().fact()
    }

    #[test]
    fn only_a_system_assigned_identity_has_a_principal() {
        let (principal, tenant) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let both = read(json!({
            "type": "SystemAssigned, UserAssigned",
            "principalId": principal.to_string(), "tenantId": tenant.to_string(),
            "userAssignedIdentities": {ID: {"principalId": "p", "clientId": "c"}},
        }));
        let expected = InstanceIdentity {
            principal: Some(principal),
            tenant: Some(tenant),
            user_assigned: vec![ID.into()],
        };
        assert_eq!(both, expected);
        for none in [
            Value::Null,
            json!({"type": "None"}),
            json!({"type": "UserAssigned", "principalId": principal.to_string(), "userAssignedIdentities": null}),
        ] {
            assert_eq!(read(none), InstanceIdentity::default());
        }
    }
}
