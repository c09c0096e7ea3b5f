use std::ffi::OsStr;
use std::io;
use std::process::{Output, Stdio};
use std::sync::Arc;

use async_trait::async_trait;
use azure_core::credentials::TokenCredential;
use azure_identity::{AzureCliCredential, AzureCliCredentialOptions, Executor};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Deserializer;
use tokio::process::Command;

use super::failure::FailureSlot;
use crate::azure::transport::error::{Error, Fault};
use crate::azure::transport::wire;
use crate::environment::withheld;
use crate::model::{one_line, shortened};
use crate::retry::{ATTEMPT, limited};

/// The credential of the account that is logged in to the Azure CLI.
pub(crate) fn credential(
    tenant: Option<&str>,
    subscription: Option<&str>,
    failure: FailureSlot,
) -> azure_core::Result<Arc<dyn TokenCredential>> {
    let options = AzureCliCredentialOptions {
        subscription: subscription.map(str::to_owned),
        tenant_id: tenant.map(str::to_owned),
        executor: Some(Arc::new(Runner { failure })),
    };
    Ok(AzureCliCredential::new(Some(options))?)
}

/// What follows a failed sign-in where az proposes no command.
const LOGIN: &str = "az login";

/// The longest text of az that is kept, in bytes. Only a traceback is longer.
const LONGEST: usize = 4096;

/// Runs the Azure CLI and keeps what it says if it fails. The process is killed
/// when its future is dropped: after [`ATTEMPT`], and at the deadline.
#[derive(Debug)]
struct Runner {
    failure: FailureSlot,
}

#[async_trait]
impl Executor for Runner {
    async fn run(&self, program: &OsStr, args: &[&OsStr]) -> io::Result<Output> {
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::null()).kill_on_drop(true);
        for name in withheld() {
            command.env_remove(name);
        }
        let mut outcome = limited(ATTEMPT, || io::ErrorKind::TimedOut.into(), command.output()).await;
        let failure = match &mut outcome {
            Ok(output) if output.status.success() => match token_json(&output.stdout) {
                Some(json) => {
                    output.stdout = json.to_vec();
                    None
                }
                None => Some(without_token(&output.stderr)),
            },
            Ok(output) => Some(failed(output.status.code(), &output.stderr)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Some(missing()),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => Some(unanswered()),
            Err(error) => Some(no_token(&Said::read(&error.to_string()))),
        };
        if let Some(error) = failure {
            self.failure.put(error);
        }
        outcome
    }
}

/// The JSON with the token. Extensions and wrappers of az print warnings before
/// it, and az itself may reset the colors after it.
fn token_json(stdout: &[u8]) -> Option<&[u8]> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Answer {
        #[serde(rename = "accessToken")]
        _access_token: IgnoredAny,
    }
    let starts = stdout.iter().enumerate().filter(|(_, byte)| **byte == b'{');
    starts.map(|(start, _)| start).find_map(|start| {
        let rest = stdout.get(start..)?;
        let mut values = Deserializer::from_slice(rest).into_iter::<Answer>();
        values.next()?.ok()?;
        rest.get(..values.byte_offset())
    })
}

/// What az says on stderr, as one line, and the commands in it.
#[derive(Debug, Default)]
struct Said {
    text: String,
    /// The commands that az proposes, each on a line of its own there.
    proposed: Vec<String>,
}

impl Said {
    /// The cause comes first: warnings that az prints before it follow.
    fn read(stderr: &str) -> Self {
        let plain = anstream::adapter::strip_str(stderr).to_string();
        let lines = plain.lines().map(str::trim).filter(|line| !line.is_empty());
        let (proposed, lines): (Vec<_>, Vec<_>) = lines.partition(|line| line.starts_with("az "));
        let cause = lines.iter().position(|line| line.starts_with("ERROR:"));
        let (before, lines) = lines.split_at(cause.unwrap_or_default());
        let words = lines.join(" ");
        let mut text = words.trim_start_matches("ERROR:").trim_start().to_owned();
        if !before.is_empty() {
            text = format!("{text} (before that: {})", before.join(" "));
        }
        Self {
            text: shortened(&without_tokens(&text), LONGEST),
            proposed: proposed.into_iter().map(one_line).map(Into::into).collect(),
        }
    }
}

