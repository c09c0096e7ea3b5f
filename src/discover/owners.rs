//! Who keeps an object equal to a source of its own, and so undoes other changes of it.

mod table;

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta};

use self::table::{Mark, Row, Source, TABLE};
use crate::cluster::list::{self, Meta};
use crate::model::{Owner, WorkloadKind, cleaned};

static NONE: BTreeMap<String, String> = BTreeMap::new();

/// The one who would undo a write to an object of this group and kind, whose fields under
/// these keys of its data hold a credential.
pub fn owner(meta: &ObjectMeta, (group, kind): (&str, &str), keys: &[&str]) -> Option<Owner> {
    let references = meta.owner_references.iter().flatten().map(|it| Reference {
        kind: &it.kind,
        name: &it.name,
        is_controller: it.controller == Some(true),
        is_built_in: list::is_built_in(&it.api_version),
    });
    let managers = meta.managed_fields.iter().flatten().filter_map(|entry| {
        Some(Manager {
            name: entry.manager.as_deref()?,
            manages_credential: keys.iter().any(|key| manages(entry, key)),
            manages_keys: manages_keys(entry),
        })
    });
    let traces = Traces {
        group,
        kind,
        namespace: meta.namespace.as_deref().unwrap_or_default(),
        name: meta.name.as_deref().unwrap_or_default(),
        labels: meta.labels.as_ref().unwrap_or(&NONE),
        annotations: meta.annotations.as_ref().unwrap_or(&NONE),
        references: references.collect(),
        managers: managers.collect(),
    };
    let found = traces.found()?;
    Some(Owner {
        name: found.name(),
        instead: found.instead(&traces, keys.first().copied().unwrap_or_default()),
    })
}

/// The one who takes away what others have added to the pod template of a workload.
pub fn owner_of_template(meta: &Meta, kind: WorkloadKind) -> Option<String> {
    let references = meta.owner_references.iter().map(|it| Reference {
        kind: &it.kind,
        name: &it.name,
        is_controller: it.controller,
        is_built_in: list::is_built_in(&it.api_version),
    });
    let traces = Traces {
        group: "apps",
        kind: kind.name(),
        namespace: &meta.namespace,
        name: &meta.name,
        labels: &meta.labels,
        annotations: &meta.annotations,
        references: references.collect(),
        managers: Vec::new(),
    };
    let found = traces.found()?;
    found.replaces().then(|| found.name())
}

/// Whether a field manager manages a key of the data of a Secret.
pub fn manages(entry: &ManagedFieldsEntry, key: &str) -> bool {
    let field = format!("f:{key}");
    // Managed fields name `stringData` if that was applied.
    entry.fields_v1.as_ref().is_some_and(|fields| {
        let mut parts = ["f:data", "f:stringData"].iter();
        parts.any(|part| fields.0.get(part).is_some_and(|data| data.get(&field).is_some()))
    })
}

fn manages_keys(entry: &ManagedFieldsEntry) -> bool {
    entry.fields_v1.as_ref().is_some_and(|fields| {
        let mut parts = ["f:data", "f:stringData"].iter();
        parts.any(|part| {
            let keys = fields.0.get(part).and_then(|keys| keys.as_object());
            keys.is_some_and(|keys| keys.keys().any(|key| key.starts_with("f:")))
        })
    })
}

/// What an object shows of those who write it.
struct Traces<'a> {
    group: &'a str,
    kind: &'a str,
    namespace: &'a str,
    name: &'a str,
    labels: &'a BTreeMap<String, String>,
    annotations: &'a BTreeMap<String, String>,
    references: Vec<Reference<'a>>,
    managers: Vec<Manager<'a>>,
}

/// A field manager of the object.
struct Manager<'a> {
    name: &'a str,
    manages_credential: bool,
    /// Whether it manages any key of the data.
    manages_keys: bool,
}

