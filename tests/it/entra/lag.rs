//! An Azure that learns late what is new.

use apim_sandbox::Sandbox;
use apim_sandbox::azure::Lag;
use jiff::SignedDuration;

use super::EntraCase;

#[tokio::test]
async fn a_minute_of_lag_is_waited_out() {
    // The lag of an emulator holds for everyone who uses it.
    let sandbox: &'static Sandbox = Box::leak(Box::new(Sandbox::observed().await.unwrap()));
    sandbox.azure().set_lag(Lag::of(SignedDuration::from_secs(60)));
    let runs = [
        ("app-secret", &[][..]),
        ("workload-identity", &["--service-account", "gw"]),
    ]
    .map(async |(mode, more)| {
        let entra = EntraCase::in_sandbox(sandbox, "lag").await;
        let azure = entra.case.azure();
        azure.enable_identity(&entra.case.gateway, &entra.case.principal.tenant);
        entra.deploy(|_| {}).await;
        let flags = [&["--create-app", "gw", "--yes", "--mode", mode], more].concat();
        let ended = entra.setup(&flags).exits(0).await;
        ended.says(&["RoleDefinitionDoesNotExist", "proved"]);
        entra.case.rolled_out("gw").await;
        assert_eq!(entra.apps().len(), 1, "{mode}");
    });
    futures::future::join_all(runs).await;
}
