use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::client::Arm;
use super::super::permissions::PermissionAnswer;
use super::{VERSION, path, role_id};
use crate::azure::transport::error::{Error, Flaw};
use crate::azure::transport::exchange::Call;
use crate::model::access::{Permission, RoleDefinition};
use crate::model::cleaned;

const KIND: &str = "roleDefinitions";

/// What a custom role gets in addition to what it has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoleAddition {
    /// Scopes at which it can be assigned.
    pub scopes: Vec<String>,
    pub actions: Vec<String>,
    pub data_actions: Vec<String>,
}

impl Arm {
    /// The custom roles that can be assigned at a scope, to be compared by their
    /// permissions.
    pub async fn custom_roles(&self, scope: &str) -> Result<Vec<RoleDefinition>, Error> {
        self.roles(
            scope,
            "type eq 'CustomRole'",
            format!("list the custom roles at {scope}"),
        )
        .await
    }

    /// A role, built in or custom, as it is seen at a scope; `None` if it does not
    /// exist there.
    pub async fn role(&self, scope: &str, id: Uuid) -> Result<Option<RoleDefinition>, Error> {
        let url = self.url(&format!("{}/{id}", path(scope, KIND)), VERSION)?;
        let call = Call::get(format!("read the role {id}"), format!("the role {id}"), url);
        match self.call::<DefinitionAnswer>(&call).await {
            Ok(answer) => Ok(answer.fact()),
            Err(error) if error.status() == Some(404) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn roles(&self, scope: &str, filter: &str, purpose: String) -> Result<Vec<RoleDefinition>, Error> {
        let url = self.filtered(&path(scope, KIND), VERSION, &[("$filter", filter)])?;
        let call = Call::get(purpose, format!("the scope {scope}"), url);
        let listed: Vec<DefinitionAnswer> = self.list(&call).await?;
        Ok(listed.into_iter().filter_map(DefinitionAnswer::fact).collect())
    }

    /// Creates a custom role under its id, or replaces it. A repetition changes
    /// nothing. The name of a custom role is unique in the tenant: if another
    /// role has it, ARM answers `RoleDefinitionWithSameNameExists`.
    pub async fn put_role(&self, scope: &str, role: &RoleDefinition) -> Result<RoleDefinition, Error> {
        let purpose = format!("create the role `{}` at {scope}", role.name);
        self.write_role(scope, role.id, purpose, definition(role)).await
    }

    /// Adds to a custom role what it lacks. All else in it stays, since it is
    /// read and sent as it is. `None` if it lacks nothing; then nothing is sent.
    pub async fn add_to_role(
        &self,
        scope: &str,
        role: Uuid,
        addition: &RoleAddition,
    ) -> Result<Option<RoleDefinition>, Error> {
        let call = Call::get(
            format!("read the role {role} at {scope}"),
            format!("the role {role}"),
            self.url(&role_id(scope, role), VERSION)?,
        );
        let mut body: Value = self.call(&call).await?;
        let form = || call.malformed("Azure answered with JSON of an unexpected form", Flaw::Form);
        let properties = body.get_mut("properties").ok_or_else(form)?;
        // ARM changes a role at a scope where it can be assigned; az takes the first.
        let first = properties.pointer("/assignableScopes/0").and_then(Value::as_str);
        let first = first.unwrap_or(scope);
        let first = first.trim_end_matches('/').to_owned();
        if !extend(properties, addition).ok_or_else(form)? {
            return Ok(None);
        }
        let name = properties["roleName"].as_str().unwrap_or_default();
        let purpose = format!("change the role `{}`", cleaned(name));
        self.write_role(&first, role, purpose, body).await.map(Some)
    }

    async fn write_role(
        &self,
        scope: &str,
        role: Uuid,
        purpose: String,
        body: Value,
    ) -> Result<RoleDefinition, Error> {
        let url = self.url(&format!("{}/{role}", path(scope, KIND)), VERSION)?;
        let call = Call::new(Method::PUT, purpose, format!("the scope {scope}"), url).with(body);
        let answer: DefinitionAnswer = self.call(&call).await?;
        answer
            .fact()
            .filter(|written| written.id == role)
            .ok_or_else(|| call.malformed("Azure answered with another role", Flaw::Form))
    }
}

/// The body of a role. ARM drops keys whose first letter is in upper case, and
/// with them the permissions.
fn definition(role: &RoleDefinition) -> Value {
    let permissions: Vec<Value> = role
        .permissions
        .iter()
        .map(|permission| {
            json!({
                "actions": permission.actions,
                "notActions": permission.not_actions,
                "dataActions": permission.data_actions,
                "notDataActions": permission.not_data_actions,
            })
        })
        .collect();
    json!({
        "name": role.id.to_string(),
        "properties": {
            "roleName": role.name,
            "type": "CustomRole",
            "description": role.description,
            "permissions": permissions,
            "assignableScopes": role.assignable_scopes,
        },
    })
}

/// Adds to the properties of a role what they lack. `None` if they are of an
/// unexpected form, else whether anything was added.
fn extend(properties: &mut Value, addition: &RoleAddition) -> Option<bool> {
    let mut changed = add(properties, "assignableScopes", &addition.scopes)?;
    let permissions = properties
        .as_object_mut()?
        .entry("permissions")
        .or_insert_with(|| json!([]))
        .as_array_mut()?;
    if permissions.is_empty() {
        permissions.push(json!({}));
    }
    let permission = permissions.first_mut()?;
    changed |= add(permission, "actions", &addition.actions)?;
    changed |= add(permission, "dataActions", &addition.data_actions)?;
    Some(changed)
}

/// Adds texts to a list, which may be absent or null, and says whether any was
/// missing. ARM ignores their case.
fn add(object: &mut Value, field: &str, texts: &[String]) -> Option<bool> {
    let list = object.as_object_mut()?.entry(field).or_insert(Value::Null);
    if list.is_null() {
        *list = json!([]);
    }
    let list = list.as_array_mut()?;
    let before = list.len();
    for text in texts {
        let is_it = |it: &Value| it.as_str().is_some_and(|it| it.eq_ignore_ascii_case(text));
        if !list.iter().any(is_it) {
            list.push(text.as_str().into());
        }
    }
    Some(list.len() > before)
}

#[derive(Deserialize)]
struct DefinitionAnswer {
    name: String,
    properties: Properties,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Properties {
    role_name: String,
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    permissions: Vec<PermissionAnswer>,
    #[serde(default)]
    assignable_scopes: Vec<String>,
}

impl DefinitionAnswer {
    fn fact(self) -> Option<RoleDefinition> {
        let Properties {
            role_name,
            kind,
            description,
            permissions,
            assignable_scopes,
        } = self.properties;
        let kind = kind.unwrap_or_default();
        Some(RoleDefinition {
            id: Uuid::try_parse(&self.name).ok()?,
            name: cleaned(&role_name),
            description: cleaned(&description.unwrap_or_default()),
            built_in: kind.eq_ignore_ascii_case("BuiltInRole"),
            permissions: permissions.into_iter().map(Permission::from).collect(),
            assignable_scopes: assignable_scopes.iter().map(|scope| cleaned(scope)).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READER: &str = "Microsoft.ApiManagement/service/gateways/getConfiguration/action";

    /// As the service answered in azure-cli's recordings.
    fn recorded(permissions: &Value) -> Value {
        json!({
            "id": "/subscriptions/s/providers/Microsoft.Authorization/roleDefinitions/5ab50001-0000-4000-8000-000000000001",
            "name": "5ab50001-0000-4000-8000-000000000001",
            "type": "Microsoft.Authorization/roleDefinitions",
            "properties": {
                "roleName": "Reader's\u{1b}[31m role", "type": "CustomRole", "description": null,
                "assignableScopes": ["/subscriptions/s"], "permissions": permissions,
                "createdOn": "2026-11-27T10:00:00.0000000Z", "createdBy": null,
            },
        })
    }

    #[test]
    fn a_role_of_az_without_permissions_is_read() {
        let read = |permissions: &Value| {
            let answer: DefinitionAnswer = serde_json::from_value(recorded(permissions)).unwrap();
            answer.fact().unwrap()
        };
        let empty = read(&json!([{}]));
        assert_eq!(empty.permissions, [Permission::default()]);
        assert_eq!(
            (empty.name.as_str(), empty.built_in),
            ("Reader's [31m role", false)
        );
        let null = read(&json!([{"actions": null, "dataActions": [READER]}]));
        assert!(null.grants_exactly(&[], &[READER]));
    }

    #[test]
    fn a_role_is_sent_with_keys_in_lower_case() {
        let role = RoleDefinition {
            id: Uuid::from_u128(1),
            name: "n".into(),
            description: "d".into(),
            built_in: false,
            permissions: vec![Permission {
                data_actions: vec![READER.into()],
                ..Permission::default()
            }],
            assignable_scopes: vec!["/subscriptions/s".into()],
        };
        let body = definition(&role);
        let permission =
            json!({"actions": [], "notActions": [], "dataActions": [READER], "notDataActions": []});
        assert_eq!(body["properties"]["permissions"], json!([permission]));
        assert_eq!(body["properties"]["type"], "CustomRole");
    }

    #[test]
    fn only_what_is_missing_is_added_to_a_role() {
        let addition = RoleAddition {
            scopes: vec!["/Subscriptions/S".into(), "/subscriptions/t".into()],
            data_actions: vec![READER.into()],
            ..RoleAddition::default()
        };
        for permissions in [
            json!([{}]),
            json!([]),
            json!([{"actions": null, "condition": "c"}]),
        ] {
            let mut properties = recorded(&permissions.clone())["properties"].take();
            assert_eq!(extend(&mut properties, &addition), Some(true));
            assert_eq!(
                properties["assignableScopes"],
                json!(["/subscriptions/s", "/subscriptions/t"])
            );
            let entry = &properties["permissions"][0];
            assert_eq!(entry["dataActions"], json!([READER]));
            assert_eq!(entry.get("condition"), permissions[0].get("condition"));
            assert_eq!(properties["createdBy"], Value::Null);
            assert_eq!(extend(&mut properties, &addition), Some(false));
        }
        assert_eq!(extend(&mut json!({"assignableScopes": 1}), &addition), None);
    }
}
