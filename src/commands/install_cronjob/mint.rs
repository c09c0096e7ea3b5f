//! Checks whether the pods' identity can mint tokens, by signing in with it.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

use crate::azure::{
    self, Arm, Assertion, Certificate, ClientCredential, Identity, SignIn, looks_like_a_certificate,
};
use crate::cluster::{Cluster, explain};
use crate::commands::mint_right::may_mint;
use crate::discover::directory::Directory;
use crate::discover::evidence::Named;
use crate::error::{Error, Result};
use crate::manifest::cronjob::{KeyOf, PodIdentity};
use crate::model::Cloud;
use crate::output::Output;
use crate::settings::InstallSettings;

/// How long to wait for Azure; after that the result is unknown.
const PATIENCE: Duration = Duration::from_secs(30);

/// Refuses a service principal that cannot mint. If this machine does not reach
/// Azure, the result is unknown.
pub(super) async fn refuse_powerless(
    settings: &InstallSettings,
    cluster: &Cluster,
    named: &[Named],
    output: &Output,
) -> Result<()> {
    let PodIdentity::ServicePrincipal {
        client_id,
        tenant,
        credential: place,
    } = &settings.identity
    else {
        return Ok(());
    };
    let content = match &settings.client_credential {
        Some(credential) => Some(credential.expose_secret().to_vec()),
        None => stored(cluster, place, output).await?,
    };
    let Some(content) = content else { return Ok(()) };
    let identity = Identity::ServicePrincipal {
        tenant: tenant.clone(),
        client_id: client_id.clone(),
        credential: client_credential(content)?,
    };
    match can_mint(settings, identity, named).await {
        Ok(Checked::Can) => output.step("checked", "the service principal may mint tokens of each gateway"),
        Ok(Checked::Unknown(why)) => unchecked(&why, output),
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Reports whether the ServiceAccount that was just installed can mint. Its
/// federated credential may be created later, so nothing is refused.
pub(super) async fn report_powerless(
    settings: &InstallSettings,
    token: SecretString,
    named: &[Named],
    output: &Output,
) {
    let PodIdentity::Workload {
        client_id,
        tenant: Some(tenant),
    } = &settings.identity
    else {
        return unchecked("--tenant is not set", output);
    };
    let identity = Identity::WorkloadIdentity {
        tenant: tenant.clone(),
        client_id: client_id.clone(),
        token: Assertion::Token(token),
        authority: None,
    };
    match can_mint(settings, identity, named).await {
        Ok(Checked::Can) => output.step("checked", "the workload identity may mint tokens of each gateway"),
        Ok(Checked::Unknown(why)) => unchecked(&why, output),
        Err(error) => {
            output.warning(&format!("the pods cannot mint yet: {error}"));
            for hint in error.hints() {
                output.hint(hint);
            }
        }
    }
}

/// Says that the check was not possible.
pub(super) fn unchecked(why: &str, output: &Output) {
    output.note(&format!(
        "whether the pods can mint is unchecked, because {why}; check it with --run-now"
    ));
}

enum Checked {
    Can,
    Unknown(String),
}

async fn can_mint(settings: &InstallSettings, identity: Identity, named: &[Named]) -> Result<Checked> {
    let deadline = Instant::now() + PATIENCE;
    let endpoint = named.iter().find_map(|named| named.cloud);
    let Some(cloud) = settings.cloud_of_runs(endpoint).name() else {
        return Ok(Checked::Unknown("--cloud sets another cloud".to_owned()));
    };
    let arm = Arm::new(azure::Options {
        cloud: Cloud::known(cloud),
        identity: SignIn::only(identity, "--auth"),
        extra_ca: None,
        api_version: settings
            .api_version
            .clone()
            .unwrap_or_else(|| azure::DEFAULT_API_VERSION.to_owned()),
        deadline,
        burst: false,
    })?;
    match arm.sign_in().await {
        Err(error) if error.is_unanswered() => return Ok(Checked::Unknown(error.to_string())),
        signed_in => signed_in?,
    }
    let directory = Directory::default();
    for named in named {
        let gateway = directory.gateway(&arm, named).await?.id;
        if !may_mint(&arm, &directory, &gateway).await? {
            let why = format!("Azure does not show the permissions of the pods' identity on {gateway}");
            return Ok(Checked::Unknown(why));
        }
    }
    Ok(Checked::Can)
}

/// The content of an existing Secret; `None` without the right to read it.
async fn stored(cluster: &Cluster, place: &KeyOf, output: &Output) -> Result<Option<Vec<u8>>> {
    let KeyOf { name, key } = place;
    let namespace = &cluster.namespace;
    match cluster.secret(name).await {
        Ok(secret) => match secret.data.and_then(|mut data| data.remove(key)) {
            Some(content) => Ok(Some(content.0)),
            None => Err(Error::failed(format!(
                "secret/{name} in namespace {namespace} has no key `{key}`"
            ))
            .hint("set the key with --existing-secret NAME:KEY")),
        },
        Err(kube::Error::Api(status)) if status.is_forbidden() => {
            unchecked("this user may not read the Secret", output);
            Ok(None)
        }
        Err(error) => Err(explain(
            error,
            &format!("reading secret/{name} in namespace {namespace}"),
        )),
    }
}

fn client_credential(content: Vec<u8>) -> Result<ClientCredential> {
    if looks_like_a_certificate(&content) {
        let certificate = Certificate::read(&content, None)
            .map_err(|error| Error::usage(format!("the certificate of the service principal: {error}")))?;
        return Ok(ClientCredential::Certificate {
            certificate,
            send_chain: false,
        });
    }
    let text = String::from_utf8(content)
        .map_err(|_| Error::usage("the service principal's secret is neither text nor a certificate"))?;
    Ok(ClientCredential::Secret(
        text.trim_end_matches(['\r', '\n']).into(),
    ))
}
