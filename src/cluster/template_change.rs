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
    /// The body of the request, without the version.
    pub fn patch(&self) -> Value {
        let settings = self.add.settings.iter();
        let env: Vec<Value> = settings.map(|(name, value)| self.variable(name, value)).collect();
        let mut container = json!({"name": self.container});
        let mut spec = Map::new();
        if !env.is_empty() {
            container["env"] = env.into();
        }
        if let Some(mount) = &self.add.mount {
            container["volumeMounts"] =
                json!([{"name": VOLUME, "mountPath": mount.path, "readOnly": true, "subPath": null}]);
            let source = json!({"secretName": mount.secret, "defaultMode": mount.mode});
            spec.insert("volumes".to_owned(), json!([{"name": VOLUME, "secret": source}]));
        }
        if container.as_object().is_some_and(|it| it.len() > 1) {
            spec.insert("containers".to_owned(), json!([container]));
        }
        if !self.add.service_account.is_empty() {
            // The second is the first's old name, which the API server keeps equal.
            spec.insert("serviceAccountName".to_owned(), json!(self.add.service_account));
            spec.insert("serviceAccount".to_owned(), json!(self.add.service_account));
        }
        if let Some(group) = self.add.fs_group {
            spec.insert("securityContext".to_owned(), json!({"fsGroup": group}));
        }
        let annotations = json!({
            ROTATION_ID: self.marks.rotation_ids,
            RESTARTED_AT: self.marks.restarted_at,
        });
        let mut template = json!({"metadata": {"annotations": annotations}});
        if !self.add.labels.is_empty() {
            template["metadata"]["labels"] = json!(self.add.labels);
        }
        if !spec.is_empty() {
            template["spec"] = spec.into();
        }
        json!({"spec": {"template": template}})
    }

    /// A variable has a value or a reference, and the other one is removed.
    fn variable(&self, name: &str, value: &SettingValue) -> Value {
        match value {
            SettingValue::Text(text) => json!({"name": name, "value": text, "valueFrom": null}),
            SettingValue::Id(Id::Known(id)) => json!({"name": name, "value": id, "valueFrom": null}),
            SettingValue::Id(Id::Of(_)) => json!({"name": name, "value": self.client_id, "valueFrom": null}),
            SettingValue::Secret { name: secret, key } => {
                let reference = json!({"$patch": "replace", "secretKeyRef": {"name": secret, "key": key}});
                json!({"name": name, "value": null, "valueFrom": reference})
            }
        }
    }

    /// The body of the request that gives each field which [`Self::patch`] sets the value
    /// that it has in `before`, the workload as it was read.
    pub fn undo(&self, before: &Value) -> Value {
        let template = &before["spec"]["template"];
        let mut spec = Map::new();
        let old = named(&template["spec"]["containers"], "name", self.container);
        let mut container = json!({"name": self.container});
        let names = self.add.settings.keys();
        let env: Vec<Value> = names.map(|name| restored(&old["env"], "name", name)).collect();
        if !env.is_empty() {
            container["env"] = env.into();
        }
        if let Some(mount) = &self.add.mount {
            container["volumeMounts"] = json!([restored(&old["volumeMounts"], "mountPath", &mount.path)]);
            let volume = restored(&template["spec"]["volumes"], "name", VOLUME);
            spec.insert("volumes".to_owned(), json!([volume]));
        }
        if container.as_object().is_some_and(|it| it.len() > 1) {
            spec.insert("containers".to_owned(), json!([container]));
        }
        if !self.add.service_account.is_empty() {
            for field in ["serviceAccountName", "serviceAccount"] {
                spec.insert(field.to_owned(), template["spec"][field].clone());
            }
        }
        if self.add.fs_group.is_some() {
            let group = &template["spec"]["securityContext"]["fsGroup"];
            spec.insert("securityContext".to_owned(), json!({"fsGroup": group}));
        }
        let own = |part: &str, names: &mut dyn Iterator<Item = &str>| -> Value {
            let old = |name: &str| (name.to_owned(), template["metadata"][part][name].clone());
            names.map(old).collect::<Map<_, _>>().into()
        };
        let mut undone = json!({"metadata": {
            "annotations": own("annotations", &mut [ROTATION_ID, RESTARTED_AT].into_iter()),
        }});
        if !self.add.labels.is_empty() {
            undone["metadata"]["labels"] = own("labels", &mut self.add.labels.keys().map(String::as_str));
        }
        if !spec.is_empty() {
            undone["spec"] = spec.into();
        }
        json!({"spec": {"template": undone}})
    }
}

/// The element of a list with this key; null if there is none.
fn named<'a>(list: &'a Value, key: &str, name: &str) -> &'a Value {
    let elements = list.as_array().into_iter().flatten();
    elements
        .into_iter()
        .find(|element| element[key].as_str() == Some(name))
        .unwrap_or(&Value::Null)
}

/// What makes an element of a list what it was. The fields that a set-up may have added
/// are null where they were absent.
fn restored(list: &Value, key: &str, name: &str) -> Value {
    let old = named(list, key, name);
    if old.is_null() {
        return json!({"$patch": "delete", key: name});
    }
    let mut whole = old.clone();
    let added: &[&str] = match key {
        "mountPath" => &["readOnly", "subPath"],
        _ if name == VOLUME => &["secret"],
        _ => &["value", "valueFrom"],
    };
    for field in added {
        match &mut whole[*field] {
            Value::Object(reference) => drop(reference.insert("$patch".to_owned(), "replace".into())),
            absent @ Value::Null => *absent = Value::Null,
            _ => {}
        }
    }
    whole
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
            with(&settings(), |change| change.patch()),
            json!({"spec": {"template": {
                "metadata": {
                    "annotations": {ROTATION_ID: "r1", RESTARTED_AT: "now"},
                    "labels": {"use": "true"},
                },
                "spec": {
                    "containers": [{
                        "name": "gw",
                        "env": [
                            {"name": "auth", "value": "azureAdApp", "valueFrom": null},
                            {"name": "client", "value": id, "valueFrom": null},
                            {"name": "secret", "value": null, "valueFrom": {
                                "$patch": "replace", "secretKeyRef": {"name": "gw-entra", "key": "k"},
                            }},
                        ],
                        "volumeMounts": [{
                            "name": "apim-entra", "mountPath": "/etc/apim-entra", "readOnly": true, "subPath": null,
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
        let patch = with(&TemplateSettings::default(), |change| change.patch());
        let annotations = json!({ROTATION_ID: "r1", RESTARTED_AT: "now"});
        assert_eq!(
            patch,
            json!({"spec": {"template": {"metadata": {"annotations": annotations}}}})
        );
    }

    #[test]
    fn what_was_absent_is_removed_and_what_was_there_restored() {
        let before = json!({"spec": {"template": {
            "metadata": {"annotations": {ROTATION_ID: "r0"}, "labels": {"app": "gw"}},
            "spec": {"containers": [
                {"name": "other", "env": [{"name": "auth", "value": "theirs"}]},
                {"name": "gw", "env": [
                    {"name": "auth", "value": "key"},
                    {"name": "client", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}},
                ]},
            ]},
        }}});
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
                            {"name": "auth", "value": "key", "valueFrom": null},
                            {"name": "client", "value": null, "valueFrom": {
                                "$patch": "replace", "configMapKeyRef": {"name": "c", "key": "k"},
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
