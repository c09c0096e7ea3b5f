//! How a workload signs in, and what its pod template has.

use std::collections::BTreeMap;
use std::path::Path;

use super::workload_secrets::is_shown;
use crate::cluster::described::{Described, DescribedTemplate, Mount, SecretVolume};
use crate::cluster::pod_spec::{Container, PodSpec};
use crate::discover::pod_spec::{
    ConfigMaps, CredentialSource, EntraCredential, GatewayContainer, ImportedSecrets, Setting, settings_of,
};
use crate::model::entra::facts::{CertificateVolume, ClearSecret};
use crate::model::entra::{
    CERTIFICATE_FOLDER, CertificateMount, Mode, SKIP_CONTAINERS, SettingValue, SignsIn, TemplateSettings,
    skips,
};
use crate::model::setting::{APP_SECRET, AUTH};
use crate::model::{Auth, Fact, Object, Unavailable};

/// The mode of the files of a Secret when the pod spec sets none.
const DEFAULT_MODE: i32 = 0o644;

/// The settings of a gateway's container that are known, by name.
pub(super) type Settings = BTreeMap<String, Setting>;

/// How the gateway signs in. `gaps` are the settings that could not be read.
pub(super) fn signs_in(
    container: &GatewayContainer,
    settings: &Settings,
    gaps: &[Unavailable],
) -> Fact<SignsIn> {
    let gap = || gaps.first().cloned().map_or(Ok(()), Err);
    let auth = match &container.credential {
        CredentialSource::SecretKey { .. } | CredentialSource::Inline { .. } => Auth::Token,
        CredentialSource::Entra { credential, .. } => match credential {
            EntraCredential::Secret => Auth::AppSecret,
            EntraCredential::Certificate => Auth::Certificate,
            EntraCredential::Federated => Auth::WorkloadIdentity,
            // An app whose credential is yet to come.
            EntraCredential::Unknown => {
                gap()?;
                return Ok(SignsIn::Not);
            }
        },
        CredentialSource::EnvFrom(_) | CredentialSource::Missing => {
            gap()?;
            Auth::Unknown
        }
    };
    SignsIn::of(auth, settings.contains_key(AUTH)).ok_or_else(|| {
        Unavailable::Unknown(format!(
            "{AUTH} is set in container {}, and shows neither a token nor an app",
            container.name
        ))
    })
}

/// What the template has of what a set-up writes. Credentials in clear are left out.
pub(super) fn template(described: &Described, container: &str, settings: &Settings) -> TemplateSettings {
    let pods = &described.template;
    let value = |(name, setting): (&String, &Setting)| {
        let value = match setting {
            Setting::Text { text, .. } if is_shown(name, text) => SettingValue::Text(text.clone()),
            Setting::Secret { name, key } => SettingValue::Secret {
                name: name.clone(),
                key: key.clone(),
            },
            Setting::Text { .. } | Setting::Unreadable => return None,
        };
        Some((name.clone(), value))
    };
    TemplateSettings {
        settings: settings.iter().filter_map(value).collect(),
        service_account: pods.service_account_name.clone(),
        labels: pods.labels.clone(),
        mount: mount(pods, container),
        fs_group: pods.fs_group,
    }
}

/// The Secret that is mounted as a whole where certificates belong.
fn mount(pods: &DescribedTemplate, container: &str) -> Option<CertificateMount> {
    let (volume, _) = whole_secret(pods, container)?;
    Some(CertificateMount {
        secret: volume.secret_name.clone(),
        path: CERTIFICATE_FOLDER.to_owned(),
        mode: volume.default_mode.unwrap_or(DEFAULT_MODE),
    })
}

/// The volume with it.
pub(super) fn certificate_volume(pods: &DescribedTemplate, container: &str) -> Option<CertificateVolume> {
    let (volume, mount) = whole_secret(pods, container)?;
    Some(CertificateVolume {
        name: volume.name.clone(),
        path: mount.path.clone(),
    })
}

