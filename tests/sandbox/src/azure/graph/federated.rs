//! The federated credentials of applications.

use axum::http::StatusCode;
use serde_json::Value;

use super::super::directory::{Application, FederatedIdentityCredential};
use super::super::emulator::State;
use super::super::federation::{self, Refusal};
use super::super::reply::Reply;
use super::failure::Failure;
use super::{Result, Session, odata, represent};

const KIND: &str = "applications/federatedIdentityCredentials";

pub(super) fn list(session: &Session<'_>, state: &State) -> Result<Reply> {
    let application = session.application(state)?;
    let mut all: Vec<Value> = application
        .federated_credentials
        .iter()
        .map(represent::federated)
        .collect();
    all.sort_by_key(|it| it["id"].as_str().unwrap_or_default().to_owned());
    odata::page(session, KIND, all)
}

pub(super) fn get(session: &Session<'_>, state: &State) -> Result<Reply> {
    let credential = find(session, session.application(state)?)?;
    odata::entity(session, StatusCode::OK, KIND, represent::federated(credential))
}

/// Creates a credential by POST, or changes one by PATCH.
pub(super) fn put(session: &Session<'_>, state: &mut State) -> Result<Reply> {
    let application = session.application(state)?;
    session.require_managing(&application.owners)?;
    let body = session.body()?;
    let is_new = session.route.child.is_none();
    let mut credential = if is_new {
        FederatedIdentityCredential {
            audiences: Vec::new(),
            ..FederatedIdentityCredential::new("", "", "", "")
        }
    } else {
        find(session, application)?.clone()
    };
    let id = application.id.clone();
    apply(&mut credential, &body, is_new)?;
    let latest = state.directory.applications.latest(&id);
    let latest = latest.ok_or_else(|| Failure::missing(session.name()))?;
    let others: Vec<_> = latest
        .federated_credentials
        .iter()
        .filter(|it| it.id != credential.id)
        .cloned()
        .collect();
    federation::check(&credential, &others).map_err(|refusal| refused(refusal, &credential))?;
    let shown = represent::federated(&credential);
    state.directory.applications.change(&id, session.now, |it| {
        it.federated_credentials = others;
        it.federated_credentials.push(credential);
    });
    if is_new {
        odata::entity(session, StatusCode::CREATED, KIND, shown)
    } else {
        Ok(Reply::empty(StatusCode::NO_CONTENT))
    }
}

pub(super) fn delete(session: &Session<'_>, state: &mut State) -> Result<Reply> {
    let application = session.application(state)?;
    session.require_managing(&application.owners)?;
    let (id, credential) = (application.id.clone(), find(session, application)?.id.clone());
    state.directory.applications.change(&id, session.now, |it| {
        it.federated_credentials.retain(|it| it.id != credential);
    });
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

/// The credential that the request names, by its id or by its name.
fn find<'a>(session: &Session<'_>, application: &'a Application) -> Result<&'a FederatedIdentityCredential> {
    let child = session.child();
    let found = application
        .federated_credentials
        .iter()
        .find(|it| it.id.eq_ignore_ascii_case(child) || it.name == child);
    found.ok_or_else(|| Failure::missing(child))
}

fn apply(credential: &mut FederatedIdentityCredential, body: &Value, is_new: bool) -> Result<()> {
    let text = |field: &str| body[field].as_str().map(str::to_owned);
    match text("name") {
        Some(name) if !is_new && name != credential.name => {
            return Err(Failure::bad_request(
                "Property name is immutable and cannot be changed.",
            ));
        }
        Some(name) => credential.name = name,
        None => {}
    }
    if let Some(issuer) = text("issuer") {
        credential.issuer = issuer;
    }
    if let Some(subject) = text("subject") {
        credential.subject = subject;
    }
    if let Some(description) = text("description") {
        if description.len() > 600 {
            return Err(Failure::bad_request(
                "The description must have up to 600 characters.",
            ));
        }
        credential.description = Some(description);
    }
    if let Some(audiences) = body["audiences"].as_array() {
        let audiences = audiences.iter().filter_map(Value::as_str);
        credential.audiences = audiences.map(str::to_owned).collect();
    }
    Ok(())
}

/// The refusal of a credential; of values that are wrong only the code is Graph's, and the number's message is ours.
fn refused(refusal: Refusal, credential: &FederatedIdentityCredential) -> Failure {
    let invalid = |message: &str| Failure::coded("InvalidFederatedIdentityCredentialValue", message);
    let (issuer, subject) = (&credential.issuer, &credential.subject);
    match refusal {
        Refusal::Missing => {
            invalid("Federated Identity Credential must specify 'issuer', 'subject' and 'audience'.")
        }
        Refusal::Invalid(message) => invalid(&message),
        Refusal::TooMany => Failure::bad_request(&format!(
            "The application has the maximum of {} federated identity credentials.",
            federation::MOST
        )),
        Refusal::SameName => Failure::conflict(
            "name",
            &format!(
                "FederatedIdentityCredential with name {} already exists.",
                credential.name
            ),
        ),
        Refusal::SameSubject => invalid(&format!(
            "The combination of issuer and subject must be unique for the application. Issuer {issuer} and Subject: \
             {subject} already exist. paramName: FederatedIdentityCredential.Subject, paramValue: {subject}, objectType: \
             Microsoft.Online.DirectoryServices.Application"
        )),
    }
}
