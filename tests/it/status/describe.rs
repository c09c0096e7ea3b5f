//! One gateway in full.

use serde_json::json;

use crate::case::Case;
use crate::run::Ended;
use crate::user::{may, user};

impl Ended {
    /// The value of a name at the beginning of a line.
    #[track_caller]
    fn value(&self, name: &str) -> &str {
        let mut lines = self.stdout.lines();
        let found = lines.find_map(|line| line.trim_start().strip_prefix(&format!("{name}:")));
        found
            .unwrap_or_else(|| panic!("no {name} in\n{}", self.stdout))
            .trim()
    }

    fn is_table(&self) -> bool {
        self.stdout.starts_with("NAME   ") || self.stdout.starts_with("gw   ")
    }
}

/// The method and the place of each request of a run by a user of its own.
async fn requests(case: &Case, kubeconfig: &str, line: &[&str]) -> Vec<String> {
    let account = format!("system:serviceaccount:{}:viewer", case.namespace);
    let own = async || {
        let mut requests = case.kube_requests().await;
        requests.retain(|request| request.user == account);
        requests
    };
    let before = own().await.len();
    case.apim(line).env("KUBECONFIG", kubeconfig).exits(0).await;
    let mut found: Vec<String> = own()
        .await
        .split_off(before)
        .into_iter()
        .map(|request| format!("{} {}", request.verb, request.uri))
        .collect();
    found.sort();
    found
}

#[tokio::test]
async fn one_gateway_that_is_named_is_shown_in_full() {
    let case = Case::new("describe").await;
    case.deploy(&case.portal()).await;
    let plain = json!({"image": "kubectl-apim", "command": ["/kubectl-apim"], "args": ["rotate", "--all"]});
    case.cron_job(&plain).await;
    case.apim(&["rotate", "deploy/gw"]).exits(0).await;
    let json = case
        .apim(&["status", "gw", "-o", "json"])
        .exits(0)
        .await
        .gateway("gw");

    for line in [
        &["status", "gw"][..],
        &["status", "deploy/gw"],
        &["status", "deployment", "gw"],
    ] {
        let ended = case.apim(line).exits(0).await;
        assert_eq!(
            (ended.value("Name"), ended.value("Namespace")),
            ("gw", case.namespace.as_str())
        );
        assert_eq!(ended.value("Verdict"), json["verdict"].as_str().unwrap());
        assert_eq!(
            ended.value("Key Slot"),
            "primary  [annotation last-used-key of secret/gw-token]"
        );
        let expires = ended.value("Expires");
        assert!(
            expires.contains(" UTC (in 29d)  [token in secret/gw-token, key value]"),
            "{expires}"
        );
        assert!(ended.value("Rotated By").starts_with("apim-rotate  ["));
        assert!(
            ended.value("Endpoint").contains(&case.gateway.service),
            "{}",
            ended.stdout
        );
        let id = format!("/gateways/{}  [annotation", case.gateway.name);
        assert!(ended.value("ARM ID").contains(&id), "{}", ended.stdout);
        assert_eq!(ended.value("Ready"), "1 of 1 pod");
        assert!(
            ended
                .stdout
                .contains(&format!("{}/apim-rotate:\n", case.namespace)),
            "{}",
            ended.stdout
        );
        assert!(
            ended.stdout.lines().last().unwrap().starts_with("Fix: "),
            "{}",
            ended.stdout
        );
        assert_eq!(ended.stderr, "");
    }
}

#[tokio::test]
async fn a_format_or_several_gateways_make_a_table() {
    let case = Case::new("describe-table").await;
    case.deploy(&case.gateway("gw", 20)).await;
    case.deploy(&case.gateway("other", 20)).await;
    let colors = case.apim(&["status", "gw", "--color", "always"]).exits(0).await;
    assert!(colors.stdout.contains('\u{1b}'));

    for line in [
        &["status"][..],
        &["status", "gw", "other"],
        &["status", "gw", "-o", "table"],
        &["status", "gw", "-o", "wide"],
        &["status", "gw", "--no-headers"],
    ] {
        let ended = case.apim(line).exits(0).await;
        assert!(ended.is_table(), "{line:?}: {}", ended.stdout);
    }
    let by_variable = case.apim(&["status", "gw"]).env("KUBECTL_APIM_OUTPUT", "wide");
    assert!(by_variable.exits(0).await.is_table());
}

#[tokio::test]
async fn it_asks_for_no_more_than_the_json_does() {
    let case = Case::new("describe-asks").await;
    case.deploy(&case.gateway("gw", 20)).await;
    let everything = may("*", &["*"], &["get", "list"]);
    let kubeconfig = user(&case, &json!([everything])).await;
    let of_json = requests(&case, &kubeconfig, &["status", "gw", "-o", "json"]).await;
    let in_full = requests(&case, &kubeconfig, &["status", "gw"]).await;
    assert_eq!(in_full, of_json);
    assert!(in_full.len() > 3, "{in_full:?}");
}
