//! What a run asks of the API server, what a second one changes, and what is
//! removed.

use std::collections::BTreeSet;

use apim_sandbox::azure::Operation;
use apim_sandbox::manifests::apply;
use kube::api::PatchParams;
use serde_json::json;

use super::{NAME, service_principal};
use crate::case::Case;

pub(super) const WORKLOAD_IDENTITY: [&str; 6] = [
    "--auth",
    "workload-identity",
    "--client-id",
    "11111111-2222-4333-8444-555555555555",
    "--tenant",
    "contoso.onmicrosoft.com",
];

/// The requests of all runs but those in the name of the account, and how many of them
/// wrote.
async fn requests(case: &Case) -> (usize, usize) {
    let mut all = case.kube_requests().await;
    all.retain(|request| !request.impersonated);
    let all = all.len();
    let mut writes = case.kube_writes().await;
    // A token that is asked for changes nothing.
    writes.retain(|write| !write.dry_run && write.subresource.as_deref() != Some("token"));
    (all, writes.len())
}

#[tokio::test]
async fn it_costs_at_most_twenty_four_requests_and_a_second_run_writes_nothing() {
    let case = Case::new("install-count").await;
    case.deploy(&case.idle_portal()).await;
    case.install_cronjob(&WORKLOAD_IDENTITY).exits(0).await;
    let (all, writes) = requests(&case).await;
    assert!(all <= 24, "{all}");
    assert_eq!(writes, 4);
    let mut rehearsed = case.kube_requests().await;
    rehearsed.retain(|request| request.impersonated && request.dry_run && request.status == Some(200));
    let rehearsed: Vec<Option<&str>> = rehearsed.iter().map(|it| it.resource.as_deref()).collect();
    assert_eq!(rehearsed, [Some("secrets"), Some("deployments")]);
    let ended = case.install_cronjob(&WORKLOAD_IDENTITY).exits(0).await;
    assert_eq!(requests(&case).await.1, 4);
    assert_eq!(ended.stdout.matches(" unchanged").count(), 4, "{}", ended.stdout);

    // What differs is shown, and nothing else is written.
    let later = [&WORKLOAD_IDENTITY[..], &["--schedule", "5 4 * * *"]].concat();
    let shown = [&later[..], &["--dry-run=server", "--diff"]].concat();
    let ended = case.install_cronjob(&shown).exits(0).await;
    assert!(
        ended.stdout.contains("+  schedule: 5 4 * * *"),
        "{}",
        ended.stdout
    );
    assert!(
        ended
            .stdout
            .contains("cronjob.batch/apim-shg-rotate configured (server dry run)"),
        "{}",
        ended.stdout
    );
    assert_eq!(requests(&case).await.1, 4);
    case.install_cronjob(&later).exits(0).await;
    assert_eq!(requests(&case).await.1, 5);
}

#[tokio::test]
async fn a_named_gateway_and_a_secret_cost_no_more() {
    let case = Case::new("install-count-sp").await;
    case.deploy(&case.idle_portal()).await;
    let file = case.file("secret", &case.principal.client_secret);
    let line = [&["deploy/gw"][..], &service_principal(&case, &file)].concat();
    case.install_cronjob(&line).exits(0).await;
    let (all, writes) = requests(&case).await;
    assert!(all <= 24, "{all}");
    assert_eq!(writes, 5);
    case.install_cronjob(&line).exits(0).await;
    assert_eq!(requests(&case).await.1, 5);
}

