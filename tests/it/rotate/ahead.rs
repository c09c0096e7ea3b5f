//! When a run connects to Azure, and what it sends there before it has read the
//! cluster.

use std::time::Duration;

use apim_sandbox::azure::{Operation, Slot};
use apim_sandbox::manifests::GatewayManifest;
use apim_sandbox::relay::Relay;
use apim_sandbox::wait;
use apim_sandbox::wire::{Action, Fault, Wire};
use http::Method;
use serde_json::Value;

use super::resume::restart_owed;
use super::{broken, fails};
use crate::case::{Case, DAY, LIMIT};
use crate::run::Run;

/// How late the answer to the read of the Secret is.
const LATE: Duration = Duration::from_secs(2);

/// Proxies in front of the API server, which answers late, and of Azure.
async fn wires(case: &Case) -> (Wire, Wire) {
    let kubernetes = case.sandbox.wire(&case.kubeconfig_path()).await.unwrap();
    kubernetes.fault(Fault::on("/secrets/", Action::Delay(LATE)).method(Method::GET));
    (kubernetes, case.azure().wire().await.unwrap())
}

fn through<'a>(run: Run<'a>, wires: &(Wire, Wire)) -> Run<'a> {
    let (kubernetes, azure) = wires;
    run.envs(&[kubernetes.variable(), azure.variable()])
}

/// A relay in front of Azure, which counts the connections.
fn relay(case: &Case) -> (Relay, String) {
    let proxy = case.azure().proxy_url();
    let address = proxy.trim_start_matches("http://").parse().unwrap();
    let relay = Relay::start(address, Duration::ZERO).unwrap();
    let proxy = format!("http://{}", relay.address());
    (relay, proxy)
}

#[tokio::test]
async fn with_a_given_cloud_it_signs_in_while_the_cluster_is_read() {
    let case = broken("ahead", &Value::Null, &Value::Null).await;
    let wires = wires(&case).await;
    let line = ["rotate", "deploy/gw", "--no-wait", "--cloud", "public"];
    through(case.apim(&line), &wires).exits(0).await;
    let read = wires.0.seen_of(&Method::GET, "/secrets/")[0].at;
    let signed_in = wires.1.seen_of(&Method::POST, "/oauth2/")[0].at;
    assert!(signed_in < read + LATE, "{:?}", signed_in - read);
    assert_eq!(wires.1.seen_of(&Method::POST, "/generateToken").len(), 1);
    assert_eq!(wires.1.seen_of(&Method::POST, "/oauth2/").len(), 1);
}

#[tokio::test]
async fn without_one_it_connects_and_sends_nothing_until_the_cluster_was_read() {
    let case = broken("ahead-likely", &Value::Null, &Value::Null).await;
    let wires = wires(&case).await;
    let (relay, proxy) = relay(&case);
    let line = ["rotate", "deploy/gw", "--no-wait"];
    let run = through(case.apim(&line), &wires).env("HTTPS_PROXY", &proxy);
    let running = run.start().await;
    wait::until("connections to Azure", LIMIT, async || {
        Ok((relay.connections() == 2).then_some(()))
    })
    .await
    .unwrap();
    running.ends(0).await;
    // Both connections were used, and no other.
    assert_eq!(relay.connections(), 2);

    let (kubernetes, azure) = &wires;
    through(case.apim(&line), &wires).exits(0).await;
    let read = kubernetes.seen_of(&Method::GET, "/secrets/").pop().unwrap().at;
    let sent = azure.seen();
    assert!(!sent.is_empty());
    assert!(sent.iter().all(|seen| seen.at >= read + LATE), "{sent:?}");
}

#[tokio::test]
async fn the_likely_cloud_gets_nothing_if_the_endpoint_is_of_another() {
    let case = Case::new("ahead-china").await;
    let endpoint = format!("https://{}.configuration.azure-api.cn", case.gateway.service);
    let token = case.token(Slot::Primary, DAY);
    case.deploy(&GatewayManifest::portal("gw", &endpoint, &token).replicas(0))
        .await;
    let azure = case.azure().wire().await.unwrap();
    let (name, value) = azure.variable();
    case.apim(&["rotate"]).env(name, value).exits(0).await;
    let uris: Vec<String> = azure.seen().into_iter().map(|seen| seen.uri).collect();
    assert!(
        uris.iter().all(|uri| uri.contains("chinacloudapi.cn/")),
        "{uris:?}"
    );
}

#[tokio::test]
async fn what_is_not_due_makes_no_connection_to_azure() {
    let case = broken("ahead-not-due", &Value::Null, &Value::Null).await;
    let (relay, proxy) = relay(&case);
    for cloud in [&[][..], &["--cloud", "public"]] {
        let line = [&["rotate", "deploy/gw", "--if-expiring-within", "1d"], cloud].concat();
        case.apim(&line).env("HTTPS_PROXY", &proxy).exits(0).await;
    }
    assert_eq!(relay.connections(), 0);
}

#[tokio::test]
async fn an_error_of_the_cluster_is_found_before_anything_is_sent_to_azure() {
    let case = broken("ahead-error", &Value::Null, &Value::Null).await;
    let signed_in = case.requests(Operation::SignIn).len();
    let says = ["secret/elsewhere (--token-secret)", "gw-token"];
    fails(&case, &["-t", "elsewhere"], 4, &says).await;
    assert_eq!(case.requests(Operation::SignIn).len(), signed_in);
}

#[tokio::test]
async fn an_unfinished_rotation_is_completed_although_the_sign_in_fails() {
    let case = Case::new("ahead-owed").await;
    restart_owed(&case).await;
    let ended = case
        .apim(&["rotate", "--cloud", "public"])
        .env("AZURE_CLIENT_SECRET", "another-secret")
        .exits(0)
        .await;
    ended.says(&["written, but not restarted", "proved"]);
    assert_eq!(case.mints(), 1);
}

#[tokio::test]
async fn a_wrong_secret_is_sent_once_and_named() {
    let case = broken("ahead-secret", &Value::Null, &Value::Null).await;
    let run = case
        .apim(&["rotate", "--cloud", "public"])
        .env("AZURE_CLIENT_SECRET", "another-secret");
    case.fails_untouched(run, 1).await.says(&["AADSTS7000215"]);
    assert_eq!(case.requests(Operation::SignIn).len(), 1);
}
