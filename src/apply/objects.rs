//! Rehearses, applies and removes the objects of a plan.

use kube::core::Status;

use crate::cluster::objects::{Apply, Expected};
use crate::cluster::{Cluster, explain};
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::model::request::DryRun;
use crate::model::{Object, ObjectKind};
use crate::plan::{Action, Change, ObjectPlan, bare, without_hidden};

/// The name under which a dry run creates an object, as if there were none. No object
/// has it.
pub const REHEARSAL: &str = "kubectl-apim-rehearsal";

/// How often a removal is tried if only the status of the object has changed.
const REMOVALS: usize = 4;

/// Writes the objects of a plan.
pub struct ObjectWriter<'a> {
    cluster: &'a Cluster,
    manager: &'static str,
    interrupt: &'a Interrupt,
    dry_run: DryRun,
    /// The writes so far, in order.
    written: Vec<(String, Action)>,
}

/// The result of carrying out a plan.
#[derive(Debug)]
pub enum Applied {
    Done,
    /// This object was changed since the plan was made, so a new plan is needed.
    Outdated(String),
}

/// Why a write did not happen.
enum Unwritten {
    /// The object is not the one that was expected.
    Conflict(Error),
    Failed(Error),
}

/// How a removal ended.
enum Removal {
    Removed,
    /// It did not exist any more.
    Gone,
    /// More than its status has changed since it was read, so it was kept.
    Changed,
}

impl<'a> ObjectWriter<'a> {
    pub fn new(
        cluster: &'a Cluster,
        manager: &'static str,
        interrupt: &'a Interrupt,
        dry_run: DryRun,
    ) -> Self {
        Self {
            cluster,
            manager,
            interrupt,
            dry_run,
            written: Vec::new(),
        }
    }

    /// The writes so far, by `TYPE/NAME`, in order.
    pub fn written(&self) -> &[(String, Action)] {
        &self.written
    }

    /// Dry-runs the replacements and updates. An update that changes nothing becomes
    /// [`Action::Nothing`].
    pub async fn rehearse(&self, plan: &mut ObjectPlan) -> Result<Applied> {
        if plan.changes.iter().any(|change| change.action == Action::Replace) {
            self.rehearse_successors(plan).await?;
        }
        for change in &mut plan.changes {
            let (Action::Update, Some(wanted), Some(live)) =
                (change.action, &change.wanted, change.live_object())
            else {
                continue;
            };
            match self.apply_one(wanted, Expected::Version(live), true).await {
                Ok(answer) => change.rehearsed(answer),
                Err(Unwritten::Conflict(_)) => return Ok(Applied::Outdated(wanted.reference())),
                Err(Unwritten::Failed(error)) => return Err(error),
            }
        }
        plan.keep_referred();
        Ok(Applied::Done)
    }

    /// Dry-runs all objects that will be created, under another name: an object is
    /// removed only if its replacement will be admitted.
    async fn rehearse_successors(&self, plan: &ObjectPlan) -> Result<()> {
        for change in &plan.changes {
            let (Action::Create | Action::Replace, Some(wanted)) = (change.action, &change.wanted) else {
                continue;
            };
            // The Role that a binding refers to does not have that name.
            if wanted.kind() == ObjectKind::RoleBinding {
                continue;
            }
            let mut successor = wanted.clone();
            successor["metadata"]["name"] = REHEARSAL.into();
            match self.apply_one(&successor, Expected::Absent, true).await {
                Ok(_) => {}
                // The removal of the replaced object makes room in the quota.
                Err(Unwritten::Failed(error)) if error.to_string().contains("exceeded quota") => {}
                Err(Unwritten::Failed(error) | Unwritten::Conflict(error)) => return Err(error),
            }
        }
        Ok(())
    }

    /// Carries out the plan. A server-side dry run only sends what was not rehearsed.
    pub async fn apply(&mut self, plan: &mut ObjectPlan) -> Result<Applied> {
        for change in &mut plan.changes {
            let applied = match change.action {
                Action::Nothing => Applied::Done,
                Action::Delete => self.delete(change).await?,
                Action::Create | Action::Update | Action::Replace => self.write(change).await?,
            };
            if !matches!(applied, Applied::Done) {
                return Ok(applied);
            }
        }
        Ok(Applied::Done)
    }

