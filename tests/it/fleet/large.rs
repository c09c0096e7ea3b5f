//! Fleets that are larger than one looks at.

use std::collections::BTreeMap;

use apim_sandbox::azure::{Action, Fault, Operation};
use futures::{StreamExt, stream};
use serde_json::json;

use crate::case::Case;

#[tokio::test]
async fn of_two_hundred_three_are_broken_and_the_rerun_touches_only_those() {
    let case = Case::new("fleet-200").await;
    let manifests = case.members(200).await;
    // One that Azure does not have, one that may not be minted for, one that
    // cannot be written.
    let token = case.credential(&manifests[16]).await.replace("gw-017&", "gone&");
    case.patch_secret("gw-017-token", &json!({"stringData": {"value": token}}))
        .await;
    let body = r#"{"error":{"code":"Conflict","message":"The gateway is being updated."}}"#;
    let busy = Action::Status {
        code: 409,
        body: body.to_owned(),
        headers: Vec::new(),
    };
    let path = format!("{}/gateways/gw-042/", case.gateway.service);
    case.azure()
        .fault(Fault::on(Operation::GenerateToken, busy).matching(&path).times(2));
    case.patch_secret("gw-101-token", &json!({"immutable": true}))
        .await;

    let line = [
        "rotate",
        "--all",
        "--burst",
        "--if-older-than",
        "1h",
        "-o",
        "json",
    ];
    let ended = case.apim(&line).exits(6).await;
    assert_eq!(ended.with_outcome("Rotated").len(), 197);
    assert_eq!(ended.with_outcome("Failed"), ["gw-017-token", "gw-042-token"]);
    assert_eq!(ended.with_outcome("Refused"), ["gw-101-token"]);
    ended.says(&[
        "gateway `gone` of service",
        "was not found",
        "The gateway is being updated",
        "gw-101-token",
        "is immutable",
        "200 gateways: 197 rotated, 1 refused, 2 failed",
    ]);
    assert_eq!(case.mints(), 198);

    let before = case.kube_writes().await.len();
    let rerun = case.apim(&line).exits(6).await;
    assert_eq!(rerun.with_outcome("NotDue").len(), 197);
    assert_eq!(rerun.with_outcome("Failed"), ["gw-017-token", "gw-042-token"]);
    assert_eq!(case.mints(), 199, "only the one that may work by now was tried");
    let mut writes = case.kube_writes().await;
    let touched: Vec<String> = writes.drain(before..).map(|write| write.uri).collect();
    assert!(touched.iter().all(|uri| uri.contains("gw-042")), "{touched:?}");
}

#[tokio::test]
async fn killed_at_half_of_a_fleet_the_rerun_does_the_rest_and_nothing_twice() {
    let case = Case::new("fleet-killed").await;
    let manifests = case.members(80).await;
    let line = [
        "rotate",
        "--all",
        "--burst",
        "--no-wait",
        "--if-older-than",
        "1h",
        "--max-parallel",
        "4",
    ];
    // Slow enough to be caught in the middle on any machine.
    case.disturb_mint(Action::delay_before(std::time::Duration::from_millis(250)), 80);
    let run = case.apim(&line).start().await;
    case.mints_reach(40).await;
    run.signal("KILL").await;
    assert_eq!(run.ended().await.code, None);
    let half: Vec<bool> = stream::iter(&manifests)
        .map(async |manifest| {
            case.annotation(manifest, "apim-rotate/rotation-id")
                .await
                .is_some()
        })
        .buffered(16)
        .collect()
        .await;
    assert!(
        half.contains(&true) && half.contains(&false),
        "it was killed between the first and the last"
    );

    case.apim(&line).exits(0).await;
    for manifest in &manifests {
        let id = case.annotation(manifest, "apim-rotate/rotation-id").await;
        assert!(id.is_some(), "{} was left out", manifest.secret_name());
        let template = case.template_annotations(&manifest.workload_name()).await;
        assert_eq!(template.get("apim-rotate/rotation-id"), id.as_ref());
        assert!(case.azure().accepts(&case.credential(manifest).await));
    }
    let mut writes: BTreeMap<String, usize> = BTreeMap::new();
    for write in case.kube_writes().await {
        if !write.dry_run && write.resource.as_deref() == Some("secrets") {
            *writes
                .entry(write.uri.split('?').next().unwrap().to_owned())
                .or_default() += 1;
        }
    }
    assert_eq!(writes.len(), 80);
    let twice: Vec<_> = writes.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "rotated twice: {twice:?}");
}
