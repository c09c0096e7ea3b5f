use clap::ValueEnum;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::cli::{AuthMethod, PodAuth};

/// The texts of a container that are shown.
fn shown(container: &Value) -> Vec<String> {
    let pod = json!({"containers": [container]});
    let document = json!({"metadata": {"name": "c"}, "spec": {"schedule": "@daily",
        "jobTemplate": {"spec": {"template": {"spec": pod}}}}});
    let object = Object::new(ObjectKind::CronJob, document);
    let mut shown = Vec::new();
    let document = object.document();
    collect(
        object.kind(),
        &mut Vec::new(),
        document,
        document,
        &mut |text, is_harmless| {
            if is_harmless {
                shown.push(text);
            }
        },
    );
    shown
}

fn shows(container: &Value, text: &str) -> bool {
    shown(container).iter().any(|shown| shown.contains(text))
}

fn words(words: &[&str]) -> Value {
    json!({"name": "c", "args": words})
}

/// Every flag whose value a CronJob of ours has, and some that hold secrets.
const LONG: [&str; 23] = [
    "token-secret",
    "apim-gateway",
    "apim-instance",
    "resource-group",
    "subscription-id",
    "if-expiring-within",
    "timeout",
    "cloud",
    "api-version",
    "canary",
    "max-failures",
    "retries",
    "auth",
    "client-id",
    "tenant",
    "client-secret-file",
    "azure-ca-file",
    "prove",
    "client-secret",
    "password",
    "namespace",
    "adopt",
    "events",
];

/// The flags whose values have no room for a word of one's own.
const CLOSED: [&str; 14] = [
    "subscription-id",
    "if-expiring-within",
    "timeout",
    "cloud",
    "api-version",
    "canary",
    "max-failures",
    "retries",
    "auth",
    "client-id",
    "tenant",
    "client-secret-file",
    "azure-ca-file",
    "prove",
];

const CLOSED_VARIABLES: [&str; 8] = [
    "SUBSCRIPTION_ID",
    "SP_ID",
    "TENANT",
    "DEBUG",
    "AZURE_CLIENT_ID",
    "AZURE_TENANT_ID",
    "AZURE_FEDERATED_TOKEN_FILE",
    "K8S_OBJECT",
];

/// A secret as Azure, a password manager or a token service makes it.
fn secret() -> impl Strategy<Value = String> {
    prop_oneof![
        "[A-Za-z0-9]{3}8Q~[A-Za-z0-9._~-]{34}",
        "[A-Za-z0-9+/]{42}[+/]=",
        "[A-Za-z0-9]{6}[!@#%^&*][A-Za-z0-9!@#%^&*]{3,20}",
        "[a-z]{4}[A-Z]{4}[0-9]{4}[a-zA-Z0-9]{8,40}",
        "[0-9]{4}[a-f]{4}[0-9a-f]{24}",
        "eyJ[A-Z]{4}[a-z]{4}[0-9]{4}[A-Za-z0-9]{12}\\.eyJ[A-Za-z0-9_-]{30}\\.[A-Za-z0-9_-]{40}",
    ]
}

/// All spellings of a flag with a value.
fn spellings(flag: &str, length: usize, value: &str) -> Vec<Value> {
    let short = &flag[..1];
    let cut = &flag[..length.clamp(2, flag.len())];
    vec![
        words(&[&format!("-{short}"), value]),
        words(&[&format!("-{short}{value}")]),
        words(&[&format!("-{short}={value}")]),
        words(&[&format!("--{flag}"), value]),
        words(&[&format!("--{flag}={value}")]),
        words(&[&format!("--{cut}"), value]),
        words(&[&format!("--{cut}={value}")]),
        words(&[&format!("rotate --{flag}={value}")]),
        words(&[value]),
        words(&[&format!("--{value}")]),
        words(&[&format!("deployment/{value}")]),
        json!({"name": "c", "command": ["sh", "-c", format!("kubectl-apim rotate --{flag} {value}")]}),
        json!({"name": "c", "command": ["sh", "-c", format!("--{flag}={value}")]}),
    ]
}

proptest! {
    #[test]
    fn no_secret_is_shown_after_any_flag(secret in secret(), flag in 0..LONG.len(), length in 2..20_usize) {
        for container in spellings(LONG[flag], length, &secret) {
            prop_assert!(!shows(&container, &secret), "{}", container);
        }
    }

    #[test]
    fn no_secret_is_shown_in_any_variable(secret in secret(), variable in 0..VARIABLES.len()) {
        let name = VARIABLES[variable].0;
        for value in [secret.clone(), format!("http://{secret}:3128"), format!("http://u:{secret}@proxy:3128"),
            format!("deployment/{secret}"), format!("a,{secret}")] {
            let container = json!({"name": "c", "env": [{"name": name, "value": value}]});
            prop_assert!(!shows(&container, &secret), "{}", container);
        }
    }

    /// Where only some words are possible, no other word is shown, however harmless it looks.
    #[test]
    fn no_word_is_shown_where_it_has_no_place(word in "[a-z]{4,8}[0-9]", length in 2..20_usize) {
        for flag in CLOSED {
            for container in spellings(flag, length, &word).iter().filter(|it| !it.to_string().contains("deployment/")) {
                prop_assert!(!shows(container, &word), "{}", container);
            }
        }
        for name in CLOSED_VARIABLES {
            let container = json!({"name": "c", "env": [{"name": name, "value": word}]});
            prop_assert!(!shows(&container, &word), "{}", container);
        }
    }
}

