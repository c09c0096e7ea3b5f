//! The credential of the app: a client secret, a certificate or what trusts the
//! tokens of the cluster.

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::super::expiry::whole_seconds;
use super::facts::{AppFacts, EntraFacts, StoredFacts};
use super::step::{Action, Part, Step, StepMark, unread};
use crate::error::{Error, Result};
use crate::model::directory::{AppCredential, FederatedCredential};
use crate::model::entra::{
    MOST_FEDERATED, Mode, PEM_KEY, PFX_KEY, SECRET_KEY, SetupRequest, credential_name, federated_name,
    federation_audience, is_same_but_slash, subject,
};
use crate::model::{Unavailable, cleaned, in_words};

/// The keys of the Secret that hold the credential.
pub(super) const fn keys(mode: Mode) -> &'static [&'static str] {
    match mode {
        Mode::AppSecret => &[SECRET_KEY],
        Mode::AppCertificate => &[PEM_KEY, PFX_KEY],
        Mode::WorkloadIdentity => &[],
    }
}

/// The audience of the cluster's tokens; a custom cloud has none that is known.
pub(super) fn audience(facts: &EntraFacts, request: &SetupRequest) -> Result<String> {
    let given = request.federation_audience.clone();
    let audience = given.or_else(|| facts.cloud.map(|cloud| federation_audience(cloud).to_owned()));
    audience.ok_or_else(|| {
        Error::usage("the audience of federated tokens is not known for this cloud")
            .hint("give it with --federation-audience AUDIENCE")
    })
}

// --- Secrets and certificates

pub(super) fn stored(
    facts: &EntraFacts,
    request: &SetupRequest,
    mode: Mode,
    secret: &str,
    now: Timestamp,
) -> Step {
    let part = Part::Credential;
    let what = match mode {
        Mode::AppSecret => "a client secret",
        _ => "a certificate",
    };
    let place = match &facts.cluster.place {
        Ok(place) => place,
        Err(why) => return without_place(facts, what, why),
    };
    let name = credential_name(place, &facts.cluster.namespace, secret);
    let app = match &facts.app {
        Ok(app) => app.as_ref(),
        // Whether an interrupted run has left one is not known, which does no harm.
        Err(why) => {
            let expires = now.saturating_add(request.secret_lifetime).map(whole_seconds);
            let action = expires.ok().map(|expires| add(mode, name, expires, Vec::new()));
            return unread(part, &format!("{what} of the app"), why, action);
        }
    };
    let in_secret = match &facts.cluster.secret {
        Ok(found) => found.as_ref(),
        Err(why) => {
            // A new one would be lost, and the one in use is not to be removed.
            let text = format!(
                "{what} of the app: whether the Secret holds it is not known: {}",
                why.why()
            );
            return Step::missing(part, text);
        }
    };
    let policy = facts.policy.as_ref().ok();
    if mode == Mode::AppSecret && policy.is_some_and(|policy| policy.forbids_secrets) {
        return Step::stop(part, "a policy of the tenant forbids client secrets")
            .hint("choose another mode: --mode workload-identity or --mode app-certificate");
    }
    if let Some((app, held)) = app
        .zip(in_secret)
        .and_then(|(app, stored)| Some((app, held(stored, app, mode, now)?)))
    {
        let expires = held
            .expires
            .map(|at| format!(", which expires at {at}"))
            .unwrap_or_default();
        let step = Step::ok(part, format!("the app has {what}{expires}"));
        let mut others = left_over(facts, app, mode, &name);
        others.retain(|id| *id != held.key_id);
        return without(step, others, facts.rights.change_app != Ok(false)).id("credentialId", &held.key_id);
    }
    added(facts, request, mode, (&name, what), now)
}

