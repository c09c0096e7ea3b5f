//! The rules for what the program writes.
//!
//! 1. A credential that Azure accepts is not replaced by one that it refuses, unless the test
//!    wanted that refusal, and no pod starts with one that the program wrote and Azure refuses.
//! 2. A rotation writes its credential once, and restarts a workload once. A put back restores an
//!    earlier credential with its annotations, and an earlier restart only after that.
//! 3. A restart comes after the write.
//! 4. Nothing else of a Secret or of a pod template changes.
//! 5. A set-up of Entra changes a pod template together with its rotation id, or gives it back exactly what it was, and
//!    writes a credential of an app together with its id. Each replacement of pods has a new id, and that of the
//!    credential if the Secret has it. Whether Azure accepts that credential is not looked into.
//!
//! The watches of two kinds are not in step with each other. What depends on both is a claim, which
//! is looked into when somebody asks.

use std::collections::{BTreeMap, BTreeSet};

use kube::ResourceExt as _;
use kube::api::DynamicObject;

use super::Standing;
use super::version::{
    Field, KEY_ID, Kind, Place, REPLACEMENT, RESTARTED_AT, ROTATION_ID, Version, may_change, number,
};

/// What happened in one namespace.
#[derive(Default)]
pub(super) struct Judge {
    /// Every version that differs from the one before.
    objects: BTreeMap<(Kind, String), Vec<Version>>,
    /// The version at which a Secret first held a rotation id.
    held: BTreeMap<String, u64>,
    /// The rotation ids whose credential was put back.
    put_back: BTreeSet<String>,
    found: Vec<String>,
    claims: Vec<Claim>,
}

/// Something that is right only if another object was in the right state.
enum Claim {
    /// A restart brought this id.
    Restarted { what: String, id: String, number: u64 },
    /// A template lost these ids again.
    PutBack { what: String, ids: BTreeSet<String> },
    /// A restart brought no id of a credential.
    Unmarked { what: String, spec: String, number: u64 },
    /// A pod was created.
    Started { name: String, spec: String, number: u64 },
}

impl Judge {
    /// What broke a rule, claims included.
    pub(super) fn violations(&self) -> Vec<String> {
        let claims = self.claims.iter().filter_map(|claim| self.refute(claim));
        self.found.iter().cloned().chain(claims).collect()
    }

    pub(super) fn found(&self) -> Vec<String> {
        self.found.clone()
    }

    pub(super) fn has_seen(&self, kind: Kind, object: &DynamicObject) -> bool {
        let versions = self.objects.get(&(kind, object.name_any()));
        versions
            .and_then(|versions| versions.last())
            .is_some_and(|last| last.number >= number(object))
    }

    /// Takes a new version of an object.
    pub(super) fn see(&mut self, kind: Kind, object: &DynamicObject, standing: impl Fn(&str) -> Standing) {
        let name = object.name_any();
        let mut now = Version::of(kind, object);
        let key = (kind, name.clone());
        let mut versions = self.objects.remove(&key).unwrap_or_default();
        versions.retain(|version| version.uid == now.uid);
        // A watch that starts again shows what it has shown before.
        if versions.last().is_none_or(|last| last.number < now.number) {
            match kind {
                Kind::Secret => self.secret(&name, &versions, &mut now, standing),
                Kind::Pod => self.pod(name, &versions, &now),
                _ => self.workload(kind, &name, &versions, &now),
            }
            versions.pop_if(|last| last.fields == now.fields);
            versions.push(now);
        }
        self.objects.insert(key, versions);
    }

