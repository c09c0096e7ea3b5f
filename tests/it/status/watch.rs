//! `status --watch`: what changes is printed again, and nothing is polled.

use apim_sandbox::azure::Slot;
use apim_sandbox::wait;
use kube::api::DeleteParams;
use serde_json::{Value, json};

use super::gallery::deploy_entra;
use crate::case::{Case, DAY, LIMIT};
use crate::run::Running;
use crate::terminal::Answer;
use crate::user::{may, user};

const WATCH: [&str; 4] = ["status", "-w", "-o", "json"];

impl Running<'_> {
    /// The next gateway that it prints.
    async fn gateway(&mut self) -> Value {
        serde_json::from_str(&self.line().await).unwrap()
    }

    /// The next of this name that fits; what was seen on the way there is of
    /// no interest.
    async fn until(&mut self, name: &str, fits: impl Fn(&Value) -> bool) -> Value {
        loop {
            let gateway = self.gateway().await;
            if gateway["workload"]["name"] == name && fits(&gateway) {
                return gateway;
            }
        }
    }
}

impl Case {
    /// Writes another token into a gateway's Secret, as somebody else.
    async fn give_token(&self, name: &str, days: i32) {
        let change = json!({"stringData": {"value": self.token(Slot::Primary, DAY * days)}});
        self.patch_secret(&format!("{name}-token"), &change).await;
    }

    /// What the service account of [`user`] has asked for by one of these
    /// verbs. Other tests look into all namespaces, but as somebody else.
    async fn viewer_asked(&self, verbs: &[&str]) -> Vec<String> {
        let mut requests = self.kube_requests().await;
        let account = format!("system:serviceaccount:{}:viewer", self.namespace);
        requests.retain(|request| request.user == account && verbs.contains(&request.verb.as_str()));
        requests
            .into_iter()
            .filter_map(|request| request.resource)
            .collect()
    }

    /// How often it has read or listed something.
    async fn reads(&self) -> usize {
        self.viewer_asked(&["get", "list"]).await.len()
    }
}

#[tokio::test]
async fn changed_rows_are_printed_again() {
    let case = Case::new("watch").await;
    case.deploy(&case.gateway("gw", 20)).await;
    let mut watch = case.apim(&WATCH).start().await;
    let first = watch.gateway().await;
    assert_eq!(
        (&first["kind"], &first["verdict"]),
        (&json!("GatewayStatus"), &json!("Unprotected"))
    );
    assert!(first["deleted"].is_null());

    case.give_token("gw", 5).await;
    let changed = watch.until("gw", |line| line["verdict"] == "Expiring").await;
    assert_ne!(changed["expiresAt"], first["expiresAt"]);
    assert_eq!(changed["rotatedBy"], "somebody-else");

    case.cron_job(
        &json!({"image": "kubectl-apim", "command": ["/kubectl-apim"], "args": ["rotate", "--all"]}),
    )
    .await;
    watch
        .until("gw", |line| line["cronJob"]["name"] == "apim-rotate")
        .await;

    case.deploy(&case.gateway("other", 25)).await;
    watch.until("other", |line| line["verdict"] == "Healthy").await;
    case.deployments()
        .delete("other", &DeleteParams::default())
        .await
        .unwrap();
    watch.until("other", |line| line["deleted"] == true).await;

    watch.signal("INT").await;
    let ended = watch.ends(130).await;
    assert!(!ended.stderr.contains("interrupted"), "{}", ended.stderr);
}

#[tokio::test]
async fn a_rotation_is_followed_to_its_end() {
    let case = Case::new("watch-rotate").await;
    case.deploy(&case.portal()).await;
    let mut watch = case.apim(&["status", "gw", "-w", "-o", "json"]).start().await;
    assert_eq!(watch.gateway().await["verdict"], "Expiring");
    case.apim(&["rotate"]).exits(0).await;
    let rotated = watch
        .until("gw", |line| {
            line["verdict"] == "Unprotected"
                && line["pods"]["stale"] == json!([])
                && line["pods"]["ready"] == 1
        })
        .await;
    assert_eq!(rotated["keySlot"], "primary");
    watch.signal("TERM").await;
    watch.ends(130).await;
}

