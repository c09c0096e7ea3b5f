//! The change of a pod template by a set-up of Entra, and what undoes it, as strategic
//! merge patches.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::model::TemplateMarks;
use crate::model::annotation::{RESTARTED_AT, ROTATION_ID};
use crate::model::entra::{Id, SettingValue, TemplateSettings};

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

impl TemplateChange<'_> {
    /// The body of the request, without the version, for a workload as it was read.
    pub fn patch(&self, before: &Value) -> Value {
        self.body(before, |_, old, new| changed(old, new))
    }

    /// The body of the request that gives each field which [`Self::patch`] sets the value
    /// that it had.
    pub fn undo(&self, before: &Value) -> Value {
        self.body(before, |key, old, new| match old {
            Value::Null => json!({"$patch": "delete", key: new[key]}),
            old => changed(new, old),
        })
    }

    /// The fields that a set-up sets, each as `element` makes it of the old and the new
    /// value. An element of a list has its key, and a plain field none.
    fn body(&self, before: &Value, element: impl Fn(&str, &Value, &Value) -> Value) -> Value {
        let template = &before["spec"]["template"];
        let old = named(&template["spec"]["containers"], "name", self.container);
        let of_list = |list: &Value, key: &str, new: &Value| {
            let name = new[key].as_str().unwrap_or_default();
            element(key, named(list, key, name), new)
        };
        let plain = |old: &Value, new: Value| {
            let (old, new) = (json!({"it": old}), json!({"it": new}));
            element("it", &old, &new)["it"].clone()
        };
        let mut container = json!({"name": self.container});
        let mut spec = Map::new();
        let settings = self.add.settings.iter();
        let env: Vec<Value> = settings
            .map(|(name, value)| of_list(&old["env"], "name", &self.variable(name, value)))
            .collect();
        if !env.is_empty() {
            container["env"] = env.into();
        }
        if let Some(mount) = &self.add.mount {
            let name = volume_name(&template["spec"]["volumes"], &mount.secret);
            let new = json!({"name": name, "mountPath": mount.path, "readOnly": true});
            container["volumeMounts"] = json!([of_list(&old["volumeMounts"], "mountPath", &new)]);
            let source = json!({"secretName": mount.secret, "defaultMode": mount.mode});
            let new = json!({"name": name, "secret": source});
            let volume = of_list(&template["spec"]["volumes"], "name", &new);
            spec.insert("volumes".to_owned(), json!([volume]));
        }
        if container.as_object().is_some_and(|it| it.len() > 1) {
            spec.insert("containers".to_owned(), json!([container]));
        }
        if !self.add.service_account.is_empty() {
            // The second is the first's old name, which the API server keeps equal.
            for field in ["serviceAccountName", "serviceAccount"] {
                let value = plain(&template["spec"][field], json!(self.add.service_account));
                spec.insert(field.to_owned(), value);
            }
        }
        if let Some(group) = self.add.fs_group {
            let group = plain(&template["spec"]["securityContext"]["fsGroup"], json!(group));
            spec.insert("securityContext".to_owned(), json!({"fsGroup": group}));
        }
        let meta = &template["metadata"];
        let annotation = |name: &str, new: Value| plain(&meta["annotations"][name], new);
        let mut template = json!({"metadata": {"annotations": {
            ROTATION_ID: annotation(ROTATION_ID, json!(self.marks.rotation_ids)),
            RESTARTED_AT: annotation(RESTARTED_AT, json!(self.marks.restarted_at)),
        }}});
        for (label, value) in &self.add.labels {
            template["metadata"]["labels"][label] = plain(&meta["labels"][label], json!(value));
        }
        if !spec.is_empty() {
            template["spec"] = spec.into();
        }
        json!({"spec": {"template": template}})
    }

    fn variable(&self, name: &str, value: &SettingValue) -> Value {
        match value {
            SettingValue::Text(text) => json!({"name": name, "value": text}),
            SettingValue::Id(Id::Known(id)) => json!({"name": name, "value": id}),
            SettingValue::Id(Id::Of(_)) => json!({"name": name, "value": self.client_id}),
            SettingValue::Secret { name: secret, key } => {
                json!({"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}})
            }
        }
    }
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
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::entra::{CertificateMount, Made};

    const CLIENT: Uuid = Uuid::from_u128(7);

    fn marks() -> TemplateMarks {
        TemplateMarks {
            rotation_ids: "r1".into(),
            restarted_at: Some("now".to_owned()),
        }
    }

    fn settings() -> TemplateSettings {
        let secret = SettingValue::Secret {
            name: "gw-entra".to_owned(),
            key: "k".to_owned(),
        };
        TemplateSettings {
            settings: BTreeMap::from([
                ("auth".to_owned(), SettingValue::Text("azureAdApp".to_owned())),
                ("client".to_owned(), SettingValue::Id(Id::Of(Made::App))),
                ("secret".to_owned(), secret),
            ]),
            service_account: "gw".to_owned(),
            labels: BTreeMap::from([("use".to_owned(), "true".to_owned())]),
            mount: Some(CertificateMount {
                secret: "gw-entra".to_owned(),
                path: "/etc/apim-entra".to_owned(),
                mode: 0o440,
            }),
            fs_group: Some(1001),
        }
    }

    fn before() -> Value {
        json!({"spec": {"template": {
            "metadata": {"annotations": {ROTATION_ID: "r0"}, "labels": {"app": "gw"}},
            "spec": {"containers": [
                {"name": "other", "env": [{"name": "auth", "value": "theirs"}]},
                {"name": "gw", "env": [
                    {"name": "auth", "value": "key"},
                    {"name": "client", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}},
                ]},
            ]},
        }}})
    }

    fn with<T>(add: &TemplateSettings, act: impl FnOnce(&TemplateChange<'_>) -> T) -> T {
        act(&TemplateChange {
            container: "gw",
            add,
            client_id: CLIENT,
            marks: &marks(),
        })
    }

    #[test]
    fn one_patch_sets_everything_in_the_gateways_container() {
        let id = CLIENT.to_string();
        assert_eq!(
            with(&settings(), |change| change.patch(&before())),
            json!({"spec": {"template": {
                "metadata": {
                    "annotations": {ROTATION_ID: "r1", RESTARTED_AT: "now"},
                    "labels": {"use": "true"},
                },
                "spec": {
                    "containers": [{
                        "name": "gw",
                        "env": [
                            {"name": "auth", "value": "azureAdApp"},
                            {"name": "client", "value": id, "valueFrom": null},
                            {"name": "secret", "valueFrom": {"secretKeyRef": {"name": "gw-entra", "key": "k"}}},
                        ],
                        "volumeMounts": [{
                            "name": "apim-entra", "mountPath": "/etc/apim-entra", "readOnly": true,
                        }],
                    }],
                    "serviceAccountName": "gw",
                    "serviceAccount": "gw",
                    "securityContext": {"fsGroup": 1001},
                    "volumes": [{"name": "apim-entra", "secret": {"secretName": "gw-entra", "defaultMode": 0o440}}],
                },
            }}})
        );
    }

    #[test]
    fn a_restart_sets_only_the_annotations() {
        let patch = with(&TemplateSettings::default(), |change| change.patch(&before()));
        let annotations = json!({ROTATION_ID: "r1", RESTARTED_AT: "now"});
        assert_eq!(
            patch,
            json!({"spec": {"template": {"metadata": {"annotations": annotations}}}})
        );
    }

    #[test]
    fn what_was_absent_is_removed_and_what_was_there_restored() {
        let before = before();
        assert_eq!(
            with(&settings(), |change| change.undo(&before)),
            json!({"spec": {"template": {
                "metadata": {
                    "annotations": {ROTATION_ID: "r0", RESTARTED_AT: null},
                    "labels": {"use": null},
                },
                "spec": {
                    "containers": [{
                        "name": "gw",
                        "env": [
                            {"name": "auth", "value": "key"},
                            {"name": "client", "value": null, "valueFrom": {
                                "configMapKeyRef": {"name": "c", "key": "k"},
                            }},
                            {"$patch": "delete", "name": "secret"},
                        ],
                        "volumeMounts": [{"$patch": "delete", "mountPath": "/etc/apim-entra"}],
                    }],
                    "serviceAccountName": null,
                    "serviceAccount": null,
                    "securityContext": {"fsGroup": null},
                    "volumes": [{"$patch": "delete", "name": "apim-entra"}],
                },
            }}})
        );
    }
}
