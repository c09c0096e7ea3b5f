//! The client secret or the certificate of the app.

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::super::expiry::{is_due, whole_seconds};
use super::facts::{AppFacts, EntraFacts, StoredFacts, WorkloadSide};
use super::holder::{HandedOver, Holder};
use super::owed::owes_restart;
use super::removal::{Kept, Removal, removal};
use super::step::{Action, Part, Step, StepMark};
use super::unread::of_unread_app;
use crate::model::directory::AppCredential;
use crate::model::entra::{Mode, SetupRequest, credential_name};
use crate::model::{Unavailable, in_words, known};

/// What the credential of a set-up is for.
pub(super) struct Wanted<'a> {
    pub(super) request: &'a SetupRequest,
    pub(super) mode: Mode,
    pub(super) secret: &'a str,
    pub(super) holder: &'a Holder,
    pub(super) now: Timestamp,
}

/// The credential, and what is removed.
pub(super) fn stored(facts: &EntraFacts, wanted: &Wanted<'_>) -> (Step, Vec<Step>) {
    let part = Part::Credential;
    let what = wanted.mode.credential();
    let place = match &facts.cluster.place {
        Ok(place) => place,
        Err(why) => return (without_place(facts, what, why), Vec::new()),
    };
    let name = credential_name(place, &facts.cluster.namespace, wanted.secret);
    let app = match &facts.app {
        Ok(app) => app.as_ref(),
        // Whether an interrupted run has left one is not known, which does no harm.
        Err(why) => {
            if let Some(step) = held_of_unread(facts, wanted) {
                return (step, Vec::new());
            }
            let expires = wanted.expires(wanted.request.secret_lifetime);
            let action = expires.map(|expires| add(wanted.mode, name, expires, Vec::new()));
            return (
                of_unread_app(part, &format!("{what} of the app"), why, action),
                Vec::new(),
            );
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
            return (Step::missing(part, text), Vec::new());
        }
    };
    if let Holder::HandedOver(found) = wanted.holder {
        return (adopted(facts, wanted, found), Vec::new());
    }
    let held = app
        .zip(in_secret)
        .and_then(|(app, stored)| Some((app, held(stored, app, wanted)?)));
    match held {
        Some((app, held)) if !wanted.renews(facts, held) => kept(facts, wanted, (app, held), &name),
        // One that is there stays valid.
        _ if wanted.is_forbidden(facts) => {
            let stop = Step::stop(part, "a policy of the tenant forbids client secrets")
                .hint("choose another mode: --mode workload-identity or --mode app-certificate");
            (stop, Vec::new())
        }
        held => {
            let (step, removed) = added(facts, wanted, &name);
            let Some((_, held)) = held else {
                return (step, removed);
            };
            let expires = held
                .expires
                .map(|at| whole_seconds(at).to_string())
                .unwrap_or_default();
            let note = format!("it replaces {}, which expires at {expires}", held.key_id);
            (step.note(note), removed)
        }
    }
}

impl Wanted<'_> {
    fn expires(&self, lifetime: SignedDuration) -> Option<Timestamp> {
        self.now.checked_add(lifetime).ok().map(whole_seconds)
    }

    fn is_forbidden(&self, facts: &EntraFacts) -> bool {
        let policy = facts.policy.as_ref().ok();
        self.mode == Mode::AppSecret && policy.is_some_and(|policy| policy.forbids_secrets)
    }

    fn is_due(&self, facts: &EntraFacts, held: &AppCredential) -> bool {
        let (lifetime, _) = self.lifetime(facts);
        held.expires
            .is_some_and(|expires| is_due((held.begins, expires), lifetime, self.now))
    }

    /// Whether a credential that is valid is replaced: its pods are, so that they have the
    /// new one before the old one is removed.
    fn renews(&self, facts: &EntraFacts, held: &AppCredential) -> bool {
        let workload = facts.cluster.workload.as_ref();
        *self.holder == Holder::Ours
            && workload.is_some_and(|it| it.owner.is_none())
            && self.is_due(facts, held)
    }

    fn kept<'a>(&'a self, name: &'a str, held: Option<Uuid>, is_proved: bool) -> Kept<'a> {
        Kept {
            mode: self.mode,
            name,
            secret: self.secret,
            held,
            is_proved,
            now: self.now,
        }
    }

    /// What is asked for, or what a policy allows at most, which is true of the second.
    fn lifetime(&self, facts: &EntraFacts) -> (SignedDuration, bool) {
        let policy = facts.policy.as_ref().ok();
        let longest = policy.and_then(|policy| match self.mode {
            Mode::AppSecret => policy.longest_secret,
            _ => policy.longest_certificate,
        });
        match longest {
            Some(longest) if longest < self.request.secret_lifetime => (longest, true),
            _ => (self.request.secret_lifetime, false),
        }
    }
}

