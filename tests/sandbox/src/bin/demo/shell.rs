//! The shell in which the demo's commands run.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use apim_sandbox::azure::{FederatedCredential, Grant, GraphRights, Principal};
use apim_sandbox::{Sandbox, plugin};
use tokio::process::Command;

use crate::screen;

/// What a command inherits beside the sandbox's variables. The caller's
/// `AZURE_*`, `APIM_*` and kubeconfig must not reach the demo.
const INHERITED: [&str; 6] = ["TERM", "COLORTERM", "NO_COLOR", "LANG", "COLUMNS", "TZ"];

/// Runs commands with an environment that holds the sandbox and a service
/// principal, and nothing else.
pub(crate) struct Shell {
    plugin: PathBuf,
    directory: PathBuf,
    variables: Vec<(&'static str, String)>,
    principal: Principal,
}

impl Shell {
    /// A shell in which a service principal has signed in.
    pub(crate) fn new(sandbox: &Sandbox, plugin: &Path, principal: Principal) -> Result<Self> {
        sandbox.azure().add_principal(principal.clone());
        let mut variables = sandbox.variables();
        variables.extend([
            ("AZURE_CLIENT_ID", principal.client_id.clone()),
            ("AZURE_CLIENT_SECRET", principal.client_secret.clone()),
            ("AZURE_TENANT_ID", principal.tenant.clone()),
        ]);
        Ok(Self {
            plugin: plugin.parent().context("the plugin has no directory")?.to_owned(),
            directory: sandbox.control_plane().directory().to_owned(),
            variables,
            principal,
        })
    }

    /// The same shell with another kubeconfig.
    pub(crate) fn with_kubeconfig(mut self, path: &Path) -> Self {
        for (name, value) in &mut self.variables {
            if *name == "KUBECONFIG" {
                *value = path.display().to_string();
            }
        }
        self
    }

    /// The client id of the service principal.
    pub(crate) fn client_id(&self) -> &str {
        &self.principal.client_id
    }

    /// The tenant of the service principal.
    pub(crate) fn tenant(&self) -> &str {
        &self.principal.tenant
    }

    /// The same shell, in which somebody of the same tenant has signed in who may register apps
    /// and grant roles.
    pub(crate) fn administrator(&self, sandbox: &Sandbox) -> Self {
        let principal = Principal {
            tenant: self.principal.tenant.clone(),
            ..Principal::random()
        };
        let scope = format!("/subscriptions/{}", crate::story::SUBSCRIPTION);
        let principal = principal
            .with(Grant::new(&scope, &["*"]))
            .with_graph(GraphRights::ReadWriteAll);
        sandbox.azure().add_principal(principal.clone());
        let mut variables = self.variables.clone();
        for (name, value) in &mut variables {
            match *name {
                "AZURE_CLIENT_ID" => value.clone_from(&principal.client_id),
                "AZURE_CLIENT_SECRET" => value.clone_from(&principal.client_secret),
                _ => {}
            }
        }
        Self {
            plugin: self.plugin.clone(),
            directory: self.directory.clone(),
            variables,
            principal,
        }
    }

    /// An identity of the same tenant that trusts a namespace's service account
    /// for the rotation, as a federated credential in Entra does.
    pub(crate) async fn federated(&self, sandbox: &Sandbox, namespace: &str) -> Result<Principal> {
        let control_plane = sandbox.control_plane();
        let issuer = control_plane.service_account_issuer();
        let azure = sandbox.azure();
        azure.trust_issuer(issuer, control_plane.service_account_keys().await?);
        let scope = format!("/subscriptions/{}", crate::story::SUBSCRIPTION);
        let principal = Principal {
            tenant: self.principal.tenant.clone(),
            federated_credentials: vec![FederatedCredential {
                issuer: issuer.to_owned(),
                subject: format!("system:serviceaccount:{namespace}:apim-shg-rotate"),
                audience: "api://AzureADTokenExchange".to_owned(),
            }],
            ..Principal::token_operator(&scope)
        };
        azure.add_principal(principal.clone());
        Ok(principal)
    }

    /// Writes a file into the directory in which the commands run.
    pub(crate) fn write(&self, name: &str, content: &str) -> Result<()> {
        std::fs::write(self.directory.join(name), content).with_context(|| format!("writing {name}"))
    }

    /// Shows a command line and runs it to its successful end.
    pub(crate) async fn run(&self, line: &str) -> Result<()> {
        screen::command(line);
        plugin::run(&mut self.command(line))
            .await
            .with_context(|| line.to_owned())
    }

    /// Shows a command line and runs it to its end with this exit code.
    pub(crate) async fn run_to(&self, code: i32, line: &str) -> Result<()> {
        screen::command(line);
        let status = self.command(line).status().await?;
        ensure!(status.code() == Some(code), "{line}: {status}");
        Ok(())
    }

    /// Runs the plugin, and shows what it prints only if it fails.
    pub(crate) async fn quietly(&self, arguments: &[&str]) -> Result<()> {
        let mut command = self.command("exec kubectl apim \"$@\"");
        let output = command.arg("sh").args(arguments).output().await?;
        ensure!(
            output.status.success(),
            "kubectl apim {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }

    /// The lines with which another shell gets the same environment.
    pub(crate) fn exports(&self) -> Vec<String> {
        let path = format!("export PATH=\"{}:$PATH\"", self.plugin.display());
        let variables = self
            .variables
            .iter()
            .map(|(name, value)| format!("export {name}='{value}'"));
        let folder = format!("cd '{}'", self.directory.display());
        variables.chain([path, folder]).collect()
    }

    fn command(&self, line: &str) -> Command {
        let mut path = OsString::from(&self.plugin);
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        let inherited = INHERITED
            .iter()
            .filter_map(|name| Some((name, std::env::var_os(name)?)));
        let mut command = Command::new("sh");
        command
            .args(["-c", line])
            .env_clear()
            .envs(inherited)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .env("PATH", path)
            // kubectl keeps a cache in the home directory.
            .env("HOME", &self.directory)
            .current_dir(&self.directory)
            .stdin(Stdio::null());
        command
    }
}
