//! An installation beside a removal of the same name, or one of another name: no CronJob
//! is left without what it needs, or beside a rival, unless one of the runs fails and says
//! so.

use std::time::Duration;

use apim_sandbox::wait;
use apim_sandbox::wire::{Action, Fault};
use http::Method;

use super::NAME;
use crate::case::{Case, LIMIT};

const MANAGED: [&str; 2] = ["--auth", "managed-identity"];

const UNINSTALL: [&str; 2] = ["uninstall-cronjob", "--yes"];

/// Long enough for another run from its start to its end.
const HELD: Duration = Duration::from_secs(8);

async fn idle(name: &str) -> Case {
    let case = Case::new(name).await;
    case.deploy(&case.idle_portal()).await;
    case
}

impl Case {
    /// Waits until an object exists.
    async fn exists(&self, reference: &str) {
        let found = wait::until(reference, LIMIT, async || {
            let get = ["get", reference, "--ignore-not-found", "-o", "name"];
            Ok((!self.kubectl_in_namespace(&get).await.is_empty()).then_some(()))
        });
        found.await.unwrap();
    }

    async fn all(&self) -> String {
        let all = ["get", "serviceaccounts,roles,rolebindings,cronjobs", "-o", "name"];
        let all = self.kubectl_in_namespace(&all).await;
        all.lines()
            .filter(|line| line.ends_with(NAME))
            .collect::<Vec<_>>()
            .join(" ")
    }
}

const WHOLE: &str = "serviceaccount/apim-shg-rotate role.rbac.authorization.k8s.io/apim-shg-rotate \
                     rolebinding.rbac.authorization.k8s.io/apim-shg-rotate cronjob.batch/apim-shg-rotate";

/// Two names for one gateway, at once: neither sees the other before it writes.
#[tokio::test]
async fn another_installation_of_the_gateway_is_seen_after_the_write() {
    let case = idle("install-rivals").await;
    let wire = case.sandbox.wire(&case.kubeconfig_path()).await.unwrap();
    wire.fault(
        Fault::on("/cronjobs/late?", Action::Delay(HELD))
            .method(Method::PATCH)
            .once(),
    );
    let run = case.install_cronjob(&[&MANAGED[..], &["--name", "late"]].concat());
    let run = run.through(&wire).start().await;
    case.exists("role/late").await;
    let early = [&MANAGED[..], &["--name", "early"]].concat();
    case.install_cronjob(&early).exits(0).await;
    run.ends(4).await.says(&[
        "cronjob/early",
        "already, and two would restart it twice",
        &format!(
            "remove this one, or the other: kubectl apim uninstall-cronjob late -n {}",
            case.namespace
        ),
    ]);
}

#[tokio::test]
async fn an_installation_sees_that_what_it_wrote_is_gone() {
    let case = idle("races-removed").await;
    let wire = case.sandbox.wire(&case.kubeconfig_path()).await.unwrap();
    wire.fault(
        Fault::on("/cronjobs/apim", Action::Delay(HELD))
            .method(Method::PATCH)
            .times(1),
    );
    let install = case
        .apim(&[&["install-cronjob"][..], &MANAGED].concat())
        .through(&wire);
    let remove = async {
        case.exists(&format!("rolebinding/{NAME}")).await;
        let removed = case.apim(&UNINSTALL).exits(0).await.stdout;
        assert_eq!(removed.matches(" deleted\n").count(), 3, "{removed}");
    };
    let (installed, ()) = tokio::join!(install.exits(0), remove);
    installed.says(&["was changed while this command ran, so the installation is planned anew"]);
    assert_eq!(case.all().await, WHOLE);
    case.install_cronjob(&MANAGED).exits(0).await;
}

#[tokio::test]
async fn a_removal_sees_that_it_was_overtaken_by_an_installation() {
    let case = idle("races-installed").await;
    case.install_cronjob(&MANAGED).exits(0).await;
    case.kubectl_in_namespace(&["delete", "cronjob", NAME]).await;
    let wire = case.sandbox.wire(&case.kubeconfig_path()).await.unwrap();
    wire.fault(
        Fault::on("/rolebindings/apim", Action::Delay(HELD))
            .method(Method::DELETE)
            .times(1),
    );
    let removal = case.apim(&UNINSTALL).through(&wire);
    let install = async {
        let held = wait::until("the removal", LIMIT, async || {
            Ok((!wire.seen_of(&Method::DELETE, "/rolebindings/apim").is_empty()).then_some(()))
        });
        held.await.unwrap();
        case.install_cronjob(&MANAGED).exits(0).await;
    };
    let (removed, ()) = tokio::join!(removal.exits(4), install);
    removed.says(&[&format!(
        "cronjob.batch/{NAME} was installed while this command ran, and lacks what was removed"
    )]);
    case.install_cronjob(&MANAGED).exits(0).await;
    assert_eq!(case.all().await, WHOLE);
}

