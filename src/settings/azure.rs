//! The settings of the sign-in to Azure.

mod client_credential;
mod sign_in;

use std::path::PathBuf;

pub(super) use client_credential::secret_to_store;

use super::typed::Typed;
use crate::azure::{self, SignIn};
use crate::cli::AzureArgs;
use crate::error::{Error, Result};
use crate::model::request::CloudRequest;
use crate::model::{CloudName, Source, Sourced};

/// How to sign in to Azure, and where.
#[derive(Debug)]
pub struct AzureSettings {
    pub identity: SignIn,
    pub cloud: Option<Sourced<CloudRequest>>,
    pub api_version: String,
    /// A file of additional certificate authorities.
    pub ca_file: Option<PathBuf>,
}

impl AzureSettings {
    /// Checks the flags and completes them from the variables. Warnings for the
    /// user are added to `warnings`.
    pub(super) fn resolve(args: &AzureArgs, typed: &Typed<'_>, warnings: &mut Vec<String>) -> Result<Self> {
        Ok(Self {
            identity: sign_in::sign_in(args, typed, azure::on_a_vm_of_azure(), warnings)?,
            cloud: cloud(args, typed)?,
            api_version: args.api_version.clone(),
            ca_file: args.azure_ca_file.clone(),
        })
    }
}

/// A cloud as the value of `--cloud` in another run.
pub(super) fn cloud_name(given: Option<&String>) -> Result<Option<String>> {
    let Some(value) = given.filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let request = cloud_request(value, &Source::Flag("cloud".to_owned()))?;
    Ok(Some(match request {
        CloudRequest::Known(name) => name.as_str().to_owned(),
        CloudRequest::ResourceManager(url) => url,
    }))
}

fn cloud(args: &AzureArgs, typed: &Typed<'_>) -> Result<Option<Sourced<CloudRequest>>> {
    let Some(Sourced { value, source }) = typed.text("cloud", args.cloud.as_ref(), &[]) else {
        return Ok(None);
    };
    let request = cloud_request(&value, &source)?;
    Ok(Some(Sourced::new(request, source)))
}

fn cloud_request(value: &str, source: &Source) -> Result<CloudRequest> {
    Ok(match value.to_ascii_lowercase().as_str() {
        "public" | "azurecloud" => CloudRequest::Known(CloudName::Public),
        "china" | "azurechinacloud" => CloudRequest::Known(CloudName::China),
        "usgov" | "azureusgovernment" => CloudRequest::Known(CloudName::UsGov),
        url if url.starts_with("https://") => {
            CloudRequest::ResourceManager(value.trim_end_matches('/').to_owned())
        }
        _ => {
            return Err(Error::usage(format!(
                "{source} `{value}`: a cloud is public, china, usgov or the https URL of its Azure Resource Manager"
            )));
        }
    })
}
