//! The ways to sign in that are possible, each with the reason.

use std::path::PathBuf;

use super::client_credential;
use crate::azure::{Assertion, Candidate, ClientCredential, Identity, SignIn, WORKLOAD_IDENTITY_WEBHOOK};
use crate::cli::{AuthMethod, AzureArgs};
use crate::error::{Error, Result};
use crate::model::{Source, Sourced};
use crate::settings::typed::Typed;

const TOKEN_FILE: &str = "AZURE_FEDERATED_TOKEN_FILE";
const AUTHORITY: &str = "AZURE_AUTHORITY_HOST";

/// Decides from flags and variables, without a request. `vm` is set on a VM of
/// Azure.
pub(super) fn sign_in(
    args: &AzureArgs,
    typed: &Typed<'_>,
    vm: bool,
    warnings: &mut Vec<String>,
) -> Result<SignIn> {
    let methods = SignInMethods { args, typed };
    let flag = || typed.flag_or_its_variable("auth").to_string();
    match args.auth {
        AuthMethod::Auto => methods.auto(vm, warnings),
        AuthMethod::ServicePrincipal => {
            let credential = client_credential::client_credential(args, typed, warnings)?;
            let reason = credential
                .as_ref()
                .map_or_else(String::new, |(_, reason)| format!(", {reason}"));
            let identity = methods.service_principal(credential.map(|(credential, _)| credential))?;
            Ok(SignIn::only(identity, format!("{}{reason}", flag())))
        }
        AuthMethod::WorkloadIdentity => Ok(SignIn::only(methods.workload_identity()?, flag())),
        AuthMethod::ManagedIdentity => Ok(SignIn::only(methods.managed_identity(), flag())),
        AuthMethod::AzureCli => Ok(SignIn::only(methods.azure_cli(), flag())),
    }
}

struct SignInMethods<'a> {
    args: &'a AzureArgs,
    typed: &'a Typed<'a>,
}

