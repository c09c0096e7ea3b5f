//! Azure Resource Manager: authorization, throttling and the answer.

mod authorization;
mod failure;
mod gateways;
mod graph;
mod instance;
mod managed_identity;
mod metadata;
mod services;
mod subscriptions;

use axum::http::StatusCode;
use axum::http::header::{HeaderName, RETRY_AFTER};
use serde_json::{Value, json};

use self::failure::Failure;
use super::cloud::{Site, arm_audiences};
use super::directory::Caller;
use super::emulator::{Effect, Emulator, State};
use super::exchange::Call;
use super::identity::contains;
use super::operation::Operation;
use super::reply::Reply;
use super::roles::{Lock, LockLevel};
use super::route::{ArmRoute, Verb};
use super::throttle::{Kind, Verdict};

/// The API versions of API Management; older ones are retired.
const API_VERSIONS: [&str; 6] = [
    "2021-08-01",
    "2022-08-01",
    "2023-05-01-preview",
    "2024-05-01",
    "2024-06-01-preview",
    "2025-03-01-preview",
];

type Result<T> = std::result::Result<T, Failure>;

/// A request that ARM has let through to what answers it.
struct Admitted<'a> {
    emulator: &'a Emulator,
    call: &'a Call,
    route: &'a ArmRoute,
    principal: &'a Caller,
    locks: Vec<Lock>,
    api_version: &'a str,
    /// The versions that API Management takes here.
    supported: Vec<&'static str>,
}

pub(super) fn answer(
    emulator: &Emulator,
    state: &mut State,
    call: &Call,
    route: &ArmRoute,
    effect: Effect,
) -> Reply {
    if route.verb == Verb::Metadata {
        return metadata::answer(emulator, call);
    }
    let authenticated = authenticate(emulator, state, call);
    let principal = match authenticated.and_then(|caller| of_this_tenant(state, route, caller)) {
        Ok(principal) => principal,
        Err(failure) => return failure.reply(),
    };
    let verdict = throttle(state, &principal, route, call);
    let admitted = check_version(call, route).map(|api_version| Admitted {
        emulator,
        call,
        route,
        principal: &principal,
        locks: state.authorization.locks().to_vec(),
        api_version,
        supported: supported(state, route),
    });
    let reply = match verdict.retry_after {
        Some(seconds) => throttled(route, &principal, kind(call), seconds),
        None => admitted
            .and_then(|admitted| admitted.answer(state, effect))
            .unwrap_or_else(Failure::reply),
    };
    // What ARM itself refuses because it does not exist has no buckets.
    if reply.status == StatusCode::NOT_FOUND && reply.has_header("x-ms-failure-cause") {
        return reply;
    }
    report(reply, route, kind(call), verdict)
}

/// Adds what is left in the buckets to an answer that a fault gives in ARM's place, and takes nothing from them.
///
/// ARM's own 401 has none either: it comes before anyone knows whose buckets they would be.
pub(super) fn in_its_place(
    emulator: &Emulator,
    state: &mut State,
    call: &Call,
    route: &ArmRoute,
    reply: Reply,
) -> Reply {
    if route.verb == Verb::Metadata {
        return reply;
    }
    let Ok(principal) = authenticate(emulator, state, call) else {
        return reply;
    };
    let (kind, now) = (kind(call), state.clock.now());
    let left = state
        .throttle
        .left(subscription(route), &principal.client_id, kind, now);
    report(reply, route, kind, left)
}