    async fn delete(&mut self, change: &mut Change) -> Result<Applied> {
        let Some(live) = change.live_object() else {
            return Ok(Applied::Done);
        };
        match self.remove(live).await? {
            Removal::Removed => {}
            Removal::Gone => change.action = Action::Nothing,
            Removal::Changed => return Ok(Applied::Outdated(live.reference())),
        }
        Ok(Applied::Done)
    }

    async fn write(&mut self, change: &mut Change) -> Result<Applied> {
        let Some(wanted) = change.wanted.clone() else {
            return Ok(Applied::Done);
        };
        let rehearsed = change.after.is_some() || change.action == Action::Replace;
        if self.dry_run == DryRun::Client || (self.dry_run == DryRun::Server && rehearsed) {
            change.after.get_or_insert(wanted);
            return Ok(Applied::Done);
        }
        let mut expected = Expected::Absent;
        let tidied = match self.without_stale(change).await {
            Ok(tidied) => tidied,
            Err(Unwritten::Conflict(_)) => return Ok(Applied::Outdated(wanted.reference())),
            Err(Unwritten::Failed(error)) => return Err(error),
        };
        if let Some(live) = tidied.as_ref().or(change.live_object()) {
            if change.action == Action::Replace {
                if let Removal::Changed = self.remove(live).await? {
                    return Ok(Applied::Outdated(live.reference()));
                }
            } else {
                expected = Expected::Version(live);
            }
        }
        match self.store(&wanted, expected, change.action).await {
            Ok(after) => {
                change.after = Some(after);
                Ok(Applied::Done)
            }
            Err(Unwritten::Conflict(_)) => Ok(Applied::Outdated(wanted.reference())),
            Err(Unwritten::Failed(error)) => Err(error),
        }
    }

    /// The object that is there without its stale annotations, if it has any.
    async fn without_stale(&self, change: &Change) -> Result<Option<Object>, Unwritten> {
        let stale = change.stale_annotations();
        let Some(live) = change.live_object().filter(|_| !stale.is_empty()) else {
            return Ok(None);
        };
        self.interrupt.object_written.set(true);
        let doing = format!("removing annotations of {}", live.reference());
        match self.cluster.remove_annotations(live, &stale).await {
            Ok(tidied) => Ok(Some(tidied)),
            Err(kube::Error::Api(status)) if is_conflict(&status) => {
                Err(Unwritten::Conflict(explain(kube::Error::Api(status), &doing)))
            }
            Err(error) => Err(Unwritten::Failed(explain(hiding(error, &[live]), &doing))),
        }
    }

    /// Applies an object, as a dry run if the run is one, and records the write.
    async fn store(
        &mut self,
        wanted: &Object,
        expected: Expected<'_>,
        action: Action,
    ) -> Result<Object, Unwritten> {
        let dry_run = self.dry_run != DryRun::None;
        if !dry_run {
            self.interrupt.object_written.set(true);
        }
        let after = self.apply_one(wanted, expected, dry_run).await?;
        if !dry_run {
            self.record(wanted.reference(), action);
        }
        Ok(after)
    }

    /// Records a write. An object that was created and then updated counts as created.
    fn record(&mut self, reference: String, action: Action) {
        match self.written.iter_mut().find(|(written, _)| *written == reference) {
            Some((_, earlier @ Action::Delete)) => *earlier = action,
            Some(_) => {}
            None => self.written.push((reference, action)),
        }
    }