#[tokio::test]
async fn told_whole_it_is_rendered_without_a_request_and_kubectl_applies_it() {
    let case = Case::new("install-render").await;
    let target = [
        "deployment/gw",
        "-t",
        "gw-token",
        "-a",
        "contoso",
        "-g",
        "gw",
        "--network-policy",
    ];
    let rendered = ["--dry-run=client", "-o", "yaml"];
    let namespace = ["-n", &case.namespace];
    let line = [&target[..], &WORKLOAD_IDENTITY, &rendered, &namespace].concat();
    let yaml = case
        .install_cronjob(&line)
        .env("KUBECONFIG", "/nonexistent")
        .exits(0)
        .await
        .stdout;
    let again = case.install_cronjob(&line).exits(0).await.stdout;
    assert_eq!(yaml, again);
    assert!(case.kube_requests().await.is_empty());
    let apply = ["apply", "-n", &case.namespace, "-f", "-"];
    case.kubectl(&apply).input(&yaml).exits(0).await;
    let diff = ["diff", "-n", &case.namespace, "-f", "-"];
    case.kubectl(&diff).input(&yaml).exits(0).await;
}

#[tokio::test]
async fn the_account_may_do_what_the_named_objects_need_and_nothing_else() {
    let case = Case::new("install-can-i").await;
    case.deploy(&case.idle_portal()).await;
    case.install_cronjob(&WORKLOAD_IDENTITY).exits(0).await;
    let rights = async |account: &str| {
        let user = format!("system:serviceaccount:{}:{account}", case.namespace);
        let list = case
            .kubectl_in_namespace(&["auth", "can-i", "--list", "--no-headers", "--as", &user])
            .await;
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        list.lines().map(words).collect::<BTreeSet<_>>()
    };
    let everyone = rights("default").await;
    let own: Vec<String> = rights(NAME).await.difference(&everyone).cloned().collect();
    assert_eq!(
        own,
        [
            "deployments.apps [] [gw] [get patch]",
            "secrets [] [gw-token] [get patch]",
        ]
    );
}

#[tokio::test]
async fn what_is_no_longer_wanted_is_removed() {
    let case = Case::new("install-less").await;
    case.deploy(&case.idle_portal()).await;
    let file = case.file("secret", &case.principal.client_secret);
    let more = [&service_principal(&case, &file)[..], &["--network-policy"]].concat();
    case.install_cronjob(&more).exits(0).await;
    let get = ["get", "secrets,networkpolicies", "-o", "name"];
    let before = case.kubectl_in_namespace(&get).await;
    assert_eq!(before.matches("apim-shg-rotate").count(), 2, "{before}");
    let shown = [&WORKLOAD_IDENTITY[..], &["--dry-run=server", "--diff"]].concat();
    let shown = case.install_cronjob(&shown).exits(0).await.stdout;
    assert!(
        shown.contains("Only in live: secret/apim-shg-rotate\n"),
        "{shown}"
    );
    assert_eq!(case.kubectl_in_namespace(&get).await, before);
    let less = [&WORKLOAD_IDENTITY[..], &["-o", "json"]].concat();
    let listed = case.install_cronjob(&less).exits(0).await.stdout;
    assert!(!listed.contains("NetworkPolicy"), "{listed}");
    assert_eq!(case.kubectl_in_namespace(&get).await, "secret/gw-token\n");
}

#[tokio::test]
async fn what_was_installed_is_removed_and_nothing_else() {
    let case = Case::new("uninstall").await;
    let manifest = case.idle_portal();
    case.deploy(&manifest).await;
    let file = case.file("secret", &case.principal.client_secret);
    let line = [&service_principal(&case, &file)[..], &["--network-policy"]].concat();
    case.install_cronjob(&line).exits(0).await;
    let other = [&line[..], &["--name", "other", "--suspend"]].concat();
    // Two that rotate the same gateway are refused, so the other one is made by hand.
    case.fails_untouched(case.install_cronjob(&other), 4)
        .await
        .says(&["cronjob/apim-shg-rotate", "rotates deployment.apps/gw already"]);
    let bystander = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "bystander",
        "labels": { "app.kubernetes.io/instance": NAME, "app.kubernetes.io/managed-by": "Helm" } } });
    apply(&case.client, &case.namespace, bystander).await.unwrap();

    case.apim(&["uninstall-cronjob"])
        .exits(2)
        .await
        .says(&["cronjob.batch/apim-shg-rotate", "--yes"]);
    let shown = case
        .apim(&["uninstall-cronjob", "--dry-run"])
        .exits(0)
        .await
        .stdout;
    assert_eq!(shown.matches(" deleted (dry run)").count(), 6, "{shown}");
    assert_eq!(case.cron_jobs().await.len(), 1);
    let removed = case.apim(&["uninstall-cronjob", "--yes"]).exits(0).await.stdout;
    assert_eq!(removed, shown.replace(" (dry run)", ""));
    assert!(case.cron_jobs().await.is_empty());
    let left = case
        .kubectl_in_namespace(&[
            "get",
            "serviceaccounts,roles,rolebindings,secrets,networkpolicies",
            "-o",
            "name",
        ])
        .await;
    let left: Vec<&str> = left.lines().collect();
    assert_eq!(
        left,
        [
            "serviceaccount/bystander",
            "serviceaccount/default",
            "secret/gw-token"
        ]
    );
    case.apim(&["uninstall-cronjob", "--yes"])
        .exits(0)
        .await
        .says(&["nothing is installed under the name apim-shg-rotate"]);
}