/// A new credential, for a Secret that does not hold one which is valid.
fn added(
    facts: &EntraFacts,
    request: &SetupRequest,
    mode: Mode,
    (name, what): (&str, &str),
    now: Timestamp,
) -> Step {
    let part = Part::Credential;
    let app = facts.app.as_ref().ok().and_then(Option::as_ref);
    let in_secret = facts.cluster.secret.as_ref().ok().and_then(Option::as_ref);
    let policy = facts.policy.as_ref().ok();
    // Without our annotation, the Secret may hold any of them.
    let may_hold_any = in_secret.is_some_and(|it| it.credential.is_none() && has_keys(it, mode));
    let app_to_clean = app.filter(|_| !may_hold_any);
    let remove: Vec<Uuid> = app_to_clean
        .map(|app| left_over(facts, app, mode, name))
        .unwrap_or_default();
    let longest = policy.and_then(|policy| match mode {
        Mode::AppSecret => policy.longest_secret,
        _ => policy.longest_certificate,
    });
    let (lifetime, capped) = capped(request.secret_lifetime, longest);
    let Ok(expires) = now.checked_add(lifetime) else {
        return Step::stop(part, format!("{what} cannot be valid for {}", in_words(lifetime)));
    };
    let expires = whole_seconds(expires);
    let action = add(mode, name.to_owned(), expires, remove.clone());
    let mut step = Step::create(
        part,
        format!("add {what} to the app, which expires at {expires}"),
        action,
    );
    if capped {
        step = step.note(format!(
            "a policy of the tenant allows {} at most",
            in_words(lifetime)
        ));
    }
    if !remove.is_empty() {
        step = step.note(format!(
            "what an interrupted run has left is removed: {}",
            listed(&remove)
        ));
    }
    match app {
        Some(_) => step.permitted(&facts.rights.change_app, "change the app"),
        None => step.permitted(&facts.rights.register_apps, "register apps in the tenant"),
    }
}

fn add(mode: Mode, name: String, expires: Timestamp, remove: Vec<Uuid>) -> Action {
    match mode {
        Mode::AppSecret => Action::AddSecret {
            name,
            expires,
            remove,
        },
        _ => Action::AddCertificate {
            name,
            expires,
            remove,
        },
    }
}

/// The name in Entra would be that of no namespace, or of one in every cluster, so that
/// a credential in use could be removed.
fn without_place(facts: &EntraFacts, what: &str, why: &Unavailable) -> Step {
    let text = format!(
        "{what} of the app: its name contains the uid of the namespace, which is not known: {}",
        why.why()
    );
    Step::missing(Part::Credential, text).hint(format!(
        "ask for the right to read it: kubectl auth can-i get namespaces/{}",
        facts.cluster.namespace
    ))
}

/// The step, which also removes what an interrupted run has left.
fn without(step: Step, remove: Vec<Uuid>, may: bool) -> Step {
    if remove.is_empty() {
        return step;
    }
    let left = format!("an interrupted run has left {}", listed(&remove));
    if !may {
        return step.note(format!("{left}, which nobody can use; you may not remove it"));
    }
    let text = format!(
        "{}; remove what an interrupted run has left: {}",
        step.text,
        listed(&remove)
    );
    Step::change(step.part, text, Action::RemoveCredentials { remove })
}

fn listed(ids: &[Uuid]) -> String {
    let ids: Vec<String> = ids.iter().map(Uuid::to_string).collect();
    ids.join(", ")
}

fn capped(asked: SignedDuration, longest: Option<SignedDuration>) -> (SignedDuration, bool) {
    match longest {
        Some(longest) if longest < asked => (longest, true),
        _ => (asked, false),
    }
}

/// Whether a step of a credential leaves the Secret as it is: the Secret holds it.
pub(super) fn is_held(step: &Step) -> bool {
    match &step.action {
        None => step.mark == StepMark::Ok,
        Some(action) => matches!(action, Action::RemoveCredentials { .. }),
    }
}

/// The credential of the app that the Secret holds.
fn held<'a>(
    stored: &StoredFacts,
    app: &'a AppFacts,
    mode: Mode,
    now: Timestamp,
) -> Option<&'a AppCredential> {
    let id = stored.credential?;
    let is_valid = |it: &&AppCredential| it.key_id == id && it.expires.is_none_or(|at| at > now);
    app.credentials_of(mode)
        .iter()
        .find(is_valid)
        .filter(|_| has_keys(stored, mode))
}

/// Whether the Secret holds a credential of another kind, which pods may use.
pub(super) fn holds_other_kind(stored: &StoredFacts, mode: Mode) -> bool {
    let mut others = Mode::ALL.iter().filter(|it| **it != mode);
    others.any(|it| it.is_stored() && has_keys(stored, *it))
}

fn has_keys(stored: &StoredFacts, mode: Mode) -> bool {
    keys(mode)
        .iter()
        .all(|key| stored.keys.iter().any(|it| it == key))
}

