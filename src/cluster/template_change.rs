//! The change of a pod template by a set-up of Entra, and what undoes it, as strategic
//! merge patches.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::model::TemplateMarks;
use crate::model::annotation::{RESTARTED_AT, ROTATION_ID};
use crate::model::entra::{Id, SettingValue, TemplateSettings};
use crate::model::expansion::escaped;

/// The name of the volume with a certificate.
const VOLUME: &str = "apim-entra";

/// What a pod template gets.
#[derive(Clone, Debug)]
pub struct TemplateChange<'a> {
    /// The gateway's container; the others stay as they are.
    pub container: &'a str,
    /// Empty for a restart alone.
    pub add: &'a TemplateSettings,
    /// The value of settings that are an id.
    pub client_id: Uuid,
    /// By these, new pods are recognized.
    pub marks: &'a TemplateMarks,
}

/// A field of the pod template that a set-up sets.
struct Field<'a> {
    /// In words.
    name: &'a str,
    /// Its key, if it is an element of a list.
    key: Option<&'static str>,
    new: Value,
    /// Finds it in a pod template; null if it is absent.
    find: &'a Find<'a>,
}

type Find<'a> = dyn for<'t> Fn(&'t Value) -> &'t Value + 'a;

/// A field that is not an element of a list.
fn plain<'a>(name: &'a str, new: Value, find: &'a Find<'a>) -> Field<'a> {
    Field {
        name,
        key: None,
        new,
        find,
    }
}

