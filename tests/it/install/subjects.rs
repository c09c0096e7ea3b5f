//! Bindings that name others beside the account: nobody loses rights unseen, whether
//! the binding is taken over, installed again or removed.

use serde_json::{Value, json};

use super::NAME;
use super::legacy::apply_the_article;
use crate::case::Case;

const MANAGED: [&str; 2] = ["--auth", "managed-identity"];

const REPLACE: [&str; 3] = ["--auth", "managed-identity", "--replace-legacy"];

const UNINSTALL: [&str; 2] = ["uninstall-cronjob", "--yes"];

const BINDING: &str = "rolebinding.rbac.authorization.k8s.io/apim-shg-rotate";

async fn idle(name: &str) -> Case {
    let case = Case::new(name).await;
    case.deploy(&case.idle_portal()).await;
    case
}

impl Case {
    /// Adds Jane and the account of the same name in another namespace to a binding.
    async fn add_subjects(&self, binding: &str) {
        let rbac = "rbac.authorization.k8s.io";
        let account = json!({ "kind": "ServiceAccount", "name": NAME, "namespace": self.namespace });
        // The same account, as a user.
        let as_user = format!("system:serviceaccount:{}:{NAME}", self.namespace);
        let subjects = json!([
            account,
            { "kind": "User", "apiGroup": rbac, "name": as_user },
            { "kind": "User", "apiGroup": rbac, "name": "jane" },
            { "kind": "ServiceAccount", "name": NAME, "namespace": "elsewhere" },
        ]);
        let patch = json!({ "subjects": subjects }).to_string();
        self.kubectl_in_namespace(&["patch", binding, "--type=merge", "-p", &patch])
            .await;
    }

    /// The names of those whom a binding binds.
    async fn bound(&self, binding: &str) -> Vec<String> {
        let document = self.kubectl_in_namespace(&["get", binding, "-o", "json"]).await;
        let document: Value = serde_json::from_str(&document).unwrap();
        let subjects = document["subjects"].as_array().unwrap();
        let mut names: Vec<String> = subjects
            .iter()
            .map(|subject| {
                let namespace = subject["namespace"].as_str().unwrap_or_default();
                format!("{}{namespace}", subject["name"].as_str().unwrap())
            })
            .collect();
        names.sort();
        names
    }
}

#[tokio::test]
async fn a_legacy_binding_that_binds_others_is_not_taken() {
    let case = idle("subjects-legacy").await;
    apply_the_article(&case, &case.idle_portal()).await;
    case.add_subjects(BINDING).await;
    let before = case.bound(BINDING).await;
    let edit = format!("kubectl -n {} edit {BINDING}", case.namespace);
    let named = format!(
        "{BINDING} also binds user jane, serviceaccount/{NAME} of namespace elsewhere, which would lose their rights"
    );
    let refused = case.fails_untouched(case.install_cronjob(&REPLACE), 4).await;
    refused.says(&[&named, &edit]);
    assert_eq!(case.bound(BINDING).await, before);
    let patch =
        json!({ "subjects": [{ "kind": "ServiceAccount", "name": NAME, "namespace": case.namespace }] });
    case.kubectl_in_namespace(&["patch", BINDING, "--type=merge", "-p", &patch.to_string()])
        .await;
    case.install_cronjob(&REPLACE).exits(0).await;
}

#[tokio::test]
async fn an_installed_binding_loses_nobody_who_was_added() {
    let case = idle("subjects-again").await;
    case.install_cronjob(&MANAGED).exits(0).await;
    case.add_subjects(BINDING).await;
    let before = case.bound(BINDING).await;
    for more in [&[][..], &["--schedule", "0 4 * * *"], &["--dry-run=server"]] {
        let run = case.install_cronjob(&[&MANAGED[..], more].concat());
        case.fails_untouched(run, 4)
            .await
            .says(&[&format!("{BINDING} also binds user jane")]);
        assert_eq!(case.bound(BINDING).await, before);
    }
    // A CronJob that is gone does not make it a first installation.
    case.kubectl_in_namespace(&["delete", "cronjob", NAME]).await;
    let run = case.install_cronjob(&MANAGED);
    case.fails_untouched(run, 4)
        .await
        .says(&[&format!("{BINDING} also binds user jane")]);
    assert_eq!(case.bound(BINDING).await, before);
}

