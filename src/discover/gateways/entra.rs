//! How a gateway signs in by Entra, as far as the cluster shows it.

use std::collections::BTreeSet;
use std::path::Path;

use uuid::Uuid;

use crate::discover::pod_spec::{ClientId, EntraCredential};
use crate::discover::read::{Held, Key};
use crate::discover::survey::{Gateway, Survey};
use crate::model::entra::{CERTIFICATE_FOLDER, OwnVariables, skips};
use crate::model::setting::APP_CLIENT;
use crate::model::{AppSettings, Auth, EntraSignIn, Fact, Lacking, Unavailable, cleaned};

/// How it signs in, the Secret and the key of its credential if it is in one, and
/// its app.
pub(super) fn sign_in(
    survey: &Survey,
    gateway: &Gateway,
    credential: EntraCredential,
) -> (Auth, Option<(String, String)>, EntraSignIn) {
    let settings = &gateway.container.entra;
    let is_federated = credential == EntraCredential::Federated;
    let candidates = if is_federated {
        &[][..]
    } else {
        settings.credential.as_slice()
    };
    let found = survey.held(gateway, candidates);
    let auth = match credential {
        EntraCredential::Secret => Auth::AppSecret,
        EntraCredential::Certificate => Auth::Certificate,
        EntraCredential::Federated => Auth::WorkloadIdentity,
        // The setting itself may be in a Secret that is imported whole.
        EntraCredential::Unknown if matches!(found, Some((_, Ok(_)))) => Auth::AppSecret,
        EntraCredential::Unknown => Auth::Unknown,
    };
    // That an import has no such key says nothing.
    let found = found.filter(|(_, held)| held.is_ok() || credential != EntraCredential::Unknown);
    let certificate = candidates.iter().find_map(|(secret, keys)| {
        keys.iter().find_map(|key| {
            let one = [(secret.clone(), vec![key.clone()])];
            let (_, held) = survey.held(gateway, &one)?;
            held.ok()?.0.certificate.clone()
        })
    });
    let stored = found.as_ref().map(|(_, held)| {
        held.as_ref()
            .map(|(facts, _)| Box::new(facts.clone()))
            .map_err(Clone::clone)
    });
    let mut sign_in = EntraSignIn {
        client_id: Err(Unavailable::Unknown(String::new())),
        service_account: settings.service_account.clone(),
        tenant: None,
        given: BTreeSet::new(),
        shared_with: None,
        stored,
        certificate: certificate.filter(|_| auth == Auth::Certificate),
        in_clear: settings.in_clear.clone(),
        own_variables: if is_federated {
            settings.own_variables.clone()
        } else {
            OwnVariables::default()
        },
        may_bring_token: settings.may_bring_token,
        lacking: Lacking {
            label: is_federated && !gateway.asks_webhook && !settings.may_bring_token,
            skipped: is_federated
                && !settings.may_bring_token
                && gateway
                    .skipped
                    .as_ref()
                    .is_some_and(|it| skips(it, &gateway.container.name)),
            client_id: None,
            setting: settings.lacking,
        },
        settings: app_settings(gateway, auth, found.as_ref()),
        azure: None,
    };
    sign_in.client_id = client_id(gateway, is_federated, &sign_in);
    (auth, found.map(|(place, _)| place), sign_in)
}

fn app_settings(gateway: &Gateway, auth: Auth, found: Option<&(Key, Fact<&Held>)>) -> AppSettings {
    let settings = &gateway.container.entra;
    let audience = settings.token_audience.clone();
    if auth == Auth::WorkloadIdentity {
        return AppSettings {
            audience,
            ..AppSettings::default()
        };
    }
    AppSettings {
        tenant: settings.tenant.clone(),
        authority: settings.authority.clone(),
        audience,
        odd_client: match &settings.client_id {
            ClientId::Text(text) if Uuid::try_parse(text).is_err() => Some(text.clone()),
            _ => None,
        },
        no_certificate: no_certificate(gateway, found).filter(|_| auth == Auth::Certificate),
        two_credentials: settings.has_two_credentials,
    }
}

/// Why there is no file at the path of the certificate. `found` is the key that holds one.
fn no_certificate(gateway: &Gateway, found: Option<&(Key, Fact<&Held>)>) -> Option<Fact<String>> {
    let settings = &gateway.container.entra;
    let (path, may_be_there) = settings.certificate.as_ref()?;
    let shown = cleaned(path);
    if !may_be_there {
        let why = format!("nothing is mounted at {shown}, where the certificate is to be");
        // Another image may have one of its own, though not where a set-up puts it.
        let is_certain =
            gateway.container.image.starts_with(PUBLISHED) || Path::new(path).starts_with(CERTIFICATE_FOLDER);
        return Some(if is_certain {
            Ok(why)
        } else {
            Err(Unavailable::Unknown(why))
        });
    }
    let ((secret, key), _) = found.filter(|(_, held)| held.is_ok())?;
    let (_, keys) = settings.credential.iter().find(|(name, _)| name == secret)?;
    let is_there = keys.first() == Some(key);
    (!is_there).then(|| {
        Ok(format!(
            "secret/{secret} has no certificate for {shown}, only {}",
            cleaned(key)
        ))
    })
}

/// The image as Microsoft publishes it.
const PUBLISHED: &str = "mcr.microsoft.com/azure-api-management/gateway";

/// The client id in the settings, else the one that we recorded.
fn client_id(gateway: &Gateway, is_federated: bool, sign_in: &EntraSignIn) -> Fact<Uuid> {
    let unknown = |why: String| Err(Unavailable::Unknown(why));
    let recorded = sign_in.recorded().and_then(|secret| secret.marks.app.client_id);
    let guid = |setting: &str, text: &str| {
        Uuid::try_parse(text).or_else(|_| unknown(format!("{setting} is not a GUID: `{}`", cleaned(text))))
    };
    if sign_in.own_variables.sets(OwnVariables::CLIENT_ID) {
        let name = OwnVariables::CLIENT_ID;
        return sign_in.own_variables.value(name).map_or_else(
            || unknown(format!("the container sets {name} to a value that was not read")),
            |text| guid(name, text),
        );
    }
    match &gateway.container.entra.client_id {
        _ if is_federated => unknown(format!(
            "the client id is in an annotation of serviceaccount/{}, which was not read",
            sign_in.service_account
        )),
        ClientId::Text(text) => guid(APP_CLIENT, text),
        // What a Secret holds is never shown, and any key of it may be referred to.
        ClientId::Secret(secret) => recorded.ok_or_else(|| {
            Unavailable::Unknown(format!(
                "the client id is in secret/{secret}, and nothing else records it"
            ))
        }),
        ClientId::Missing => {
            let why = gateway.unread.clone();
            recorded.ok_or_else(|| {
                why.unwrap_or_else(|| {
                    Unavailable::Unknown(
                        "no setting config.service.auth.azureAd.clientId was found".to_owned(),
                    )
                })
            })
        }
    }
}