#[tokio::test]
async fn where_nothing_changes_nothing_is_read() {
    let (quiet, busy) = (Case::new("watch-quiet").await, Case::new("watch-busy").await);
    let mut runs = Vec::new();
    for case in [&quiet, &busy] {
        case.deploy(&case.gateway("gw", 20)).await;
        let everything = may("*", &["*"], &["get", "list", "watch"]);
        let kubeconfig = user(case, &json!([everything])).await;
        let mut watch = case.apim(&WATCH).env("KUBECONFIG", &kubeconfig).start().await;
        watch.gateway().await;
        runs.push(watch);
    }
    let mut before = (0, 0);
    for days in [21, 22, 23, 24] {
        busy.give_token("gw", days).await;
        let seconds = i64::from(days - 1) * 86_400;
        let later = |line: &Value| line["expiresInSeconds"].as_i64() > Some(seconds);
        runs[1].until("gw", later).await;
        // By then the controllers have written what a new workload makes them write.
        if days == 21 {
            before = (quiet.reads().await, busy.reads().await);
        }
    }
    assert_eq!(quiet.reads().await, before.0);
    assert!(busy.reads().await > before.1);
    let watched = quiet.viewer_asked(&["watch"]).await;
    assert_eq!(watched.len(), 7, "{watched:?}");
    for watch in runs {
        watch.signal("INT").await;
        watch.ends(130).await;
    }
}

/// It decides on what the pods of a workload identity sign in as.
#[tokio::test]
async fn a_service_account_is_watched_where_a_gateway_needs_it() {
    let case = Case::new("watch-account").await;
    deploy_entra(&case, "gw", &json!({"config.service.auth": "workloadIdentity"})).await;
    let mut watch = case.apim(&WATCH).start().await;
    watch.until("gw", |line| line["verdict"] == "Healthy").await;
    let annotation = "azure.workload.identity/client-id-";
    let line = format!(
        "kubectl -n {} annotate serviceaccount gw {annotation}",
        case.namespace
    );
    case.shell(&line).exits(0).await;
    watch.until("gw", |line| line["verdict"] == "CannotSignIn").await;
    watch.signal("INT").await;
    watch.ends(130).await;
}

#[tokio::test]
async fn all_namespaces_are_watched_at_once() {
    let case = Case::new("watch-all").await;
    let mut watch = case.apim(&["status", "-w", "-A", "-o", "json"]).start().await;
    case.deploy(&case.gateway("late", 20)).await;
    let here =
        |line: &Value| line["namespace"] == case.namespace.as_str() && line["verdict"] == "Unprotected";
    watch.until("late", here).await;
    case.deployments()
        .delete("late", &DeleteParams::default())
        .await
        .unwrap();
    watch
        .until("late", |line| {
            line["namespace"] == case.namespace.as_str() && line["deleted"] == true
        })
        .await;
    watch.signal("INT").await;
    watch.ends(130).await;
}

#[tokio::test]
async fn a_forbidden_watch_is_a_warning() {
    let case = Case::new("watch-rights").await;
    case.deploy(&case.gateway("gw", 20)).await;
    let rules = json!([
        may("apps", &["deployments"], &["list", "watch"]),
        may("", &["configmaps", "pods"], &["get", "list", "watch"]),
        may("", &["secrets"], &["get"]),
    ]);
    let kubeconfig = user(&case, &rules).await;
    let mut watch = case.apim(&WATCH).env("KUBECONFIG", &kubeconfig).start().await;
    assert_eq!(watch.gateway().await["verdict"], "Healthy");
    // A change of the Secret is not noticed until something else causes a read.
    case.give_token("gw", 5).await;
    case.patch_deployment(
        "gw",
        &json!({"spec": {"template": {"metadata": {"labels": {"a": "b"}}}}}),
    )
    .await;
    watch.until("gw", |line| line["verdict"] == "Expiring").await;
    watch.signal("INT").await;
    let ended = watch.ends(130).await;
    for resource in ["secrets", "statefulsets", "daemonsets", "cronjobs"] {
        let warning = format!("changes of {resource} will not be shown");
        assert_eq!(ended.stderr.matches(&warning).count(), 1, "{}", ended.stderr);
    }
    assert!(!ended.stderr.contains("changes of pods"), "{}", ended.stderr);
}