#[tokio::test]
async fn a_removed_installation_leaves_their_rights_to_others() {
    let case = idle("subjects-uninstall").await;
    case.install_cronjob(&MANAGED).exits(0).await;
    case.add_subjects(BINDING).await;
    let shown = case.apim(&["uninstall-cronjob", "--dry-run"]).exits(0).await;
    let kept = format!(
        "{BINDING} is kept without serviceaccount/{NAME}, because it is used by user jane, serviceaccount/{NAME} of namespace \
         elsewhere\n"
    );
    shown.says(&[&kept]);
    let ended = case.apim(&UNINSTALL).exits(0).await;
    ended.says(&[
        &kept,
        &format!("role.rbac.authorization.k8s.io/{NAME} is kept, because {BINDING} refers to it\n"),
    ]);
    assert_eq!(
        ended.stdout,
        format!("cronjob.batch/{NAME} deleted\n{BINDING} configured\nserviceaccount/{NAME} deleted\n")
    );
    assert_eq!(
        case.bound(BINDING).await,
        [format!("{NAME}elsewhere"), "jane".to_owned()]
    );
    assert_eq!(
        case.rules().await,
        ["get,patch secrets gw-token", "get,patch deployments gw"]
    );
    // Again, nothing of ours is left, and what is left is not ours to take.
    let again = case.apim(&UNINSTALL).exits(0).await;
    again.says(&[
        &format!("{BINDING} is kept, because it is used by user jane"),
        "nothing is installed under the name",
    ]);
    case.fails_untouched(case.install_cronjob(&MANAGED), 4)
        .await
        .says(&[&format!("{BINDING} also binds user jane")]);
}

#[tokio::test]
async fn a_binding_of_the_account_is_named_however_it_is_written() {
    let case = idle("subjects-spelled").await;
    apply_the_article(&case, &case.idle_portal()).await;
    let namespace = &case.namespace;
    let user = format!("--user=system:serviceaccount:{namespace}:{NAME}");
    let everywhere = format!("several-{namespace}");
    let of_all = format!("--group=system:serviceaccounts:{namespace}");
    for line in [
        &["create", "rolebinding", "as-user", "--clusterrole=view", &user][..],
        &["create", "rolebinding", "of-all", "--clusterrole=view", &of_all],
        &[
            "create",
            "clusterrolebinding",
            &everywhere,
            "--clusterrole=view",
            &user,
            "--group=auditors",
        ],
    ] {
        case.kubectl_in_namespace(line).await;
    }
    let group = "rbac.authorization.k8s.io";
    let delete = format!("kubectl -n {namespace} delete rolebinding.{group}/as-user");
    let edit = format!("kubectl edit clusterrolebinding.{group}/{everywhere}");
    let refused = case.fails_untouched(case.install_cronjob(&MANAGED), 4).await;
    refused.says(&[
        &delete,
        &edit,
        "group auditors",
        &format!("serviceaccount/{NAME} also has the rights of every account, by rolebinding.{group}/of-all in namespace {namespace}\n"),
    ]);
    // What every account has is not the CronJob's to give up.
    assert!(
        !refused
            .stderr
            .contains("delete rolebinding.rbac.authorization.k8s.io/of-all")
    );
    assert!(
        !refused.stderr.contains("system:basic-user"),
        "{}",
        refused.stderr
    );
    case.install_cronjob(&REPLACE).exits(0).await;
    let ended = case.apim(&UNINSTALL).exits(0).await;
    ended.says(&[&delete, &edit]);
    assert!(!ended.stderr.contains("of-all"), "{}", ended.stderr);
    // What is printed can be pasted.
    case.shell(&delete).exits(0).await;
    case.kubectl(&["delete", "clusterrolebinding", &everywhere])
        .exits(0)
        .await;
}