impl Admitted<'_> {
    fn answer(&self, state: &mut State, effect: Effect) -> Result<Reply> {
        let now = state.clock.now();
        match self.route.verb {
            Verb::Metadata => Ok(metadata::answer(self.emulator, self.call)),
            Verb::Tenants => Ok(subscriptions::tenants(self)),
            Verb::Subscriptions => Ok(subscriptions::list(self, &state.inventory)),
            Verb::Subscription => subscriptions::get(self, &state.inventory),
            Verb::Permissions => Ok(subscriptions::permissions(self, state.authorization.page_size)),
            Verb::Locks => authorization::locks(self),
            Verb::ResourceGraph => Ok(graph::answer(self, state)),
            Verb::SubscriptionServices | Verb::GroupServices => services::list(self, &state.inventory),
            Verb::Service => services::get(self, &state.inventory),
            Verb::Gateways => gateways::list(self, &state.inventory),
            Verb::Gateway => gateways::get(self, &state.inventory),
            Verb::GatewayApis => gateways::apis(self, &state.inventory),
            Verb::GenerateToken => gateways::generate_token(self, &mut state.inventory, now, effect),
            Verb::ListKeys => gateways::list_keys(self, &state.inventory),
            Verb::RegenerateKey => gateways::regenerate_key(self, &mut state.inventory),
            Verb::PutGateway => gateways::put(self, &mut state.inventory),
            Verb::WriteService(_) => instance::write(self, state),
            Verb::OperationResult => instance::result(self, &state.inventory),
            Verb::Role(operation) => authorization::answer(self, state, operation),
            Verb::Identity(operation) => managed_identity::answer(self, state, operation),
        }
    }

    /// Refuses a caller without the right to `action` at the scope of the request, or where a lock forbids it.
    fn require(&self, action: &str) -> Result<()> {
        self.require_at(action, &self.route.scope)
    }

    fn require_at(&self, action: &str, scope: &str) -> Result<()> {
        if !self.principal.may(action, scope) {
            return Err(Failure::forbidden(&format!(
                "The client '{}' with object id '{}' does not have authorization to perform action '{action}' over \
                 scope '{scope}' or the scope is invalid. If access was recently granted, please refresh your \
                 credentials.",
                self.principal.client_id, self.principal.object_id,
            )));
        }
        self.require_supported()?;
        let (reads, deletes) = (action.ends_with("/read"), action.ends_with("/delete"));
        let forbids = |lock: &&Lock| {
            contains(&lock.scope, scope)
                && match lock.level {
                    LockLevel::ReadOnly => !reads,
                    LockLevel::CanNotDelete => deletes,
                }
        };
        match self.locks.iter().find(forbids) {
            Some(lock) => Err(Failure::scope_locked(scope, &lock.scope, deletes)),
            None => Ok(()),
        }
    }

    /// Refuses a version that API Management does not take.
    fn require_supported(&self) -> Result<()> {
        if self.route.verb.is_api_management() && !self.supported.contains(&self.api_version) {
            return Err(Failure::unsupported_version(&self.supported));
        }
        Ok(())
    }

    /// The refusal of an API version that a provider does not have.
    fn require_version(&self, kind: &str, known: &[&str]) -> Result<()> {
        if known.contains(&self.api_version) {
            return Ok(());
        }
        let message = format!(
            "No registered resource provider found for location 'westeurope' and API version '{}' for type '{kind}'. \
             The supported api-versions are '{}'. The supported locations are 'westeurope'.",
            self.api_version,
            known.join(", ")
        );
        Err(Failure::bad_request("NoRegisteredProviderFound", &message))
    }

    /// The body, which must be a JSON object.
    fn object(&self) -> Result<Value> {
        let value = serde_json::from_slice(&self.call.body)
            .ok()
            .filter(Value::is_object);
        value.ok_or_else(|| {
            Failure::bad_request(
                "InvalidRequestContent",
                "The request content was invalid and could not be deserialized: 'a JSON object is expected'.",
            )
        })
    }
}

/// The versions that a cloud has and a service takes.
fn supported(state: &State, route: &ArmRoute) -> Vec<&'static str> {
    let absent = &state.inventory.absent_versions;
    let service = state.inventory.service(&route.names);
    let oldest = service.and_then(|service| service.min_api_version.as_deref());
    API_VERSIONS
        .into_iter()
        .filter(|version| !absent.iter().any(|absent| absent == version))
        .filter(|version| oldest.is_none_or(|oldest| *version >= oldest))
        .collect()
}

fn authenticate(emulator: &Emulator, state: &State, call: &Call) -> Result<Caller> {
    if call.authorization().is_none() {
        return Err(Failure::unauthorized(
            "AuthenticationFailed",
            "Authentication failed. The 'Authorization' header is missing.",
        ));
    }
    let claims = call.claims.as_ref().filter(|_| call.bearer().is_some());
    let claims = claims
        .ok_or_else(|| Failure::unauthorized("InvalidAuthenticationToken", "The access token is invalid."))?;
    let now = state.clock.now();
    if claims.exp <= now.as_second() {
        let expiry = jiff::Timestamp::from_second(claims.exp).unwrap_or(now);
        let written = |time: jiff::Timestamp| time.strftime("%-m/%-d/%Y %-I:%M:%S %p").to_string();
        let message = format!(
            "The access token expiry UTC time '{}' is earlier than current UTC time '{}'.",
            written(expiry),
            written(now)
        );
        return Err(Failure::unauthorized("ExpiredAuthenticationToken", &message));
    }
    let audience = claims.aud.trim_end_matches('/');
    let site = call.site.as_ref().unwrap_or(&Site::Direct);
    let known = arm_audiences(site, &emulator.direct);
    if !known.iter().any(|known| known.eq_ignore_ascii_case(audience)) {
        let allowed: Vec<String> = known
            .iter()
            .map(|known| format!("'{known}/','{known}'"))
            .collect();
        let message = format!(
            "The access token has been obtained for wrong audience or resource '{}'. It should exactly match with one \
             of the allowed audiences {}.",
            claims.aud,
            allowed.join(",")
        );
        return Err(Failure::unauthorized(
            "InvalidAuthenticationTokenAudience",
            &message,
        ));
    }
    let caller = state.directory.caller(claims, &state.authorization, now);
    caller.ok_or_else(|| Failure::unauthorized("InvalidAuthenticationToken", "The access token is invalid."))
}

