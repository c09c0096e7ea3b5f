//! Objects that readers see only some time after they were written.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

/// How late a write is seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lag {
    /// Until Graph and ARM show it; they answer with the old state before.
    pub reads: SignedDuration,
    /// Until the token endpoint and the permission checks act on it.
    pub effect: SignedDuration,
}

impl Lag {
    /// The same lag for readers and for its effect.
    pub fn of(lag: SignedDuration) -> Lag {
        Lag {
            reads: lag,
            effect: lag,
        }
    }
}

/// A reader and its moment.
#[derive(Clone, Copy)]
pub(in crate::azure) enum Reader {
    /// A request to Graph or ARM.
    Api(Timestamp),
    /// The token endpoint or a permission check.
    Effect(Timestamp),
}

struct Version<T> {
    seen_from: Timestamp,
    effective_from: Timestamp,
    /// None where the object was deleted.
    value: Option<T>,
}

impl<T> Version<T> {
    fn is_visible(&self, reader: Reader) -> bool {
        match reader {
            Reader::Api(now) => self.seen_from <= now,
            Reader::Effect(now) => self.effective_from <= now,
        }
    }
}

/// The objects of one kind by id, whose case does not count, each with every state that it ever had.
pub(in crate::azure) struct Store<T> {
    objects: BTreeMap<String, Vec<Version<T>>>,
    lag: Lag,
}

impl<T> Default for Store<T> {
    fn default() -> Self {
        Store {
            objects: BTreeMap::new(),
            lag: Lag::default(),
        }
    }
}

impl<T: Clone> Store<T> {
    pub(in crate::azure) fn set_lag(&mut self, lag: Lag) {
        self.lag = lag;
    }

    /// Sets an object for every reader at once.
    pub(in crate::azure) fn seed(&mut self, id: &str, value: T) {
        let version = Version {
            seen_from: Timestamp::MIN,
            effective_from: Timestamp::MIN,
            value: Some(value),
        };
        self.objects.insert(id.to_lowercase(), vec![version]);
    }

    pub(in crate::azure) fn write(&mut self, id: &str, value: T, now: Timestamp) {
        self.push(id, Some(value), now);
    }

    pub(in crate::azure) fn remove(&mut self, id: &str, now: Timestamp) {
        self.push(id, None, now);
    }

    /// Changes the last state of an object.
    pub(in crate::azure) fn change(&mut self, id: &str, now: Timestamp, change: impl FnOnce(&mut T)) {
        if let Some(mut value) = self.latest(id).cloned() {
            change(&mut value);
            self.write(id, value, now);
        }
    }

    pub(in crate::azure) fn get(&self, id: &str, reader: Reader) -> Option<&T> {
        seen(self.objects.get(&id.to_lowercase())?, reader)
    }

    pub(in crate::azure) fn latest(&self, id: &str) -> Option<&T> {
        self.objects.get(&id.to_lowercase())?.last()?.value.as_ref()
    }

    /// The objects that a reader sees, by id.
    pub(in crate::azure) fn all(&self, reader: Reader) -> impl Iterator<Item = &T> {
        self.objects
            .values()
            .filter_map(move |versions| seen(versions, reader))
    }

    pub(in crate::azure) fn all_latest(&self) -> impl Iterator<Item = &T> {
        self.objects
            .values()
            .filter_map(|versions| versions.last()?.value.as_ref())
    }

    fn push(&mut self, id: &str, value: Option<T>, now: Timestamp) {
        let version = Version {
            seen_from: now + self.lag.reads,
            effective_from: now + self.lag.effect,
            value,
        };
        self.objects.entry(id.to_lowercase()).or_default().push(version);
    }
}

fn seen<T>(versions: &[Version<T>], reader: Reader) -> Option<&T> {
    let newest = versions.iter().rev().find(|version| version.is_visible(reader))?;
    newest.value.as_ref()
}
