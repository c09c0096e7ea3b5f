use std::time::Duration;

use http::Method;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::super::client::Arm;
use super::{VERSION, last_guid, path, role_id};
use crate::azure::transport::error::{Error, Flaw};
use crate::azure::transport::exchange::Call;
use crate::model::access::RoleAssignment;
use crate::model::{assignment_id, cleaned};
use crate::retry::{Backoff, Decision};

const KIND: &str = "roleAssignments";

impl Arm {
    /// The assignments at a scope and above it.
    pub async fn assignments_at(&self, scope: &str) -> Result<Vec<RoleAssignment>, Error> {
        let purpose = format!("list the role assignments at {scope}");
        self.assignments(scope, &[("$filter", "atScope()")], purpose)
            .await
    }

    /// The roles of a principal at a scope, those that it inherits from above
    /// included. ARM cannot combine its filters for both.
    pub async fn assignments_of(&self, scope: &str, principal: Uuid) -> Result<Vec<RoleAssignment>, Error> {
        let mut all = self.assignments_at(scope).await?;
        all.retain(|assignment| assignment.principal == principal);
        Ok(all)
    }

    /// All roles of a principal in a subscription, at any scope of it and above.
    pub async fn assignments_in(
        &self,
        subscription: &str,
        principal: Uuid,
    ) -> Result<Vec<RoleAssignment>, Error> {
        let filter = format!("principalId eq '{principal}'");
        let purpose = format!("list the role assignments of the principal {principal}");
        self.assignments(subscription, &[("$filter", &filter)], purpose)
            .await
    }

    /// The assignments of a role at a scope, above it and below it.
    pub async fn assignments_of_role(&self, scope: &str, role: Uuid) -> Result<Vec<RoleAssignment>, Error> {
        let purpose = format!("list the role assignments at and below {scope}");
        let mut all = self.assignments(scope, &[], purpose).await?;
        all.retain(|assignment| assignment.role == role);
        Ok(all)
    }

    async fn assignments(
        &self,
        scope: &str,
        filter: &[(&str, &str)],
        purpose: String,
    ) -> Result<Vec<RoleAssignment>, Error> {
        let url = self.filtered(&path(scope, KIND), VERSION, filter)?;
        let call = Call::get(purpose, format!("the scope {scope}"), url);
        let listed: Vec<AssignmentAnswer> = self.list(&call).await?;
        Ok(listed.into_iter().filter_map(AssignmentAnswer::fact).collect())
    }

    /// Assigns a role to a service principal, given by its object id, and checks
    /// the assignment: ARM accepts any GUID together with its type. The same
    /// assignment under another name is a success. Until the deadline this waits
    /// for a role or a principal that was made just before.
    pub async fn assign_role(
        &self,
        scope: &str,
        role: Uuid,
        principal: Uuid,
    ) -> Result<RoleAssignment, Error> {
        let wanted = Wanted {
            scope,
            role,
            principal,
        };
        let purpose = format!("assign the role {role} to the principal {principal} at {scope}");
        let url = self.url(&format!("{}/{}", path(scope, KIND), wanted.name()), VERSION)?;
        let body = json!({"properties": {
            "roleDefinitionId": role_id(scope, role),
            "principalId": principal.to_string(),
            "principalType": "ServicePrincipal",
        }});
        let call = Call::new(Method::PUT, purpose, format!("the scope {scope}"), url.clone()).with(body);
        match self.call_while::<AssignmentAnswer>(&call, after_creation).await {
            Ok(_) => {}
            Err(error) if error.has_code("RoleAssignmentExists") => {
                return self.find(&wanted, &call).await.map_err(Error::of_check);
            }
            Err(error) => return Err(error),
        }
        let purpose = format!("check the role of the principal {principal} at {scope}");
        let check = Call::get(purpose, "the role assignment".into(), url);
        let answer = self.call_while::<AssignmentAnswer>(&check, until_visible).await;
        let answer = answer.map_err(Error::of_check)?;
        answer
            .fact()
            .filter(|made| wanted.is(made))
            .ok_or_else(|| check.malformed("Azure answered with another role assignment", Flaw::Form))
    }

