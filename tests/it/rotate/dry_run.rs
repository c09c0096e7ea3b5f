//! A dry run prints the plan and changes nothing; a token that was minted
//! would be a change, since it is a live credential.

use crate::case::Case;

#[tokio::test]
async fn on_the_clients_side_it_only_reads() {
    let case = Case::new("dry-client").await;
    case.deploy(&case.idle_portal()).await;
    let ended = case.fails_untouched(case.apim(&["rotate", "--dry-run"]), 0).await;
    ended.says(&["gw", "primary"]);
    assert!(
        ended.stdout.contains("secret/gw-token rotated (dry run)"),
        "{}",
        ended.stdout
    );
    assert!(
        ended.stdout.contains("deployment.apps/gw restarted (dry run)"),
        "{}",
        ended.stdout
    );
    assert_eq!(case.mints(), 0);
    assert!(case.kube_writes().await.is_empty());
}

#[tokio::test]
async fn both_patches_are_sent_as_a_server_side_dry_run() {
    let case = Case::new("dry-server").await;
    case.deploy(&case.idle_portal()).await;
    let run = case.apim(&["rotate", "--dry-run=server", "-o", "json"]);
    let report = case.fails_untouched(run, 0).await.json();
    assert_eq!(report["outcome"], "Planned");
    assert_eq!(report["dryRun"], true);
    assert_eq!(report["keySlot"], "primary");
    assert!(report.get("rotationId").is_none(), "no rotation took place");

    assert_eq!(case.mints(), 0);
    let writes = case.kube_writes().await;
    assert!(writes.iter().all(|write| write.dry_run), "{writes:?}");
    let mut resources: Vec<_> = writes
        .iter()
        .filter_map(|write| write.resource.as_deref())
        .collect();
    resources.sort_unstable();
    assert_eq!(resources, ["deployments", "secrets"]);
}

#[tokio::test]
async fn nothing_due_is_reported() {
    let case = Case::new("dry-not-due").await;
    case.deploy(&case.idle_portal()).await;
    let run = case.apim(&["rotate", "--dry-run", "--if-expiring-within", "1d"]);
    let ended = case.fails_untouched(run, 0).await;
    assert!(
        ended.stdout.contains("unchanged: the token expires in"),
        "{}",
        ended.stdout
    );
}
