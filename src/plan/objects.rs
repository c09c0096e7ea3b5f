//! What becomes of objects: from what is wanted, what is there and whose it is
//! to changes.

mod references;
#[cfg(test)]
mod tests;

use serde_json::Value;

use crate::model::{Object, ObjectKind, Ownership};
use references::referred;

/// What is known of a wanted object.
#[derive(Clone, Debug)]
pub enum Live {
    /// It was not looked for. Only an object that is not there may be created.
    NotRead,
    Absent,
    Present(Object, Ownership),
}

/// An object that is not wanted and may have to go.
#[derive(Clone, Debug)]
pub enum Surplus {
    Present(Object, Ownership),
    /// Whether it is there is not known.
    Unreadable {
        reference: String,
        why: String,
    },
}

/// What becomes of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Create,
    Update,
    /// It is removed first, so that nothing of it is left.
    Replace,
    Delete,
    Nothing,
}

/// An object and what becomes of it.
#[derive(Clone, Debug)]
pub struct Change {
    pub action: Action,
    /// `None` where it goes.
    pub wanted: Option<Object>,
    pub live: Live,
    /// What the API server made of the wanted object, in a rehearsal or in earnest.
    pub after: Option<Object>,
}

/// An object that stays although it is not wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    pub reference: String,
    pub why: Reason,
}

/// Why an object stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// This wanted object refers to it.
    ReferredTo { by: String },
    /// It was not made by the installation.
    NotOurs,
    /// It could not be looked at.
    Unreadable(String),
}

/// What becomes of all objects, in the order of the writes.
#[derive(Clone, Debug, Default)]
pub struct ObjectPlan {
    pub changes: Vec<Change>,
    pub kept: Vec<Kept>,
}

/// Decides what becomes of the wanted objects and of those beyond them. The
/// error is an object of somebody else that is in the way.
pub fn object_changes(wanted: Vec<(Object, Live)>, surplus: Vec<Surplus>) -> Result<ObjectPlan, Box<Object>> {
    let mut plan = ObjectPlan::default();
    for (wanted, live) in wanted {
        let action = match &live {
            Live::NotRead | Live::Absent => Action::Create,
            Live::Present(_, Ownership::Ours) => Action::Update,
            // Others may have noted the account's uid, so it stays the same object.
            Live::Present(live, Ownership::Article) if live.kind() == ObjectKind::ServiceAccount => {
                Action::Update
            }
            Live::Present(_, Ownership::Article) => Action::Replace,
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
        plan.dispose(object);
    }
    Ok(plan)
}

impl ObjectPlan {
    fn dispose(&mut self, object: Surplus) {
        let (live, ownership) = match object {
            Surplus::Present(live, ownership) => (live, ownership),
            Surplus::Unreadable { reference, why } => {
                let why = Reason::Unreadable(why);
                return self.kept.push(Kept { reference, why });
            }
        };
        let reference = live.reference();
        let mut wanted = self.changes.iter().filter_map(|change| change.wanted.as_ref());
        let user = wanted.find(|wanted| referred(wanted).contains(&(live.kind(), live.name().to_owned())));
        let why = match (ownership, user) {
            (Ownership::Ours, None) => {
                return self.changes.push(Change {
                    action: Action::Delete,
                    wanted: None,
                    live: Live::Present(live, ownership),
                    after: None,
                });
            }
            (Ownership::Ours, Some(user)) => Reason::ReferredTo { by: user.reference() },
            (Ownership::Article | Ownership::Other, _) => Reason::NotOurs,
        };
        self.kept.push(Kept { reference, why });
    }

    pub fn any_change(&self) -> bool {
        self.changes.iter().any(|change| change.action != Action::Nothing)
    }

    /// Whether an object of this kind changes.
    pub fn changes_kind(&self, kind: ObjectKind) -> bool {
        let mut changes = self.changes.iter();
        changes.any(|change| change.object().kind() == kind && change.action != Action::Nothing)
    }

    /// The objects of the article that ours take over.
    pub fn taken_over(&self) -> impl Iterator<Item = &Object> {
        self.changes.iter().filter_map(|change| match &change.live {
            Live::Present(live, Ownership::Article) => Some(live),
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

    /// Shows what earlier attempts of the same run did to objects that are now
    /// as they should be.
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
    /// The object: as it is wanted or, where it goes, as it is.
    pub fn object(&self) -> &Object {
        let object = self.wanted.as_ref().or(self.live_object());
        object.expect("a change is of an object that is wanted or there")
    }

    /// The object as it was read.
    pub fn live_object(&self) -> Option<&Object> {
        match &self.live {
            Live::Present(live, _) => Some(live),
            Live::NotRead | Live::Absent => None,
        }
    }

    /// Takes the API server's answer to a rehearsed update: if it equals what is
    /// there, there is nothing to do.
    pub fn rehearsed(&mut self, answer: Object) {
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

/// An object without what the API server records about it.
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
