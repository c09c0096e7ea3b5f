//! How a workload signs in, and what its pod template has.

use std::collections::BTreeMap;

use super::workload_secrets::is_shown;
use crate::cluster::described::{Described, DescribedSpec};
use crate::cluster::pod_spec::PodSpec;
use crate::discover::pod_spec::{ConfigMaps, CredentialSource, EntraCredential, GatewayContainer, Setting};
use crate::model::entra::{
    CERTIFICATE_FOLDER, CertificateMount, Mode, SettingValue, SignsIn, TemplateSettings,
};
use crate::model::setting::{APP_SECRET, AUTH};
use crate::model::{Auth, Fact, Unavailable, WorkloadRef};

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
    let spec = &described.template.spec;
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
        service_account: spec.service_account_name.clone(),
        labels: described.template.metadata.labels.clone(),
        mount: mount(spec, container),
        fs_group: spec.security_context.as_ref().and_then(|it| it.fs_group),
    }
}

/// The Secret that is mounted as a whole where certificates belong.
fn mount(spec: &DescribedSpec, container: &str) -> Option<CertificateMount> {
    let container = spec.containers.iter().find(|it| it.name == container)?;
    let mount = container
        .volume_mounts
        .iter()
        .find(|it| it.mount_path.trim_end_matches('/') == CERTIFICATE_FOLDER && it.sub_path.is_empty())?;
    let volume = spec.volumes.iter().find(|it| it.name == mount.name)?;
    let secret = volume.secret.as_ref()?;
    Some(CertificateMount {
        secret: secret.secret_name.clone(),
        path: CERTIFICATE_FOLDER.to_owned(),
        mode: secret.default_mode.unwrap_or(DEFAULT_MODE),
    })
}

/// The object that has a client secret in clear, also one that a variable of the
/// container beats.
pub(super) fn clear_secret(
    workload: &WorkloadRef,
    spec: &PodSpec,
    container: &str,
    config_maps: &ConfigMaps,
) -> Option<String> {
    let container = spec.containers.iter().find(|it| it.name == container)?;
    let has_text = |name: &str, key: &str| {
        let text = config_maps.get(name).and_then(|data| data.get(key));
        text.is_some_and(|text| !text.trim().is_empty())
    };
    let imported = container.env_from.iter().find_map(|import| {
        let name = &import.config_map_ref.as_ref()?.name;
        let key = APP_SECRET.strip_prefix(&import.prefix)?;
        has_text(name, key).then(|| format!("configmap/{name}"))
    });
    let own = || {
        let variable = container.env.iter().find(|it| it.name == APP_SECRET)?;
        match &variable.value_from {
            None => (!variable.value.trim().is_empty()).then(|| workload.short()),
            Some(from) => {
                let key = from.config_map_key_ref.as_ref()?;
                has_text(&key.name, &key.key).then(|| format!("configmap/{}", key.name))
            }
        }
    };
    imported.or_else(own)
}

/// The id of the set-up or rotation that last restarted the pods, unless they are
/// proved or nobody waits for the proof.
pub(super) fn unproved(described: &Described) -> Option<String> {
    let marks = described.workload.marks();
    let is_settled = |id: &str| marks.proved.contains(id) || marks.given_up.contains(id);
    let open = marks.template.rotation_ids.iter().filter(|id| !is_settled(id));
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
