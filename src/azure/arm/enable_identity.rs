use std::time::Duration;

use http::header::LOCATION;
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::client::{Arm, in_resource_group};
use super::inventory::ServiceDetails;
use crate::azure::connection::Reading;
use crate::azure::transport::error::{Error, Flaw};
use crate::azure::transport::exchange::{Answer, Call};
use crate::model::ServiceId;
use crate::model::access::InstanceIdentity;
use crate::retry::{Backoff, retry_after};

impl Arm {
    /// Enables the system-assigned identity of an instance and waits until it is
    /// there, which can take many minutes. The user-assigned identities stay. An
    /// instance that has one is not changed, and one that is being updated is
    /// waited for first.
    pub async fn enable_identity(&self, service: &ServiceId) -> Result<ServiceDetails, Error> {
        let mut backoff = Backoff::until(self.deadline());
        let mut is_sent = false;
        loop {
            let settled = self.settled(service, &mut backoff).await;
            let details = settled.map_err(|error| if is_sent { error.of_check() } else { error })?;
            if details.identity.principal.is_some() {
                return Ok(details);
            }
            let call = self.change(service, &details.identity)?;
            match self.ask(&call).await {
                Ok(started) => {
                    is_sent = true;
                    self.follow(started, &mut backoff, &call).await?;
                }
                // Another update has begun; a lock stays.
                Err(error) if error.status() == Some(409) && !error.has_code("ScopeLocked") => {
                    tracing::debug!("{error}");
                }
                Err(error) => return Err(error),
            }
            // What is read next may be older than the update.
            wait(&mut backoff, Duration::ZERO, &call).await?;
        }
    }

    /// Reads an instance as soon as no update is under way, and sends nothing else.
    pub async fn await_identity(&self, service: &ServiceId) -> Result<ServiceDetails, Error> {
        self.settled(service, &mut Backoff::until(self.deadline())).await
    }

    fn change(&self, service: &ServiceId, identity: &InstanceIdentity) -> Result<Call, Error> {
        let url = self.url(&service.path(), self.api_version())?;
        let what = in_resource_group(&format!("service `{}`", service.name), service);
        let purpose = format!(
            "enable the system-assigned identity of service `{}`",
            service.name
        );
        Ok(Call::new(Method::PATCH, purpose, what, url).with(with_system_assigned(identity)))
    }

    /// Reads an instance as soon as no update is under way.
    async fn settled(&self, service: &ServiceId, backoff: &mut Backoff) -> Result<ServiceDetails, Error> {
        loop {
            let details = self.service(service).await?;
            if !details.is_updating() {
                return Ok(details);
            }
            if !backoff.wait(Duration::ZERO).await {
                return Err(Error::Timeout {
                    purpose: format!("wait for the update of service `{}`", service.name),
                });
            }
        }
    }

    /// Follows an update by its `Location`, for the reason if it fails. Without
    /// the right to read that, the state of the instance has to do.
    async fn follow(&self, started: Update, backoff: &mut Backoff, change: &Call) -> Result<(), Error> {
        let base = &self.connection().base;
        let (mut update, mut location) = (started, None);
        while update.running {
            location = update.location.or(location);
            let Some(address) = &location else {
                return Ok(());
            };
            let Some(url) = base
                .join(address)
                .ok()
                .filter(|url| url.origin() == base.origin())
            else {
                let problem = "its result is on another host, where the access token must not be sent";
                return Err(change.malformed(problem, Flaw::Form));
            };
            wait(backoff, update.wait, change).await?;
            let call = Call::get(change.purpose.clone(), change.what.clone(), url);
            update = match self.ask(&call).await {
                Ok(update) => update,
                Err(error) if matches!(error.status(), Some(403 | 404)) => {
                    tracing::debug!("{error}");
                    return Ok(());
                }
                Err(error) => return Err(error),
            };
        }
        Ok(())
    }

    async fn ask(&self, call: &Call) -> Result<Update, Error> {
        let (connection, deadline) = (self.connection(), self.deadline());
        connection
            .call(call, deadline, Error::retry_decision, update)
            .await
    }
}

async fn wait(backoff: &mut Backoff, at_least: Duration, call: &Call) -> Result<(), Error> {
    if backoff.wait(at_least).await {
        return Ok(());
    }
    Err(Error::Timeout {
        purpose: call.purpose.clone(),
    })
}

/// An update that was started.
struct Update {
    running: bool,
    /// Where its result will be.
    location: Option<String>,
    /// How long to wait before asking for it.
    wait: Duration,
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "the form of every function that reads an answer"
)]
fn update(answer: &Answer) -> Reading<Update> {
    let location = answer.headers.get(LOCATION).and_then(|value| value.to_str().ok());
    Ok(Update {
        running: answer.status == StatusCode::ACCEPTED,
        location: location.map(str::to_owned),
        wait: retry_after(&answer.headers).unwrap_or_default(),
    })
}

/// The body that adds the system-assigned identity. A user-assigned identity
/// that is not sent again may be dropped, and with it what its rights are for.
fn with_system_assigned(identity: &InstanceIdentity) -> Value {
    if identity.user_assigned.is_empty() {
        return json!({"identity": {"type": "SystemAssigned"}});
    }
    let kept: Map<String, Value> = identity
        .user_assigned
        .iter()
        .map(|id| (id.clone(), json!({})))
        .collect();
    json!({"identity": {"type": "SystemAssigned, UserAssigned", "userAssignedIdentities": kept}})
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str =
        "/subscriptions/s/resourcegroups/r/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i";

    #[test]
    fn every_user_assigned_identity_is_sent_again() {
        let mut identity = InstanceIdentity::default();
        assert_eq!(
            with_system_assigned(&identity),
            json!({"identity": {"type": "SystemAssigned"}})
        );
        identity.user_assigned = vec![ID.into()];
        assert_eq!(
            with_system_assigned(&identity),
            json!({"identity": {"type": "SystemAssigned, UserAssigned", "userAssignedIdentities": {ID: {}}}})
        );
    }
}
