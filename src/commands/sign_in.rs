//! Creates the ARM client from the settings.

use tokio::time::Instant;

use crate::azure::{self, Arm};
use crate::error::Result;
use crate::model::request::CloudRequest;
use crate::model::{Cloud, CloudName};
use crate::settings::AzureSettings;

/// The ARM client of the configured cloud, or else of `cloud`, which was found
/// in the cluster. It signs in with its first request.
pub(super) async fn sign_in(
    settings: &AzureSettings,
    cloud: Option<CloudName>,
    deadline: Instant,
    burst: bool,
) -> Result<Arm> {
    let options = azure::Options {
        cloud: Cloud::known(cloud.unwrap_or(CloudName::Public)),
        identity: settings.identity.clone(),
        extra_ca: settings.ca_file.clone(),
        api_version: settings.api_version.clone(),
        deadline,
        burst,
    };
    let options = match settings.cloud.as_ref().map(|cloud| &cloud.value) {
        None => options,
        Some(CloudRequest::Known(name)) => azure::Options {
            cloud: Cloud::known(*name),
            ..options
        },
        Some(CloudRequest::ResourceManager(url)) => {
            let http = azure::http_client(options.extra_ca.as_deref())?;
            azure::Options {
                cloud: azure::endpoints(&http, url, deadline).await?,
                ..options
            }
        }
    };
    Ok(Arm::new(options)?)
}
