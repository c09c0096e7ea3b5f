use std::time::Duration;

use crate::model::request::ProveMode;
use crate::model::{Mark, PodFacts, PodHealth, Progress, WorkloadRef};

/// What was seen of one workload.
#[derive(Clone, Debug)]
pub struct Seen<'a> {
    pub namespace: &'a str,
    pub workload: &'a WorkloadRef,
    pub mode: ProveMode,
    /// The credential by its kind, such as `token`.
    pub noun: &'static str,
    /// Whether a pod was ready before the rotation.
    pub was_ready: bool,
    /// Whether its pods present the credential to Azure.
    pub runs_gateway: bool,
    /// Whether the pod template itself has changed, so that a pod which starts again by the
    /// previous one lacks that.
    pub of_template: bool,
    /// The ordinal below which pods keep the previous pod template.
    pub partition: i32,
    pub progress: Progress,
    pub pods: Pods,
}

/// The pods that a workload's selector matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pods {
    /// Nothing depended on them.
    Unread,
    Forbidden,
    Listed(Vec<PodFacts>),
}

/// What earlier looks at a workload showed.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Whether a new pod was ready with the credential at any time.
    pub(super) new_was_ready: bool,
    /// When the first new pod was seen, since the beginning of the proof.
    new_since: Option<Duration>,
    /// For how long a new pod has been there.
    pub(super) new_for: Duration,
    /// What the last look showed, without what may change all the time.
    last: Option<(i32, i32, i32, bool, usize, usize)>,
    /// When it last changed, since the beginning of the proof.
    changed: Duration,
    /// For how long nothing has changed.
    pub(super) quiet: Duration,
}

impl History {
    /// Adds a look at this time since the beginning of the proof.
    pub fn add(&mut self, seen: &Seen<'_>, at: Duration) {
        let progress = &seen.progress;
        let new: Vec<&PodFacts> = seen.new_pods().collect();
        let ready = new.iter().filter(|pod| pod.health == PodHealth::Ready).count();
        let is_present = progress.mark == Mark::Present;
        self.new_was_ready |=
            seen.runs_gateway && (ready > 0 || (is_present && progress.new_ready == Some(true)));
        let is_there = match seen.listed() {
            Some(_) => !new.is_empty(),
            None => is_present && progress.updated > 0 && progress.new_ready.is_some(),
        };
        if is_there {
            self.new_since.get_or_insert(at);
        }
        self.new_for = self
            .new_since
            .map_or(Duration::ZERO, |since| at.saturating_sub(since));
        let look = Some((
            progress.pods,
            progress.updated,
            progress.ready,
            progress.blocked.is_some(),
            new.len(),
            ready,
        ));
        if self.last != look {
            self.last = look;
            self.changed = at;
        }
        self.quiet = at.saturating_sub(self.changed);
    }

    /// Adds what the others show: a new pod of any workload that was ready with the
    /// credential speaks for it in all of them.
    pub fn share<'h>(histories: impl IntoIterator<Item = &'h mut Self>, was_proved: bool) {
        let mut histories: Vec<&mut Self> = histories.into_iter().collect();
        let works = was_proved || histories.iter().any(|history| history.new_was_ready);
        for history in &mut histories {
            history.new_was_ready = works;
        }
    }
}

impl Seen<'_> {
    pub(super) fn listed(&self) -> Option<&[PodFacts]> {
        match &self.pods {
            Pods::Listed(pods) => Some(pods),
            Pods::Unread | Pods::Forbidden => None,
        }
    }

    pub(super) fn staying(&self) -> impl Iterator<Item = &PodFacts> {
        self.listed().into_iter().flatten().filter(|pod| pod.stays)
    }

    /// The pods that stay and have the new credential, by the mark of the
    /// restart, or by their age where the template has no mark of it or its own
    /// controller creates no pods.
    pub fn new_pods(&self) -> impl Iterator<Item = &PodFacts> {
        let by_age = self.progress.mark == Mark::Removed || self.progress.wanted == 0;
        self.staying()
            .filter(move |pod| pod.is_marked || (by_age && pod.is_younger))
    }

    /// The pods that stay and may have an older credential.
    pub(super) fn stale_pods(&self) -> Vec<&PodFacts> {
        let stale = self
            .staying()
            .filter(|pod| !pod.is_marked && pod.is_stale != Some(false));
        stale.collect()
    }
}
