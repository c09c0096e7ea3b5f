//! How long a plan takes on a long wire.

use std::process::Stdio;
use std::time::{Duration, Instant};

use apim_sandbox::wire::Wire;

use super::EntraCase;

/// How far Azure is.
const AZURE: Duration = Duration::from_millis(50);
/// How far the API server is.
const KUBERNETES: Duration = Duration::from_millis(20);

/// The longest chain of round trips of a set-up that is complete, with the target told: to Azure, since the API server
/// is nearer.
const CHAIN: [&str; 7] = [
    "TCP's handshake with Entra, while the workload is read",
    "TLS's handshake with Entra",
    "the access token for ARM, which shows which candidate signs in",
    "the access token for Graph, while Graph is connected",
    "the app",
    "its service principal",
    "the roles of that",
];

#[tokio::test]
async fn a_plan_takes_little_more_than_its_longest_chain() {
    let entra = EntraCase::new("round-trips").await;
    entra.deploy(|_| {}).await;
    let flags = ["--create-app", "gw", "--service-account", "gw", "--yes"];
    entra.setup(&flags).exits(0).await;
    let azure = entra.case.azure().wire().await.unwrap();
    let kubernetes = entra
        .case
        .sandbox
        .wire(&entra.case.kubeconfig_path())
        .await
        .unwrap();
    // What the program itself takes, and the two servers, is no distance.
    let near = fastest(&entra, &flags, (&azure, &kubernetes)).await;
    azure.set_round_trip(AZURE);
    kubernetes.set_round_trip(KUBERNETES);
    let far = fastest(&entra, &flags, (&azure, &kubernetes)).await;
    let chain = AZURE * u32::try_from(CHAIN.len()).unwrap();
    assert!(
        far.as_secs_f64() <= 1.15 * (chain + near).as_secs_f64(),
        "{far:?}, where {CHAIN:#?} are {chain:?} and the rest is {near:?}: {:#?}",
        azure.seen()
    );
}

/// The fastest of some dry runs, since what else runs here can only delay one.
async fn fastest(entra: &EntraCase, flags: &[&str], (azure, kubernetes): (&Wire, &Wire)) -> Duration {
    let mut fastest = Duration::MAX;
    for _ in 0..7 {
        let run = entra.setup(&[flags, &["--dry-run"]].concat());
        let mut command = run.through(azure).through(kubernetes).command();
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let begun = Instant::now();
        let status = command.status().await.unwrap();
        fastest = fastest.min(begun.elapsed());
        assert!(status.success());
    }
    fastest
}
