//! The credential plugin of a kubeconfig (`exec`). It runs here, once: the
//! client would run it three times, block the runtime, and pass our own secrets
//! to it.

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
use tokio::time::Instant;

use super::inputs::ConnectInputs;
use crate::environment::{SECRET_VARIABLES, withheld};
use crate::error::{Error, Result};
use crate::yaml::from_yaml;

const DEADLINE: Duration = Duration::from_mins(1);
/// Signing in with a browser takes longer than a program does.
const INTERACTIVE_DEADLINE: Duration = Duration::from_mins(5);

/// Runs the user's plugin, if there is one, and replaces it with its answer.
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
    // Credentials in the kubeconfig itself come first, as in client-go.
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
    /// A variable that is set and removed from the plugin's environment, which
    /// the plugin may need.
    withheld: Option<&'static str>,
    /// The run's own deadline.
    ends: Option<Instant>,
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
                    "the kubeconfig sets apiVersion `{}` for the credential plugin `{name}`; \
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
                    "the credential plugin `{name}` needs a terminal, and standard input is not a terminal"
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
            ends: environment.deadline,
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
        for variable in withheld() {
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
            // The plugin may ask the user: a prompt must appear at once.
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
        let deadline = match self.ends {
            Some(end) => deadline.min(end.saturating_duration_since(Instant::now())),
            None => deadline,
        };
        let seconds = deadline.as_secs_f32().round();
        let output = tokio::time::timeout(deadline, child.wait_with_output())
            .await
            .map_err(|_| {
                Error::failed(format!(
                    "the credential plugin `{name}` did not answer within {seconds} seconds"
                ))
            })?
            .map_err(|error| {
                Error::failed(format!(
                    "cannot read from the credential plugin `{name}`: {error}"
                ))
            })?;
        if output.status.success() {
            return Ok(output);
        }
        let how = match output.status.code() {
            Some(code) => format!("failed with exit code {code}"),
            None => "was killed by a signal".to_owned(),
        };
        let mut message = last_lines(&output.stderr);
        if !message.is_empty() {
            message.insert_str(0, ": ");
        }
        let mut error = Error::failed(format!("the credential plugin `{name}` {how}{message}"));
        if let Some(variable) = self.withheld {
            error = error.hint(format!(
                "{variable} is not passed to plugins; if `{name}` needs it, set it in the kubeconfig's exec env"
            ));
        }
        Err(error.hint(
            "sign in again with the tool that wrote the kubeconfig, and try `kubectl get --raw /version`",
        ))
    }

    fn not_started(&self, error: &std::io::Error) -> Error {
        let name = self.name;
        if error.kind() != ErrorKind::NotFound {
            return Error::failed(format!("cannot start the credential plugin `{name}`: {error}"));
        }
        let error = Error::failed(format!(
            "the kubeconfig's credential plugin `{name}` is not installed"
        ));
        match self.exec.install_hint.as_deref().map(plain) {
            Some(hint) if !hint.is_empty() => error.hint(hint),
            _ => error.hint(format!("install `{name}`, or add its directory to PATH")),
        }
    }

    /// Parses the plugin's answer. A parser's error is not passed on: it may
    /// quote a token.
    fn read(&self, stdout: &[u8], now: Timestamp) -> Result<Credential> {
        let name = self.name;
        let answer: ExecCredential = serde_json::from_slice(stdout)
            .ok()
            .or_else(|| serde_json::from_slice(from_yaml(stdout)?.to_string().as_bytes()).ok())
            .ok_or_else(|| {
                Error::failed(format!(
                    "the answer of the credential plugin `{name}` is not an ExecCredential"
                ))
            })?;
        if answer.api_version.as_deref() != Some(self.api_version) {
            return Err(Error::failed(format!(
                "the credential plugin `{name}` answered with another apiVersion than {}",
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
                "the credential plugin `{name}` returned a client certificate or a key without the other"
            )));
        }
        if credential.token.is_none() && !certificate {
            return Err(Error::failed(format!(
                "the credential plugin `{name}` returned neither a token nor a client certificate"
            )));
        }
        if let Some(expiry) = credential.expiration_timestamp.filter(|expiry| *expiry <= now) {
            return Err(Error::failed(format!(
                "the credential plugin `{name}` returned a credential that expired at {expiry}"
            ))
            .hint("sign in again with the tool that wrote the kubeconfig; if you just did, check this machine's clock"));
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

/// The last lines of the plugin's stderr, joined into one line.
fn last_lines(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let lines: Vec<String> = text.lines().map(plain).filter(|line| !line.is_empty()).collect();
    let (_, last) = lines.split_at(lines.len().saturating_sub(5));
    last.join("; ")
}

fn plain(line: &str) -> String {
    let stripped = anstream::adapter::strip_str(line).to_string();
    let spaced = stripped.chars().map(|c| if c.is_control() { ' ' } else { c });
    let text: String = spaced.take(300).collect();
    text.trim().to_owned()
}

#[cfg(test)]
mod tests;