struct Reference<'a> {
    kind: &'a str,
    name: &'a str,
    is_controller: bool,
    /// Whether its kind is one of Kubernetes itself. Such an owner writes nothing: the object
    /// is deleted together with it.
    is_built_in: bool,
}

enum Found<'a> {
    Tool {
        row: &'static Row,
        /// The name of its object; empty if that is not known.
        name: &'a str,
        is_controller: bool,
    },
    /// A reference to an owner that the table does not have.
    Other(&'a Reference<'a>),
}

impl<'a> Traces<'a> {
    /// The manager of the credential comes first, and a reference before marks.
    fn found(&'a self) -> Option<Found<'a>> {
        let managed = rows(self).find_map(|row| self.by_manager(row));
        managed.or_else(|| self.by_reference()).or_else(|| {
            let mut marked = rows(self).filter(|row| !self.merges_other_keys(row));
            marked.find_map(|row| Some(tool(row, self.by_marks(row)?)))
        })
    }

    /// Whether a tool manages other keys than the credential in a Secret that it does not own.
    fn merges_other_keys(&self, row: &Row) -> bool {
        let mut own = self
            .managers
            .iter()
            .filter(|it| row.managed_by(it.name).is_some());
        row.merges && own.any(|it| it.manages_keys && !it.manages_credential)
    }

    fn by_manager(&'a self, row: &'static Row) -> Option<Found<'a>> {
        let mut managers = self.managers.iter().filter(|it| it.manages_credential);
        let name = managers.find_map(|it| row.managed_by(it.name))?;
        let is_known = !name.is_empty();
        Some(tool(
            row,
            if is_known {
                name
            } else {
                self.by_marks(row).unwrap_or_default()
            },
        ))
    }

    fn by_reference(&'a self) -> Option<Found<'a>> {
        let mut references = self.references.iter();
        let reference = references
            .clone()
            .find(|it| it.is_controller)
            .or_else(|| references.find(|it| !it.is_built_in))?;
        let Some(row) = TABLE.iter().find(|row| row.kinds.contains(&reference.kind)) else {
            return Some(Found::Other(reference));
        };
        (!row.leaves_alone(self)).then_some(Found::Tool {
            row,
            name: if row.object.is_empty() { "" } else { reference.name },
            is_controller: reference.is_controller,
        })
    }

    /// The name in the marks of a row, if one is on the object; empty if none has a name.
    fn by_marks(&self, row: &Row) -> Option<&'a str> {
        let mut found = None;
        for mark in row.marks {
            match self.read(row, mark) {
                Read::Absent => {}
                Read::OfAnother => return None,
                Read::Present(name) => {
                    found = found.filter(|it: &&str| !it.is_empty()).or(Some(name));
                }
            }
        }
        found
    }

