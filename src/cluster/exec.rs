//! The credential plugin of a kubeconfig (`exec`). It runs here: the client would
//! run it three times, block the runtime, and pass our own secrets to it.

use std::fmt;
use std::io::ErrorKind;
use std::path::{MAIN_SEPARATOR, Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{FusedFuture, join};
use jiff::Timestamp;
use rustls::sign::CertifiedKey;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::time::{Instant, timeout};

use super::inputs::{ConnectInputs, Show};
use super::kubeconfig::{Exec, secret};
use super::said::{Said, plain};
use super::tls::identity;
use crate::environment::{SECRET_VARIABLES, withheld};
use crate::error::{Error, Result};
use crate::yaml::from_yaml;

/// Signing in with a browser takes minutes.
const DEADLINE: Duration = Duration::from_mins(5);

/// How long the output of a plugin that has ended is read: a process that it has
/// left behind may hold the pipe open for ever.
const REST: Duration = Duration::from_millis(200);

/// No answer is longer.
const LONGEST: usize = 1024 * 1024;

/// What a plugin has signed in with.
pub(super) struct Credential {
    pub(super) token: Option<SecretString>,
    pub(super) identity: Option<Arc<CertifiedKey>>,
    pub(super) expires: Option<Timestamp>,
}

/// A plugin that can be run at any time.
pub(super) struct Plugin {
    exec: Exec,
    /// What it is told of the cluster, if it wants to know.
    cluster: Option<Value>,
    interactive: bool,
    /// Where it is looked up.
    path: Option<String>,
    /// A variable that is set and removed from the plugin's environment, which
    /// the plugin may need.
    withheld: Option<&'static str>,
    /// Where its messages go.
    show: Option<Show>,
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Plugin").field(&self.exec.command).finish()
    }
}

impl Plugin {
    pub(super) fn new(exec: Exec, cluster: Option<Value>, environment: ConnectInputs<'_>) -> Result<Self> {
        let name = &exec.command;
        if name.is_empty() {
            return Err(Error::usage("the kubeconfig's exec plugin has no command"));
        }
        if !matches!(
            exec.api_version.as_str(),
            "client.authentication.k8s.io/v1" | "client.authentication.k8s.io/v1beta1"
        ) {
            return Err(Error::usage(format!(
                "the kubeconfig sets apiVersion `{}` for the credential plugin `{name}`; \
                 v1 and v1beta1 of client.authentication.k8s.io are supported",
                exec.api_version
            )));
        }
        let interactive = match exec.interactive_mode.as_str() {
            "Never" => false,
            "IfAvailable" | "" => environment.interactive,
            "Always" if environment.interactive => true,
            "Always" => {
                return Err(Error::failed(format!(
                    "the credential plugin `{name}` needs a terminal, and standard input is not a terminal"
                )));
            }
            other => {
                return Err(Error::usage(format!(
                    "the kubeconfig sets interactiveMode `{other}` for the credential plugin `{name}`; \
                     Never, IfAvailable and Always are supported"
                )));
            }
        };
        let withheld = SECRET_VARIABLES
            .into_iter()
            .find(|name| environment.variable(name).is_some());
        Ok(Self {
            cluster: cluster.filter(|_| exec.provide_cluster_info),
            exec,
            interactive,
            path: environment.variable("PATH"),
            withheld,
            show: environment.show.cloned(),
        })
    }

    /// Runs the plugin, which ends by `ends` if that is set.
    pub(super) async fn run(&self, ends: Option<Instant>, now: Timestamp) -> Result<Credential> {
        self.run_within(DEADLINE, ends, now).await
    }

    async fn run_within(&self, limit: Duration, ends: Option<Instant>, now: Timestamp) -> Result<Credential> {
        let answer = self.answer(limit, ends).await?;
        self.read(&answer, now)
    }

    fn command(&self) -> std::io::Result<Command> {
        let mut spec = json!({ "interactive": self.interactive });
        if let Some(cluster) = &self.cluster {
            spec["cluster"] = cluster.clone();
        }
        let info = json!({ "kind": "ExecCredential", "apiVersion": self.exec.api_version, "spec": spec });

        let program = found(&self.exec.command, self.path.as_deref()).ok_or(ErrorKind::NotFound)?;
        let mut command = Command::new(program);
        command.args(&self.exec.args);
        for variable in withheld() {
            command.env_remove(variable);
        }
        for variable in self.exec.env.iter().filter(|variable| !variable.name.is_empty()) {
            command.env(&variable.name, &variable.value);
        }
        command.env("KUBERNETES_EXEC_INFO", info.to_string());
        command.stdout(Stdio::piped()).kill_on_drop(true);
        if self.interactive {
            // The plugin may ask the user: a prompt must appear at once.
            command.stdin(Stdio::inherit()).stderr(Stdio::inherit());
        } else {
            command.stdin(Stdio::null()).stderr(Stdio::piped());
        }
        Ok(command)
    }

