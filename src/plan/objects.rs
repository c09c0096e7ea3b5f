//! Compares the objects that are wanted with those that exist, and decides what
//! to change.

mod extra;
mod harmless;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde_json::Value;

use crate::model::entra::{CLIENT_ID_ANNOTATION, TENANT_ID_ANNOTATION};
use crate::model::{Account, Object, ObjectKind, Ownership, Use, references};

pub use extra::extra_fields;
pub use harmless::{is_harmless, is_plain, without_hidden};

/// The prefix of the annotations of Azure Workload Identity.
const WORKLOAD_IDENTITY: &str = "azure.workload.identity/";

/// The state of a wanted object in the cluster.
#[derive(Clone, Debug)]
pub enum Live {
    Absent,
    Present(Object, Ownership),
}

/// An object that is no longer wanted.
#[derive(Clone, Debug)]
pub enum Surplus {
    Present(Object, Ownership),
    /// It could not be read, so it may not exist.
    Unreadable {
        reference: String,
        why: String,
    },
}

/// What to do with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Create,
    Update,
    /// Delete and create it, so that none of its fields are left.
    Replace,
    Delete,
    Nothing,
}

/// An object and what to do with it.
#[derive(Clone, Debug)]
pub struct Change {
    pub action: Action,
    /// `None` if it is deleted.
    pub wanted: Option<Object>,
    pub live: Live,
    /// The API server's answer to the write or its dry run.
    pub after: Option<Object>,
}

/// An object that is kept although it is not wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    pub reference: String,
    pub why: Reason,
}

/// Why an object is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// This wanted object refers to it.
    ReferredTo { by: String },
    /// Something else uses it, or the account that it belongs to.
    UsedBy { what: String, by: Vec<String> },
    /// Others use it too, so only this account is removed from it.
    Without { account: String, by: Vec<String> },
    /// The installation did not create it.
    NotOurs,
    /// It is being deleted already, once these finalizers are removed.
    BeingDeleted { finalizers: Vec<String> },
    /// It could not be read.
    Unreadable(String),
}

/// The changes to all objects, in the order of the writes.
#[derive(Clone, Debug, Default)]
pub struct ObjectPlan {
    pub changes: Vec<Change>,
    pub kept: Vec<Kept>,
}

/// Decides what to do with the wanted objects and the surplus ones. `uses` are those
/// of the surplus ones by objects of others. The error is an object with a wanted name
/// that belongs to something else.
pub fn object_changes(
    wanted: Vec<(Object, Live)>,
    surplus: Vec<Surplus>,
    uses: &[Use],
) -> Result<ObjectPlan, Box<Object>> {
    let mut plan = ObjectPlan::default();
    for (wanted, live) in wanted {
        let action = match &live {
            Live::Absent => Action::Create,
            Live::Present(_, Ownership::Ours) => Action::Update,
            // Others may refer to the account's uid, so it stays the same object.
            Live::Present(live, Ownership::Legacy) if live.kind() == ObjectKind::ServiceAccount => {
                Action::Update
            }
            Live::Present(_, Ownership::Legacy) => Action::Replace,
            Live::Present(live, Ownership::Other) => return Err(Box::new(live.clone())),
        };
        plan.changes.push(Change {
            action,
            wanted: Some(wanted),
            live,
            after: None,
        });
    }
    for object in surplus {
        plan.dispose(object, uses);
    }
    Ok(plan)
}

/// Who uses an object, or what depends on it: the rights of an account are used with
/// the account.
fn used_by(live: &Object, uses: &[Use]) -> Option<Reason> {
    let needed_for: &[ObjectKind] = match live.kind() {
        ObjectKind::Secret => &[ObjectKind::Secret],
        ObjectKind::Role => &[ObjectKind::ServiceAccount, ObjectKind::Role],
        ObjectKind::RoleBinding => &[ObjectKind::ServiceAccount, ObjectKind::RoleBinding],
        ObjectKind::ServiceAccount => &[ObjectKind::ServiceAccount],
        _ => &[],
    };
    needed_for.iter().find_map(|kind| {
        let of = (*kind, live.name().to_owned());
        let of_it = uses.iter().filter(|its| its.of == of);
        let by: Vec<String> = of_it.map(|its| its.by.clone()).collect();
        let what = kind.reference(live.name());
        (!by.is_empty()).then_some(Reason::UsedBy { what, by })
    })
}

/// Which of the objects refers to this one.
fn by<'a>(referred: &'a [(String, BTreeSet<(ObjectKind, String)>)], object: &Object) -> Option<&'a str> {
    let of = (object.kind(), object.name().to_owned());
    let mut referring = referred.iter().filter(|(_, to)| to.contains(&of));
    referring.next().map(|(by, _)| by.as_str())
}

impl ObjectPlan {
    fn dispose(&mut self, object: Surplus, uses: &[Use]) {
        let (live, ownership) = match object {
            Surplus::Present(live, ownership) => (live, ownership),
            Surplus::Unreadable { reference, why } => {
                let why = Reason::Unreadable(why);
                return self.kept.push(Kept { reference, why });
            }
        };
        let reference = live.reference();
        let mut wanted = self.changes.iter().filter_map(|change| change.wanted.as_ref());
        let refers =
            |wanted: &&Object| references(wanted.document()).contains(&(live.kind(), live.name().to_owned()));
        let why = match (ownership, wanted.find(refers), used_by(&live, uses)) {
            (Ownership::Ours, ..) if live.is_being_deleted() => Reason::BeingDeleted {
                finalizers: live.finalizers(),
            },
            (Ownership::Ours, None, None) => {
                return self.changes.push(Change {
                    action: Action::Delete,
                    wanted: None,
                    live: Live::Present(live, ownership),
                    after: None,
                });
            }
            (Ownership::Ours, Some(wanted), _) => Reason::ReferredTo {
                by: wanted.reference(),
            },
            (Ownership::Ours, None, Some(Reason::UsedBy { what, by })) if what == reference => {
                self.without_account(live, ownership, by)
            }
            (Ownership::Ours, None, Some(why)) => why,
            (Ownership::Legacy | Ownership::Other, ..) => Reason::NotOurs,
        };
        self.kept.push(Kept { reference, why });
    }

