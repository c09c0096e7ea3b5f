use clap::{Args as _, Command, FromArgMatches as _};

use super::*;
use crate::error::Kind;
use crate::model::entra::Mode;

const SUBSCRIPTION: &str = "11111111-2222-3333-4444-555555555555";
const TARGET: [&str; 8] = ["-s", SUBSCRIPTION, "-r", "rg", "-a", "svc", "-g", "gw"];

fn resolve(words: &[&str], can_ask: bool) -> Result<EntraSetupSettings> {
    let command = EntraSetupArgs::augment_args(Command::new("setup"));
    let matches = command
        .try_get_matches_from(["setup"].iter().chain(words))
        .unwrap_or_else(|error| panic!("{error}"));
    let args = EntraSetupArgs::from_arg_matches(&matches).unwrap();
    EntraSetupSettings::resolve(&args, &matches, &Environment::default(), can_ask)
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_is_asked() {
    let long = "a".repeat(257);
    let cases: [(&[&str], &str); 15] = [
        (&[], "the app of the gateway is not given"),
        (&["--create-app", ""], "is not a name"),
        (&["--create-app", "a\nb"], "is not a name"),
        (&["--create-app", &long], "is not a name"),
        (&["--app", "gw"], "is not a client id"),
        (
            &["--create-app", "a", "--service-account", "default"],
            "every pod",
        ),
        (
            &["--create-app", "a", "--service-account", "A_b"],
            "--service-account",
        ),
        (&["--create-app", "a", "--secret", "../x"], "--secret"),
        (&["--create-app", "a", "--secret-lifetime", "1h"], "1 day"),
        (
            &["--create-app", "a", "--timeout", "10s"],
            "is too short: proving the credential and, if it is refused, putting the workload back takes at least 1 minute",
        ),
        (
            &["--create-app", "a", "--token-audience", "a b"],
            "is not an audience",
        ),
        (
            &["--create-app", "a", "--graph-url", "http://graph.example"],
            "is not an https URL",
        ),
        (&["--create-app", "a", "-g", "a\nb"], "--apim-gateway"),
        (
            &["--create-app", "a", "--location-name", "\u{1b}"],
            "--location-name",
        ),
        (&["--create-app", "a", "one", "other"], "one workload"),
    ];
    for (words, why) in cases {
        let error = resolve(words, true).unwrap_err();
        assert_eq!(error.kind(), Kind::Usage, "{words:?}");
        assert!(error.to_string().contains(why), "{words:?}: {error}");
    }
}

#[test]
fn names_that_no_instance_or_gateway_can_have_are_refused_by_the_line() {
    let long = "a".repeat(81);
    for (flag, name) in [
        ("-g", "."),
        ("-g", ".."),
        ("-g", " "),
        ("-g", "managed"),
        ("-g", long.as_str()),
        ("-a", "1svc"),
        ("-a", "svc-"),
        ("-a", "s_c"),
        ("-a", ".."),
        ("-a", "svc.azure-api.net"),
        ("-a", &long[..51]),
    ] {
        let error = resolve(&["--create-app", "a", flag, name], true).unwrap_err();
        assert_eq!(error.kind(), Kind::Usage, "{flag} {name}");
        assert!(error.to_string().contains(&format!("`{name}`")), "{error}");
    }
    for (flag, name) in [
        ("-g", &long[..80]),
        ("-g", "a.b"),
        ("-a", &long[..50]),
        ("-a", "A-1"),
    ] {
        assert!(
            resolve(&["--create-app", "a", flag, name], true).is_ok(),
            "{name}"
        );
    }
}

#[test]
fn odd_names_are_names() {
    for name in ["O'Brien", "$(id)", "a'; touch x #", "Zürich 7"] {
        let settings = resolve(&["--create-app", name, "-g", name], true).unwrap();
        assert_eq!(settings.request.app, AppRequest::Create(name.to_owned()));
    }
}

#[test]
fn without_a_terminal_the_gateway_is_given_in_full_and_consent_by_a_flag() {
    let app = ["--create-app", "a"];
    let with = |words: &[&'static str]| [&app[..], words].concat();
    let full: Vec<&str> = with(&TARGET);
    let error = resolve(&with(&["--yes", "-s", SUBSCRIPTION]), false).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("--resource-group, --apim-instance, --apim-gateway are missing"),
        "{error}"
    );
    assert!(
        resolve(&full, false)
            .unwrap_err()
            .to_string()
            .contains("no terminal")
    );
    for more in ["--yes", "--dry-run", "--print-az", "--print-bicep"] {
        assert!(resolve(&[&full[..], &[more]].concat(), false).is_ok(), "{more}");
    }
    assert!(resolve(&app, true).is_ok());
}

#[test]
fn the_flags_become_the_request() {
    let id = "11111111-2222-3333-4444-555555555555";
    let words = [
        "--app",
        id,
        "--mode",
        "app-certificate",
        "--graph-url",
        "https://graph.example/",
        "--no-wait",
    ];
    let settings = resolve(&words, true).unwrap();
    assert_eq!(settings.request.app, AppRequest::Existing(id.parse().unwrap()));
    assert_eq!(settings.request.mode, Some(Mode::AppCertificate));
    assert_eq!(settings.graph_url.as_deref(), Some("https://graph.example"));
    assert_eq!(
        (settings.wait, settings.timeout),
        (false, Duration::from_mins(30))
    );
    assert_eq!(
        settings.request.secret_lifetime,
        SignedDuration::from_hours(180 * 24)
    );
    let undo = resolve(&["--app", id, "--print-az", "--undo"], true).unwrap();
    assert_eq!(undo.print, Some(Print::AzUndo));
}
