//! Which credentials of the app are removed. Those of this kind for this Secret were made
//! by a set-up; pods may still have one, also if the Secret holds another.

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::facts::{AppFacts, EntraFacts, RunningPod, StoredFacts};
use super::holder::CLOCK_ERROR;
use super::step::{Action, Part, Step};
use crate::model::directory::AppCredential;
use crate::model::entra::Mode;
use crate::model::known;
use crate::plan::whole_seconds;

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
    /// The one that stays in the Secret.
    pub(super) held: Option<Uuid>,
    /// Whether this run has the pods of the workload prove it. Until then nothing is
    /// removed: what they run with shows only in part.
    pub(super) is_proved: bool,
    pub(super) now: Timestamp,
}

/// How long a run has for writing what it has made into the Secret: the time limit of a run, if
/// none is given.
const WRITING_TIME: SignedDuration = SignedDuration::from_mins(30);

/// Sorts the credentials by who may have them.
pub(super) fn removal(facts: &EntraFacts, app: &AppFacts, kept: Kept<'_>) -> Removal {
    let usage = Usage {
        app: Some(app),
        secret: kept.secret,
        stored: known(&facts.cluster.secret),
    };
    let ours = app.credentials_of(kept.mode).iter();
    let ours = ours.filter(|it| it.is_named(kept.name));
    let mut found = Removal::default();
    for credential in ours.filter(|it| kept.held != Some(it.key_id)) {
        let id = credential.key_id;
        // A run that writes the Secret itself would notice another one that does.
        let made = credential
            .begins
            .filter(|_| kept.held.is_some() && !kept.is_proved);
        if let Some(until) = made.and_then(|made| made.checked_add(WRITING_TIME).ok())
            && kept.now < until
        {
            found.notes.push(format!(
                "{id} stays for now: it is new, and another run may be writing it into a Secret; a run after {} removes it",
                whole_seconds(until)
            ));
            continue;
        }
        let command = removal_command(app.client_id(), id, kept.mode == Mode::AppCertificate);
        let pods = match &facts.cluster.pods {
            Ok(pods) => pods.as_slice(),
            Err(why) => {
                let why = why.why();
                found.notes.push(format!(
                    "{id} stays: whether a pod has it is not known: {why}; once no pod has it: {command}"
                ));
                continue;
            }
        };
        // A pod of the workload is replaced before its credential is removed.
        let left = pods.iter().filter(|pod| !(pod.is_own && kept.is_proved));
        if let Some(pod) = usage.user_of(left, id) {
            found.notes.push(stays(id, pod));
        } else if facts.rights.change_app == Ok(false) {
            let when = if kept.is_proved {
                "once the pods have proved the new one, nobody needs"
            } else {
                "no pod uses"
            };
            found
                .notes
                .push(format!("{when} {id}; you may not remove it: {command}"));
        } else if kept.is_proved {
            found.previous.push(id);
        } else {
            found.unused.push(id);
        }
    }
    found
}

/// Why a credential is not removed, by the pod with its kind.
pub fn stays(id: Uuid, pod: &str) -> String {
    format!(
        "{id} stays in the app, because {pod} may have it: restart what that belongs to, and then run \
         the same command again"
    )
}

/// The command by which somebody else removes a credential of an app, which is given by its
/// client id or its object id.
pub fn removal_command(app: Uuid, id: Uuid, is_certificate: bool) -> String {
    let kind = if is_certificate { " --cert" } else { "" };
    format!("az ad app credential delete --id {app} --key-id {id}{kind}")
}

/// What shows which credential of the app a pod was started with.
#[derive(Clone, Copy, Debug)]
pub struct Usage<'a> {
    pub app: Option<&'a AppFacts>,
    /// The name of the Secret.
    pub secret: &'a str,
    /// What it holds now.
    pub stored: Option<&'a StoredFacts>,
}

impl Usage<'_> {
    /// The first pod that may have a credential.
    pub fn user_of<'p>(&self, pods: impl IntoIterator<Item = &'p RunningPod>, id: Uuid) -> Option<&'p str> {
        let mut users = pods.into_iter().filter(|pod| self.may_have(pod, id));
        users.next().map(|pod| pod.name.as_str())
    }

    fn may_have(&self, pod: &RunningPod, id: Uuid) -> bool {
        let held = self.stored.and_then(|it| it.credential);
        let refers = pod.secrets.iter().any(|it| it == self.secret);
        // Its marks are those of its template, which may be older.
        if refers && self.is_younger(pod) {
            return held == Some(id);
        }
        let of_app = self.app.into_iter().flat_map(AppFacts::credentials);
        let mut known = of_app.map(|AppCredential { key_id, .. }| *key_id).chain(held);
        let is_marked = known.any(|it| pod.rotation_ids.contains(&it.to_string()));
        if is_marked && !(refers && pod.reads_again) {
            return pod.rotation_ids.contains(&id.to_string());
        }
        refers
    }

    /// Whether it was started after the Secret got its credential.
    fn is_younger(&self, pod: &RunningPod) -> bool {
        let written = self.stored.and_then(|it| it.written);
        pod.created
            .zip(written)
            .is_some_and(|(created, written)| created.duration_since(written) > CLOCK_ERROR)
    }
}

impl Removal {
    /// The steps, without what is removed in the step of a new credential.
    pub(super) fn steps(&self, mode: Mode, is_new: bool) -> Vec<Step> {
        let unused = (!is_new).then_some(&self.unused);
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
            Some(Step::change(part, text, Action::RemoveCredentials { remove }))
        });
        steps.collect()
    }

    /// What to know about those that are not removed by a step of their own.
    pub(super) fn notes(&self, is_new: bool) -> Vec<String> {
        let mut notes = self.notes.clone();
        if is_new && !self.unused.is_empty() {
            notes.push(format!("what no pod uses is removed: {}", listed(&self.unused)));
        }
        notes
    }
}

fn listed(ids: &[Uuid]) -> String {
    let ids: Vec<String> = ids.iter().map(Uuid::to_string).collect();
    ids.join(", ")
}
