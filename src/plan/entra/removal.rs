//! Which credentials of the app are removed. Those of this kind for this Secret were made
//! by a set-up; pods may still have one, also if the Secret holds another.

use jiff::Timestamp;
use uuid::Uuid;

use super::facts::{AppFacts, EntraFacts, OtherPod};
use super::holder::CLOCK_ERROR;
use super::step::{Action, Part, Step};
use crate::model::directory::AppCredential;
use crate::model::entra::Mode;

/// The credentials that a new one replaces, or that the Secret no longer holds.
#[derive(Debug, Default)]
pub(super) struct Removal {
    /// No pod uses them.
    pub(super) unused: Vec<Uuid>,
    /// The pods of the workload may have them until others have proved another one.
    pub(super) previous: Vec<Uuid>,
    /// Why the others stay.
    pub(super) notes: Vec<String>,
}

/// What the credentials are of: the kind, the name in Entra, and the Secret.
#[derive(Clone, Copy)]
pub(super) struct Kept<'a> {
    pub(super) mode: Mode,
    pub(super) name: &'a str,
    pub(super) secret: &'a str,
    /// The one that stays in the Secret, and whether the pods may still have another.
    pub(super) held: Option<(Uuid, bool)>,
}

/// Sorts the credentials by who may have them.
pub(super) fn removal(facts: &EntraFacts, app: &AppFacts, kept: Kept<'_>) -> Removal {
    let workload = facts.cluster.workload.as_ref();
    let in_secret = stored(facts);
    let ours = app.credentials_of(kept.mode).iter();
    let ours = ours.filter(|it| it.name.as_deref() == Some(kept.name));
    let others = ours.map(|it| it.key_id).filter(|id| match kept.held {
        Some((held, _)) => *id != held,
        None => true,
    });
    let mut found = Removal::default();
    for id in others {
        match &facts.cluster.other_pods {
            Err(why) => {
                let why = why.why();
                found
                    .notes
                    .push(format!("{id} stays: whether a pod has it is not known: {why}"));
                continue;
            }
            Ok(pods) => {
                if let Some(pod) = user_of(pods, facts, kept.secret, id) {
                    found.notes.push(stays(id, pod));
                    continue;
                }
            }
        }
        // Pods that run have it still, even if the Secret is gone.
        let is_on_template = workload.is_some_and(|it| it.marks.rotation_ids.contains(&id.to_string()));
        match kept.held {
            Some((_, true)) => found.previous.push(id),
            Some((_, false)) if is_on_template => {}
            None if workload.is_some() && (is_on_template || in_secret == Some(id)) => {
                found.previous.push(id);
            }
            _ => found.unused.push(id),
        }
    }
    found
}

/// Why a credential is not removed.
pub fn stays(id: Uuid, pod: &str) -> String {
    format!(
        "{id} stays in the app, because pod/{pod} may have it: restart what that belongs to, and then run \
         the same command again"
    )
}

/// The command by which somebody else removes a credential of an app, which is given by its
/// client id or its object id.
pub fn removal_command(app: Uuid, id: Uuid, is_certificate: bool) -> String {
    let kind = if is_certificate { " --cert" } else { "" };
    format!("az ad app credential delete --id {app} --key-id {id}{kind}")
}

/// A pod of something else that may have this credential.
pub fn user_of<'a>(pods: &'a [OtherPod], facts: &EntraFacts, secret: &str, id: Uuid) -> Option<&'a str> {
    let app = facts.app.as_ref().ok().and_then(Option::as_ref);
    let of_app: Vec<String> = app
        .into_iter()
        .flat_map(AppFacts::credentials)
        .map(|AppCredential { key_id, .. }| key_id.to_string())
        .collect();
    let read = facts.cluster.secret.as_ref().ok().and_then(Option::as_ref);
    let held = read.and_then(|it| it.credential);
    let written = read.and_then(|it| it.written);
    let mut users = pods.iter().filter(|pod| {
        let has = |id: &str| pod.rotation_ids.contains(id);
        if has(&id.to_string()) {
            return true;
        }
        let refers = pod.secrets.iter().any(|it| it == secret);
        refers && !of_app.iter().any(|id| has(id)) && (held == Some(id) || !is_younger(pod, written))
    });
    users.next().map(|pod| pod.name.as_str())
}

/// Whether it was started after the Secret got its credential.
fn is_younger(pod: &OtherPod, written: Option<Timestamp>) -> bool {
    pod.created
        .zip(written)
        .is_some_and(|(created, written)| created.duration_since(written) > CLOCK_ERROR)
}

fn stored(facts: &EntraFacts) -> Option<Uuid> {
    facts.cluster.secret.as_ref().ok()?.as_ref()?.credential
}

impl Removal {
    /// The steps, without what is removed in the step of a new credential.
    pub(super) fn steps(&self, facts: &EntraFacts, mode: Mode, is_new: bool) -> Vec<Step> {
        let unused = (!is_new && facts.rights.change_app != Ok(false)).then_some(&self.unused);
        let what = mode.credential();
        let steps = [
            (Part::UnusedCredential, unused, "that no pod uses"),
            (
                Part::PreviousCredential,
                Some(&self.previous),
                "once the pods have proved the new one",
            ),
        ];
        let steps = steps.into_iter().filter_map(|(part, remove, when)| {
            let remove = remove.filter(|remove| !remove.is_empty())?.clone();
            let text = format!("remove {what} of the app {when}: {}", listed(&remove));
            let step = Step::change(part, text, Action::RemoveCredentials { remove });
            Some(step.permitted(&facts.rights.change_app, "change the app"))
        });
        steps.collect()
    }

    /// What to know about those that are not removed.
    pub(super) fn notes(&self, facts: &EntraFacts, is_new: bool) -> Vec<String> {
        let mut notes = self.notes.clone();
        if !self.unused.is_empty() {
            let unused = listed(&self.unused);
            if is_new {
                notes.push(format!("what no pod uses is removed: {unused}"));
            } else if facts.rights.change_app == Ok(false) {
                notes.push(format!("no pod uses {unused}; you may not remove it"));
            }
        }
        notes
    }
}

fn listed(ids: &[Uuid]) -> String {
    let ids: Vec<String> = ids.iter().map(Uuid::to_string).collect();
    ids.join(", ")
}