/// Whoever is no administrator may not bind a Role that is not there, which in
/// a rehearsal it never is.
#[tokio::test]
async fn a_rehearsal_of_everything_changes_nothing() {
    let case = Case::new("install-rehearse").await;
    case.deploy(&case.idle_portal()).await;
    let meta = json!({ "name": "admin" });
    for object in [
        json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta }),
        json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": meta,
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "admin" },
            "subjects": [{ "kind": "ServiceAccount", "name": "admin" }] }),
    ] {
        apply(&case.client, &case.namespace, object).await.unwrap();
    }
    let kubeconfig = case
        .sandbox
        .kubeconfig_for(&case.namespace, "admin")
        .await
        .unwrap();
    let kubeconfig = kubeconfig.to_str().unwrap();
    let rehearsal = [&WORKLOAD_IDENTITY[..], &["--dry-run=server", "--diff"]].concat();
    let ended = case
        .install_cronjob(&rehearsal)
        .env("KUBECONFIG", kubeconfig)
        .exits(0)
        .await;
    assert_eq!(ended.stdout.matches(" created (server dry run)").count(), 4);
    assert!(
        ended.stdout.contains("+  concurrencyPolicy: Forbid"),
        "{}",
        ended.stdout
    );
    // Nothing that this program writes itself is hidden.
    assert!(!ended.stdout.contains("(hidden)"), "{}", ended.stdout);
    assert!(case.cron_jobs().await.is_empty());
    // Such a user can install it too.
    case.install_cronjob(&WORKLOAD_IDENTITY)
        .env("KUBECONFIG", kubeconfig)
        .exits(0)
        .await;
    assert_eq!(case.cron_jobs().await.len(), 1);
}

#[tokio::test]
async fn what_the_installed_command_line_records_of_the_instance_is_kept() {
    let case = Case::new("install-recorded").await;
    case.deploy(&case.idle_portal()).await;
    let given = [
        &WORKLOAD_IDENTITY[..],
        &[
            "-s",
            &case.gateway.subscription,
            "-r",
            &case.gateway.resource_group,
        ],
    ]
    .concat();
    case.install_cronjob(&given).exits(0).await;
    let ended = case.install_cronjob(&WORKLOAD_IDENTITY).exits(0).await;
    assert_eq!(ended.stdout.matches(" unchanged").count(), 4, "{}", ended.stdout);
    assert!(!ended.stderr.contains("service/read"), "{}", ended.stderr);
}

#[tokio::test]
async fn a_location_that_the_secret_records_is_read_there_by_each_run() {
    let case = Case::new("install-moved").await;
    case.deploy(&case.idle_portal()).await;
    case.apim(&["rotate"]).exits(0).await;
    case.azure()
        .move_service(&case.gateway, &case.gateway.subscription, "rg-new");
    let ended = case.install_cronjob(&WORKLOAD_IDENTITY).exits(0).await;
    assert!(!ended.stderr.contains("service/read"), "{}", ended.stderr);
    let args = arguments_of_a_run(&case).await;
    assert!(
        !args.iter().any(|word| word.starts_with("--resource-group")),
        "{args:?}"
    );
    // What the pods run finds it.
    case.apim(&words(&args))
        .exits(0)
        .await
        .says(&["has moved from resource group rg-apim"]);
}