    /// Keeps what an object will still refer to after its update: a field that another
    /// manager has set as well stays when it is no longer wanted.
    pub fn keep_referred(&mut self) {
        let updated = self.changes.iter().filter_map(|change| change.after.as_ref());
        let referred: Vec<(String, BTreeSet<(ObjectKind, String)>)> = updated
            .map(|after| (after.reference(), references(after.document())))
            .collect();
        let kept = self.changes.extract_if(.., |change| {
            let object = change.object();
            change.action == Action::Delete && by(&referred, object).is_some()
        });
        let kept: Vec<Change> = kept.collect();
        self.kept.extend(kept.iter().filter_map(|change| {
            let object = change.object();
            Some(Kept {
                reference: object.reference(),
                why: Reason::ReferredTo {
                    by: by(&referred, object)?.to_owned(),
                },
            })
        }));
    }

    /// Removes the account of a binding from it, if it names the account.
    fn without_account(&mut self, live: Object, ownership: Ownership, by: Vec<String>) -> Reason {
        let account = Account {
            namespace: live.namespace().unwrap_or_default(),
            name: live.name(),
        };
        if live.kind() != ObjectKind::RoleBinding || !account.is_bound_by(&live) {
            let what = live.reference();
            return Reason::UsedBy { what, by };
        }
        let reference = ObjectKind::ServiceAccount.reference(account.name);
        self.changes.push(Change {
            action: Action::Update,
            wanted: Some(account.removed_from(&live)),
            live: Live::Present(live, ownership),
            after: None,
        });
        Reason::Without {
            account: reference,
            by,
        }
    }

    pub fn any_change(&self) -> bool {
        self.changes.iter().any(|change| change.action != Action::Nothing)
    }

    /// Whether an object of this kind changes.
    pub fn changes_kind(&self, kind: ObjectKind) -> bool {
        self.any_of(kind, |action| action != Action::Nothing)
    }

    /// Whether an object of this kind is created where there is none.
    pub fn creates(&self, kind: ObjectKind) -> bool {
        self.any_of(kind, |action| action == Action::Create)
    }

    fn any_of(&self, kind: ObjectKind, is_meant: impl Fn(Action) -> bool) -> bool {
        let mut changes = self.changes.iter();
        changes.any(|change| change.object().kind() == kind && is_meant(change.action))
    }

    /// The legacy objects that the wanted ones replace.
    pub fn taken_over(&self) -> impl Iterator<Item = &Object> {
        self.changes.iter().filter_map(|change| match &change.live {
            Live::Present(live, Ownership::Legacy) => Some(live),
            _ => None,
        })
    }

    /// The wanted object of this kind as it is now.
    pub fn present(&self, kind: ObjectKind) -> Option<&Object> {
        let mut changes = self.changes.iter();
        let change = changes.find(|change| change.wanted.as_ref().is_some_and(|it| it.kind() == kind))?;
        change
            .after
            .as_ref()
            .or(change.live_object())
            .or(change.wanted.as_ref())
    }

    /// Includes the writes of earlier attempts of the same run.
    pub fn include_earlier(&mut self, earlier: &[(String, Action)]) {
        for change in &mut self.changes {
            let reference = change.object().reference();
            let done = earlier.iter().find(|(written, _)| *written == reference);
            if let (Action::Nothing | Action::Update, Some((_, action))) = (change.action, done) {
                change.action = *action;
            }
        }
    }
}

impl Change {
    /// The wanted object, or the live one if it is deleted.
    pub fn object(&self) -> &Object {
        let object = self.wanted.as_ref().or(self.live_object());
        object.expect("a change has a wanted object or a live one")
    }

    /// The annotations of Azure Workload Identity that an account has and the wanted one
    /// does not: all of a legacy account, otherwise those that an installation sets. An
    /// apply keeps them if another manager owns them.
    pub fn stale_annotations(&self) -> Vec<String> {
        let (Live::Present(live, ownership), Some(wanted)) = (&self.live, &self.wanted) else {
            return Vec::new();
        };
        let mut stale = live.annotations_with(WORKLOAD_IDENTITY);
        let is_set = |name: &str| [CLIENT_ID_ANNOTATION, TENANT_ID_ANNOTATION].contains(&name);
        stale.retain(|name| {
            wanted.annotation(name).is_none() && (*ownership == Ownership::Legacy || is_set(name))
        });
        stale
    }

    /// The object as it was read.
    pub fn live_object(&self) -> Option<&Object> {
        match &self.live {
            Live::Present(live, _) => Some(live),
            Live::Absent => None,
        }
    }

    /// Records the API server's answer to the dry run of an update. If it equals the
    /// live object, there is nothing to do.
    pub fn rehearsed(&mut self, mut answer: Object) {
        for name in self.stale_annotations() {
            answer.remove_annotation(&name);
        }
        if self.action == Action::Update
            && self
                .live_object()
                .is_some_and(|live| bare(live.document()) == bare(answer.document()))
        {
            self.action = Action::Nothing;
        }
        self.after = Some(answer);
    }
}

/// An object without the fields that the API server sets.
pub fn bare(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    if let Some(meta) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        for recorded in [
            "managedFields",
            "resourceVersion",
            "generation",
            "uid",
            "creationTimestamp",
        ] {
            meta.remove(recorded);
        }
    }
    object
}