#[test]
fn what_a_cronjob_of_ours_has_is_shown() {
    let id = "11111111-2222-3333-4444-555555555555";
    let mut arguments = vec![
        "rotate".to_owned(),
        "deployment/gw".to_owned(),
        "statefulset/gw-2.eu".to_owned(),
        "--token-secret=gw-token".to_owned(),
        "--apim-gateway=Gateway_7".to_owned(),
        "--apim-instance=contoso".to_owned(),
        "--resource-group=rg-(apim).West_1".to_owned(),
        format!("--subscription-id={id}"),
        "--if-expiring-within=15d".to_owned(),
        "--timeout=90m".to_owned(),
        "--cloud=public".to_owned(),
        "--cloud=https://management.contoso.example".to_owned(),
        "--api-version=2025-09-01-preview".to_owned(),
        "--canary=0".to_owned(),
        "--max-failures=12".to_owned(),
        "--retries=2".to_owned(),
        format!("--client-id={id}"),
        format!("--tenant={id}"),
        "--tenant=contoso.onmicrosoft.com".to_owned(),
        "--client-secret-file=/var/run/secrets/apim-rotate/principal/client-secret".to_owned(),
        "--azure-ca-file=/etc/apim-rotate/ca/ca.crt".to_owned(),
        "--prove=logs".to_owned(),
        "--prove=rollout".to_owned(),
        "--adopt".to_owned(),
        "--events".to_owned(),
    ];
    let values =
        |value: Option<clap::builder::PossibleValue>| format!("--auth={}", value.unwrap().get_name());
    arguments.extend(
        AuthMethod::value_variants()
            .iter()
            .map(|it| values(it.to_possible_value())),
    );
    arguments.extend(
        PodAuth::value_variants()
            .iter()
            .map(|it| values(it.to_possible_value())),
    );
    let container = json!({"name": "c", "args": arguments});
    let shown = shown(&container);
    for argument in arguments {
        assert!(shown.contains(&argument), "{argument}");
    }
}

#[test]
fn a_variable_in_its_form_is_shown() {
    let id = "11111111-2222-3333-4444-555555555555";
    for (name, value) in [
        ("HTTPS_PROXY", "http://proxy.corp.example:3128"),
        ("HTTPS_PROXY", "https://10.0.0.1:8443/"),
        (
            "NO_PROXY",
            "$(KUBERNETES_SERVICE_HOST),169.254.169.254,localhost,.svc,.cluster.local,10.0.0.0/8",
        ),
        (
            "AZURE_FEDERATED_TOKEN_FILE",
            "/var/run/secrets/apim-rotate/federated/token",
        ),
        ("SUBSCRIPTION_ID", id),
        ("TENANT", "contoso.onmicrosoft.com"),
        ("K8S_OBJECT", "deployment/gw"),
        ("TOKEN_KEY", "rotate"),
        ("DEBUG", "true"),
    ] {
        let container = json!({"name": "c", "env": [{"name": name, "value": value}]});
        assert!(shows(&container, value), "{name}={value}");
    }
}

#[test]
fn a_label_an_annotation_or_a_schedule_is_shown_in_its_form() {
    let shows = |path: &[&str], text: &str| {
        let path: Vec<String> = path.iter().map(|step| (*step).to_owned()).collect();
        is_harmless(ObjectKind::CronJob, &path, text, &Value::Null)
    };
    let client = ["metadata", "annotations", "azure.workload.identity/client-id"];
    assert!(shows(&client, "11111111-2222-3333-4444-555555555555"));
    assert!(!shows(&client, "hunter2"));
    let label = ["metadata", "labels", "app.kubernetes.io/instance"];
    assert!(shows(&label, "apim-shg-rotate"));
    assert!(!shows(&label, "abcDEF123456abcDEF123456"));
    for schedule in ["0 3 * * *", "*/5 0-6,12 ? jan-mar Sun", "@daily", "@every 24h"] {
        assert!(shows(&["spec", "schedule"], schedule), "{schedule}");
    }
    for schedule in ["hunter2", "0 3 * * hunter2", "@hunter2", "@every hunter2", ""] {
        assert!(!shows(&["spec", "schedule"], schedule), "{schedule}");
    }
}
