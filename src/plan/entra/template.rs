//! What a pod template needs for a sign-in by Entra.

use std::collections::BTreeMap;

use super::facts::EntraFacts;
use crate::error::{Error, Result};
use crate::model::entra::{
    CERTIFICATE_FOLDER, CertificateMount, FILE_MODE, GATEWAY_GROUP, Id, Made, Mode, PEM_KEY, PFX_KEY,
    SECRET_KEY, SettingValue, SetupRequest, TemplateSettings, USE_LABEL, token_audience,
};
use crate::model::{CloudName, setting};

/// The id that the gateway signs in with.
pub(super) fn client_id(facts: &EntraFacts) -> Id {
    facts.client_id().map_or(Id::Of(Made::App), Id::Known)
}

/// The configuration endpoint, for a workload that is yet to come or certainly has none.
fn lacking_endpoint(facts: &EntraFacts) -> Option<String> {
    let cloud = facts.cloud?;
    let workload = facts.cluster.workload.as_ref();
    let is_known = workload.is_none_or(|it| {
        it.signs_in.is_ok() && it.service.is_none() && !it.hidden.contains(&setting::ENDPOINT)
    });
    (is_known && !is_set(facts, setting::ENDPOINT)).then(|| {
        let service = &facts.gateway.service.name;
        format!("https://{service}.configuration.{}", cloud.suffix())
    })
}

fn is_set(facts: &EntraFacts, setting: &str) -> bool {
    let workload = facts.cluster.workload.as_ref();
    workload.is_some_and(|it| it.template.settings.contains_key(setting))
}

/// What the pod template needs for a mode. Everything goes into `env` of the
/// container, which beats `envFrom`, so that no ConfigMap is written.
pub fn wanted_template(
    facts: &EntraFacts,
    request: &SetupRequest,
    mode: Mode,
    (account, secret): (&str, &str),
) -> Result<TemplateSettings> {
    let text = |value: &str| SettingValue::Text(value.to_owned());
    let mut settings = BTreeMap::new();
    let mut set = |name: &str, value| settings.insert(name.to_owned(), value);
    set(setting::GATEWAY_NAME, text(&facts.gateway.name));
    set(setting::AUTH, text(mode.setting()));
    let is_public = facts.cloud == Some(CloudName::Public);
    match (&request.token_audience, facts.cloud) {
        (Some(audience), _) => drop(set(setting::TOKEN_AUDIENCE, text(audience))),
        // The public cloud's is the default, unless another one is left over.
        (None, Some(_)) if is_public && !is_set(facts, setting::TOKEN_AUDIENCE) => {}
        (None, Some(cloud)) => drop(set(setting::TOKEN_AUDIENCE, text(token_audience(cloud)))),
        (None, None) => {
            return Err(
                Error::usage("the audience of the gateway's token is not known for this cloud")
                    .hint("give it with --token-audience URL"),
            );
        }
    }
    if let Some(endpoint) = lacking_endpoint(facts) {
        set(setting::ENDPOINT, text(&endpoint));
    }
    if mode.is_stored() {
        set(setting::APP_TENANT, text(&facts.tenant.to_string()));
        set(setting::APP_CLIENT, SettingValue::Id(client_id(facts)));
        if !is_public || is_set(facts, setting::APP_AUTHORITY) {
            set(setting::APP_AUTHORITY, text(&facts.authority));
        }
    }
    let mut wanted = TemplateSettings {
        service_account: match (mode, account) {
            (Mode::WorkloadIdentity, "default") | (Mode::AppCertificate | Mode::AppSecret, _) => {
                String::new()
            }
            (Mode::WorkloadIdentity, account) => account.to_owned(),
        },
        ..TemplateSettings::default()
    };
    match mode {
        Mode::WorkloadIdentity => {
            wanted.labels.insert(USE_LABEL.to_owned(), "true".to_owned());
        }
        Mode::AppSecret => {
            let value = SettingValue::Secret {
                name: secret.to_owned(),
                key: SECRET_KEY.to_owned(),
            };
            set(setting::APP_SECRET, value);
        }
        Mode::AppCertificate => {
            set(setting::APP_CERTIFICATE, certificate_path(facts));
            wanted.mount = Some(CertificateMount {
                secret: secret.to_owned(),
                path: CERTIFICATE_FOLDER.to_owned(),
                mode: FILE_MODE,
            });
            wanted.fs_group = Some(GATEWAY_GROUP);
        }
    }
    wanted.settings = settings;
    Ok(wanted)
}

/// The format that the gateway reads is not documented, so the other file that a set-up
/// writes is as good.
fn certificate_path(facts: &EntraFacts) -> SettingValue {
    let workload = facts.cluster.workload.as_ref();
    let there = workload.and_then(|it| it.template.settings.get(setting::APP_CERTIFICATE));
    let pem = format!("{CERTIFICATE_FOLDER}/{PEM_KEY}");
    SettingValue::Text(match there {
        Some(SettingValue::Text(path)) if *path == pem => pem,
        _ => format!("{CERTIFICATE_FOLDER}/{PFX_KEY}"),
    })
}

pub(super) fn is_same(there: &str, wanted: &SettingValue) -> bool {
    match wanted {
        SettingValue::Text(text) => there == text,
        SettingValue::Id(Id::Known(id)) => there.eq_ignore_ascii_case(&id.to_string()),
        SettingValue::Id(Id::Of(_)) | SettingValue::Secret { .. } => false,
    }
}
