//! Microsoft.ManagedIdentity: user-assigned identities and their federated credentials.

use axum::http::StatusCode;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::super::directory::{FederatedIdentityCredential, ManagedIdentity, Reader};
use super::super::emulator::State;
use super::super::federation::{self, Refusal};
use super::super::operation::Operation;
use super::super::reply::Reply;
use super::failure::Failure;
use super::{Admitted, Result, page};

const VERSIONS: [&str; 7] = [
    "2018-11-30",
    "2022-01-31-preview",
    "2023-01-31",
    "2023-07-31-preview",
    "2024-11-30",
    "2025-01-31-preview",
    "2025-05-31-preview",
];

pub(super) fn answer(request: &Admitted<'_>, state: &mut State, operation: Operation) -> Result<Reply> {
    request.require_version("userAssignedIdentities", &VERSIONS)?;
    match operation {
        Operation::ListIdentities => list(request, state),
        Operation::GetIdentity => {
            request.require(&action("read"))?;
            Ok(Reply::json(StatusCode::OK, &describe(find(request, state)?)))
        }
        Operation::PutIdentity => put(request, state),
        Operation::DeleteIdentity => delete(request, state),
        Operation::ListFederatedCredentials => {
            request.require(&federated("read"))?;
            let identity = find(request, state)?;
            let all = identity.federated_credentials.iter();
            Ok(page(
                &all.map(|it| describe_credential(identity, it))
                    .collect::<Vec<_>>(),
            ))
        }
        Operation::GetFederatedCredential => {
            request.require(&federated("read"))?;
            let identity = find(request, state)?;
            let name = leaf(request, 1);
            let found = identity
                .federated_credentials
                .iter()
                .find(|it| it.name.eq_ignore_ascii_case(name));
            let found = found.ok_or_else(|| missing(request))?;
            Ok(Reply::json(StatusCode::OK, &describe_credential(identity, found)))
        }
        Operation::PutFederatedCredential => put_credential(request, state),
        _ => delete_credential(request, state),
    }
}

fn action(verb: &str) -> String {
    format!("Microsoft.ManagedIdentity/userAssignedIdentities/{verb}")
}

fn federated(verb: &str) -> String {
    action(&format!("federatedIdentityCredentials/{verb}"))
}

fn leaf<'a>(request: &'a Admitted<'_>, index: usize) -> &'a str {
    request
        .route
        .leaf
        .get(index)
        .map(String::as_str)
        .unwrap_or_default()
}

/// The ARM id of the identity that the request names.
fn id(request: &Admitted<'_>) -> String {
    let names = &request.route.names;
    let identity = ManagedIdentity::new("", &names.subscription, &names.resource_group, leaf(request, 0));
    identity.arm_id()
}

fn find<'a>(request: &Admitted<'_>, state: &'a State) -> Result<&'a ManagedIdentity> {
    let found = state
        .directory
        .identities
        .get(&id(request), Reader::Api(state.clock.now()));
    found.ok_or_else(|| missing(request))
}

fn missing(request: &Admitted<'_>) -> Failure {
    let (group, path) = (&request.route.names.resource_group, request.route.leaf.join("/"));
    let message = format!(
        "The Resource 'Microsoft.ManagedIdentity/userAssignedIdentities/{path}' under resource group '{group}' was \
         not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix"
    );
    Failure::not_found("ResourceNotFound", &message)
}

fn list(request: &Admitted<'_>, state: &State) -> Result<Reply> {
    request.require(&action("read"))?;
    let names = &request.route.names;
    let all = state.directory.identities.all(Reader::Api(state.clock.now()));
    let found = all.filter(|it| {
        it.subscription.eq_ignore_ascii_case(&names.subscription)
            && (names.resource_group.is_empty()
                || it.resource_group.eq_ignore_ascii_case(&names.resource_group))
    });
    Ok(page(&found.map(describe).collect::<Vec<_>>()))
}

fn put(request: &Admitted<'_>, state: &mut State) -> Result<Reply> {
    request.require(&action("write"))?;
    let names = &request.route.names;
    let subscription = state.inventory.subscriptions.get(&names.subscription);
    let subscription = subscription.ok_or_else(|| Failure::subscription_not_found(&names.subscription))?;
    if subscription.groups.get(&names.resource_group).is_none() {
        return Err(Failure::group_not_found(&names.resource_group));
    }
    let body = request.object()?;
    let location = body["location"].as_str().ok_or_else(|| {
        Failure::bad_request(
            "LocationRequired",
            "The location property is required for this definition.",
        )
    })?;
    if let Some(old) = state.directory.identities.latest(&id(request)) {
        return Ok(Reply::json(StatusCode::OK, &describe(old)));
    }
    let identity = ManagedIdentity {
        location: location.replace(' ', "").to_lowercase(),
        ..ManagedIdentity::new(
            &request.principal.tenant,
            &names.subscription,
            &names.resource_group,
            leaf(request, 0),
        )
    };
    let (now, principal, body) = (
        state.clock.now(),
        identity.service_principal(),
        describe(&identity),
    );
    let directory = &mut state.directory;
    directory
        .service_principals
        .write(&principal.id.clone(), principal, now);
    directory.identities.write(&identity.arm_id(), identity, now);
    Ok(Reply::json(StatusCode::CREATED, &body))
}

