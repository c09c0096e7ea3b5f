//! The accounts that are rendered and the one that is installed: none loses or
//! gains a right by the objects of another.

use std::collections::BTreeSet;

use apim_sandbox::wait;

use super::NAME;
use crate::case::{Case, LIMIT};

const INSTALL: [&str; 2] = ["--auth", "managed-identity"];

/// The rights that an account has beyond those of everyone.
async fn granted(case: &Case, account: &str) -> BTreeSet<String> {
    let everybody = case.can_i("somebody-else").await;
    let its = case.can_i(account).await;
    its.difference(&everybody).cloned().collect()
}

/// Waits until an account has exactly these rights. RBAC follows its objects
/// with a delay.
async fn has(case: &Case, account: &str, rights: &[&str]) {
    let what = format!("the rights of {account}: {rights:?}");
    let rights: BTreeSet<String> = rights.iter().map(|right| (*right).to_owned()).collect();
    let same = wait::until(&what, LIMIT, async || {
        Ok((granted(case, account).await == rights).then_some(()))
    });
    if let Err(error) = same.await {
        panic!("{error}, but {:?}", granted(case, account).await);
    }
}

const OF_GW: [&str; 2] = [
    "deployments.apps [] [gw] [get patch]",
    "secrets [] [gw-token] [get patch]",
];

const OF_BOTH: [&str; 4] = [
    "deployments.apps [] [gw] [get patch]",
    "deployments.apps [] [gw2] [get patch]",
    "secrets [] [gw-token] [get patch]",
    "secrets [] [gw2-token] [get patch]",
];

const OF_FLEET: [&str; 6] = [
    "configmaps [] [gw-env] [get]",
    "daemonsets.apps [] [] [list]",
    "deployments.apps [] [] [list]",
    "deployments.apps [] [gw] [get patch]",
    "secrets [] [gw-token] [get patch]",
    "statefulsets.apps [] [] [list]",
];

#[tokio::test]
async fn what_is_rendered_and_what_is_installed_can_be_applied_in_any_order() {
    let case = Case::new("accounts").await;
    case.deploy(&case.idle_portal()).await;
    let line = format!(
        "{} deployment/gw {}/gateways/gw\n",
        case.namespace,
        case.gateway.service_id()
    );
    let file = case.file("fleet.txt", &line).display().to_string();
    let of_namespace = case.rendered(&[]).await;
    let of_fleet = case.rendered(&["--scope", "cluster", "--gateways", &file]).await;
    let of_cluster_elsewhere = case.rendered(&["--scope", "cluster", "-n", "elsewhere"]).await;
    let (rights, fleet) = ("apim-shg-rotate-rights", "apim-shg-rotate-fleet");
    let have = async |installed: &[&str]| {
        has(&case, rights, &OF_GW).await;
        has(&case, fleet, &OF_FLEET).await;
        has(&case, NAME, installed).await;
    };

    case.takes(&of_namespace).await;
    case.takes(&of_fleet).await;
    have(&[]).await;
    case.install_cronjob(&INSTALL).exits(0).await;
    have(&OF_GW).await;
    // What was applied before is unchanged, and applied after it changes nothing.
    for rendered in [&of_namespace, &of_fleet] {
        let apply = ["apply", "-f", "-"];
        let applied = case.kubectl(&apply).input(rendered).exits(0).await.stdout;
        assert_eq!(
            applied.lines().count(),
            applied.matches(" unchanged").count(),
            "{applied}"
        );
    }
    // A fleet of another namespace has objects of its own in this cluster.
    let dry_run = ["apply", "--dry-run=server", "-f", "-", "-o", "name"];
    let names = case
        .kubectl(&["create", "--dry-run=client", "-o", "name", "-f", "-"])
        .input(&of_cluster_elsewhere)
        .exits(0)
        .await
        .stdout;
    let own = case.kubectl(&dry_run).input(&of_fleet).exits(0).await.stdout;
    for name in own.lines().filter(|name| name.starts_with("cluster")) {
        assert!(!names.contains(name), "{names}\n{own}");
    }
    have(&OF_GW).await;
    let again = case.install_cronjob(&INSTALL).exits(0).await.stdout;
    assert_eq!(again.matches(" unchanged").count(), 4, "{again}");

    // Two installations at once change the rights of their own account only.
    case.deploy(&case.second_portal().replicas(0)).await;
    let one = case.install_cronjob(&["deployment/gw", INSTALL[0], INSTALL[1]]);
    let other = case.install_cronjob(&["deployment/gw2", INSTALL[0], INSTALL[1]]);
    tokio::join!(one.exits(0), other.exits(0));
    have(&OF_BOTH).await;
    case.apim(&["uninstall-cronjob", "--yes"]).exits(0).await;
    have(&[]).await;
    case.kubectl(&["delete", "-f", "-"])
        .input(&of_fleet)
        .exits(0)
        .await;
    has(&case, rights, &OF_GW).await;
    has(&case, fleet, &[]).await;
}

#[tokio::test]
async fn a_name_that_rights_have_is_refused() {
    let case = Case::new("accounts-name").await;
    for name in ["apim-shg-rotate-rights", "mine-fleet"] {
        let run = case.install_cronjob(&["--name", name, INSTALL[0], INSTALL[1]]);
        run.exits(2)
            .await
            .says(&["like the objects that render-rbac prints"]);
    }
}