/// Refuses the caller of another tenant than that of the subscription, where it has one.
fn of_this_tenant(state: &State, route: &ArmRoute, caller: Caller) -> Result<Caller> {
    let subscription = state.inventory.subscriptions.get(&route.names.subscription);
    let tenant = subscription.and_then(|subscription| subscription.tenant.as_ref());
    match tenant {
        Some(tenant) if !tenant.eq_ignore_ascii_case(&caller.tenant) => {
            Err(Failure::wrong_tenant(&caller.tenant, tenant))
        }
        _ => Ok(caller),
    }
}

/// The API version of the request, if what it is for has that version.
fn check_version<'a>(call: &'a Call, route: &ArmRoute) -> Result<&'a str> {
    let version = call
        .parameter("api-version")
        .filter(|version| !version.is_empty())
        .ok_or_else(|| {
            Failure::bad_request(
                "MissingApiVersionParameter",
                "The api-version query parameter (?api-version=) is required for all requests.",
            )
        })?;
    let date = version
        .get(..10)
        .and_then(|date| date.parse::<jiff::civil::Date>().ok());
    if date.is_none() {
        let message =
            format!("The api-version '{version}' is invalid. It must be a date, as in '2024-05-01'.");
        return Err(Failure::bad_request("InvalidApiVersionParameter", &message));
    }
    if route.verb.is_api_management() && version < API_VERSIONS[0] {
        let message = format!(
            "No registered resource provider found for location 'westeurope' and API version '{version}' for type \
             'service'. The supported api-versions are '{}'. The supported locations are 'westeurope'.",
            API_VERSIONS.join(", ")
        );
        return Err(Failure::bad_request("NoRegisteredProviderFound", &message));
    }
    Ok(version)
}

/// A query of Resource Graph counts as a read, although it is a POST.
fn kind(call: &Call) -> Kind {
    match call.method.as_str() {
        "POST" if call.operation() == Some(Operation::ResourceGraph) => Kind::Read,
        "GET" | "HEAD" => Kind::Read,
        "DELETE" => Kind::Delete,
        _ => Kind::Write,
    }
}

/// The subscription whose buckets count a request; the tenant's do where its path names none.
fn subscription(route: &ArmRoute) -> Option<&str> {
    Some(route.names.subscription.as_str()).filter(|id| !id.is_empty())
}

fn throttle(state: &mut State, principal: &Caller, route: &ArmRoute, call: &Call) -> Verdict {
    let now = state.clock.now();
    state
        .throttle
        .take(subscription(route), &principal.client_id, kind(call), now)
}

fn throttled(route: &ArmRoute, principal: &Caller, kind: Kind, seconds: i64) -> Reply {
    let (code, scope) = match subscription(route) {
        Some(id) => ("SubscriptionRequestsThrottled", format!("subscription '{id}'")),
        None => (
            "TenantRequestsThrottled",
            format!("tenant '{}'", principal.tenant),
        ),
    };
    let message = format!(
        "Number of '{}' requests for {scope} actor '{}' exceeded. Please try again after '{seconds}' seconds after \
         additional tokens are available. Refer to https://aka.ms/arm-throttling for additional information.",
        kind.singular(),
        principal.object_id,
    );
    Reply::error(StatusCode::TOO_MANY_REQUESTS, code, &message).header(RETRY_AFTER, seconds.to_string())
}

/// Reports what is left in the buckets, as ARM does whether or not it refuses anything.
fn report(reply: Reply, route: &ArmRoute, kind: Kind, verdict: Verdict) -> Reply {
    let scope = if subscription(route).is_some() {
        "subscription"
    } else {
        "tenant"
    };
    let values = [("", verdict.remaining), ("global-", verdict.remaining_global)];
    values.into_iter().fold(reply, |reply, (part, remaining)| {
        let name = format!("x-ms-ratelimit-remaining-{scope}-{part}{}", kind.plural());
        match HeaderName::try_from(name) {
            Ok(name) => reply.header(name, remaining.to_string()),
            Err(_) => reply,
        }
    })
}

/// A collection that fits on one page.
fn page(value: &[Value]) -> Reply {
    Reply::json(StatusCode::OK, &json!({"value": value}))
}

/// A page of a collection that continues with `$skipToken`.
fn page_of(request: &Admitted<'_>, value: &[Value], size: usize) -> Reply {
    let call = request.call;
    let token = call.parameter("$skipToken").and_then(|token| token.parse().ok());
    let (start, size) = (token.unwrap_or(0), size.max(1));
    let rest = value.get(start..).unwrap_or_default();
    let mut body = json!({"value": rest.iter().take(size).collect::<Vec<_>>()});
    if rest.len() > size {
        let next = call.url_with("$skipToken", &(start + size).to_string());
        body["nextLink"] = next.into();
    }
    Reply::json(StatusCode::OK, &body)
}