/// The credential of the Secret is good.
fn kept(
    facts: &EntraFacts,
    wanted: &Wanted<'_>,
    (app, held): (&AppFacts, &AppCredential),
    name: &str,
) -> (Step, Vec<Step>) {
    let what = wanted.mode.credential();
    let expires = held
        .expires
        .map(|at| format!(", which expires at {}", whole_seconds(at)));
    let text = format!("the app has {what}{}", expires.unwrap_or_default());
    let mut step = Step::ok(Part::Credential, text).id("credentialId", &held.key_id);
    if wanted.is_due(facts, held) {
        step = step.note(
            "it is due, and other pods may use it: choose another Secret for a new one, with --secret NAME",
        );
    }
    // The pods of another gateway may use any of them.
    if *wanted.holder != Holder::Ours {
        return (step, Vec::new());
    }
    let workload = facts.cluster.workload.as_ref();
    let is_restarted = |it: &WorkloadSide| it.owner.is_none() && owes_restart(facts, it, wanted.holder);
    let is_proved = workload.is_some_and(|it| it.unproved.is_some() || is_restarted(it));
    let removal = removal(facts, app, wanted.kept(name, Some(held.key_id), is_proved));
    let step = step.notes(removal.notes(false));
    (step, removal.steps(wanted.mode, false))
}

/// A credential that somebody else has made and put there.
fn adopted(facts: &EntraFacts, wanted: &Wanted<'_>, found: &HandedOver) -> Step {
    let what = wanted.mode.credential();
    let expires = found
        .expires
        .map(|at| format!(", which expires at {}", whole_seconds(at)));
    let text = format!(
        "secret/{} seems to hold {what} of the app{} and was not written here: it is tried",
        wanted.secret,
        expires.unwrap_or_default()
    );
    let stored = known(&facts.cluster.secret);
    let unrecorded = match stored.and_then(|it| it.owner.as_ref()) {
        Some(owner) => Some(format!("the Secret belongs to {owner}, which would undo that")),
        None if facts.rights.write_secret == Ok(false) => {
            Some("you may not write Secrets in the namespace".to_owned())
        }
        None => None,
    };
    let step = match unrecorded {
        // Each run tries it again.
        Some(why) => Step::by_sign_in(
            Part::Credential,
            format!("{text} by its sign-in, and not recorded there: {why}"),
        ),
        None => Step::unknown(Part::Credential, format!("{text}, and then recorded there")).doing(
            Action::AdoptCredential {
                name: wanted.secret.to_owned(),
                found: found.clone(),
            },
        ),
    };
    step.id("credentialId", &found.credential)
}

/// A new credential, for a Secret that does not hold one which stays valid.
fn added(facts: &EntraFacts, wanted: &Wanted<'_>, name: &str) -> (Step, Vec<Step>) {
    let part = Part::Credential;
    let (mode, what) = (wanted.mode, wanted.mode.credential());
    let app = known(&facts.app);
    let in_secret = known(&facts.cluster.secret);
    // Without our annotation, the Secret may hold any of them.
    let may_hold_any = in_secret.is_some_and(|it| it.credential.is_none() && it.has_keys(mode));
    let app_to_clean = app.filter(|_| !may_hold_any);
    let workload = facts.cluster.workload.as_ref();
    let is_proved = workload.is_some_and(|it| it.owner.is_none());
    let removal = app_to_clean.map_or_else(Removal::default, |app| {
        removal(facts, app, wanted.kept(name, None, is_proved))
    });
    let (lifetime, capped) = wanted.lifetime(facts);
    let Some(expires) = wanted.expires(lifetime) else {
        let text = format!("{what} cannot be valid for {}", in_words(lifetime));
        return (Step::stop(part, text), Vec::new());
    };
    let action = add(mode, name.to_owned(), expires, removal.unused.clone());
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
    step = step.notes(removal.notes(true));
    let step = match app {
        Some(_) => step.permitted(&facts.rights.change_app, "change the app"),
        None => step.permitted(&facts.rights.register_apps, "register apps in the tenant"),
    };
    (step, removal.steps(mode, true))
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

/// Whether a step of a credential leaves the Secret as it is: the Secret holds it.
pub(super) fn is_held(step: &Step) -> bool {
    match &step.action {
        None => step.mark == StepMark::Ok || step.by_sign_in,
        Some(action) => matches!(action, Action::AdoptCredential { .. }),
    }
}

/// The credential that the Secret seems to hold of an app that cannot be read. It is used
/// and not written, so a sign-in is enough to try it.
fn held_of_unread(facts: &EntraFacts, wanted: &Wanted<'_>) -> Option<Step> {
    facts.unread_app()?;
    let stored = facts.cluster.secret.as_ref().ok()?.as_ref()?;
    let is_kept = match wanted.holder {
        Holder::Untried(_) => true,
        Holder::Ours => stored
            .expires
            .is_none_or(|at| !is_due((None, at), wanted.request.secret_lifetime, wanted.now)),
        _ => false,
    };
    let what = wanted.mode.credential();
    let text = format!(
        "secret/{} seems to hold {what} of the app, which is tried by its sign-in",
        wanted.secret
    );
    (is_kept && stored.has_keys(wanted.mode)).then(|| Step::by_sign_in(Part::Credential, text))
}

/// The credential of the app that the Secret holds.
fn held<'a>(stored: &StoredFacts, app: &'a AppFacts, wanted: &Wanted<'_>) -> Option<&'a AppCredential> {
    let is_for_app = matches!(wanted.holder, Holder::Ours | Holder::OtherGateway(_));
    let id = stored
        .credential
        .filter(|_| is_for_app && stored.has_keys(wanted.mode))?;
    let is_valid = |it: &&AppCredential| it.key_id == id && it.expires.is_none_or(|at| at > wanted.now);
    app.credentials_of(wanted.mode).iter().find(is_valid)
}
