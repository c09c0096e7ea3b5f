use std::collections::BTreeMap;

use super::*;
use crate::model::entra::{CertificateMount, Made};
use crate::model::expansion::expanded;

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

/// The same after the patch with [`settings`], as the API server merges it.
fn after() -> Value {
    json!({"spec": {"template": {
        "metadata": {
            "annotations": {ROTATION_ID: "r1", RESTARTED_AT: "now"},
            "labels": {"app": "gw", "use": "true"},
        },
        "spec": {
            "containers": [
                {"name": "other", "env": [{"name": "auth", "value": "theirs"}]},
                {
                    "name": "gw",
                    "env": [
                        {"name": "auth", "value": "azureAdApp"},
                        {"name": "client", "value": CLIENT.to_string()},
                        {"name": "secret", "valueFrom": {"secretKeyRef": {"name": "gw-entra", "key": "k"}}},
                    ],
                    "volumeMounts": [{
                        "name": "apim-entra", "mountPath": "/etc/apim-entra", "readOnly": true,
                        "recursiveReadOnly": "Disabled",
                    }],
                },
            ],
            "serviceAccountName": "gw",
            "serviceAccount": "gw",
            "securityContext": {"fsGroup": 1001},
            "volumes": [{"name": "apim-entra", "secret": {"secretName": "gw-entra", "defaultMode": 0o440}}],
        },
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
fn a_mount_with_a_slash_at_its_end_is_changed_and_gets_no_second_one_beside_it() {
    let mut before = before();
    let container = &mut before["spec"]["template"]["spec"]["containers"][1];
    container["volumeMounts"] = json!([
        {"name": "old", "mountPath": "/etc/apim-entra/", "subPath": "part"},
        {"name": "other", "mountPath": "/etc/apim-entra2"},
    ]);
    let patch = with(&settings(), |change| change.patch(&before));
    let container = &patch["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(
        container["volumeMounts"],
        json!([{
            "name": "apim-entra", "mountPath": "/etc/apim-entra/", "readOnly": true, "subPath": null,
        }])
    );
}

#[test]
fn the_kubelet_gives_back_a_value_with_dollar_signs() {
    let mut add = TemplateSettings::default();
    let name = "x$$y $(id) $z".to_owned();
    add.settings
        .insert("gateway.name".to_owned(), SettingValue::Text(name.clone()));
    let patch = with(&add, |change| change.patch(&before()));
    let written = &patch["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"];
    assert_eq!(written, "x$$$$y $$(id) $$z");
    assert_eq!(expanded(written.as_str().unwrap(), |_| Some("id")), name);
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
        with(&settings(), |change| change.undo(&before, &after(), &after())),
        (
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
            }}}),
            Vec::new()
        )
    );
}

#[test]
fn what_something_else_has_changed_since_then_stays() {
    let mut now = after();
    let template = &mut now["spec"]["template"];
    template["metadata"]["annotations"][RESTARTED_AT] = "later".into();
    template["metadata"]["labels"]["use"] = "false".into();
    template["spec"]["serviceAccountName"] = "theirs".into();
    template["spec"]["serviceAccount"] = "theirs".into();
    template["spec"]["securityContext"]["fsGroup"] = 7.into();
    let container = &mut template["spec"]["containers"][1];
    container["env"][0]["value"] = "theirs".into();
    // Somebody has put this one back.
    container["env"][1] = before()["spec"]["template"]["spec"]["containers"][1]["env"][1].clone();
    container["volumeMounts"][0]["subPath"] = "theirs".into();
    let (patch, kept) = with(&settings(), |change| change.undo(&before(), &after(), &now));
    assert_eq!(
        patch,
        json!({"spec": {"template": {
            "metadata": {"annotations": {ROTATION_ID: "r0"}},
            "spec": {"containers": [{"name": "gw", "env": [{"$patch": "delete", "name": "secret"}]}]},
        }}})
    );
    let names = [
        "auth",
        "the volume apim-entra",
        "serviceAccountName",
        "fsGroup",
        "the pod label use",
    ];
    assert_eq!(kept, names);
}

#[test]
fn a_fingerprint_shows_any_change_of_the_template() {
    let [one, mut other] = [before(), before()];
    assert_eq!(fingerprint(template(&one)), fingerprint(template(&other)));
    other["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"] = "x".into();
    assert_ne!(fingerprint(template(&one)), fingerprint(template(&other)));
}