    /// What the plugin writes to stdout. What it says on stderr is shown meanwhile.
    async fn answer(&self, limit: Duration, ends: Option<Instant>) -> Result<Vec<u8>> {
        let name = &self.exec.command;
        let child = self.command().and_then(|mut command| command.spawn());
        let mut child = child.map_err(|error| self.not_started(&error))?;
        let limit = ends.map_or(limit, |ends| {
            limit.min(ends.saturating_duration_since(Instant::now()))
        });
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let answer = Mutex::new(Vec::new());
        let mut said = Said::new(self.show.as_ref(), &self.exec);
        let ended = timeout(limit, async {
            let mut reading = Box::pin(join(all_of(stdout, &answer), said.follow(stderr, &answer)).fuse());
            let status = tokio::select! {
                status = child.wait() => status,
                _ = &mut reading => child.wait().await,
            };
            if !reading.is_terminated() {
                let _ = timeout(REST, reading).await;
            }
            status
        })
        .await;
        said.end_line(&answer);
        let Ok(status) = ended else {
            let seconds = limit.as_secs_f32().round();
            return Err(Error::failed(format!(
                "the credential plugin `{name}` did not answer within {seconds} seconds{}",
                said.last()
            )));
        };
        let status = status.map_err(|error| {
            Error::failed(format!(
                "cannot read from the credential plugin `{name}`: {error}"
            ))
        })?;
        if status.success() {
            return Ok(answer.into_inner().unwrap_or_else(PoisonError::into_inner));
        }
        Err(self.failed(status, &said.last()))
    }

    fn failed(&self, status: ExitStatus, message: &str) -> Error {
        let name = &self.exec.command;
        let how = match status.code() {
            Some(code) => format!("failed with exit code {code}"),
            None => "was killed by a signal".to_owned(),
        };
        let mut error = Error::failed(format!("the credential plugin `{name}` {how}{message}"));
        if let Some(variable) = self.withheld {
            error = error.hint(format!(
                "{variable} is not passed to plugins; if `{name}` needs it, set it in the kubeconfig's exec env"
            ));
        }
        error.hint(
            "sign in again with the tool that wrote the kubeconfig, and try `kubectl get --raw /version`",
        )
    }

    fn not_started(&self, error: &std::io::Error) -> Error {
        let name = &self.exec.command;
        if error.kind() != ErrorKind::NotFound {
            return Error::failed(format!("cannot start the credential plugin `{name}`: {error}"));
        }
        let error = Error::failed(format!(
            "the kubeconfig's credential plugin `{name}` is not installed"
        ));
        match plain(&self.exec.install_hint) {
            hint if hint.is_empty() => error.hint(format!("install `{name}`, or add its directory to PATH")),
            hint => error.hint(hint),
        }
    }

    /// Parses the plugin's answer. A parser's error is not passed on: it may
    /// quote a token.
    fn read(&self, stdout: &[u8], now: Timestamp) -> Result<Credential> {
        let name = &self.exec.command;
        let failed = |what: &str| Error::failed(format!("the credential plugin `{name}` {what}"));
        let answer = parsed(stdout).ok_or_else(|| {
            Error::failed(format!(
                "the answer of the credential plugin `{name}` is not an ExecCredential"
            ))
        })?;
        if answer.api_version.as_deref() != Some(&self.exec.api_version) {
            let version = &self.exec.api_version;
            return Err(failed(&format!(
                "answered with another apiVersion than {version}"
            )));
        }
        let status = answer
            .status
            .ok_or_else(|| failed("answered without a credential"))?;
        let certificate = status.client_certificate_data.unwrap_or_default();
        let key = status.client_key_data.expose_secret();
        let identity = match (certificate.is_empty(), key.is_empty()) {
            (true, true) => None,
            (false, false) => Some(identity(certificate.as_bytes(), key.as_bytes()).map_err(|error| {
                let hints = error.hints().iter();
                let failed = failed(&format!("returned a certificate that cannot be used: {error}"));
                hints.fold(failed, Error::hint)
            })?),
            _ => return Err(failed("returned a client certificate or a key without the other")),
        };
        let token = Some(status.token).filter(|token| !token.expose_secret().is_empty());
        if token.is_none() && identity.is_none() {
            return Err(failed("returned neither a token nor a client certificate"));
        }
        // Whether it has expired decides the server, by its clock.
        let expires = status.expiration_timestamp.and_then(|time| expiry(&time));
        Ok(Credential {
            token,
            identity,
            expires: expires.filter(|expires| *expires > now),
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExecCredential {
    api_version: Option<String>,
    status: Option<Status>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    #[serde(default, deserialize_with = "secret")]
    token: SecretString,
    client_certificate_data: Option<String>,
    #[serde(default, deserialize_with = "secret")]
    client_key_data: SecretString,
    expiration_timestamp: Option<String>,
}

fn parsed(stdout: &[u8]) -> Option<ExecCredential> {
    let json = serde_json::from_slice(stdout).ok();
    json.or_else(|| serde_json::from_value(from_yaml(stdout)?).ok())
}

/// When a credential expires; `None` if it does not before the year 9999, which is the last
/// that a time can have here.
fn expiry(time: &str) -> Option<Timestamp> {
    time.parse().ok()
}

/// The command as an absolute path, found in our own PATH as Go finds it: never in the current
/// directory, and not in the PATH that the kubeconfig sets for the plugin.
fn found(command: &str, path: Option<&str>) -> Option<PathBuf> {
    if command.contains(MAIN_SEPARATOR) || cfg!(windows) {
        return Some(PathBuf::from(command));
    }
    let mut places = std::env::split_paths(path?).filter(|place| place.is_absolute());
    places.find_map(|place| Some(place.join(command)).filter(|it| is_program(it)))
}

#[cfg(unix)]
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(path: &Path) -> bool {
    path.is_file()
}

/// Appends what arrives, until the end. What is too long is read as well, so that the plugin
/// can end.
async fn all_of(from: Option<impl AsyncRead + Unpin>, to: &Mutex<Vec<u8>>) {
    let Some(mut from) = from else { return };
    let mut bytes = [0; 4096];
    // What cannot be read is missing, which the parser notices.
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        let mut to = to.lock().unwrap_or_else(PoisonError::into_inner);
        let left = LONGEST.saturating_sub(to.len());
        to.extend(bytes.iter().take(read.min(left)));
    }
}

#[cfg(test)]
mod tests;