    fn secret(
        &mut self,
        name: &str,
        versions: &[Version],
        now: &mut Version,
        standing: impl Fn(&str) -> Standing,
    ) {
        let key_id = now.get(Place::Annotation, KEY_ID).map(str::to_owned);
        for id in now.ids(Place::Annotation).into_iter().chain(key_id) {
            self.held.entry(id).or_insert(now.number);
        }
        let Some(before) = versions.last() else {
            return;
        };
        let changed = now.changed_since(before);
        let is_new = changed.iter().any(|(place, _)| *place == Place::Data);
        now.breaks_pods = before.breaks_pods && !is_new;
        if !now.is_written_by_program(before) {
            return;
        }
        let what = format!("secret/{name}");
        if now.get(Place::Annotation, KEY_ID).is_some() {
            self.credential_of_app(&what, before, now);
            return;
        }
        for (place, key) in changed {
            match (place, now.get(place, &key)) {
                (Place::Data, Some(is)) if standing(is) == Standing::Refused => {
                    let was = before.get(place, &key);
                    if was.is_some_and(|was| standing(was) == Standing::Accepted) {
                        self.find(
                            &what,
                            now,
                            &format!("{key} was accepted by Azure and is refused now"),
                        );
                    }
                    now.breaks_pods = true;
                }
                (Place::Data, Some(_)) => {}
                (Place::Annotation, _) if may_change(&key) => {}
                _ => self.find(&what, now, &format!("{place:?} {key} was changed or removed")),
            }
        }
        if is_new {
            self.credential(&what, versions, before, now);
        }
    }

    fn credential_of_app(&mut self, what: &str, before: &Version, now: &Version) {
        let id = |version: &Version| version.get(Place::Annotation, KEY_ID).map(str::to_owned);
        for (place, key) in now.changed_since(before) {
            match (place, now.get(place, &key)) {
                (Place::Data, Some(_)) if id(before) != id(now) => {}
                (Place::Data, Some(_)) => {
                    self.find(
                        what,
                        now,
                        &format!("a second credential was written as {:?}", id(now)),
                    );
                }
                (Place::Annotation, _) if may_change(&key) => {}
                _ => self.find(what, now, &format!("{place:?} {key} was changed or removed")),
            }
        }
    }

    /// A credential that the program wrote: of a rotation, or put back.
    fn credential(&mut self, what: &str, versions: &[Version], before: &Version, now: &Version) {
        let id = now.get(Place::Annotation, ROTATION_ID);
        let is_first = !versions
            .iter()
            .any(|version| version.get(Place::Annotation, ROTATION_ID) == id);
        if id.is_some() && is_first {
            return;
        }
        let data = |version: &Version| -> Vec<(Field, String)> {
            let fields = version
                .fields
                .iter()
                .filter(|((place, _), _)| *place == Place::Data);
            fields
                .map(|(field, value)| (field.clone(), value.clone()))
                .collect()
        };
        match versions.iter().rfind(|version| data(version) == data(now)) {
            Some(earlier) if earlier.marks_of_credential() == now.marks_of_credential() => {
                let ids = before.ids(Place::Annotation);
                self.put_back
                    .extend(ids.difference(&now.ids(Place::Annotation)).cloned());
            }
            Some(_) => self.find(what, now, "a credential was put back without its annotations"),
            None => self.find(
                what,
                now,
                &format!("a second credential was written as rotation {id:?}"),
            ),
        }
    }

    fn workload(&mut self, kind: Kind, name: &str, versions: &[Version], now: &Version) {
        let Some(before) = versions.last().filter(|before| now.is_written_by_program(before)) else {
            return;
        };
        let what = format!("{}/{name}", kind.noun());
        let mut is_restart = false;
        let is_setup = now.signs_in_by_entra() || before.signs_in_by_entra();
        let replaces_pods = now.ids(Place::Template) != before.ids(Place::Template);
        for (place, key) in now.changed_since(before) {
            match (place, key.as_str()) {
                (Place::Template, ROTATION_ID | RESTARTED_AT) => is_restart = true,
                (Place::Spec, _) if is_setup && replaces_pods => {}
                (Place::Annotation, key) if may_change(key) => {}
                _ => self.find(&what, now, &format!("{place:?} {key} was changed or removed")),
            }
        }
        if !is_restart {
            return;
        }
        if is_setup {
            self.setup(&what, versions, now);
            return;
        }
        let ids = now.ids(Place::Template);
        let known = known_ids(versions);
        let earlier = before.ids(Place::Template);
        let lost: BTreeSet<String> = earlier.difference(&ids).cloned().collect();
        // Of two Secrets, one keeps its id while the other's is taken back.
        let keeps_another = !ids.is_empty() && ids.is_subset(&earlier);
        let is_restored = versions
            .iter()
            .any(|version| version.marks_of_template() == now.marks_of_template());
        if ids.is_subset(&known) {
            if lost.is_empty() || !(is_restored || keeps_another || ids.len() > 1) {
                self.find(&what, now, &format!("a second restart for {ids:?}"));
            }
            self.claims.push(Claim::PutBack {
                what: what.clone(),
                ids: lost,
            });
        }
        for id in ids.difference(&known) {
            self.claims.push(Claim::Restarted {
                what: what.clone(),
                id: id.clone(),
                number: now.number,
            });
        }
    }