/// What is mounted there and no Secret, or below it, where it would hide a file of the
/// certificate: a set-up does not replace it.
pub(super) fn other_volume(pods: &DescribedTemplate, container: &str) -> Option<String> {
    let is_secret = |mount: &Mount| pods.volumes.iter().any(|it| it.name == mount.name);
    let is_replaced = |mount: &Mount| is_at_folder(mount) && is_secret(mount);
    let mut mounts = mounts_of(pods, container);
    let other = mounts.find(|it| Path::new(&it.path).starts_with(CERTIFICATE_FOLDER) && !is_replaced(it))?;
    Some(other.name.clone())
}

fn mounts_of<'t>(pods: &'t DescribedTemplate, container: &str) -> impl Iterator<Item = &'t Mount> {
    let container = pods.containers.iter().find(|it| it.name == container);
    container.into_iter().flat_map(|it| &it.volume_mounts)
}

fn is_at_folder(mount: &Mount) -> bool {
    mount.path.trim_end_matches('/') == CERTIFICATE_FOLDER
}

fn whole_secret<'t>(pods: &'t DescribedTemplate, container: &str) -> Option<(&'t SecretVolume, &'t Mount)> {
    let mount = mounts_of(pods, container).find(|it| is_at_folder(it) && !it.is_part)?;
    let mut volumes = pods.volumes.iter();
    let volume = volumes.find(|it| it.name == mount.name && !it.has_items)?;
    Some((volume, mount))
}

/// The annotation by which the webhook leaves this container of a pod template as it is
/// (azure.github.io/azure-workload-identity, "Labels and Annotations").
pub(super) fn skipped_by(template: &Object, container: &str) -> Option<&'static str> {
    let annotations = template.document().pointer("/metadata/annotations")?;
    let skipped = annotations.get(SKIP_CONTAINERS)?.as_str()?;
    skips(skipped, container).then_some(SKIP_CONTAINERS)
}

/// Where a client secret is in clear, also one that a variable of the container beats.
pub(super) fn clear_secret(
    spec: &PodSpec,
    container: &str,
    config_maps: &ConfigMaps,
    is_immutable: impl Fn(&str) -> bool,
) -> Option<ClearSecret> {
    let container = spec.containers.iter().find(|it| it.name == container)?;
    let in_map = |name: &str, key: &str| {
        let text = config_maps.get(name).and_then(|data| data.get(key))?;
        (!text.trim().is_empty()).then(|| ClearSecret::ConfigMap {
            name: name.to_owned(),
            key: key.to_owned(),
            immutable: is_immutable(name),
        })
    };
    let imported = container.env_from.iter().find_map(|import| {
        let name = &import.config_map_ref.as_ref()?.name;
        in_map(name, APP_SECRET.strip_prefix(&import.prefix)?)
    });
    let own = || {
        let variable = container.env.iter().rfind(|it| it.name == APP_SECRET)?;
        match &variable.value_from {
            None => is_text(container, config_maps).then_some(ClearSecret::Workload),
            Some(from) => {
                let key = from.config_map_key_ref.as_ref()?;
                in_map(&key.name, &key.key)
            }
        }
    };
    imported.or_else(own)
}

/// Whether the client secret is a text, and no reference to a Secret.
fn is_text(container: &Container, config_maps: &ConfigMaps) -> bool {
    let settings = settings_of(container, config_maps, &ImportedSecrets::new());
    matches!(settings.get(APP_SECRET), Some(Setting::Text { text, .. }) if !text.trim().is_empty())
}

/// The id of the set-up or rotation that last restarted the pods, unless they are
/// proved. Nobody waited for those of a run with `--no-wait`, which is no proof.
pub(super) fn unproved(described: &Described) -> Option<String> {
    let marks = described.workload.marks();
    let ids = marks.template.rotation_ids.iter();
    let open = ids.filter(|id| !marks.proved.contains(id));
    open.last().map(str::to_owned)
}