impl TemplateChange<'_> {
    /// The body of the request, without the version, for a workload as it was read.
    pub fn patch(&self, before: &Value) -> Value {
        self.body(before, |field| match field.key {
            Some(_) => Some(changed((field.find)(template(before)), &field.new)),
            None => Some(field.new),
        })
    }

    /// The body of the request that gives each field which [`Self::patch`] sets the value
    /// that it had. What something else has changed since then stays; its names are the
    /// second part. `after` is the workload as it was after the change.
    pub fn undo(&self, before: &Value, after: &Value, now: &Value) -> (Value, Vec<String>) {
        let mut kept: Vec<String> = Vec::new();
        let body = self.body(before, |field| {
            let [old, ours, now] = [before, after, now].map(|it| (field.find)(template(it)));
            if now != ours {
                if now != old && !field.name.is_empty() && !kept.iter().any(|name| name == field.name) {
                    kept.push(field.name.to_owned());
                }
                return None;
            }
            Some(match field.key {
                Some(key) if old.is_null() => json!({"$patch": "delete", key: field.new[key]}),
                Some(_) => changed(&field.new, old),
                None => old.clone(),
            })
        });
        (body, kept)
    }

    /// The fields that a set-up sets, each as `element` makes it.
    fn body(&self, before: &Value, mut element: impl FnMut(Field<'_>) -> Option<Value>) -> Value {
        let spec = self.of_spec(before, &mut element);
        let mut metadata = json!({"annotations": {}});
        for (name, new) in [
            (ROTATION_ID, json!(self.marks.rotation_ids)),
            (RESTARTED_AT, json!(self.marks.restarted_at)),
        ] {
            // Another restart is not worth a word.
            if let Some(value) = element(plain("", new, &|it| &it["metadata"]["annotations"][name])) {
                metadata["annotations"][name] = value;
            }
        }
        for (label, new) in &self.add.labels {
            let name = format!("the pod label {label}");
            let value = element(plain(&name, json!(new), &|it| &it["metadata"]["labels"][label]));
            if let Some(value) = value {
                metadata["labels"][label] = value;
            }
        }
        let mut template = json!({"metadata": metadata});
        if !spec.is_empty() {
            template["spec"] = spec.into();
        }
        json!({"spec": {"template": template}})
    }

    fn of_spec(
        &self,
        before: &Value,
        element: &mut impl FnMut(Field<'_>) -> Option<Value>,
    ) -> Map<String, Value> {
        let mut spec = Map::new();
        let mut container = json!({"name": self.container});
        let mut env = Vec::new();
        for (name, value) in &self.add.settings {
            env.extend(element(Field {
                name,
                key: Some("name"),
                new: self.variable(name, value),
                find: &|it| named(&self.of_container(it)["env"], "name", name),
            }));
        }
        if !env.is_empty() {
            container["env"] = env.into();
        }
        if let Some((mount, volume)) = self.mounted(before, element) {
            container["volumeMounts"] = json!([mount]);
            spec.insert("volumes".to_owned(), json!([volume]));
        }
        if container.as_object().is_some_and(|it| it.len() > 1) {
            spec.insert("containers".to_owned(), json!([container]));
        }
        if !self.add.service_account.is_empty() {
            // The second is the first's old name, which the API server keeps equal.
            for field in ["serviceAccountName", "serviceAccount"] {
                let new = json!(self.add.service_account);
                let value = element(plain("serviceAccountName", new, &|it| &it["spec"][field]));
                spec.extend(value.map(|value| (field.to_owned(), value)));
            }
        }
        if let Some(group) = self.add.fs_group {
            let new = json!(group);
            let value = element(plain(
                "fsGroup",
                new,
                &|it| &it["spec"]["securityContext"]["fsGroup"],
            ));
            if let Some(value) = value {
                spec.insert("securityContext".to_owned(), json!({"fsGroup": value}));
            }
        }
        spec
    }

    /// The mount of the certificate and its volume, which nothing changes apart from each
    /// other.
    fn mounted(
        &self,
        before: &Value,
        element: &mut impl FnMut(Field<'_>) -> Option<Value>,
    ) -> Option<(Value, Value)> {
        let mount = self.add.mount.as_ref()?;
        let name = volume_name(&template(before)["spec"]["volumes"], &mount.secret);
        let words = format!("the volume {name}");
        let mounts = &self.of_container(template(before))["volumeMounts"];
        let path = same_folder(mounts, &mount.path).unwrap_or(&mount.path);
        let source = json!({"secretName": mount.secret, "defaultMode": mount.mode});
        let volume = element(Field {
            name: &words,
            key: Some("name"),
            new: json!({"name": name, "secret": source}),
            find: &|it| named(&it["spec"]["volumes"], "name", &name),
        });
        let mount = element(Field {
            name: &words,
            key: Some("mountPath"),
            new: json!({"name": name, "mountPath": path, "readOnly": true}),
            find: &|it| named(&self.of_container(it)["volumeMounts"], "mountPath", path),
        });
        mount.zip(volume)
    }

    /// The gateway's container in a pod template.
    fn of_container<'t>(&self, template: &'t Value) -> &'t Value {
        named(&template["spec"]["containers"], "name", self.container)
    }

    fn variable(&self, name: &str, value: &SettingValue) -> Value {
        match value {
            SettingValue::Text(text) => json!({"name": name, "value": escaped(text)}),
            SettingValue::Id(Id::Known(id)) => json!({"name": name, "value": id}),
            SettingValue::Id(Id::Of(_)) => json!({"name": name, "value": self.client_id}),
            SettingValue::Secret { name: secret, key } => {
                json!({"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}})
            }
        }
    }
}

/// The pod template of a workload.
fn template(workload: &Value) -> &Value {
    &workload["spec"]["template"]
}

/// Differs for pod templates that differ in any field, within one process. It does not
/// show what they contain, such as a client secret in clear.
pub fn fingerprint(template: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    template.to_string().hash(&mut hasher);
    hasher.finish()
}

/// A name that no volume has but one of the Secret.
fn volume_name(volumes: &Value, secret: &str) -> String {
    let is_free = |name: &String| {
        let found = named(volumes, "name", name);
        found.is_null() || found["secret"]["secretName"].as_str() == Some(secret)
    };
    let numbered = (2..).map(|number| format!("{VOLUME}-{number}"));
    std::iter::once(VOLUME.to_owned())
        .chain(numbered)
        .find(is_free)
        .unwrap_or_default()
}

/// The path of the mount at this folder, as it is written there: a slash at its end makes
/// another key for the API server.
fn same_folder<'a>(mounts: &'a Value, folder: &str) -> Option<&'a str> {
    let mounts = mounts.as_array().into_iter().flatten();
    let mut paths = mounts.filter_map(|it| it["mountPath"].as_str());
    paths.find(|path| path.trim_end_matches('/') == folder)
}

/// The element of a list with this key; null if there is none.
fn named<'a>(list: &'a Value, key: &str, name: &str) -> &'a Value {
    let mut elements = list.as_array().into_iter().flatten();
    elements
        .find(|element| element[key].as_str() == Some(name))
        .unwrap_or(&Value::Null)
}

/// The new value, with a null for each field that only the old one has: a merge would
/// leave it.
fn changed(old: &Value, new: &Value) -> Value {
    let (Some(before), Some(after)) = (old.as_object(), new.as_object()) else {
        return new.clone();
    };
    let mut all = after.clone();
    for (field, old) in before {
        let new = after.get(field).unwrap_or(&Value::Null);
        all.insert(field.clone(), changed(old, new));
    }
    all.into()
}

#[cfg(test)]
mod tests;