/// Access tokens have three parts; the claims that az quotes have one.
fn without_tokens(text: &str) -> String {
    let shown = text.split_whitespace().map(|word| match word.split_once("eyJ") {
        Some((_, rest)) if rest.matches('.').count() >= 2 => "[hidden]",
        _ => word,
    });
    one_line(&shown.collect::<Vec<_>>().join(" ")).into_owned()
}

fn failed(exit_code: Option<i32>, stderr: &[u8]) -> Error {
    let stderr = String::from_utf8_lossy(stderr);
    let not_found = exit_code == Some(127) || stderr.contains("' is not recognized");
    if not_found {
        return missing();
    }
    let mut said = Said::read(&stderr);
    if said.text.is_empty() {
        "it failed without a message".clone_into(&mut said.text);
    }
    no_token(&said)
}

/// The error of a run that succeeded and printed no token.
fn without_token(stderr: &[u8]) -> Error {
    let said = Said::read(&String::from_utf8_lossy(stderr)).text;
    let said = Some(said).filter(|said| !said.is_empty());
    Error::SignIn {
        code: None,
        message: format!(
            "cannot get an access token from the Azure CLI: it printed none{}",
            said.map(|said| format!(": {said}")).unwrap_or_default()
        ),
        hint: Some("show what it prints: az account get-access-token --query expiresOn -o json".to_owned()),
    }
}

fn no_token(said: &Said) -> Error {
    let commands = match said.proposed.as_slice() {
        [] => LOGIN.to_owned(),
        proposed => proposed.join(" && "),
    };
    Error::SignIn {
        code: wire::aadsts(&said.text),
        message: format!("cannot get an access token from the Azure CLI: {}", said.text),
        hint: Some(format!(
            "run `{commands}`, or sign in as a service principal with --client-id"
        )),
    }
}

fn unanswered() -> Error {
    Error::Transport {
        purpose: "get an access token from the Azure CLI".to_owned(),
        fault: Fault::Broken,
        message: format!("it did not answer within {} s", ATTEMPT.as_secs()),
    }
}

