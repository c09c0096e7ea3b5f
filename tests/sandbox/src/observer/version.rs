//! One version of an object, reduced to what the rules are about.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::api::DynamicObject;
use serde_json::Value;

/// The field manager of a rotation.
const MANAGER: &str = "apim-rotate";
pub(super) const ROTATION_ID: &str = "apim-rotate/rotation-id";
pub(super) const RESTARTED_AT: &str = "kubectl.kubernetes.io/restartedAt";
/// The id of a credential of an Entra app, which is among the rotation ids of the pods that start with it.
pub(super) const KEY_ID: &str = "apim-rotate/key-id";
/// Begins the id of one replacement of pods by a set-up. No Secret holds it.
pub(super) const REPLACEMENT: &str = "setup-";
const LAST_USED_KEY: &str = "last-used-key";
/// The API server counts the templates of a DaemonSet in it.
const TEMPLATES: &str = "deprecated.daemonset.template.generation";
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// What a put back still owes; it is no part of what is restored.
const PUT_BACK: &str = "apim-rotate/put-back";

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Secret,
    Deployment,
    StatefulSet,
    DaemonSet,
    Pod,
}

impl Kind {
    pub(super) fn noun(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Deployment => "deployment",
            Self::StatefulSet => "statefulset",
            Self::DaemonSet => "daemonset",
            Self::Pod => "pod",
        }
    }
}

/// Where a value is in an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Data,
    Annotation,
    Label,
    /// An annotation of the pod template.
    Template,
    /// All of the specification but those annotations, as one value.
    Spec,
}

impl Place {
    /// As `managedFields` writes it.
    fn path(self) -> &'static str {
        match self {
            Self::Data => "/f:data",
            Self::Annotation => "/f:metadata/f:annotations",
            Self::Label => "/f:metadata/f:labels",
            Self::Template => "/f:spec/f:template/f:metadata/f:annotations",
            Self::Spec => "/f:spec",
        }
    }
}

pub(super) type Field = (Place, String);

#[derive(Clone, Debug)]
pub(super) struct Version {
    /// All objects of a cluster count by one clock.
    pub(super) number: u64,
    pub(super) uid: String,
    pub(super) fields: BTreeMap<Field, String>,
    /// What `managedFields` has about the program.
    managed: Vec<ManagedFieldsEntry>,
    /// Whether the program put a credential into it that Azure refuses.
    pub(super) breaks_pods: bool,
}

impl Version {
    pub(super) fn of(kind: Kind, object: &DynamicObject) -> Self {
        let meta = &object.metadata;
        let mut fields = BTreeMap::new();
        let mut put = |place, name: &str, value: String| fields.insert((place, name.to_owned()), value);
        for (name, value) in meta.annotations.iter().flatten() {
            put(Place::Annotation, name, value.clone());
        }
        for (name, value) in meta.labels.iter().flatten() {
            put(Place::Label, name, value.clone());
        }
        if kind == Kind::Secret {
            for (name, value) in object.data["data"].as_object().into_iter().flatten() {
                put(Place::Data, name, decoded(value));
            }
        } else {
            let mut spec = object.data["spec"].clone();
            let meta = spec
                .pointer_mut("/template/metadata")
                .and_then(Value::as_object_mut);
            let annotations = meta.and_then(|meta| meta.remove("annotations"));
            for (name, value) in annotations
                .as_ref()
                .and_then(Value::as_object)
                .into_iter()
                .flatten()
            {
                put(
                    Place::Template,
                    name,
                    value.as_str().unwrap_or_default().to_owned(),
                );
            }
            put(Place::Spec, "", spec.to_string());
        }
        let mut managed = meta.managed_fields.clone().unwrap_or_default();
        managed.retain(|entry| entry.manager.as_deref() == Some(MANAGER));
        Self {
            number: number(object),
            uid: meta.uid.clone().unwrap_or_default(),
            fields,
            managed,
            breaks_pods: false,
        }
    }

    pub(super) fn get(&self, place: Place, name: &str) -> Option<&str> {
        self.fields.get(&(place, name.to_owned())).map(String::as_str)
    }

    /// The rotation ids in an annotation, which holds one for each Secret.
    pub(super) fn ids(&self, place: Place) -> BTreeSet<String> {
        let ids = self
            .get(place, ROTATION_ID)
            .unwrap_or_default()
            .split(',')
            .map(str::trim);
        ids.filter(|id| !id.is_empty()).map(str::to_owned).collect()
    }

    /// The fields that differ, those that are gone included.
    pub(super) fn changed_since(&self, before: &Version) -> Vec<Field> {
        let all: BTreeSet<_> = self.fields.keys().chain(before.fields.keys()).collect();
        let changed = all
            .into_iter()
            .filter(|field| self.fields.get(field) != before.fields.get(field));
        changed.cloned().collect()
    }

    /// Whether the write that made this version of `before` was the program's: it holds a field that
    /// has changed, or its entry has a new time.
    pub(super) fn is_written_by_program(&self, before: &Version) -> bool {
        let times = |version: &Version| -> Vec<_> {
            version
                .managed
                .iter()
                .map(|entry| entry.time.as_ref().map(|time| time.0))
                .collect()
        };
        let newer = self.managed.len() >= before.managed.len() && times(self) != times(before);
        newer
            || self
                .changed_since(before)
                .iter()
                .any(|field| self.is_of_program(field))
    }

    /// Whether the program was the last to change a field.
    pub(super) fn is_of_program(&self, (place, name): &Field) -> bool {
        self.managed.iter().any(|entry| {
            let fields = entry
                .fields_v1
                .as_ref()
                .and_then(|fields| fields.0.pointer(place.path()));
            fields.is_some_and(|fields| fields.get(format!("f:{name}")).is_some())
        })
    }

    /// Our annotations of a Secret that belong to its credential.
    pub(super) fn marks_of_credential(&self) -> BTreeMap<&str, &str> {
        let annotations = self
            .fields
            .iter()
            .filter(|((place, _), _)| *place == Place::Annotation);
        annotations
            .map(|((_, name), value)| (name.as_str(), value.as_str()))
            .filter(|(name, _)| is_ours(name) && *name != PUT_BACK)
            .collect()
    }

    /// Whether the pods sign in by Entra.
    pub(super) fn signs_in_by_entra(&self) -> bool {
        // The mode itself may be in a ConfigMap.
        let settings = [
            "\"azureAdApp\"",
            "\"workloadIdentity\"",
            "config.service.auth.azureAd.",
        ];
        settings.iter().any(|text| self.has_in_spec(text))
    }

    pub(super) fn has_in_spec(&self, text: &str) -> bool {
        self.get(Place::Spec, "").is_some_and(|spec| spec.contains(text))
    }

    /// Our annotations of a pod template.
    pub(super) fn marks_of_template(&self) -> [Option<&str>; 2] {
        [ROTATION_ID, RESTARTED_AT].map(|name| self.get(Place::Template, name))
    }
}

/// Whether a write of the program may change this annotation of an object.
pub(super) fn may_change(name: &str) -> bool {
    is_ours(name) || name == LAST_APPLIED || name == TEMPLATES
}

fn is_ours(name: &str) -> bool {
    name.starts_with("apim-rotate/") || name == LAST_USED_KEY
}

pub(super) fn number(object: &DynamicObject) -> u64 {
    let version = object.metadata.resource_version.as_deref();
    version
        .and_then(|version| version.parse().ok())
        .unwrap_or_default()
}

fn decoded(value: &Value) -> String {
    let bytes = BASE64_STANDARD
        .decode(value.as_str().unwrap_or_default())
        .unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}
