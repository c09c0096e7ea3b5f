//! The credential plugin of a kubeconfig (`exec`), run once and by us: the
//! client would run it three times, blocking the runtime, and hand it our own
//! secrets.

use std::io::ErrorKind;
use std::process::{Output, Stdio};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use kube::config::{AuthInfo, ExecConfig, ExecInteractiveMode};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};
use serde_json::json;
use tokio::process::Command;

use super::config::ConnectInputs;
use crate::environment::SECRET_VARIABLES;
use crate::error::{Error, Result};
use crate::yaml::from_yaml;

const DEADLINE: Duration = Duration::from_mins(1);
/// A person who signs in with a browser takes longer than a program.
const INTERACTIVE_DEADLINE: Duration = Duration::from_mins(5);

/// Runs the plugin, if the user has one, and puts its answer in its place.
pub(super) async fn sign_in(user: &mut AuthInfo, environment: ConnectInputs<'_>) -> Result<()> {
    sign_in_within(user, environment, DEADLINE).await
}

async fn sign_in_within(
    user: &mut AuthInfo,
    environment: ConnectInputs<'_>,
    deadline: Duration,
) -> Result<()> {
    let Some(exec) = user.exec.take() else {
        return Ok(());
    };
    // What the kubeconfig itself holds comes first, as for client-go.
    let has_password = user.username.is_some() && user.password.is_some();
    if user.auth_provider.is_some() || has_password || user.token.is_some() || user.token_file.is_some() {
        return Ok(());
    }
    let plugin = Plugin::new(&exec, environment)?;
    let output = plugin.run(deadline).await?;
    let credential = plugin.read(&output.stdout, environment.now)?;
    if let (Some(certificate), Some(key)) = (&credential.client_certificate_data, &credential.client_key_data)
    {
        user.client_certificate = None;
        user.client_certificate_data = Some(STANDARD.encode(certificate));
        user.client_key = None;
        user.client_key_data = Some(SecretString::from(STANDARD.encode(key.expose_secret())));
    }
    user.token = credential.token;
    Ok(())
}

struct Plugin<'a> {
    exec: &'a ExecConfig,
    name: &'a str,
    api_version: &'a str,
    interactive: bool,
    /// One of our variables is set, which the plugin may have counted on.
    withheld: Option<&'static str>,
}

