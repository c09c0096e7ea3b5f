//! The credential that a gateway's settings describe.

use k8s_openapi::api::core::v1::Container;

use super::certificate::Certificate;
use super::has_gateway_image;
use crate::node::environment::Environment;
use crate::node::volumes::Files;

const AUTH: &str = "config.service.auth";
const AUTH_KEY: &str = "config.service.auth.key";
const AUDIENCE: &str = "config.service.auth.tokenAudience";
const TENANT: &str = "config.service.auth.azureAd.tenantId";
const CLIENT: &str = "config.service.auth.azureAd.clientId";
const SECRET: &str = "config.service.auth.azureAd.clientSecret";
const CERTIFICATE: &str = "config.service.auth.azureAd.certificatePath";
const AUTHORITY: &str = "config.service.auth.azureAd.authority";
const PREFIX: &str = "GatewayKey ";

/// The setting that an Entra credential needs beside it.
pub(super) const NAME: &str = "gateway.name";

/// The audience and the authority of the public cloud, which are the gateway's defaults.
const PUBLIC_AUDIENCE: &str = "https://azure-api.net/configuration";
const PUBLIC_AUTHORITY: &str = "https://login.microsoftonline.com";

/// The oldest images, as major and minor version, that know a value of [`AUTH`]. The documentation also names 2.2
/// for `azureAdApp`; the higher of its two numbers counts.
const AZURE_AD_APP: (u32, u32) = (2, 3);
const WORKLOAD_IDENTITY: (u32, u32) = (2, 11);

pub(super) enum Credential {
    /// The token as it goes into the header.
    Token(String),
    Entra(Entra),
}

/// How a gateway signs in to Entra.
pub(super) struct Entra {
    /// Its URL, with or without a slash at its end.
    pub(super) authority: String,
    pub(super) tenant: String,
    pub(super) client_id: String,
    pub(super) audience: String,
    pub(super) proof: Proof,
    /// [`NAME`].
    pub(super) gateway: String,
}

/// With what a gateway proves to Entra who it is.
pub(super) enum Proof {
    Secret(String),
    Certificate(Box<Certificate>),
    /// A token of the pod's service account.
    Federated(String),
}

/// Reads the credential once, as a starting gateway does; an error is why there is none.
pub(super) async fn read(
    container: &Container,
    environment: &Environment,
    files: &Files<'_>,
) -> Result<Credential, String> {
    let Some(auth) = environment.get(AUTH) else {
        return Err(missing(AUTH));
    };
    let settings = Settings { environment, files };
    match auth.as_str() {
        "key" => environment.get(AUTH_KEY).and_then(|text| token(text)),
        "azureAdApp" if knows(container, AZURE_AD_APP) => {
            return settings.azure_ad_app().await.map(Credential::Entra);
        }
        "workloadIdentity" if knows(container, WORKLOAD_IDENTITY) => {
            return settings.workload_identity().await.map(Credential::Entra);
        }
        text => token(text),
    }
    .map(Credential::Token)
    .ok_or_else(|| format!("The value of {AUTH} is not supported."))
}

/// The gateway that a token is for.
pub(super) fn gateway_of(token: &str) -> &str {
    token
        .trim_start_matches(PREFIX)
        .split('&')
        .next()
        .unwrap_or_default()
}

fn token(text: &str) -> Option<String> {
    match text {
        text if text.starts_with(PREFIX) => Some(text.to_owned()),
        text if text.contains('&') => Some(format!("{PREFIX}{text}")),
        _ => None,
    }
}

fn missing(setting: &str) -> String {
    format!("{setting} is missing.")
}

struct Settings<'a> {
    environment: &'a Environment,
    files: &'a Files<'a>,
}

impl Settings<'_> {
    /// Of a secret and a certificate there must be exactly one: which of them would win is not documented.
    async fn azure_ad_app(&self) -> Result<Entra, String> {
        let proof = match (self.get(SECRET), self.get(CERTIFICATE)) {
            (Some(secret), None) => Proof::Secret(secret.to_owned()),
            (None, Some(path)) => {
                let content = self.files.read(path).await?;
                let read = Certificate::read(&content);
                Proof::Certificate(Box::new(read.map_err(|error| format!("{path}: {error}."))?))
            }
            (None, None) => return Err(format!("{SECRET} and {CERTIFICATE} are missing.")),
            (Some(_), Some(_)) => return Err(format!("There are both {SECRET} and {CERTIFICATE}.")),
        };
        self.entra(TENANT, CLIENT, AUTHORITY, proof)
    }

    async fn workload_identity(&self) -> Result<Entra, String> {
        let path = self.required("AZURE_FEDERATED_TOKEN_FILE")?;
        let token = String::from_utf8(self.files.read(path).await?);
        let token = token.map_err(|_| format!("{path} is not text."))?;
        self.entra(
            "AZURE_TENANT_ID",
            "AZURE_CLIENT_ID",
            "AZURE_AUTHORITY_HOST",
            Proof::Federated(token),
        )
    }

    fn entra(&self, tenant: &str, client: &str, authority: &str, proof: Proof) -> Result<Entra, String> {
        let authority_url = self.get(authority).unwrap_or(PUBLIC_AUTHORITY);
        if !authority_url.starts_with("https://") {
            return Err(format!("{authority} must begin with https://."));
        }
        Ok(Entra {
            authority: authority_url.to_owned(),
            tenant: self.required(tenant)?.to_owned(),
            client_id: self.required(client)?.to_owned(),
            audience: self.get(AUDIENCE).unwrap_or(PUBLIC_AUDIENCE).to_owned(),
            proof,
            gateway: self.required(NAME)?.to_owned(),
        })
    }

    fn get(&self, name: &str) -> Option<&str> {
        let value = self.environment.get(name).map(String::as_str);
        value.filter(|value| !value.is_empty())
    }

    fn required(&self, name: &str) -> Result<&str, String> {
        self.get(name).ok_or_else(|| missing(name))
    }
}

/// Whether the image is as new as `needed`. A rolling tag, a digest and another image count as new.
fn knows(container: &Container, needed: (u32, u32)) -> bool {
    if !has_gateway_image(container) {
        return true;
    }
    version(container.image.as_deref().unwrap_or_default()).is_none_or(|version| version >= needed)
}

/// Major and minor version by an image's tag.
fn version(image: &str) -> Option<(u32, u32)> {
    let image = image.split_once('@').map_or(image, |(name, _digest)| name);
    let (_, tag) = image.rsplit('/').next()?.split_once(':')?;
    let mut numbers = tag.trim_start_matches('v').split(['.', '-']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn a_version_is_read_from_a_tag_that_has_one() {
        for (image, expected) in [
            (
                "mcr.microsoft.com/azure-api-management/gateway:2.11.1",
                Some((2, 11)),
            ),
            ("localhost:5000/azure-api-management/gateway:v2.2.0", Some((2, 2))),
            ("r/azure-api-management/gateway:2.10.0@sha256:0123", Some((2, 10))),
            ("r/azure-api-management/gateway:2.3.0-beta", Some((2, 3))),
            ("r/azure-api-management/gateway:v2", None),
            ("r/azure-api-management/gateway:v2-preview", None),
            ("r/azure-api-management/gateway@sha256:0123", None),
            ("localhost:5000/azure-api-management/gateway", None),
        ] {
            assert_eq!(version(image), expected, "{image}");
        }
    }
}
