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
#[derive(Clone, Debug)]
pub struct AzureSettings {
    pub identity: SignIn,
    pub cloud: Option<Sourced<CloudRequest>>,
    pub api_version: String,
    /// A file of additional certificate authorities.
    pub ca_file: Option<PathBuf>,
}

impl AzureSettings {
    /// The cloud of a run over several gateways, which is not that of their
    /// endpoints: what is in a cluster selects no host that gets a credential.
    pub fn cloud_of_fleet(&self) -> CloudRequest {
        let given = self.cloud.as_ref().map(|cloud| cloud.value.clone());
        given.unwrap_or(CloudRequest::Known(CloudName::Public))
    }

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

/// The cloud of another run.
pub(super) fn cloud_of_pods(given: Option<&String>) -> Result<Option<CloudRequest>> {
    let given = given.filter(|value| !value.is_empty());
    given
        .map(|value| cloud_request(value, &Source::Flag("cloud".to_owned())))
        .transpose()
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