/// A Role has no status: a new version of it is somebody's change.
#[tokio::test]
async fn a_role_that_was_changed_meanwhile_is_not_removed() {
    let case = idle("races-role").await;
    case.install_cronjob(&MANAGED).exits(0).await;
    let wire = case.sandbox.wire(&case.kubeconfig_path()).await.unwrap();
    wire.fault(
        Fault::on("/roles/apim", Action::Delay(HELD))
            .method(Method::DELETE)
            .times(1),
    );
    let removal = case.apim(&UNINSTALL).through(&wire);
    let change = async {
        let held = wait::until("the removal", LIMIT, async || {
            Ok((!wire.seen_of(&Method::DELETE, "/roles/apim").is_empty()).then_some(()))
        });
        held.await.unwrap();
        let rule = r#"[{"op": "add", "path": "/rules/-", "value": {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}}]"#;
        case.kubectl_in_namespace(&["patch", "role", NAME, "--type=json", "-p", rule])
            .await;
    };
    let (removed, ()) = tokio::join!(removal.exits(1), change);
    removed.says(&[
        "role.rbac.authorization.k8s.io/apim-shg-rotate has changed since it was read, so it was kept",
    ]);
    case.kubectl_in_namespace(&["get", "role", NAME]).await;
}

#[tokio::test]
async fn a_job_that_runs_ends_with_its_cronjob() {
    let (case, manifest) = Case::in_pod("races-job").await;
    let file = case.file("secret", &case.principal.client_secret);
    let line = super::service_principal(&case, &file);
    let suspended = [&line[..], &["--suspend"]].concat();
    case.install_cronjob(&suspended).exits(0).await;
    // No node is like this, so the pod stays pending and the Job does not end.
    let pod = serde_json::json!({ "nodeSelector": { "no": "node" } });
    let patch = serde_json::json!({ "spec": { "jobTemplate": { "spec": { "template": { "spec": pod } } } } });
    case.kubectl_in_namespace(&["patch", "cronjob", NAME, "-p", &patch.to_string()])
        .await;
    let from = format!("cronjob/{NAME}");
    case.kubectl_in_namespace(&["create", "job", "by-hand", "--from", &from])
        .await;
    case.kubectl_in_namespace(&[
        "wait",
        "job/by-hand",
        "--for=jsonpath={.status.active}=1",
        "--timeout=60s",
    ])
    .await;
    let before = case.credential(&manifest).await;
    case.apim(&UNINSTALL).exits(0).await.says(&[
        "job.batch/by-hand is running, and ends with its CronJob; a rotation that it has begun is completed by: kubectl apim \
         rotate --all -n ",
    ]);
    // Its message came true: neither the Job nor its pod is left.
    let gone = wait::until("the end of the Job", LIMIT, async || {
        let left = ["get", "jobs,pods", "-o", "name"];
        let left = case.kubectl_in_namespace(&left).await;
        Ok((!left.contains("by-hand")).then_some(()))
    });
    gone.await.unwrap();
    assert_eq!(case.credential(&manifest).await, before);
}

#[tokio::test]
async fn a_namespace_that_ends_is_named_as_the_reason() {
    let case = idle("races-namespace").await;
    // Something that is never removed keeps the namespace.
    let stay = ["create", "configmap", "stays"];
    case.kubectl_in_namespace(&stay).await;
    let patch = [
        "patch",
        "configmap",
        "stays",
        "-p",
        r#"{"metadata":{"finalizers":["example.com/stays"]}}"#,
    ];
    case.kubectl_in_namespace(&patch).await;
    let namespace = case.namespace.clone();
    let delete = ["delete", "namespace", &namespace, "--wait=false"];
    case.kubectl(&delete).exits(0).await;
    let run = case.install_cronjob(&["deployment/gw", MANAGED[0], MANAGED[1]]);
    let ended = run.start().await.ended().await;
    let free = [
        "patch",
        "configmap",
        "stays",
        "-p",
        r#"{"metadata":{"finalizers":null}}"#,
    ];
    case.kubectl_in_namespace(&free).await;
    eprintln!("{ended:?}");
    assert_eq!(ended.code, Some(4));
    ended.says(&[&format!("namespace {namespace} is being deleted")]);
}

#[tokio::test]
async fn the_cluster_assigns_the_user_beside_a_policy_and_a_network_policy() {
    let case = idle("races-together").await;
    let together = [
        &MANAGED[..],
        &["--run-as", "cluster", "--admission-policy", "--network-policy"],
    ]
    .concat();
    let first = case.install_cronjob(&together).exits(0).await.stdout;
    assert_eq!(
        first.matches(" created\n").count(),
        first.lines().count(),
        "{first}"
    );
    let again = case.install_cronjob(&together).exits(0).await.stdout;
    assert_eq!(
        again.matches(" unchanged\n").count(),
        first.lines().count(),
        "{again}"
    );
    let removed = case.apim(&UNINSTALL).exits(0).await.stdout;
    assert_eq!(
        removed.matches(" deleted\n").count(),
        first.lines().count(),
        "{removed}"
    );
    assert_eq!(case.all().await, "");
}

#[tokio::test]
async fn what_others_wrote_on_a_legacy_account_stays() {
    let case = idle("races-account").await;
    super::legacy::apply_the_article(&case, &case.idle_portal()).await;
    let theirs =
        r#"{"metadata":{"annotations":{"theirs":"three"}},"imagePullSecrets":[{"name":"registry"}]}"#;
    let patch = ["patch", "serviceaccount", NAME, "--type=merge", "-p", theirs];
    case.kubectl_in_namespace(&patch).await;
    let replace = [&MANAGED[..], &["--replace-legacy"]].concat();
    case.install_cronjob(&replace).exits(0).await;
    let what = [
        "get",
        "serviceaccount",
        NAME,
        "-o",
        "jsonpath={.metadata.annotations.theirs} {.imagePullSecrets[0].name}",
    ];
    assert_eq!(case.kubectl_in_namespace(&what).await, "three registry");
    case.install_cronjob(&MANAGED).exits(0).await;
    assert_eq!(case.kubectl_in_namespace(&what).await, "three registry");
}