/// The credentials of this kind for this Secret, which does not hold them: an
/// interrupted run made them, and nobody has what is secret of them.
fn left_over(facts: &EntraFacts, app: &AppFacts, mode: Mode, name: &str) -> Vec<Uuid> {
    let workload = facts.cluster.workload.as_ref();
    // Pods that run have it still, even if the Secret is gone.
    let is_used = |id: Uuid| workload.is_some_and(|it| it.marks.rotation_ids.contains(&id.to_string()));
    let all = app.credentials_of(mode).iter();
    let ours = all.filter(|it| it.name.as_deref() == Some(name) && !is_used(it.key_id));
    ours.map(|it| it.key_id).collect()
}

// --- Federated credentials

pub(super) fn federated(facts: &EntraFacts, account: &str, audience: &str) -> Step {
    let part = Part::Credential;
    let issuer = match &facts.issuer {
        Ok(issuer) => issuer.name.clone(),
        Err(why) => return Step::unknown(part, format!("federated credential: {}", why.why())),
    };
    let subject = subject(&facts.cluster.namespace, account);
    let wanted = FederatedCredential {
        name: federated_name(&issuer, &subject),
        issuer,
        subject,
        audiences: vec![audience.to_owned()],
    };
    let text = format!(
        "add a federated credential, which trusts {} of {}",
        wanted.subject,
        cleaned(&wanted.issuer)
    );
    let app = match &facts.app {
        Ok(Some(app)) => app,
        Ok(None) => {
            return Step::create(part, text, Action::AddFederated(wanted))
                .permitted(&facts.rights.register_apps, "register apps in the tenant");
        }
        Err(why) => {
            let action = Action::AddFederated(wanted);
            return unread(part, "federated credential", why, Some(action));
        }
    };
    match &app.federated {
        Ok(all) => among(all, wanted, text).permitted(&facts.rights.change_app, "change the app"),
        Err(why) => {
            let text = format!("federated credentials of the app: {}", why.why());
            Step::unknown(part, text).doing(Action::AddFederated(wanted))
        }
    }
}

/// How far the federated credentials of an app trust a subject.
pub(super) enum Trust<'a> {
    Full(&'a FederatedCredential),
    OtherAudience(&'a FederatedCredential),
    /// One of the same name: only the issuer and the audience of it can differ.
    OtherIssuer(&'a FederatedCredential),
    None,
}

pub(super) fn trust<'a>(all: &'a [FederatedCredential], wanted: &FederatedCredential) -> Trust<'a> {
    let is_same = |it: &&FederatedCredential| it.issuer == wanted.issuer && it.subject == wanted.subject;
    if let Some(found) = all.iter().find(is_same) {
        if found.audiences == wanted.audiences {
            return Trust::Full(found);
        }
        return Trust::OtherAudience(found);
    }
    let of_name = all.iter().find(|it| it.name == wanted.name);
    of_name.map_or(Trust::None, Trust::OtherIssuer)
}

fn among(all: &[FederatedCredential], wanted: FederatedCredential, text: String) -> Step {
    let part = Part::Credential;
    let trust = trust(all, &wanted);
    if let Trust::Full(found) = trust {
        let name = cleaned(&found.name);
        return Step::ok(
            part,
            format!("the federated credential {name} trusts {}", wanted.subject),
        )
        .id("federatedCredential", &name);
    }
    if let Trust::OtherAudience(found) = trust {
        let name = cleaned(&found.name);
        let text = format!(
            "change the audience of the federated credential {name} to {}",
            wanted.audiences.join(", ")
        );
        let name = found.name.clone();
        return Step::change(
            part,
            text,
            Action::ChangeFederated(FederatedCredential { name, ..wanted }),
        );
    }
    if let Trust::OtherIssuer(found) = trust {
        let text = format!(
            "change the issuer of the federated credential {} from {} to {}, as the cluster's tokens have it",
            found.name,
            cleaned(&found.issuer),
            cleaned(&wanted.issuer)
        );
        return Step::change(part, text, Action::ChangeFederated(wanted));
    }
    if all.len() >= MOST_FEDERATED {
        let text = format!(
            "the app has {} federated credentials, and Entra allows {MOST_FEDERATED} at most",
            all.len()
        );
        return Step::stop(part, text)
            .hint("remove one that is not used, or choose another app with --create-app NAME");
    }
    let almost = all
        .iter()
        .filter(|it| it.subject == wanted.subject && is_same_but_slash(&it.issuer, &wanted.issuer));
    let note = |it: &FederatedCredential| {
        format!(
            "the federated credential {} differs from the cluster's issuer in the last slash, so it trusts nothing; it stays",
            cleaned(&it.name)
        )
    };
    let notes: Vec<String> = almost.map(note).collect();
    Step::create(part, text, Action::AddFederated(wanted)).notes(notes)
}
