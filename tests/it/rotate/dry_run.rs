//! A dry run prints the plan and changes nothing; a token that was minted
//! would be a change, since it is a live credential.

use apim_sandbox::azure::{Action, Fault, Grant, Operation, Principal};

use crate::case::Case;
use crate::run::Run;

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

/// The same run as an identity with these rights.
fn as_one_with<'a>(case: &'a Case, grants: &[Grant], arguments: &[&str]) -> Run<'a> {
    let principal = grants.iter().cloned().fold(Principal::random(), Principal::with);
    case.azure().add_principal(principal.clone());
    case.hides(&principal.client_secret);
    case.apim(&[&["rotate"], arguments].concat())
        .env("AZURE_CLIENT_ID", &principal.client_id)
        .env("AZURE_CLIENT_SECRET", &principal.client_secret)
        .env("AZURE_TENANT_ID", &principal.tenant)
}

const NOT_DUE: [&str; 2] = ["--if-expiring-within", "1d"];

#[tokio::test]
async fn who_may_not_mint_does_not_pass_it() {
    let case = Case::new("dry-powerless").await;
    case.deploy(&case.idle_portal()).await;
    let mint = "generateToken/action";
    let without_minting = Grant::new("/", &["*/read", "Microsoft.Storage/*"]);
    for (grant, arguments) in [
        (Grant::reader("/"), &["--dry-run"][..]),
        (without_minting, &["--dry-run=server", "-o", "json"]),
        // What is not due is checked on request.
        (Grant::reader("/"), &["--check-azure", NOT_DUE[0], NOT_DUE[1]]),
        (
            Grant::reader("/"),
            &["--all", "--yes", "--check-azure", NOT_DUE[0], NOT_DUE[1]],
        ),
        (Grant::reader("/"), &["--all", "--dry-run"]),
    ] {
        let code = if arguments.contains(&"--all") { 6 } else { 4 };
        let run = as_one_with(&case, &[grant], arguments);
        let ended = case.fails_untouched(run, code).await;
        let grants = format!(
            "kubectl apim render-rbac --azure az -s {} -r rg-apim -a {} -g gw --principal-id ",
            case.gateway.subscription, case.gateway.service
        );
        ended.says(&[mint, &grants]);
    }
    assert_eq!(case.mints(), 0);
    // By default, what is not due needs no identity at all.
    let run = as_one_with(&case, &[], &NOT_DUE);
    case.fails_untouched(run, 0).await;
}

#[tokio::test]
async fn a_right_that_azure_does_not_show_is_unknown() {
    let case = Case::new("dry-unknown").await;
    case.deploy(&case.idle_portal()).await;
    let hidden = Fault::on(Operation::Permissions, Action::status(403));
    case.azure().fault(hidden.matching(&case.gateway.service));
    let unknown = "whether the identity may mint tokens is unknown";
    let check = ["rotate", "--check-azure", NOT_DUE[0], NOT_DUE[1]];
    for line in [
        &["rotate", "--dry-run"][..],
        &[&check[..], &["--dry-run"]].concat(),
    ] {
        let ended = case.fails_untouched(case.apim(line), 0).await;
        ended.says(&[unknown]);
    }
    assert_eq!(case.mints(), 0);
    // Outside a dry run, a token that is not stored shows it.
    let before = case.secret("gw-token").await;
    case.apim(&check)
        .exits(0)
        .await
        .says(&["a token that lives for 10 minutes"]);
    assert_eq!(case.mints(), 1);
    assert_eq!(case.secret("gw-token").await, before);
}

#[tokio::test]
async fn the_first_line_says_what_set_the_cluster_and_the_namespace() {
    let case = Case::new("dry-cluster").await;
    case.deploy(&case.idle_portal()).await;
    let namespace = case.namespace.as_str();
    let line = |source: &str| format!("  [{source}]\nworkload ");
    case.apim(&["rotate", "--dry-run"])
        .exits(0)
        .await
        .says(&[&line("KUBECONFIG")]);
    case.apim(&["rotate", "--dry-run"])
        .env("NAMESPACE", namespace)
        .exits(0)
        .await
        .says(&[&line("NAMESPACE, KUBECONFIG")]);
    case.apim(&[
        "rotate",
        "--dry-run",
        "-n",
        namespace,
        "--context",
        "apim-sandbox",
    ])
    .exits(0)
    .await
    .says(&[&line("--namespace, --context")]);
}