/// Anyone who can write the settings of a gateway could otherwise have the
/// credential of the CronJob sent to the hosts of another cloud.
#[tokio::test]
async fn runs_stay_in_the_cloud_of_the_installation_whatever_the_endpoint_becomes() {
    let case = Case::new("install-cloud").await;
    case.deploy(&case.idle_portal()).await;
    case.install_cronjob(&WORKLOAD_IDENTITY).exits(0).await;
    let args = arguments_of_a_run(&case).await;

    let endpoint = format!("https://{}.configuration.azure-api.cn", case.gateway.service);
    let own = json!({"spec": {"template": {"spec": {"containers": [
        {"name": "gw", "env": [{"name": "config.service.endpoint", "value": endpoint}]}]}}}});
    let patch = kube::api::Patch::Strategic(&own);
    case.deployments()
        .patch("gw", &PatchParams::default(), &patch)
        .await
        .unwrap();
    case.apim(&words(&[args, vec!["--force".to_owned()]].concat()))
        .exits(0)
        .await;
    let hosts: Vec<String> = case
        .requests(Operation::SignIn)
        .into_iter()
        .map(|it| it.host)
        .collect();
    assert!(!hosts.is_empty());
    assert!(
        hosts.iter().all(|host| host == "login.microsoftonline.com"),
        "{hosts:?}"
    );
}

/// The arguments of the installed CronJob, but for the identity of its pods and
/// what makes a run wait for its day.
async fn arguments_of_a_run(case: &Case) -> Vec<String> {
    let jobs = case.cron_jobs().await;
    let pod = jobs[0].spec.as_ref().unwrap().job_template.spec.as_ref().unwrap();
    let args = pod.template.spec.as_ref().unwrap().containers[0].args.clone();
    args.unwrap()
        .into_iter()
        .filter(|word| {
            ["--auth", "--client-id", "--tenant", "--if-expiring-within"]
                .iter()
                .all(|flag| !word.starts_with(flag))
        })
        .collect()
}

fn words(args: &[String]) -> Vec<&str> {
    args.iter().map(String::as_str).collect()
}

#[tokio::test]
async fn a_dry_run_on_the_clients_side_says_what_would_change() {
    let case = Case::new("install-client").await;
    case.deploy(&case.idle_portal()).await;
    let dry_run = [&WORKLOAD_IDENTITY[..], &["--dry-run=client"]].concat();
    let shown = case.install_cronjob(&dry_run).exits(0).await.stdout;
    assert_eq!(shown.matches(" created (dry run)").count(), 4, "{shown}");
    case.install_cronjob(&WORKLOAD_IDENTITY).exits(0).await;
    let shown = case.install_cronjob(&dry_run).exits(0).await.stdout;
    assert_eq!(shown.matches(" configured (dry run)").count(), 4, "{shown}");
    case.kubectl_in_namespace(&["delete", "cronjob", NAME]).await;
    let shown = case.install_cronjob(&dry_run).exits(0).await.stdout;
    let missing = format!("cronjob.batch/{NAME} created (dry run)");
    assert!(shown.contains(&missing), "{shown}");
    assert_eq!(shown.matches(" configured (dry run)").count(), 3, "{shown}");
    // Where everything is given, nothing is read.
    let given = ["deployment/gw", "-t", "gw-token", "-a", "contoso", "-g", "gw"];
    let before = requests(&case).await;
    let ended = case
        .install_cronjob(&[&dry_run[..], &given].concat())
        .exits(0)
        .await;
    assert_eq!(
        ended.stdout.matches(" rendered (dry run)").count(),
        4,
        "{}",
        ended.stdout
    );
    ended.says(&["what exists is not read"]);
    assert_eq!(requests(&case).await, before);
}