fn delete(request: &Admitted<'_>, state: &mut State) -> Result<Reply> {
    request.require(&action("delete"))?;
    let id = id(request);
    let Some(identity) = state.directory.identities.latest(&id).cloned() else {
        return Ok(Reply::empty(StatusCode::NO_CONTENT));
    };
    let now = state.clock.now();
    state.directory.identities.remove(&id, now);
    state
        .directory
        .service_principals
        .remove(&identity.principal_id, now);
    Ok(Reply::empty(StatusCode::OK))
}

fn put_credential(request: &Admitted<'_>, state: &mut State) -> Result<Reply> {
    request.require(&federated("write"))?;
    let (id, name) = (id(request), leaf(request, 1));
    find(request, state)?;
    let body = request.object()?;
    let text = |field: &str| body["properties"][field].as_str().unwrap_or_default();
    let audiences = body["properties"]["audiences"].as_array().into_iter().flatten();
    let identity = state
        .directory
        .identities
        .latest(&id)
        .ok_or_else(|| missing(request))?;
    let (old, others): (Vec<_>, Vec<_>) = identity
        .federated_credentials
        .iter()
        .cloned()
        .partition(|it| it.name.eq_ignore_ascii_case(name));
    let credential = FederatedIdentityCredential {
        audiences: audiences.filter_map(Value::as_str).map(str::to_owned).collect(),
        ..FederatedIdentityCredential::new(name, text("issuer"), text("subject"), "")
    };
    check_turn(identity, state)?;
    federation::check(&credential, &others).map_err(|refusal| refused(refusal, identity))?;
    let reply = describe_credential(identity, &credential);
    write(state, &id, |identity| {
        identity.federated_credentials = others;
        identity.federated_credentials.push(credential);
    });
    let status = if old.is_empty() {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok(Reply::json(status, &reply))
}

fn delete_credential(request: &Admitted<'_>, state: &mut State) -> Result<Reply> {
    request.require(&federated("delete"))?;
    let (id, name) = (id(request), leaf(request, 1));
    find(request, state)?;
    let identity = state
        .directory
        .identities
        .latest(&id)
        .ok_or_else(|| missing(request))?;
    check_turn(identity, state)?;
    let is_it = |it: &FederatedIdentityCredential| it.name.eq_ignore_ascii_case(name);
    if !identity.federated_credentials.iter().any(is_it) {
        return Ok(Reply::empty(StatusCode::NO_CONTENT));
    }
    write(state, &id, |identity| {
        identity.federated_credentials.retain(|it| !is_it(it));
    });
    Ok(Reply::empty(StatusCode::OK))
}

/// Writes an identity, which then is busy for a while.
fn write(state: &mut State, id: &str, change: impl FnOnce(&mut ManagedIdentity)) {
    let now = state.clock.now();
    let busy_until = now + state.directory.federation_write_time;
    state.directory.identities.change(id, now, |identity| {
        change(identity);
        identity.busy_until = busy_until;
    });
}

/// Refuses a write while another one is under way.
fn check_turn(identity: &ManagedIdentity, state: &State) -> Result<()> {
    let now = state.clock.now();
    if state.directory.federation_write_time == SignedDuration::ZERO || identity.busy_until <= now {
        return Ok(());
    }
    let message = format!(
        "Too many Federated Identity Credentials are written concurrently for the managed identity '{}'. Concurrent \
         Federated Identity Credentials writes under the same managed identity are not supported.",
        identity.arm_id()
    );
    Err(Failure::conflict(
        "ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity",
        &message,
    ))
}

/// The refusal of a federated credential; the message about the number and those about values that are wrong are ours.
fn refused(refusal: Refusal, identity: &ManagedIdentity) -> Failure {
    match refusal {
        Refusal::Missing => Failure::bad_request(
            "BadRequest",
            "The request format was unexpected. Federated Identity Credential must specify 'issuer', 'subject' and \
             'audience'.",
        ),
        Refusal::Invalid(message) => Failure::bad_request("BadRequest", &message),
        Refusal::TooMany => Failure::bad_request(
            "BadRequest",
            &format!(
                "The managed identity '{}' has the maximum of {} federated identity credentials.",
                identity.arm_id(),
                federation::MOST
            ),
        ),
        Refusal::SameName | Refusal::SameSubject => Failure::conflict(
            "Conflict",
            "Issuer and subject combination already exists for this Managed Identity.",
        ),
    }
}

fn describe(identity: &ManagedIdentity) -> Value {
    json!({
        "id": identity.arm_id(),
        "name": identity.name,
        "type": "Microsoft.ManagedIdentity/userAssignedIdentities",
        "location": identity.location,
        "tags": {},
        "properties": {
            "tenantId": identity.tenant,
            "principalId": identity.principal_id,
            "clientId": identity.client_id,
        },
    })
}

fn describe_credential(identity: &ManagedIdentity, credential: &FederatedIdentityCredential) -> Value {
    json!({
        "id": format!("{}/federatedIdentityCredentials/{}", identity.arm_id(), credential.name),
        "name": credential.name,
        "type": "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials",
        "properties": {
            "issuer": credential.issuer,
            "subject": credential.subject,
            "audiences": credential.audiences,
        },
    })
}