    /// A set-up replaced the pods, or gave the template back what it was.
    fn setup(&mut self, what: &str, versions: &[Version], now: &Version) {
        let new: BTreeSet<String> = now
            .ids(Place::Template)
            .difference(&known_ids(versions))
            .cloned()
            .collect();
        let is_restored = versions.iter().any(|version| {
            let same_spec = version.get(Place::Spec, "") == now.get(Place::Spec, "");
            same_spec && version.marks_of_template() == now.marks_of_template()
        });
        if new.is_empty() && !is_restored {
            self.find(
                what,
                now,
                "it was neither restarted for something new nor put back",
            );
        }
        // The pods of a workload identity depend on no Secret.
        if !now.has_in_spec("\"azureAdApp\"") {
            return;
        }
        let is_replacement = |id: &String| id.starts_with(REPLACEMENT);
        if new.iter().any(is_replacement) && now.ids(Place::Template).iter().all(is_replacement) {
            self.claims.push(Claim::Unmarked {
                what: what.to_owned(),
                spec: now.get(Place::Spec, "").unwrap_or_default().to_owned(),
                number: now.number,
            });
        }
        let of_credentials = new.into_iter().filter(|id| !is_replacement(id));
        self.claims.extend(of_credentials.map(|id| Claim::Restarted {
            what: what.to_owned(),
            id,
            number: now.number,
        }));
    }

    fn pod(&mut self, name: String, versions: &[Version], now: &Version) {
        if versions.is_empty() {
            self.claims.push(Claim::Started {
                name,
                spec: now.get(Place::Spec, "").unwrap_or_default().to_owned(),
                number: now.number,
            });
        }
    }

    fn refute(&self, claim: &Claim) -> Option<String> {
        match claim {
            Claim::Restarted { what, id, number } => {
                let is_late = self.held.get(id).is_some_and(|held| held < number);
                (!is_late).then(|| format!("{what}: restarted for {id} before a Secret held it"))
            }
            Claim::PutBack { what, ids } => {
                let of_none = ids.difference(&self.put_back).next()?;
                Some(format!(
                    "{what}: {of_none} was taken back though its credential was not"
                ))
            }
            Claim::Unmarked { what, spec, number } => {
                let mut secrets = self.secrets_of(spec, *number);
                let is_recorded =
                    secrets.any(|(_, version)| version.get(Place::Annotation, KEY_ID).is_some());
                is_recorded.then(|| format!("{what}: restarted without the id of its credential"))
            }
            Claim::Started { name, spec, number } => {
                let mut secrets = self.secrets_of(spec, *number);
                let (secret, _) = secrets.find(|(_, version)| version.breaks_pods)?;
                Some(format!(
                    "pod/{name}: started while secret/{secret} had a refused credential of the program"
                ))
            }
        }
    }

    /// The Secrets that a pod's spec refers to, as they were before a version.
    fn secrets_of<'a>(&'a self, spec: &'a str, number: u64) -> impl Iterator<Item = (&'a str, &'a Version)> {
        self.objects.iter().filter_map(move |((kind, name), versions)| {
            let before = versions.iter().rfind(|version| version.number < number)?;
            let is_of_spec = *kind == Kind::Secret && spec.contains(&format!("{name:?}"));
            is_of_spec.then_some((name.as_str(), before))
        })
    }

    fn find(&mut self, what: &str, version: &Version, how: &str) {
        self.found
            .push(format!("{what} at version {}: {how}", version.number));
    }
}

/// The ids for which a restart was made. One that somebody else took away may be brought back.
fn known_ids(versions: &[Version]) -> BTreeSet<String> {
    let mut known = BTreeSet::new();
    let mut before: Option<&Version> = None;
    for version in versions {
        let ids = version.ids(Place::Template);
        if let Some(before) = before.filter(|before| !version.is_written_by_program(before)) {
            known.retain(|id| ids.contains(id) || !before.ids(Place::Template).contains(id));
        }
        known.extend(ids);
        before = Some(version);
    }
    known
}
