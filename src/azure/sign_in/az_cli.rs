use std::ffi::OsStr;
use std::io;
use std::process::{Output, Stdio};
use std::sync::Arc;

use async_trait::async_trait;
use azure_core::credentials::TokenCredential;
use azure_identity::{AzureCliCredential, AzureCliCredentialOptions, Executor};
use tokio::process::Command;

use super::failure::FailureSlot;
use crate::azure::transport::error::{Error, Fault};
use crate::azure::transport::wire;
use crate::environment::withheld;
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

/// Runs the Azure CLI and keeps its error message. The process is killed when
/// its future is dropped: after [`ATTEMPT`], and at the deadline.
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
        let outcome = limited(ATTEMPT, || io::ErrorKind::TimedOut.into(), command.output()).await;
        let failure = match &outcome {
            Ok(output) if output.status.success() => None,
            Ok(output) => Some(failed(
                output.status.code(),
                &String::from_utf8_lossy(&output.stderr),
            )),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Some(missing()),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => Some(unanswered()),
            Err(error) => Some(no_token(&error.to_string())),
        };
        if let Some(error) = failure {
            self.failure.put(error);
        }
        outcome
    }
}

fn failed(exit_code: Option<i32>, stderr: &str) -> Error {
    let not_found = exit_code == Some(127) || stderr.contains("' is not recognized");
    if not_found {
        return missing();
    }
    let message = stderr
        .lines()
        .find_map(|line| line.trim().strip_prefix("ERROR:"))
        .or_else(|| stderr.lines().find(|line| !line.trim().is_empty()));
    no_token(message.unwrap_or("it failed without a message"))
}

fn no_token(why: &str) -> Error {
    Error::SignIn {
        code: wire::aadsts(why),
        message: format!(
            "cannot get an access token from the Azure CLI: {}",
            wire::line(why)
        ),
        hint: Some("run `az login`, or sign in as a service principal with --client-id".into()),
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
            "install it and run `az login`, or sign in as a service principal with --client-id".into(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retry::Decision;

    #[test]
    fn the_message_of_az_is_kept_and_gets_a_next_step() {
        for (code, stderr, message) in [
            (
                1,
                "WARNING: old\nERROR: Please run 'az login' to setup account.\n",
                "cannot get an access token from the Azure CLI: Please run 'az login' to setup account.",
            ),
            (
                1,
                "\ntraceback",
                "cannot get an access token from the Azure CLI: traceback",
            ),
            (
                1,
                "",
                "cannot get an access token from the Azure CLI: it failed without a message",
            ),
            (127, "sh: az: not found", "the Azure CLI (az) is not on the PATH"),
        ] {
            let error = failed(Some(code), stderr);
            assert_eq!(error.to_string(), message);
            assert!(error.hint().unwrap().contains("az login"));
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
}