fn missing() -> Error {
    Error::NoIdentity {
        message: "the Azure CLI (az) is not on the PATH".into(),
        hint: Some(
            "install the Azure CLI and run `az login`, or sign in as a service principal with --client-id"
                .into(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retry::Decision;

    const PREFIX: &str = "cannot get an access token from the Azure CLI: ";

    #[test]
    fn all_that_az_says_is_kept_and_gets_a_next_step() {
        for (stderr, message) in [
            (
                "WARNING: old\nERROR: Please run 'az login' to setup account.\n",
                "Please run 'az login' to setup account. (before that: WARNING: old)",
            ),
            (
                "\ntraceback\n  line 1\nKeyError: 'x'\n",
                "traceback line 1 KeyError: 'x'",
            ),
            (
                "\u{1b}[91mERROR: The subscription of 'x' doesn't exist.\u{1b}[0m\r\nTo fix it:\r\nask.\r\n",
                "The subscription of 'x' doesn't exist. To fix it: ask.",
            ),
            ("", "it failed without a message"),
        ] {
            let error = failed(Some(1), stderr.as_bytes());
            assert_eq!(error.to_string(), format!("{PREFIX}{message}"));
            assert_eq!(
                error.hint().as_deref(),
                Some("run `az login`, or sign in as a service principal with --client-id")
            );
        }
        let missing = failed(Some(127), b"sh: az: not found");
        assert_eq!(missing.to_string(), "the Azure CLI (az) is not on the PATH");
        assert!(missing.hint().unwrap().contains("az login"));
    }

    /// The texts are those of azure-cli 2.60, 2.76 and 2.91.
    #[test]
    fn the_commands_that_az_proposes_are_the_next_step() {
        let cause = "AADSTS50076: Due to a configuration change made by your administrator, or because you \
                     moved to a new location, you must use multi-factor authentication to access \
                     '797f4846-ba00-4fd7-ba43-dac1f8f63013'. Trace ID: 1a Correlation ID: 2b Timestamp: \
                     2026-11-28 10:00:00Z";
        let login = r#"az login --tenant "00000000-1111-2222-3333-444444444444" --scope "https://management.core.windows.net//.default""#;
        let challenged = format!(r#"{login} --claims-challenge "eyJhY2Nlc3NfdG9rZW4iOnt9fQ==""#);
        let needed = "Interactive authentication is needed. Please run:";
        let below = "Run the command below to authenticate interactively; additional arguments may be added as needed:";
        for (stderr, text, commands) in [
            (
                format!("ERROR: {cause}\n{needed}\n{login}\n"),
                needed,
                login.to_owned(),
            ),
            (
                format!("ERROR: {cause}\r\n{below}\r\naz logout\r\n{login}\r\n"),
                below,
                format!("az logout && {login}"),
            ),
            (
                format!("ERROR: {cause}\n{below}\n{challenged}\n"),
                below,
                challenged,
            ),
        ] {
            let error = failed(Some(1), stderr.as_bytes());
            assert_eq!(error.to_string(), format!("{PREFIX}{cause} {text}"));
            let hint = error.hint().unwrap();
            assert!(hint.starts_with(&format!("run `{commands}`, or ")), "{hint}");
        }
    }

    #[test]
    fn a_token_in_what_az_says_is_hidden() {
        let error = failed(
            Some(1),
            b"ERROR: cached 'eyJh.eyJi.c2ln' of\nBearer=eyJh.eyJi.c2ln",
        );
        assert_eq!(error.to_string(), format!("{PREFIX}cached [hidden] of [hidden]"));
    }

    #[test]
    fn the_token_is_found_among_other_output() {
        let json = r#"{
  "accessToken": "a.b.c",
  "expires_on": 4070908800,
  "tokenType": "Bearer"
}"#;
        for printed in [
            json.to_owned(),
            format!("WARNING: {{old}} Python {{}}\n{json}"),
            format!("\u{feff}{json}\r\n"),
            format!("\u{1b}[0m{json}\n\u{1b}[0m"),
            format!("{{\"warning\": 1}}\n{json}\n{{- Finished ..\n"),
        ] {
            assert_eq!(token_json(printed.as_bytes()), Some(json.as_bytes()), "{printed}");
        }
        for printed in ["", "{}", "accessToken", "{\"accessToken\": "] {
            assert_eq!(token_json(printed.as_bytes()), None, "{printed}");
        }
    }

    #[cfg(unix)]
    #[tokio::test(start_paused = true)]
    async fn a_cli_that_hangs_is_given_up() {
        let failure = FailureSlot::default();
        let runner = Runner {
            failure: failure.clone(),
        };
        let args = ["-c", "exec sleep 600"].map(OsStr::new);
        runner.run(OsStr::new("/bin/sh"), &args).await.unwrap_err();
        let error = failure.take().unwrap();
        assert_eq!(
            error.to_string(),
            "cannot get an access token from the Azure CLI: it did not answer within 30 s"
        );
        assert_eq!(error.retry_decision(), Decision::Retry);
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn the_error_of_a_failed_run_is_kept() {
        let failure = FailureSlot::default();
        let runner = Runner {
            failure: failure.clone(),
        };
        let args = ["-c", "echo 'ERROR: AADSTS70043: expired' >&2; exit 1"].map(OsStr::new);
        runner.run(OsStr::new("/bin/sh"), &args).await.unwrap();
        let Some(Error::SignIn { code, .. }) = failure.take() else {
            panic!("no failure was kept")
        };
        assert_eq!(code.as_deref(), Some("AADSTS70043"));
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_run_without_a_token_says_what_az_said() {
        let failure = FailureSlot::default();
        let runner = Runner {
            failure: failure.clone(),
        };
        let args = ["-c", "echo 'WARNING: broken extension' >&2"].map(OsStr::new);
        runner.run(OsStr::new("/bin/sh"), &args).await.unwrap();
        assert_eq!(
            failure.take().unwrap().to_string(),
            format!("{PREFIX}it printed none: WARNING: broken extension")
        );
    }
}
