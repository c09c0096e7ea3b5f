use std::collections::BTreeMap;

use super::*;
use crate::model::in_words;

fn run(program: Program, line: &str, variables: &[(&str, &str)]) -> CommandLine {
    let variables = variables.iter();
    let variables: BTreeMap<String, String> = variables
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    rotate_request(&Invocation {
        program,
        words: line.split_whitespace().map(str::to_owned).collect(),
        variables,
    })
}

fn rotates(program: Program, line: &str, variables: &[(&str, &str)]) -> RotateRequest {
    match run(program, line, variables) {
        CommandLine::Rotates(request) => *request,
        other => panic!("{line}: {other:?}"),
    }
}

fn ours(line: &str, variables: &[(&str, &str)]) -> RotateRequest {
    rotates(Program::Ours, line, variables)
}

fn workloads(request: &RotateRequest) -> Vec<String> {
    let names = request.selection.names.iter();
    names.map(|name| name.value.to_string()).collect()
}

const SCRIPT_S: [(&str, &str); 7] = [
    ("SUBSCRIPTION_ID", "s"),
    ("RESOURCE_GROUP", "r"),
    ("APIM_INSTANCE", "svc"),
    ("APIM_GATEWAY", "g"),
    ("K8S_OBJECT", "deployment/gw"),
    ("TOKEN_SECRET", "gw-token"),
    ("NAMESPACE", "shop"),
];

#[test]
fn a_command_line_selects_gateways() {
    let bare = ours("rotate", &[]);
    assert!(bare.fleet.is_none() && bare.selection == Selection::default() && bare.secret.is_none());
    for (line, names) in [
        ("rotate deploy/a b", ["deployment.apps/a", "workload b"]),
        ("rotate deploy a b", ["deployment.apps/a", "deployment.apps/b"]),
        (
            "rotate deployment.v1.apps a b",
            ["deployment.apps/a", "deployment.apps/b"],
        ),
        (
            "rotate sts.v1.apps/a DaemonSet.v1.apps/b",
            ["statefulset.apps/a", "daemonset.apps/b"],
        ),
    ] {
        let request = ours(line, &[]);
        assert_eq!(workloads(&request), names, "{line}");
        assert!(request.fleet.is_some());
    }
    let one = ours("-v=6 rotate deploy/gw", &[]);
    assert_eq!(
        (workloads(&one), one.fleet),
        (vec!["deployment.apps/gw".to_owned()], None)
    );
    assert!(ours("rotate -A --yes", &[]).selection.everywhere);
    let all = ours("rotate --all --cloud china", &[]);
    assert_eq!(all.fleet.unwrap().name(), Some(CloudName::China));
    let by_secret = ours("rotate -n shop -t s", &[]);
    assert_eq!(
        (by_secret.namespace.as_deref(), by_secret.secret.as_deref()),
        (Some("shop"), Some("s"))
    );
}

#[test]
fn the_scripts_variables_and_options_count() {
    for (program, line) in [
        (Program::Script, ""),
        (Program::Link, ""),
        (Program::Ours, "rotate"),
        (Program::Link, "-k rotate --debug"),
    ] {
        let request = rotates(program, line, &SCRIPT_S);
        assert_eq!(workloads(&request), ["deployment.apps/gw"]);
        assert_eq!(request.secret.as_deref(), Some("gw-token"));
        assert_eq!(request.namespace.as_deref(), Some("shop"));
        assert_eq!(
            (request.gateway.as_deref(), request.service.as_deref()),
            (Some("g"), Some("svc"))
        );
    }
    for object in ["deployment/gw", "deployment.v1.apps/gw"] {
        let line = format!("-s 1 -r 2 -a 3 -g 4 -t other -o {object}");
        for program in [Program::Script, Program::Link] {
            let request = rotates(program, &line, &[]);
            assert_eq!(workloads(&request), ["deployment.apps/gw"]);
            assert_eq!(request.secret.as_deref(), Some("other"));
        }
    }
    for line in ["rotate", "-s 1", "--all", "-z"] {
        assert!(
            matches!(run(Program::Link, line, &[]), CommandLine::NotUnderstood(_)),
            "{line}"
        );
    }
}

#[test]
fn our_variables_count_and_the_script_does_not_know_them() {
    let variables = [
        ("KUBECTL_APIM_K8S_OBJECT", "deployment/gw"),
        ("KUBECTL_APIM_TOKEN_SECRET", "s"),
        ("KUBECTL_APIM_NAMESPACE", "bank"),
        ("KUBECTL_APIM_IF_EXPIRING_WITHIN", "10d"),
        ("APIM_TOKEN_SECRET", "other"),
    ];
    let request = ours("rotate", &variables);
    assert_eq!(workloads(&request), ["deployment.apps/gw"]);
    assert_eq!((request.secret.as_deref(), request.namespace), (Some("s"), None));
    assert_eq!(in_words(request.window), "10 days");
    assert_eq!(
        ours("rotate deploy/a", &[("K8S_OBJECT", "deployment/b")])
            .selection
            .names
            .len(),
        1
    );
    let dry = [&SCRIPT_S[..], &[("KUBECTL_APIM_DRY_RUN", "client")]].concat();
    assert!(matches!(
        run(Program::Link, "", &dry),
        CommandLine::RotatesNothing(_)
    ));
    assert!(matches!(run(Program::Script, "", &dry), CommandLine::Rotates(_)));
}

