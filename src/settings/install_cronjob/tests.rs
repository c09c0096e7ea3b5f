use clap::FromArgMatches;

use super::*;
use crate::cli::{self, Cli, Command};
use crate::error::Kind;

fn resolve(line: &str) -> Result<InstallSettings> {
    let line = format!("apim install-cronjob {line}");
    let words: Vec<&str> = line.split_whitespace().collect();
    let matches = cli::command("apim", &words, &|_| None)
        .try_get_matches_from(words)
        .unwrap();
    let Some(Command::InstallCronjob(args)) = Cli::from_arg_matches(&matches).unwrap().command else {
        panic!("another command");
    };
    let (_, matches) = matches.subcommand().unwrap();
    let now = "2026-11-25T10:07:30Z".parse().unwrap();
    InstallSettings::resolve(&args, matches, &Environment::default(), now)
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_is_asked() {
    let managed = "--auth managed-identity";
    let long = format!("{managed} --name {}", "a".repeat(53));
    for (line, why) in [
        ("", "--auth is missing"),
        ("--auth workload-identity", "needs --client-id"),
        (
            "--auth workload-identity --client-id CLIENT-ID",
            "a client ID is a GUID",
        ),
        (
            "--auth service-principal --client-id 99999999-8888-7777-6666-555555555555",
            "needs --tenant",
        ),
        (
            "--auth service-principal --client-id 99999999-8888-7777-6666-555555555555 --tenant y",
            "--client-secret-file or --existing-secret",
        ),
        (
            "--auth managed-identity --existing-secret s",
            "are for --auth service-principal",
        ),
        (
            "--auth service-principal --client-id 99999999-8888-7777-6666-555555555555 --tenant y --existing-secret s:../k",
            "is not a valid key",
        ),
        (&long, "53 characters"),
        ("--auth managed-identity --name A", "is not a valid name"),
        (
            "--auth managed-identity --if-expiring-within 30d",
            "30 days at most",
        ),
        (
            "--auth managed-identity --if-expiring-within 1d",
            "could let a token expire",
        ),
        ("--auth managed-identity --timeout 30s", "too short"),
        (
            "--auth managed-identity --schedule @monthly",
            "could let a token expire",
        ),
        ("--auth managed-identity --image x:latest", "not pinned"),
        (
            "--auth managed-identity --dry-run --diff",
            "nothing to compare with",
        ),
        ("--auth managed-identity --diff -o yaml", "choose one"),
        ("--auth managed-identity --run-now -o json", "prints a log"),
        ("--auth managed-identity --cloud mars", "a cloud is"),
    ] {
        let error = resolve(line).unwrap_err();
        assert_eq!(error.kind(), Kind::Usage, "{line}");
        assert!(error.to_string().contains(why), "{line}: {error}");
    }
}

#[test]
fn what_is_given_completely_needs_no_discovery() {
    let given = "--auth managed-identity deploy/gw -t gw-token -a contoso -g orders";
    let targets = resolve(given).unwrap().given().unwrap();
    assert_eq!(targets.workloads[0].short(), "deployment/gw");
    assert_eq!(targets.instance.unwrap().subscription, None);
    for line in [
        "--auth managed-identity gw -t gw-token -a contoso -g orders",
        "--auth managed-identity deploy/gw -t gw-token -a contoso",
        "--auth managed-identity --all",
    ] {
        assert!(resolve(line).unwrap().given().is_none(), "{line}");
    }
}