impl<'a> Plugin<'a> {
    fn new(exec: &'a ExecConfig, environment: ConnectInputs<'_>) -> Result<Self> {
        let name = exec.command.as_deref().filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| Error::usage("the kubeconfig's exec plugin has no command"))?;
        let api_version = match exec.api_version.as_deref() {
            Some(version @ ("client.authentication.k8s.io/v1" | "client.authentication.k8s.io/v1beta1")) => {
                version
            }
            other => {
                return Err(Error::usage(format!(
                    "the kubeconfig calls the credential plugin `{name}` by apiVersion `{}`; \
                     v1 and v1beta1 of client.authentication.k8s.io are supported",
                    other.unwrap_or_default()
                )));
            }
        };
        let interactive = match exec.interactive_mode {
            Some(ExecInteractiveMode::Never) => false,
            Some(ExecInteractiveMode::IfAvailable) | None => environment.interactive,
            Some(ExecInteractiveMode::Always) if environment.interactive => true,
            Some(ExecInteractiveMode::Always) => {
                return Err(Error::failed(format!(
                    "the credential plugin `{name}` needs a terminal, and standard input is none"
                )));
            }
        };
        let withheld = SECRET_VARIABLES
            .into_iter()
            .find(|name| environment.variable(name).is_some());
        Ok(Self {
            exec,
            name,
            api_version,
            interactive,
            withheld,
        })
    }

    fn command(&self) -> Command {
        let mut spec = json!({ "interactive": self.interactive });
        if let Some(cluster) = self
            .exec
            .cluster
            .as_ref()
            .filter(|_| self.exec.provide_cluster_info)
        {
            spec["cluster"] = json!(cluster);
        }
        let info = json!({ "kind": "ExecCredential", "apiVersion": self.api_version, "spec": spec });

        let mut command = Command::new(self.name);
        command.args(self.exec.args.iter().flatten());
        for variable in SECRET_VARIABLES {
            command.env_remove(variable);
        }
        for entry in self.exec.env.iter().flatten() {
            if let (Some(name), Some(value)) = (entry.get("name"), entry.get("value")) {
                command.env(name, value);
            }
        }
        command.env("KUBERNETES_EXEC_INFO", info.to_string());
        command.stdout(Stdio::piped()).kill_on_drop(true);
        if self.interactive {
            // The plugin talks with the person: a prompt must appear at once.
            command.stdin(Stdio::inherit()).stderr(Stdio::inherit());
        } else {
            command.stdin(Stdio::null()).stderr(Stdio::piped());
        }
        command
    }

    async fn run(&self, deadline: Duration) -> Result<Output> {
        let name = self.name;
        let child = self.command().spawn().map_err(|error| self.not_started(&error))?;
        let deadline = if self.interactive {
            deadline.max(INTERACTIVE_DEADLINE)
        } else {
            deadline
        };
        let seconds = deadline.as_secs();
        let output = tokio::time::timeout(deadline, child.wait_with_output())
            .await
            .map_err(|_| {
                Error::failed(format!(
                    "the credential plugin `{name}` gave no answer within {seconds} seconds"
                ))
            })?
            .map_err(|error| Error::failed(format!("the credential plugin `{name}` was lost: {error}")))?;
        if output.status.success() {
            return Ok(output);
        }
        let how = match output.status.code() {
            Some(code) => format!("failed with exit code {code}"),
            None => "was ended by a signal".to_owned(),
        };
        let said = last_lines(&output.stderr);
        let said = if said.is_empty() {
            said
        } else {
            format!(": {said}")
        };
        let mut error = Error::failed(format!("the credential plugin `{name}` {how}{said}"));
        if let Some(variable) = self.withheld {
            error = error.hint(format!(
                "{variable} is not handed to plugins; if `{name}` needs it, set it in the kubeconfig's exec env"
            ));
        }
        Err(error.hint(
            "sign in again with the tool that wrote the kubeconfig, and try `kubectl get --raw /version`",
        ))
    }

    fn not_started(&self, error: &std::io::Error) -> Error {
        let name = self.name;
        if error.kind() != ErrorKind::NotFound {
            return Error::failed(format!(
                "the credential plugin `{name}` cannot be started: {error}"
            ));
        }
        let error = Error::failed(format!(
            "the kubeconfig's credential plugin `{name}` is not installed"
        ));
        match self.exec.install_hint.as_deref().map(plain) {
            Some(hint) if !hint.is_empty() => error.hint(hint),
            _ => error.hint(format!("install `{name}`, or put its directory into PATH")),
        }
    }

    /// Parsers quote what they cannot read, so that their words are not passed
    /// on: it may be a token.
    fn read(&self, stdout: &[u8], now: Timestamp) -> Result<Credential> {
        let name = self.name;
        let answer: ExecCredential = serde_json::from_slice(stdout)
            .ok()
            .or_else(|| from_yaml(stdout))
            .ok_or_else(|| {
                Error::failed(format!(
                    "the credential plugin `{name}` answered with no ExecCredential"
                ))
            })?;
        if answer.api_version.as_deref() != Some(self.api_version) {
            return Err(Error::failed(format!(
                "the credential plugin `{name}` answered in another apiVersion than {}",
                self.api_version
            )));
        }
        let mut credential = answer.status.ok_or_else(|| {
            Error::failed(format!(
                "the credential plugin `{name}` answered without a credential"
            ))
        })?;
        credential.token = credential.token.filter(|token| !token.expose_secret().is_empty());
        let certificate = credential.client_certificate_data.is_some();
        if certificate != credential.client_key_data.is_some() {
            return Err(Error::failed(format!(
                "the credential plugin `{name}` gave a client certificate or a key without the other"
            )));
        }
        if credential.token.is_none() && !certificate {
            return Err(Error::failed(format!(
                "the credential plugin `{name}` gave neither a token nor a client certificate"
            )));
        }
        if let Some(expiry) = credential.expiration_timestamp.filter(|expiry| *expiry <= now) {
            return Err(Error::failed(format!(
                "the credential plugin `{name}` gave a credential that expired at {expiry}"
            ))
            .hint("sign in again with the tool that wrote the kubeconfig; if it is fresh, this machine's clock is wrong"));
        }
        Ok(credential)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExecCredential {
    api_version: Option<String>,
    status: Option<Credential>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Credential {
    #[serde(default, deserialize_with = "secret")]
    token: Option<SecretString>,
    client_certificate_data: Option<String>,
    #[serde(default, deserialize_with = "secret")]
    client_key_data: Option<SecretString>,
    expiration_timestamp: Option<Timestamp>,
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SecretString>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(SecretString::from))
}

/// The last lines of what the plugin told people, in one line.
fn last_lines(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let lines: Vec<String> = text.lines().map(plain).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(5)..].join("; ")
}

fn plain(line: &str) -> String {
    let stripped = anstream::adapter::strip_str(line).to_string();
    let spaced = stripped.chars().map(|c| if c.is_control() { ' ' } else { c });
    let text: String = spaced.take(300).collect();
    text.trim().to_owned()
}

#[cfg(test)]
mod tests;