#[test]
fn a_token_is_rotated_by_its_time_left_or_by_its_age() {
    for (line, days) in [
        ("", 30),
        ("--expiry 20d", 20),
        ("--if-expiring-within 10d", 10),
        ("--if-older-than 20d", 10),
        ("--if-older-than 20d --expiry 25d", 5),
        ("--if-older-than 20d --if-expiring-within 12d", 12),
    ] {
        let window = ours(&format!("rotate {line}"), &[]).window;
        assert_eq!(window, SignedDuration::from_hours(24 * days), "{line}");
    }
}

#[test]
fn other_commands_rotate_nothing() {
    for (line, variables) in [
        ("status -A --fail-within 10d", &[][..]),
        ("version", &[]),
        ("--version", &[]),
        ("--help", &[]),
        ("", &[]),
        ("rotate --help", &[]),
        ("rotate --dry-run", &[]),
        ("rotate --dry-run=server", &[]),
        ("rotate", &[("KUBECTL_APIM_DRY_RUN", "server")]),
        ("rotate -A", &[]),
        ("rotate", &[("KUBECTL_APIM_COMPLETE", "bash")]),
    ] {
        let found = run(Program::Ours, line, variables);
        assert!(
            matches!(found, CommandLine::RotatesNothing(_)),
            "{line}: {found:?}"
        );
    }
}

#[test]
fn what_is_not_understood_rotates_nothing_and_is_not_repeated() {
    for (line, variables) in [
        ("rotate --no-such-flag", &[][..]),
        ("rotate --hush", &[]),
        ("rotate job/hush", &[]),
        ("rotate --if-expiring-within 31d", &[]),
        ("rotate --if-expiring-within hush", &[]),
        ("rotate --timeout 5s", &[]),
        ("rotate --expiry 31d", &[]),
        ("rotate -k hush", &[]),
        ("rotate --all deploy/a", &[]),
        ("rotate --all -t s", &[]),
        ("rotate --no-restart --prove logs", &[]),
        ("rotate --canary 1", &[]),
        ("rotate --cloud hush --all", &[]),
        ("rotate", &[("TOKEN_KEY", "hush")]),
        ("rotate", &[("K8S_OBJECT", "hush")]),
        ("rotate --context hush", &[]),
        ("rotate --contexts hush", &[]),
        ("rotate --server https://hush", &[]),
        ("rotate --token hush", &[]),
        ("rotate --kubeconfig hush", &[]),
        ("rotate", &[("KUBECONFIG", "/hush")]),
        ("rotate --as hush", &[]),
        ("rotate --tls-server-name hush", &[]),
        ("rotate", &[("KUBERNETES_SERVICE_HOST", "hush")]),
        ("rotate --all -l team=hush", &[]),
        ("rotate -A --gateways /hush", &[]),
        ("rotate", &[("KUBECTL_APIM_ALL", UNKNOWN)]),
        ("rotate", &[("KUBECTL_APIM_DRY_RUN", UNKNOWN)]),
        ("rotate", &[("KUBECTL_APIM_TOKEN_SECRET", UNKNOWN)]),
        ("rotate", &[("TOKEN_SECRET", UNKNOWN)]),
        ("rotate", &[("NAMESPACE", UNKNOWN)]),
        ("rotate", &[("K8S_OBJECT", UNKNOWN)]),
        (&format!("rotate -t a{UNKNOWN}"), &[]),
        (&format!("rotate {UNKNOWN}"), &[]),
        (&format!("rotate --dry-run={UNKNOWN}"), &[]),
    ] {
        let found = run(Program::Ours, line, variables);
        let CommandLine::NotUnderstood(why) = found else {
            panic!("{line}: {found:?}")
        };
        assert!(!why.contains("hush"), "{line}: {why}");
    }
}

#[test]
fn a_value_that_only_signs_in_need_not_be_known() {
    let mut variables = SCRIPT_S
        .map(|(name, value)| match name {
            "SUBSCRIPTION_ID" | "RESOURCE_GROUP" | "APIM_INSTANCE" | "APIM_GATEWAY" => (name, UNKNOWN),
            _ => (name, value),
        })
        .to_vec();
    variables.extend([
        ("SP_ID", UNKNOWN),
        ("SP_SECRET", UNKNOWN),
        ("KUBECTL_APIM_CLIENT_ID", UNKNOWN),
    ]);
    let request = rotates(Program::Link, &format!("--client-secret {UNKNOWN}"), &variables);
    assert_eq!((request.gateway, request.service), (None, None));
    assert_eq!(request.secret.as_deref(), Some("gw-token"));
}