#[tokio::test]
async fn without_any_right_to_watch_it_is_an_error() {
    let case = Case::new("watch-none").await;
    case.deploy(&case.gateway("gw", 20)).await;
    let rules = json!([may("apps", &["deployments"], &["list"])]);
    let kubeconfig = user(&case, &rules).await;
    let ended = case
        .apim(&["status", "-w"])
        .env("KUBECONFIG", &kubeconfig)
        .exits(1)
        .await;
    assert!(ended.stdout.contains("<forbidden>"), "{}", ended.stdout);
    ended.says(&["no resource of namespace", "may be watched", "list and watch"]);
}

#[tokio::test]
async fn a_reader_that_goes_away_ends_it() {
    let case = Case::new("watch-head").await;
    case.deploy(&case.gateway("gw", 20)).await;
    let mut watch = case.apim(&["status", "-w"]).start().await;
    assert!(watch.line().await.starts_with("TIME "));
    assert!(watch.line().await.contains("Z   gw "));
    let (code, ()) = tokio::join!(watch.unread(), case.give_token("gw", 5));
    assert_eq!(code, Some(0));
}

#[tokio::test]
async fn an_empty_namespace_is_watched_too() {
    let case = Case::new("watch-empty").await;
    let mut watch = case
        .apim(&["status", "-w", "--request-timeout", "1s", "--no-headers"])
        .start()
        .await;
    wait::until("the watches", LIMIT, async || {
        Ok((case
            .kube_requests()
            .await
            .iter()
            .filter(|request| request.verb == "watch")
            .count()
            == 7)
            .then_some(()))
    })
    .await
    .unwrap();
    case.deploy(&case.gateway("gw", 20)).await;
    let line = watch.line().await;
    assert!(line.contains("Z   gw ") && line.ends_with("   new\n"), "{line}");
    watch.signal("INT").await;
    let ended = watch.ends(130).await;
    ended.says(&["no self-hosted gateway was found in namespace"]);
    assert!(!ended.stderr.contains("warning"), "{}", ended.stderr);
}

#[tokio::test]
async fn a_row_says_when_and_what_has_changed() {
    let case = Case::new("watch-words").await;
    case.deploy(&case.gateway("gw", 20)).await;
    let mut watch = case.apim(&["status", "-w"]).start().await;
    let headers = watch.line().await;
    assert!(
        headers.starts_with("TIME ") && headers.ends_with(" CHANGE\n"),
        "{headers}"
    );
    let first = watch.line().await;
    assert!(first.ends_with(" Unprotected   <none>\n"), "{first}");
    case.give_token("gw", 5).await;
    let changed = watch.line().await;
    let (time, rest) = changed.split_once(' ').unwrap();
    let printed: jiff::Timestamp = time.parse().unwrap();
    let age = case.azure().now().duration_since(printed);
    assert!((0..60).contains(&age.as_secs()), "{changed}");
    assert!(
        rest.contains("   verdict Unprotected -> Expiring, expires at "),
        "{changed}"
    );
    watch.signal("INT").await;
    watch.ends(130).await;
}

#[tokio::test]
async fn a_terminal_has_a_table_that_is_drawn_in_place() {
    let case = Case::new("watch-terminal").await;
    case.deploy(&case.gateway("gw", 20)).await;
    let mut narrow = case.on_a_terminal_of(20, "status -w");
    let mut wide = case.on_a_terminal_of(120, "status gw -w");
    narrow.shows("NAME   EXPIRES-IN").await;
    narrow.shows("gw     19d").await;
    wide.shows("NAME   AUTH    EXPIRES-IN").await;
    wide.shows("gw     token   19d").await;
    case.give_token("gw", 5).await;
    narrow.shows("4d23h").await;
    wide.shows("verdict Unprotected -> Expiring").await;
    for (terminal, columns) in [(narrow, 20), (wide, 120)] {
        let shown = terminal.ends(Answer::Types("\x03"), 130).await;
        // The cursor goes up to the first line of the table again.
        assert!(shown.contains("\u{1b}[2A"), "{shown:?}");
        assert!(
            !shown.contains("TIME") && !shown.contains("interrupted"),
            "{shown:?}"
        );
        for line in anstream::adapter::strip_str(&shown).to_string().lines() {
            let line = line.replace('\r', "");
            assert!(line.chars().count() <= columns, "{line:?} in {shown:?}");
        }
    }
    // Without colors, a terminal is written to like a pipe.
    for words in ["status -w --color never", "status -w --color always"] {
        let mut plain = case.on_a_terminal(words);
        plain.shows("TIME ").await;
        plain.shows("<none>").await;
        plain.ends(Answer::Signals("INT"), 130).await;
    }
}
