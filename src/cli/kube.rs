//! kubectl's own global flags, so that a command line that works with kubectl
//! reaches the same cluster as the same user here.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::model::parse_duration;
use crate::model::request::BearerToken;

/// The heading of these flags in the help.
pub(super) const HEADING: &str = "Kubernetes options";

/// kubectl's global flags.
#[derive(Args, Debug, Clone, Default)]
pub struct KubeArgs {
    /// Path to the kubeconfig file
    #[arg(long, global = true, help_heading = HEADING, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,

    /// Kubeconfig context to use
    #[arg(long, global = true, help_heading = HEADING, value_name = "NAME")]
    pub context: Option<String>,

    /// Kubeconfig cluster to use
    #[arg(long, global = true, help_heading = HEADING, value_name = "NAME")]
    pub cluster: Option<String>,

    /// Kubeconfig user to use
    #[arg(long, global = true, help_heading = HEADING, value_name = "NAME")]
    pub user: Option<String>,

    /// Namespace; by default that of the context
    #[arg(short, long, global = true, help_heading = HEADING, value_name = "NAME")]
    pub namespace: Option<String>,

    /// Username to impersonate: a user or a service account
    #[arg(long = "as", global = true, help_heading = HEADING, value_name = "USER")]
    pub impersonate: Option<String>,

    /// Group to impersonate; can be repeated
    #[arg(long = "as-group", global = true, help_heading = HEADING, value_name = "GROUP")]
    pub impersonate_groups: Vec<String>,

    /// UID to impersonate
    #[arg(long = "as-uid", global = true, help_heading = HEADING, value_name = "UID")]
    pub impersonate_uid: Option<String>,

    /// Time limit of one request, such as 1s, 2m or 3h; a bare number is seconds, 0 means no limit
    #[arg(long, global = true, help_heading = HEADING, value_name = "DURATION", value_parser = parse_request_timeout)]
    pub request_timeout: Option<Duration>,

    /// Address of the Kubernetes API server
    #[arg(long, global = true, help_heading = HEADING, value_name = "URL")]
    pub server: Option<String>,

    /// Bearer token for the API server
    #[arg(long, global = true, help_heading = HEADING, value_name = "TOKEN")]
    pub token: Option<BearerToken>,

    /// Path to a client certificate file for TLS
    #[arg(long, global = true, help_heading = HEADING, value_name = "FILE")]
    pub client_certificate: Option<PathBuf>,

    /// Path to a client key file for TLS
    #[arg(long, global = true, help_heading = HEADING, value_name = "FILE")]
    pub client_key: Option<PathBuf>,

    /// Path to the certificate file of a certificate authority
    #[arg(long, global = true, help_heading = HEADING, value_name = "FILE")]
    pub certificate_authority: Option<PathBuf>,

    /// Do not verify the server's certificate, which makes the connection insecure
    #[arg(long, global = true, help_heading = HEADING)]
    pub insecure_skip_tls_verify: bool,

    /// Name to verify the server's certificate against, instead of its host name
    #[arg(long, global = true, help_heading = HEADING, value_name = "NAME")]
    pub tls_server_name: Option<String>,
}

/// As kubectl reads it: a bare number is seconds, zero is no limit.
fn parse_request_timeout(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.trim().parse::<u64>() {
        return Ok(Duration::from_secs(seconds));
    }
    let wrong = || "not a duration; use one such as 30s or 2m, or 0 for no limit".to_owned();
    let duration = parse_duration(text).map_err(|_| wrong())?;
    Duration::try_from(duration).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser, Subcommand};

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        kube: KubeArgs,
        #[command(subcommand)]
        command: Command,
    }

    #[derive(Subcommand)]
    enum Command {
        Rotate,
    }

    fn parse(line: &str) -> Result<KubeArgs, clap::Error> {
        let cli = Cli::try_parse_from(format!("apim {line}").split(' '))?;
        let Command::Rotate = cli.command;
        Ok(cli.kube)
    }

    #[test]
    fn flags_are_taken_before_and_after_the_command() {
        Cli::command().debug_assert();
        let args = parse("--context prod rotate -n shop --as-group a --as-group b --as ci").unwrap();
        assert_eq!(args.context.as_deref(), Some("prod"));
        assert_eq!(args.namespace.as_deref(), Some("shop"));
        assert_eq!(args.impersonate.as_deref(), Some("ci"));
        assert_eq!(args.impersonate_groups, ["a", "b"]);
    }

    #[test]
    fn the_request_timeout_is_written_as_for_kubectl() {
        for (text, expected) in [
            ("30s", Some(30_000)),
            ("0", Some(0)),
            ("5", Some(5_000)),
            ("1m30s", Some(90_000)),
            ("500ms", Some(500)),
            ("-1s", None),
            ("soon", None),
        ] {
            let parsed = parse(&format!("rotate --request-timeout={text}"));
            let timeout = parsed.ok().and_then(|args| args.request_timeout);
            assert_eq!(timeout, expected.map(Duration::from_millis), "{text}");
        }
    }

    #[test]
    fn the_token_is_never_shown() {
        let args = parse("rotate --token s3cr3t").unwrap();
        assert!(!format!("{args:?}").contains("s3cr3t"));
        assert!(args.token.unwrap().is_usable());
        assert!(!parse("rotate --token=a\nb").unwrap().token.unwrap().is_usable());
    }
}