    /// The assignment that ARM refuses to make again.
    async fn find(&self, wanted: &Wanted<'_>, call: &Call) -> Result<RoleAssignment, Error> {
        let mut backoff = Backoff::until(self.deadline());
        loop {
            let own = self.assignments_of(wanted.scope, wanted.principal).await?;
            if let Some(found) = own.into_iter().find(|assignment| wanted.is(assignment)) {
                return Ok(found);
            }
            if !backoff.wait(Duration::ZERO).await {
                let problem = "Azure answered that the assignment exists, and does not list it";
                return Err(call.malformed(problem, Flaw::Form));
            }
        }
    }
}

/// What is not replicated yet after its creation is waited for.
fn after_creation(error: &Error) -> Decision {
    if error.has_code("PrincipalNotFound") || error.has_code("RoleDefinitionDoesNotExist") {
        Decision::Retry
    } else {
        error.retry_decision()
    }
}

fn until_visible(error: &Error) -> Decision {
    if error.status() == Some(404) {
        Decision::Retry
    } else {
        error.retry_decision()
    }
}

struct Wanted<'a> {
    scope: &'a str,
    role: Uuid,
    principal: Uuid,
}

impl Wanted<'_> {
    /// The name of the assignment, always the same, so that a repetition makes
    /// no second one.
    fn name(&self) -> Uuid {
        assignment_id(self.scope, self.principal, self.role)
    }

    fn is(&self, assignment: &RoleAssignment) -> bool {
        assignment.role == self.role
            && assignment.principal == self.principal
            && assignment.scope.eq_ignore_ascii_case(self.scope)
    }
}

#[derive(Deserialize)]
struct AssignmentAnswer {
    id: String,
    properties: Properties,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Properties {
    scope: String,
    role_definition_id: String,
    principal_id: String,
    #[serde(default)]
    created_on: Option<String>,
}

impl AssignmentAnswer {
    fn fact(self) -> Option<RoleAssignment> {
        Some(RoleAssignment {
            id: cleaned(&self.id),
            scope: cleaned(&self.properties.scope),
            role: last_guid(&self.properties.role_definition_id)?,
            principal: Uuid::try_parse(&self.properties.principal_id).ok()?,
            created: self.properties.created_on.and_then(|at| at.parse().ok()),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    const ROLE: Uuid = Uuid::from_u128(1);
    const PRINCIPAL: Uuid = Uuid::from_u128(2);

    fn wanted(scope: &str) -> Wanted<'_> {
        Wanted {
            scope,
            role: ROLE,
            principal: PRINCIPAL,
        }
    }

    #[test]
    fn the_name_of_an_assignment_depends_on_what_it_is() {
        let name = wanted("/subscriptions/s").name();
        assert_eq!(name, wanted("/Subscriptions/S").name());
        assert_eq!(name.get_version_num(), 5);
        assert_ne!(name, wanted("/subscriptions/t").name());
        let swapped = Wanted {
            scope: "/subscriptions/s",
            role: PRINCIPAL,
            principal: ROLE,
        };
        assert_ne!(name, swapped.name());
    }

    #[test]
    fn an_assignment_is_checked_against_what_was_wanted() {
        let read = |principal: Uuid, scope: &str| {
            let body: Value = json!({
                "id": "/subscriptions/s/providers/Microsoft.Authorization/roleAssignments/x",
                "name": "x",
                "properties": {
                    "roleDefinitionId": format!("/subscriptions/s/providers/x/roleDefinitions/{ROLE}"),
                    "principalId": principal.to_string(), "principalType": "ServicePrincipal",
                    "scope": scope, "condition": null,
                },
            });
            let answer: AssignmentAnswer = serde_json::from_value(body).unwrap();
            answer.fact().unwrap()
        };
        assert!(wanted("/subscriptions/s").is(&read(PRINCIPAL, "/Subscriptions/s")));
        assert!(!wanted("/subscriptions/s").is(&read(ROLE, "/subscriptions/s")));
        assert!(!wanted("/subscriptions/s").is(&read(PRINCIPAL, "/")));
    }
}