    fn read(&self, row: &Row, mark: &Mark) -> Read<'a> {
        let present = |is_present: bool| {
            if is_present {
                Read::Present("")
            } else {
                Read::Absent
            }
        };
        match mark {
            Mark::Name(key) => self.value(key).map_or(Read::Absent, Read::Present),
            Mark::Shared(key) => {
                let is_beside = self.managers.iter().any(|it| row.managed_by(it.name).is_some());
                let name = self.value(key).filter(|_| is_beside);
                name.map_or(Read::Absent, Read::Present)
            }
            Mark::Has(key) => present(self.value(key).is_some()),
            Mark::Is(key, value) => present(self.value(key) == Some(*value)),
            Mark::Begins(start) => {
                let mut keys = self.labels.keys().chain(self.annotations.keys());
                present(keys.any(|key| key.starts_with(*start)))
            }
            Mark::Id(key, form) => self.value(key).map_or(Read::Absent, |id| self.read_id(id, form)),
        }
    }

    fn read_id(&self, id: &'a str, form: &str) -> Read<'a> {
        let own = self.filled(form);
        let (start, end) = own.split_once('*').unwrap_or((&own, ""));
        match id.strip_prefix(start).and_then(|rest| rest.strip_suffix(end)) {
            Some(name) if own.starts_with('*') => Read::Present(name),
            Some(rest) if own.contains('*') || rest.is_empty() => Read::Present(""),
            _ => Read::OfAnother,
        }
    }

    fn filled(&self, form: &str) -> String {
        form.replace("{group}", self.group)
            .replace("{lower}", &self.kind.to_ascii_lowercase())
            .replace("{kind}", self.kind)
            .replace("{namespace}", self.namespace)
            .replace("{name}", self.name)
    }

    fn value(&self, key: &str) -> Option<&'a str> {
        let values = [self.labels.get(key), self.annotations.get(key)];
        values
            .into_iter()
            .flatten()
            .map(String::as_str)
            .find(|it| !it.is_empty())
    }

    /// The Secret of which this one is a copy.
    fn source(&self, source: &Source) -> Option<String> {
        let (namespace, name) = match source {
            Source::None => return None,
            Source::Path(keys) => {
                let path = keys.iter().find_map(|key| self.value(key))?;
                path.split_once('/').unwrap_or((self.namespace, path))
            }
            Source::Parts(namespace, name) => (self.value(namespace)?, self.value(name).unwrap_or_default()),
            Source::Namespace(key) => (self.value(key)?, self.name),
        };
        let namespace = cleaned(namespace);
        Some(match name {
            "" => format!("in namespace {namespace}"),
            name => format!("secret/{} in namespace {namespace}", cleaned(name)),
        })
    }
}

/// What an object shows of a mark.
enum Read<'a> {
    Absent,
    /// With the name of the tool's object, or empty.
    Present(&'a str),
    /// It was copied from another object.
    OfAnother,
}

/// The rows of tools that do not leave the object alone.
fn rows(traces: &Traces<'_>) -> impl Iterator<Item = &'static Row> {
    TABLE.iter().filter(|row| !row.leaves_alone(traces))
}

fn tool<'a>(row: &'static Row, name: &'a str) -> Found<'a> {
    Found::Tool {
        row,
        name,
        is_controller: false,
    }
}

impl Row {
    fn leaves_alone(&self, traces: &Traces<'_>) -> bool {
        let is = |key: &str, value: &str| {
            let values = [traces.labels.get(key), traces.annotations.get(key)];
            values
                .into_iter()
                .flatten()
                .any(|it| it.eq_ignore_ascii_case(value))
        };
        self.leaves.iter().any(|(key, value)| is(key, value))
    }

    /// Whether it is the tool's field manager; with the name of its object, if that follows.
    fn managed_by<'a>(&self, manager: &'a str) -> Option<&'a str> {
        let mut rests = self.managers.iter().filter_map(|own| {
            let rest = manager.strip_prefix(own)?;
            (rest.is_empty() || own.ends_with('/')).then_some(rest)
        });
        // In place of a name that is too long there is a hash, as `sha3/9f86d0`.
        rests
            .next()
            .map(|rest| if rest.contains('/') { "" } else { rest })
    }
}

impl Found<'_> {
    fn name(&self) -> String {
        match self {
            Self::Tool { row, name: "", .. } => row.tool.to_owned(),
            Self::Tool { row, name, .. } => format!("{} {}", row.object, cleaned(name)),
            Self::Other(reference) => cleaned(&format!("{} {}", reference.kind, reference.name)),
        }
    }

    fn instead(&self, traces: &Traces<'_>, key: &str) -> String {
        let Self::Tool { row, .. } = self else {
            return format!("let {} leave the token alone", self.name());
        };
        match traces.source(&row.source) {
            Some(source) => format!("rotate the token at its source, {source}"),
            None => traces.filled(row.instead).replace("{key}", key),
        }
    }

    /// Whether it takes away what others have added.
    fn replaces(&self) -> bool {
        match self {
            Self::Tool {
                row, is_controller, ..
            } => row.replaces || *is_controller,
            Self::Other(_) => true,
        }
    }
}

#[cfg(test)]
mod tests;
