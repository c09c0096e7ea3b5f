//! Variables: those of other tools are not read, and what ours choose is shown.

use crate::case::Case;
use crate::run::Ended;

/// What people of this trade export for other tools, and what an older name of
/// our variables would read.
const OF_OTHERS: [(&str, &str); 14] = [
    ("APIM_NAME", "contoso-dev"),
    ("APIM_TOKEN", "token-of-another-api-manager"),
    ("APIM_USER", "somebody"),
    ("APIM_VERBOSE", "9"),
    ("APIM_URL", "https://apim.example.com"),
    ("APIM_HOST", "apim.example.com"),
    ("APIM_CONTEXT", "another"),
    ("APIM_CLUSTER", "another"),
    ("APIM_NAMESPACE", "another"),
    ("APIM_OUTPUT", "json"),
    ("APIM_DRY_RUN", "none"),
    ("APIM_TOKEN_SECRET", "another"),
    ("APIM_CLIENT_SECRET", "another"),
    ("KUBECTL_APIM_TOKEN", "no flag of ours"),
];

const IDENTITY: [&str; 4] = [
    "--auth",
    "workload-identity",
    "--client-id",
    "11111111-2222-4333-8444-555555555555",
];

#[tokio::test]
async fn those_of_other_tools_change_nothing_and_are_sent_nowhere() {
    let case = Case::new("foreign-variables").await;
    case.deploy(&case.idle_portal()).await;
    let elsewhere = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("https://{}", elsewhere.local_addr().unwrap());
    let install = [
        &["install-cronjob"][..],
        &IDENTITY,
        &["--dry-run=client", "-o", "yaml"],
    ]
    .concat();
    for line in [&["rotate", "--dry-run"][..], &["status", "-o", "wide"], &install] {
        let shown = |ended: Ended| (ended.stdout, ended.stderr);
        let before = shown(case.apim(line).exits(0).await);
        let run = case.apim(line).envs(&OF_OTHERS).env("APIM_SERVER", &server);
        let with = shown(run.exits(0).await);
        // A minute of a token's life may have passed.
        let after = shown(case.apim(line).exits(0).await);
        assert!(with == before || with == after, "{line:?}: {with:?}\n{before:?}");
    }
    let called = tokio::time::timeout(std::time::Duration::from_millis(100), elsewhere.accept()).await;
    assert!(called.is_err(), "the server of another tool was called");
    let requests = case.kube_requests().await;
    let user = &requests[0].user;
    assert!(
        requests
            .iter()
            .all(|request| request.user == *user && request.status != Some(401))
    );
}

#[tokio::test]
async fn what_ours_name_is_shown() {
    let case = Case::new("our-variables").await;
    case.deploy(&case.idle_portal()).await;
    let line = [
        &["install-cronjob"][..],
        &IDENTITY,
        &["--dry-run=client", "-o", "yaml"],
    ]
    .concat();
    let named = ("KUBECTL_APIM_NAME", "prod-rotator");
    let ended = case.apim(&line).envs(&[named]).exits(0).await;
    ended.says(&["using --name prod-rotator from KUBECTL_APIM_NAME\n"]);
    assert!(ended.stdout.contains("name: prod-rotator"), "{}", ended.stdout);
    let typed = [&line[..], &["--name", "typed"]].concat();
    let ended = case.apim(&typed).envs(&[named]).exits(0).await;
    assert!(!ended.stderr.contains("KUBECTL_APIM_NAME"), "{}", ended.stderr);

    let ended = case
        .apim(&["rotate", "--dry-run", "--log-format", "json"])
        .envs(&[
            ("KUBECTL_APIM_TOKEN_SECRET", "gw-token"),
            ("KUBECTL_APIM_CLIENT_SECRET", &case.principal.client_secret),
        ])
        .exits(0)
        .await;
    ended.says(&[r#""message":"using --token-secret gw-token from KUBECTL_APIM_TOKEN_SECRET""#]);
}

/// `RESOURCE_GROUP` and its like are too common to mean anything elsewhere.
#[tokio::test]
async fn the_scripts_are_for_rotate_alone() {
    let case = Case::new("script-variables").await;
    let run = case.apim(&["render-rbac", "--azure", "json"]).envs(&[
        ("SUBSCRIPTION_ID", &case.gateway.subscription),
        ("RESOURCE_GROUP", &case.gateway.resource_group),
        ("APIM_INSTANCE", &case.gateway.service),
        ("APIM_GATEWAY", &case.gateway.name),
    ]);
    run.exits(2).await.says(&["--subscription-id"]);
    case.deploy(&case.idle_portal()).await;
    let status = case.apim(&["status", "--azure"]).envs(&[
        ("SP_ID", "another"),
        ("SP_SECRET", "another"),
        ("TENANT", "another"),
        ("NAMESPACE", "another"),
    ]);
    status.exits(0).await;
}

/// `NAMESPACE` and `DEBUG` may be set for something else.
#[tokio::test]
async fn common_words_of_the_script_are_named_where_they_count() {
    let case = Case::new("common-words").await;
    case.deploy(&case.idle_portal()).await;
    let words = [("NAMESPACE", case.namespace.as_str()), ("DEBUG", "true")];
    let ended = case.apim(&["rotate", "--dry-run"]).envs(&words).exits(0).await;
    ended.says(&[
        &format!("using --namespace {} from NAMESPACE", case.namespace),
        "using --debug from DEBUG",
    ]);
    let typed = ["rotate", "--dry-run", "-n", &case.namespace, "--debug"];
    let ended = case.apim(&typed).envs(&words).exits(0).await;
    assert!(!ended.stderr.contains("using --"), "{}", ended.stderr);
}

#[tokio::test]
async fn a_switch_that_is_set_to_false_conflicts_with_nothing() {
    let case = Case::new("false-switch").await;
    case.deploy(&case.idle_portal()).await;
    let install = [
        "install-cronjob",
        "deploy/gw",
        "--auth",
        "managed-identity",
        "--dry-run=client",
    ];
    for value in ["0", "false", "No", "off"] {
        case.apim(&install)
            .env("KUBECTL_APIM_ALL", value)
            .env("KUBECTL_APIM_RUN_NOW", value)
            .exits(0)
            .await;
    }
    let ended = case
        .apim(&install)
        .env("KUBECTL_APIM_RUN_NOW", "true")
        .exits(2)
        .await;
    ended.says(&["--run-now", "the variable KUBECTL_APIM_RUN_NOW sets --run-now"]);
}

#[tokio::test]
async fn an_error_names_the_variable_behind_a_flag_that_was_not_typed() {
    let case = Case::new("behind-a-flag").await;
    let line = ["rotate", "deploy/gw"];
    for (variable, value, flag) in [
        ("KUBECTL_APIM_TIMEOUT", "banana", "--timeout"),
        ("KUBECTL_APIM_K8S_OBJECT", "deploy/other", "--k8s-object"),
    ] {
        let ended = case.apim(&line).env(variable, value).exits(2).await;
        ended.says(&[&format!("the variable {variable} sets {flag}")]);
        let json = case
            .apim(&line)
            .env(variable, value)
            .env("KUBECTL_APIM_LOG_FORMAT", "json");
        json.exits(2).await.says(&[variable]);
    }
    // A flag that was typed beats its variable.
    let typed = ["rotate", "deploy/gw", "--timeout=plum"];
    let ended = case
        .apim(&typed)
        .env("KUBECTL_APIM_TIMEOUT", "banana")
        .exits(2)
        .await;
    assert!(!ended.stderr.contains("KUBECTL_APIM_TIMEOUT"), "{}", ended.stderr);
}
