//! Time shows that Azure refused a token only if nothing else explains it.

use apim_sandbox::azure::Action;
use apim_sandbox::manifests::apply;
use serde_json::json;

use super::super::refused::with_previous_token_of_the_secondary_key;
use super::SHORT;
use crate::case::Case;

/// A healthy rotation that is not proved in time: nothing is put back.
async fn stays(case: &Case) {
    let line: Vec<&str> = ["rotate", "-k", "primary"].into_iter().chain(SHORT).collect();
    let ended = case.apim(&line).exits(3).await;
    ended.says(&["the new token is in place, but not proved", "at the deadline"]);
    case.apim(&["rotate"]).exits(0).await;
    assert_eq!(case.answered_mints(), 1);
}

#[tokio::test]
async fn a_new_pod_of_one_workload_speaks_for_the_token_in_all_of_them() {
    let case = Case::new("time-two").await;
    let manifest = with_previous_token_of_the_secondary_key(&case, None).await;
    let mut objects = manifest.objects().into_iter();
    let mut second = objects.find(|object| object["kind"] == "Deployment").unwrap();
    second["metadata"]["name"] = json!("second");
    second["spec"]["selector"] = json!({"matchLabels": {"app": "second"}});
    second["spec"]["template"]["metadata"] =
        json!({"labels": {"app": "second"}, "annotations": {"sandbox.apim/mode": "slow:38"}});
    apply(&case.client, &case.namespace, second).await.unwrap();
    case.rolled_out("second").await;
    stays(&case).await;
}

#[tokio::test]
async fn a_pod_that_had_no_time_to_start_is_not_evidence() {
    let case = Case::new("time-short").await;
    with_previous_token_of_the_secondary_key(&case, Some("slow:10")).await;
    // Leaves the proof some seconds.
    case.disturb_mint(Action::retry_after(429, 24), 1);
    stays(&case).await;
}