    async fn apply_one(
        &self,
        wanted: &Object,
        expected: Expected<'_>,
        dry_run: bool,
    ) -> Result<Object, Unwritten> {
        let how = Apply {
            manager: self.manager,
            dry_run,
            expected,
        };
        let (reference, namespace) = (wanted.reference(), &self.cluster.namespace);
        let doing = format!("applying {reference} in namespace {namespace}");
        let live = match expected {
            Expected::Absent => None,
            Expected::Version(live) => Some(live),
        };
        let objects: Vec<&Object> = live.into_iter().chain([wanted]).collect();
        match self.cluster.apply(wanted, how).await.map_err(|error| hiding(error, &objects)) {
            Ok(after) => Ok(after),
            // The Role that it binds does not exist: it was only dry-run.
            Err(kube::Error::Api(status))
                if dry_run && wanted.kind() == ObjectKind::RoleBinding && status.is_not_found() =>
            {
                Ok(wanted.clone())
            }
            Err(kube::Error::Api(status)) if is_conflict(&status) => {
                let conflict = explain(kube::Error::Api(status), &doing);
                Err(Unwritten::Conflict(conflict))
            }
            Err(kube::Error::Api(status)) if status.message.contains("not currently held") => {
                Err(Unwritten::Failed(
                    Error::refused(format!("{doing}: {}", status.message.trim())).hint(
                        "a user can grant only rights that the user has: have it installed by a user with these rights, or \
                         with the verb `escalate` on roles",
                    ),
                ))
            }
            Err(error) => Err(Unwritten::Failed(explain(error, &doing))),
        }
    }

    /// Removes an object, unless more than its status has changed.
    async fn remove(&mut self, live: &Object) -> Result<Removal> {
        let dry_run = match self.dry_run {
            DryRun::Client => return Ok(Removal::Removed),
            DryRun::Server => true,
            DryRun::None => false,
        };
        let reference = live.reference();
        let doing = format!("removing {reference} in namespace {}", self.cluster.namespace);
        if !dry_run {
            self.interrupt.object_removed.set(true);
        }
        let mut current = live.clone();
        for _ in 0..REMOVALS {
            match self.cluster.remove(&current, dry_run).await {
                Ok(()) => {
                    if !dry_run {
                        self.record(reference, Action::Delete);
                    }
                    return Ok(Removal::Removed);
                }
                Err(kube::Error::Api(status)) if status.is_not_found() => return Ok(Removal::Gone),
                Err(kube::Error::Api(status)) if is_conflict(&status) => {}
                Err(error) => return Err(explain(hiding(error, &[live]), &doing)),
            }
            match self.read(live).await? {
                None => return Ok(Removal::Gone),
                Some(now) if now.uid() != live.uid() => return Ok(Removal::Gone),
                Some(now) if !is_unchanged(live, &now) => return Ok(Removal::Changed),
                Some(now) => current = now,
            }
        }
        Ok(Removal::Changed)
    }

    async fn read(&self, object: &Object) -> Result<Option<Object>> {
        let (reference, namespace) = (object.reference(), &self.cluster.namespace);
        let read = self.cluster.object(object.kind(), object.name()).await;
        read.map_err(|error| explain(error, &format!("reading {reference} in namespace {namespace}")))
    }
}

/// Whether at most the status of an object has changed. Of an object of which only
/// the metadata was read, the labels count, which show whose it is, and the generation
/// of the spec. Roles, their bindings and Secrets have neither status nor generation: a
/// new version of them is a change.
fn is_unchanged(before: &Object, now: &Object) -> bool {
    let fields = before.document().as_object().into_iter().flatten();
    let known = ["apiVersion", "kind", "metadata"];
    let mut beyond = fields.filter(|(field, _)| !known.contains(&field.as_str()));
    if beyond.next().is_some() {
        bare(before.document()) == bare(now.document())
    } else {
        let same = |field: &str| before["metadata"][field] == now["metadata"][field];
        let is_plain = [ObjectKind::Role, ObjectKind::RoleBinding, ObjectKind::Secret];
        !is_plain.contains(&before.kind()) && same("labels") && same("generation")
    }
}

/// The error without the texts of these objects that could be secrets.
pub fn hiding(error: kube::Error, objects: &[&Object]) -> kube::Error {
    let kube::Error::Api(mut status) = error else {
        return error;
    };
    status.message = without_hidden(&status.message, objects);
    for cause in status.details.iter_mut().flat_map(|details| &mut details.causes) {
        cause.message = without_hidden(&cause.message, objects);
    }
    kube::Error::Api(status)
}

fn is_conflict(status: &Status) -> bool {
    status.is_conflict() || status.is_already_exists()
}