impl SignInMethods<'_> {
    fn auto(&self, vm: bool, warnings: &mut Vec<String>) -> Result<SignIn> {
        let one = |identity, reason, excluded| SignIn {
            candidates: vec![Candidate { identity, reason }],
            auto: true,
            excluded,
        };
        if let Some((credential, reason)) =
            client_credential::client_credential(self.args, self.typed, warnings)?
        {
            return Ok(one(self.service_principal(Some(credential))?, reason, Vec::new()));
        }
        let mut excluded = vec![self.without_credential()];
        if self.get(TOKEN_FILE).is_some() {
            let reason = format!("variable {TOKEN_FILE}");
            return Ok(one(self.workload_identity()?, reason, excluded));
        }
        excluded.push(format!("workload identity: the variable {TOKEN_FILE} is not set"));

        // A request to a metadata service that does not exist takes a second, so
        // it is sent only where one is likely.
        let mut candidates = Vec::new();
        match self.sign_of_managed_identity(vm) {
            Some(reason) => candidates.push(Candidate {
                identity: self.managed_identity(),
                reason: reason.to_owned(),
            }),
            None => excluded.push("managed identity: this is neither a pod nor a VM of Azure".to_owned()),
        }

        // A client id on the command line excludes the user of the Azure CLI. One
        // in a variable may be for other tools.
        let named = self
            .client_id(&[])
            .is_some_and(|id| matches!(id.source, Source::Flag(_)));
        if named && candidates.is_empty() {
            return self
                .service_principal(None)
                .map(|identity| one(identity, String::new(), excluded));
        }
        if named {
            excluded.push("Azure CLI: not tried, because --client-id names another identity".to_owned());
        } else {
            candidates.push(Candidate {
                identity: self.azure_cli(),
                reason: "nothing else is available".to_owned(),
            });
        }
        Ok(SignIn {
            candidates,
            auto: true,
            excluded,
        })
    }

    fn sign_of_managed_identity(&self, vm: bool) -> Option<&'static str> {
        if self.get("IDENTITY_ENDPOINT").is_some() && self.get("IDENTITY_HEADER").is_some() {
            Some("variables IDENTITY_ENDPOINT and IDENTITY_HEADER")
        } else if vm {
            Some("this is a VM of Azure")
        } else {
            self.typed.environment.in_pod().then_some("this is a pod")
        }
    }

    /// Why it is no service principal that signs in.
    fn without_credential(&self) -> String {
        let id = self.client_id(&["SP_ID", "AZURE_CLIENT_ID"]);
        let only = id.map_or_else(String::new, |id| {
            format!("; {} gives the client id alone", id.source)
        });
        format!("service principal: no client secret or certificate is given{only}")
    }

    fn service_principal(&self, credential: Option<ClientCredential>) -> Result<Identity> {
        let client_id = self.client_id(&["SP_ID", "AZURE_CLIENT_ID"]);
        let tenant = self.tenant(&["TENANT", "AZURE_TENANT_ID"]);
        match (client_id, credential, tenant) {
            (Some(client_id), Some(credential), Some(tenant)) => Ok(Identity::ServicePrincipal {
                tenant: tenant.value,
                client_id: client_id.value,
                credential,
            }),
            (client_id, credential, tenant) => {
                let missing: Vec<&str> = [
                    (client_id.is_none(), "--client-id"),
                    (credential.is_none(), "--client-secret-file"),
                    (tenant.is_none(), "--tenant"),
                ]
                .into_iter()
                .filter_map(|(absent, flag)| absent.then_some(flag))
                .collect();
                Err(Error::usage(format!("signing in as a service principal also needs {}", missing.join(" and ")))
                    .hint("the variables AZURE_CLIENT_ID, AZURE_CLIENT_SECRET and AZURE_TENANT_ID work as well, and in `rotate` also SP_ID, SP_SECRET and TENANT")
                    .hint("other ways to sign in: --auth workload-identity, managed-identity or azure-cli"))
            }
        }
    }

    fn workload_identity(&self) -> Result<Identity> {
        let missing = |name: &str, flag: &str| {
            Error::usage(format!(
                "signing in with workload identity needs the variable {name}{flag}, which is not set"
            ))
            .hint(WORKLOAD_IDENTITY_WEBHOOK)
            .hint("the webhook changes pods only when they are created: recreate a pod that is older")
        };
        let token_file = self.get(TOKEN_FILE).ok_or_else(|| missing(TOKEN_FILE, ""))?;
        // The webhook's variables are meant for this; the script's come after.
        let client_id = self
            .client_id(&["AZURE_CLIENT_ID", "SP_ID"])
            .ok_or_else(|| missing("AZURE_CLIENT_ID", " or --client-id"))?;
        let tenant = self
            .tenant(&["AZURE_TENANT_ID", "TENANT"])
            .ok_or_else(|| missing("AZURE_TENANT_ID", " or --tenant"))?;
        // The webhook sets the authority of its own cloud. A flag overrides it.
        let authority = self.get(AUTHORITY).filter(|_| self.args.cloud.is_none());
        if let Some(authority) = authority.filter(|authority| !authority.starts_with("https://")) {
            return Err(Error::usage(format!(
                "the variable {AUTHORITY} is `{authority}`, which is not an https URL"
            )));
        }
        Ok(Identity::WorkloadIdentity {
            tenant: tenant.value,
            client_id: client_id.value,
            token: Assertion::File(PathBuf::from(token_file)),
            authority: authority.map(|authority| authority.trim_end_matches('/').to_owned()),
        })
    }

    fn managed_identity(&self) -> Identity {
        Identity::ManagedIdentity {
            client_id: self.client_id(&["AZURE_CLIENT_ID"]).map(|id| id.value),
        }
    }

    fn azure_cli(&self) -> Identity {
        Identity::AzureCli {
            tenant: self
                .tenant(&["TENANT", "AZURE_TENANT_ID"])
                .map(|tenant| tenant.value),
            subscription: self.get("SUBSCRIPTION_ID").map(str::to_owned),
        }
    }

    fn client_id(&self, variables: &[&str]) -> Option<Sourced<String>> {
        self.typed
            .text("client-id", self.args.client_id.as_ref(), variables)
    }

    fn tenant(&self, variables: &[&str]) -> Option<Sourced<String>> {
        self.typed.text("tenant", self.args.tenant.as_ref(), variables)
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.typed.environment.get(name)
    }
}

#[cfg(test)]
mod tests;