/// Whether an Entra mode is set, with or without a credential.
pub(super) fn is_entra(signs_in: &Fact<SignsIn>, container: &GatewayContainer) -> bool {
    matches!(container.credential, CredentialSource::Entra { .. })
        || matches!(
            signs_in,
            Ok(SignsIn::By(
                Mode::AppCertificate | Mode::AppSecret | Mode::WorkloadIdentity
            ))
        )
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::discover::pod_spec::gateway_containers_with;
    use crate::model::ObjectKind;
    use crate::model::annotation::{GIVEN_UP, PROVED, ROTATION_ID};
    use crate::model::setting::{APP_CERTIFICATE, AUTH_KEY, GATEWAY_NAME};

    struct Read {
        described: Described,
        container: GatewayContainer,
        settings: Settings,
        maps: ConfigMaps,
    }

    fn read(container: Value, maps: Value) -> Read {
        let mut container = container;
        container["name"] = "gw".into();
        container["image"] = "r/azure-api-management/gateway:2.11.1".into();
        let workload = json!({
            "metadata": {"name": "gw", "annotations": {PROVED: "a", GIVEN_UP: "b"}},
            "spec": {
                "selector": {},
                "template": {
                    "metadata": {"labels": {"app": "gw"}, "annotations": {ROTATION_ID: "a,c,b"}},
                    "spec": {
                        "serviceAccountName": "account",
                        "securityContext": {"fsGroup": 7},
                        "containers": [{"name": "sidecar", "image": "i"}, container],
                        "volumes": [{"name": "v", "secret": {"secretName": "s", "defaultMode": 288}},
                            {"name": "part", "secret": {"secretName": "s", "items": [{"key": "k", "path": "k"}]}},
                            {"name": "e", "emptyDir": {}}],
                    },
                },
            },
        });
        let described = Described::parse(&workload.to_string()).unwrap();
        let maps: ConfigMaps = serde_json::from_value(maps).unwrap();
        let spec = described.workload.pod_spec().unwrap();
        let container = gateway_containers_with(spec, &maps, &ImportedSecrets::new()).remove(0);
        let of_spec = spec.containers.iter().find(|it| it.name == "gw").unwrap();
        let settings = settings_of(of_spec, &maps, &ImportedSecrets::new());
        Read {
            described,
            container,
            settings,
            maps,
        }
    }

    fn env(variables: &[(&str, &str)]) -> Value {
        let variable = |(name, value): &(&str, &str)| json!({"name": name, "value": value});
        json!({"env": variables.iter().map(variable).collect::<Vec<_>>()})
    }

    fn how(container: Value) -> Fact<SignsIn> {
        let read = read(container, json!({}));
        signs_in(&read.container, &read.settings, &[])
    }

    #[test]
    fn the_settings_show_how_a_gateway_signs_in() {
        let app = (AUTH, "azureAdApp");
        assert_eq!(how(env(&[])), Ok(SignsIn::Not));
        assert_eq!(
            how(env(&[app])),
            Ok(SignsIn::Not),
            "the credential is yet to come"
        );
        assert_eq!(
            how(env(&[app, (APP_SECRET, "x")])),
            Ok(SignsIn::By(Mode::AppSecret))
        );
        assert_eq!(
            how(env(&[app, (APP_CERTIFICATE, "/x")])),
            Ok(SignsIn::By(Mode::AppCertificate))
        );
        assert_eq!(
            how(env(&[(AUTH, "workloadIdentity")])),
            Ok(SignsIn::By(Mode::WorkloadIdentity))
        );
        let reference = json!({"secretKeyRef": {"name": "s", "key": "value"}});
        let by_token = json!({"env": [{"name": AUTH, "valueFrom": reference}]});
        assert_eq!(how(by_token), Ok(SignsIn::ByToken));
        assert!(how(env(&[(AUTH, "key")])).is_err());
    }

    #[test]
    fn what_could_not_be_read_may_be_a_credential() {
        let gap = [Unavailable::Forbidden("f".to_owned())];
        let of = |container: Value| {
            let read = read(container, json!({}));
            signs_in(&read.container, &read.settings, &gap)
        };
        assert_eq!(of(env(&[])), Err(gap[0].clone()));
        assert_eq!(of(env(&[(AUTH, "azureAdApp")])), Err(gap[0].clone()));
        assert!(of(env(&[(AUTH, "workloadIdentity")])).is_ok());
    }

    #[test]
    fn a_template_is_read_wherever_its_settings_are_and_without_its_credentials() {
        let container = json!({
            "envFrom": [{"configMapRef": {"name": "m"}}],
            "env": [
                {"name": GATEWAY_NAME, "value": "gw"},
                {"name": AUTH_KEY, "value": "hush"},
                {"name": APP_CERTIFICATE, "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
            ],
            "volumeMounts": [{"name": "v", "mountPath": "/etc/apim-entra/"}, {"name": "e", "mountPath": "/tmp"}],
        });
        let maps = json!({"m": {AUTH: "azureAdApp", GATEWAY_NAME: "beaten", APP_SECRET: "hush"}});
        let read = read(container, maps);
        let found = template(&read.described, "gw", &read.settings);
        let text = |text: &str| Some(SettingValue::Text(text.to_owned()));
        assert_eq!(found.settings.get(AUTH).cloned(), text("azureAdApp"));
        assert_eq!(found.settings.get(GATEWAY_NAME).cloned(), text("gw"));
        let reference = SettingValue::Secret {
            name: "s".to_owned(),
            key: "k".to_owned(),
        };
        assert_eq!(found.settings.get(APP_CERTIFICATE), Some(&reference));
        assert_eq!(found.settings.len(), 3);
        assert_eq!(
            (found.service_account.as_str(), found.fs_group),
            ("account", Some(7))
        );
        assert_eq!(found.labels["app"], "gw");
        let mount = found.mount.clone().unwrap();
        assert_eq!(
            (mount.secret.as_str(), mount.path.as_str(), mount.mode),
            ("s", CERTIFICATE_FOLDER, 0o440)
        );
        assert!(!format!("{found:?}").contains("hush"));
        assert_eq!(unproved(&read.described).as_deref(), Some("b"));
        let spec = read.described.workload.pod_spec().unwrap();
        let clear = clear_secret(spec, "gw", &read.maps, |map| map == "m");
        let in_map = ClearSecret::ConfigMap {
            name: "m".to_owned(),
            key: APP_SECRET.to_owned(),
            immutable: true,
        };
        assert_eq!(clear, Some(in_map), "although it may be beaten");
    }

    #[test]
    fn a_part_of_a_secret_is_not_its_mount() {
        for (volume, part) in [
            ("v", json!({"subPath": "certificate.pfx"})),
            ("v", json!({"subPathExpr": "$(POD_NAME)"})),
            ("part", json!({})),
        ] {
            let mut mount = json!({"name": volume, "mountPath": "/etc/apim-entra"});
            mount
                .as_object_mut()
                .unwrap()
                .extend(part.as_object().unwrap().clone());
            let read = read(json!({"volumeMounts": [mount]}), json!({}));
            assert_eq!(
                template(&read.described, "gw", &read.settings).mount,
                None,
                "{mount}"
            );
        }
    }

    #[test]
    fn what_somebody_else_mounts_there_is_named() {
        let at = |volume: &str, path: &str| {
            let mount = json!({"name": volume, "mountPath": path});
            let read = read(json!({"volumeMounts": [mount]}), json!({}));
            other_volume(&read.described.template, "gw")
        };
        assert_eq!(at("e", "/etc/apim-entra/").as_deref(), Some("e"));
        assert_eq!(at("e", "/tmp"), None);
        assert_eq!(at("v", "/etc/apim-entra"), None, "a Secret is replaced");
        let below = "/etc/apim-entra/certificate.pfx";
        assert_eq!(at("v", below).as_deref(), Some("v"), "it hides the file");
    }

    #[test]
    fn a_container_that_the_webhook_leaves_out_is_found() {
        let template = |skipped: &str| {
            let metadata = json!({"annotations": {SKIP_CONTAINERS: skipped}});
            Object::new(ObjectKind::Pod, json!({"metadata": metadata}))
        };
        let skips = |template: &Object| skipped_by(template, "gw").is_some();
        assert!(skips(&template("gw")) && skips(&template("proxy; gw")));
        assert!(!skips(&template("gw-proxy")) && !skips(&template("")));
        assert!(!skips(&Object::new(ObjectKind::Pod, json!({}))));
    }
}
