//! Microsoft Graph v1.0: applications, service principals and their credentials.
//!
//! Envelopes and codes are those of the reference and of recordings. A message that neither has is ours, and the item
//! that makes it mentions it.

mod applications;
mod credentials;
mod failure;
mod federated;
mod odata;
mod owners;
mod policies;
mod represent;
mod rights;
mod service_principals;

use axum::http::header::HeaderName;
use jiff::Timestamp;
use serde_json::Value;

use self::failure::Failure;
use super::cloud::{Cloud, Site};
use super::directory::{Application, Caller, Reader, ServicePrincipal};
use super::emulator::{Emulator, State};
use super::exchange::Call;
use super::operation::Operation;
use super::reply::Reply;
use super::route::{GraphRoute, Key};

type Result<T> = std::result::Result<T, Failure>;

/// A request whose caller is known.
struct Session<'a> {
    call: &'a Call,
    route: &'a GraphRoute,
    caller: Caller,
    now: Timestamp,
}

pub(super) fn answer(state: &mut State, emulator: &Emulator, call: &Call, route: &GraphRoute) -> Reply {
    let now = state.clock.now();
    let reply = session(state, emulator, call, route).and_then(|session| session.answer(state));
    let reply = reply.unwrap_or_else(|failure| failure.reply(call, now));
    reply
        .header(HeaderName::from_static("request-id"), &call.correlation_id)
        .header(
            HeaderName::from_static("client-request-id"),
            call.header("client-request-id").unwrap_or(&call.correlation_id),
        )
}

/// Checks the access token; the messages about a malformed one are ours.
fn session<'a>(
    state: &State,
    emulator: &Emulator,
    call: &'a Call,
    route: &'a GraphRoute,
) -> Result<Session<'a>> {
    let now = state.clock.now();
    if call.bearer().is_none_or(str::is_empty) {
        return Err(Failure::unauthorized("Access token is empty."));
    }
    let claims = call.claims.as_ref();
    let claims = claims.ok_or_else(|| Failure::unauthorized("Access token validation failure."))?;
    if claims.exp <= now.as_second() {
        let message = "Lifetime validation failed, the token is expired.";
        return Err(Failure::unauthorized(message));
    }
    let audience = claims.aud.trim_end_matches('/');
    let fits = match call.site {
        Some(Site::Graph(cloud)) => audience == cloud.graph_audience(),
        _ => audience == emulator.direct || Cloud::ALL.iter().any(|it| audience == it.graph_audience()),
    };
    if !fits {
        let message = "Access token validation failure. Invalid audience.";
        return Err(Failure::unauthorized(message));
    }
    let caller = state.directory.caller(claims, &state.authorization, now);
    Ok(Session {
        call,
        route,
        caller: caller.ok_or_else(|| Failure::unauthorized("Access token validation failure."))?,
        now,
    })
}

impl Session<'_> {
    fn answer(&self, state: &mut State) -> Result<Reply> {
        self.require_reading()?;
        match self.route.operation {
            Operation::ListApplications => applications::list(self, state),
            Operation::GetApplication => applications::get(self, state),
            Operation::CreateApplication => applications::create(self, state),
            Operation::UpsertApplication => applications::upsert(self, state),
            Operation::UpdateApplication => applications::update(self, state),
            Operation::DeleteApplication => applications::delete(self, state),
            Operation::ListDeletedApplications => applications::list_deleted(self, state),
            Operation::RestoreApplication => applications::restore(self, state),
            Operation::AddPassword => credentials::add_password(self, state),
            Operation::RemovePassword => credentials::remove_password(self, state),
            Operation::GetAppPolicies => policies::get(self, state),
            Operation::ListOwners => owners::list(self, state),
            Operation::AddOwner => owners::add(self, state),
            Operation::RemoveOwner => owners::remove(self, state),
            Operation::ListFederatedCredentials => federated::list(self, state),
            Operation::GetFederatedCredential => federated::get(self, state),
            Operation::PutFederatedCredential => federated::put(self, state),
            Operation::DeleteFederatedCredential => federated::delete(self, state),
            Operation::ListServicePrincipals => service_principals::list(self, state),
            Operation::GetServicePrincipal => service_principals::get(self, state),
            Operation::CreateServicePrincipal => service_principals::create(self, state),
            Operation::UpdateServicePrincipal => service_principals::update(self, state),
            Operation::DeleteServicePrincipal => service_principals::delete(self, state),
            Operation::ListAppRoleAssignments => service_principals::app_roles(self, state),
            _ => service_principals::by_ids(self, state),
        }
    }

    /// The body, which must be a JSON object.
    fn body(&self) -> Result<Value> {
        let body = serde_json::from_slice(&self.call.body)
            .ok()
            .filter(Value::is_object);
        body.ok_or_else(|| {
            Failure::bad_request(
                "Unable to read JSON request payload. Please ensure Content-Type header is set and \
                                  payload is of valid JSON format.",
            )
        })
    }

    /// Whether the object under the key should be made if it is missing.
    fn creates_if_missing(&self) -> bool {
        let prefer = self.call.header("prefer").unwrap_or_default();
        prefer
            .split(',')
            .any(|it| it.trim().eq_ignore_ascii_case("create-if-missing"))
    }

    /// The application that the request names, as requests see it and if the caller may.
    fn application<'a>(&self, state: &'a State) -> Result<&'a Application> {
        let found = self.find_application(state)?;
        self.require_seeing(&found.owners)?;
        Ok(found)
    }

    fn find_application<'a>(&self, state: &'a State) -> Result<&'a Application> {
        let mut all = state.directory.applications.all(Reader::Api(self.now));
        let found = all.find(|it| it.tenant == self.caller.tenant && is_application(it, self.key()));
        found.ok_or_else(|| Failure::missing(self.name()))
    }

    /// The service principal that the request names, as requests see it and if the caller may.
    fn service_principal<'a>(&self, state: &'a State) -> Result<&'a ServicePrincipal> {
        let found = self.find_service_principal(state)?;
        self.require_seeing(&found.owners)?;
        Ok(found)
    }

    fn find_service_principal<'a>(&self, state: &'a State) -> Result<&'a ServicePrincipal> {
        let mut all = state.directory.service_principals.all(Reader::Api(self.now));
        let found = all.find(|it| {
            it.tenant == self.caller.tenant
                && match self.key() {
                    Some(Key::Id(id)) => it.id.eq_ignore_ascii_case(id),
                    Some(Key::AppId(id)) => it.app_id.eq_ignore_ascii_case(id),
                    _ => false,
                }
        });
        found.ok_or_else(|| Failure::missing(self.name()))
    }

    fn key(&self) -> Option<&Key> {
        self.route.key.as_ref()
    }

    /// What the request names its object with.
    fn name(&self) -> &str {
        match self.key() {
            Some(Key::Id(name) | Key::AppId(name) | Key::UniqueName(name)) => name,
            None => "",
        }
    }

    fn child(&self) -> &str {
        self.route.child.as_deref().unwrap_or_default()
    }
}

fn is_application(application: &Application, key: Option<&Key>) -> bool {
    match key {
        Some(Key::Id(id)) => application.id.eq_ignore_ascii_case(id),
        Some(Key::AppId(id)) => application.app_id.eq_ignore_ascii_case(id),
        Some(Key::UniqueName(name)) => {
            let own = application.unique_name.as_ref();
            own.is_some_and(|own| own.eq_ignore_ascii_case(name))
        }
        None => false,
    }
}
