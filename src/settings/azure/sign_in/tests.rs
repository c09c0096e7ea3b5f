use clap::FromArgMatches;

use super::*;
use crate::cli::{self, Cli, Command};
use crate::environment::Environment;

fn resolve<const N: usize>(vm: bool, arguments: &[&str], variables: [(&str, &str); N]) -> Result<SignIn> {
    let environment = Environment::from(variables);
    let words = [&["apim", "rotate"], arguments].concat();
    let matches = cli::command("apim", &words, &|_| None).get_matches_from(words);
    let Some(Command::Rotate(args)) = Cli::from_arg_matches(&matches).unwrap().command else {
        panic!("not rotate")
    };
    let typed = Typed {
        matches: matches.subcommand_matches("rotate").unwrap(),
        environment: &environment,
    };
    sign_in(&args.azure, &typed, vm, &mut Vec::new())
}

/// The candidates, each as it would be described, and how many ways are
/// excluded.
fn candidates<const N: usize>(
    vm: bool,
    arguments: &[&str],
    variables: [(&str, &str); N],
) -> (Vec<String>, usize) {
    let sign_in = resolve(vm, arguments, variables).unwrap();
    let shown = sign_in.candidates.iter();
    let shown = shown.map(|candidate| format!("{} [{}]", candidate.identity, candidate.reason));
    (shown.collect(), sign_in.excluded.len())
}

const SECRET: (&str, &str) = ("SP_SECRET", "s");
const CLIENT: (&str, &str) = ("AZURE_CLIENT_ID", "c");
const TENANT: (&str, &str) = ("AZURE_TENANT_ID", "t");
const TOKEN: (&str, &str) = (TOKEN_FILE, "/token");
const POD: (&str, &str) = ("KUBERNETES_SERVICE_HOST", "10.0.0.1");
const CLI: &str = "the account logged in to the Azure CLI [nothing else is available]";

#[test]
fn auto_takes_the_first_that_is_available() {
    let one = |text: &str, excluded| (vec![text.to_owned()], excluded);
    assert_eq!(
        candidates(true, &[], [SECRET, CLIENT, TENANT, TOKEN, POD]),
        one(
            "service principal c of tenant t [client secret in variable SP_SECRET]",
            0
        )
    );
    assert_eq!(
        candidates(true, &[], [CLIENT, TENANT, TOKEN, POD]),
        one(
            "workload identity c of tenant t [variable AZURE_FEDERATED_TOKEN_FILE]",
            1
        )
    );
    assert_eq!(candidates(false, &[], [CLIENT, TENANT]), one(CLI, 3));
    for (vm, variables, reason) in [
        (false, [POD, ("", "")], "this is a pod"),
        (true, [("", ""), ("", "")], "this is a VM of Azure"),
        (
            false,
            [
                ("IDENTITY_ENDPOINT", "http://localhost"),
                ("IDENTITY_HEADER", "h"),
            ],
            "variables IDENTITY_ENDPOINT and IDENTITY_HEADER",
        ),
    ] {
        let managed = format!("the managed identity of this machine [{reason}]");
        assert_eq!(candidates(vm, &[], variables), (vec![managed, CLI.to_owned()], 2));
    }
}

#[test]
fn a_client_id_on_the_command_line_excludes_the_azure_cli() {
    let managed = "managed identity x [this is a pod]".to_owned();
    assert_eq!(candidates(false, &["-c", "x"], [POD]), (vec![managed], 3));
    let error = resolve(false, &["-c", "x"], []).unwrap_err();
    assert!(
        error.to_string().ends_with("--client-secret-file and --tenant"),
        "{error}"
    );
}

#[test]
fn what_is_asked_for_is_the_only_candidate() {
    for (auth, shown) in [
        ("azure-cli", "the account logged in to the Azure CLI [--auth]"),
        ("managed-identity", "managed identity c [--auth]"),
        ("workload-identity", "workload identity c of tenant t [--auth]"),
        (
            "service-principal",
            "service principal c of tenant t [--auth, client secret in variable SP_SECRET]",
        ),
    ] {
        let variables = [SECRET, CLIENT, TENANT, TOKEN];
        let expected = (vec![shown.to_owned()], 0);
        assert_eq!(candidates(false, &["--auth", auth], variables), expected);
    }
}

#[test]
fn a_missing_variable_of_the_webhook_is_named() {
    for (variables, name) in [
        ([CLIENT, TENANT], TOKEN_FILE),
        ([TOKEN, TENANT], "AZURE_CLIENT_ID"),
        ([TOKEN, CLIENT], "AZURE_TENANT_ID"),
    ] {
        let error = resolve(false, &["--auth", "workload-identity"], variables).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
        assert!(error.hints()[0].contains("azure.workload.identity/use: \"true\""));
    }
}

#[test]
fn the_webhooks_authority_counts_unless_a_cloud_is_named() {
    let authority = |arguments: &[&str], host| -> Result<Option<String>> {
        let sign_in = resolve(false, arguments, [CLIENT, TENANT, TOKEN, (AUTHORITY, host)])?;
        match sign_in.candidates.into_iter().next().unwrap().identity {
            Identity::WorkloadIdentity { authority, .. } => Ok(authority),
            other => panic!("{other}"),
        }
    };
    let host = "https://login.microsoftonline.us/";
    assert_eq!(authority(&[], host).unwrap().unwrap(), host.trim_end_matches('/'));
    assert_eq!(authority(&["--cloud", "public"], host).unwrap(), None);
    assert!(authority(&[], "http://login.test").is_err());
}

#[test]
fn a_path_without_a_file_is_refused_and_not_shown() {
    for value in ["/no/such.pem", "s3cr3t/s3cr3t", "s3cr3t.pfx"] {
        let error = resolve(false, &["-c", "c", "--tenant", "t", "-p", value], []).unwrap_err();
        assert!(error.to_string().contains("no such file") && !error.to_string().contains("s3cr3t"));
    }
    let literal = ["-c", "c", "--tenant", "t", "-p", "literal:s3cr3t/s3cr3t"];
    assert!(resolve(false, &literal, []).is_ok());
}
