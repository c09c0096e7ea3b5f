//! Printed commands, pasted: they reach the cluster of the run that printed them.

use std::fs;

use serde_json::{Value, json};

use crate::case::Case;
use crate::status::gallery::gallery;

/// A kubeconfig whose current context is a cluster that does not answer; `here` is the
/// sandbox, in another namespace than that of the case.
fn with_another_current_context(case: &Case) -> String {
    let text = fs::read_to_string(case.kubeconfig_path()).unwrap();
    let mut kubeconfig: Value = serde_json::from_str(&text).unwrap();
    let mut here = kubeconfig["contexts"][0].clone();
    here["name"] = json!("here");
    here["context"]["namespace"] = json!("default");
    let mut elsewhere = here.clone();
    elsewhere["name"] = json!("elsewhere");
    elsewhere["context"]["cluster"] = json!("elsewhere");
    let cluster = json!({"name": "elsewhere", "cluster": {"server": "https://127.0.0.1:1"}});
    kubeconfig["clusters"].as_array_mut().unwrap().push(cluster);
    kubeconfig["contexts"] = json!([here, elsewhere]);
    kubeconfig["current-context"] = json!("elsewhere");
    let file = case.file("two contexts", &kubeconfig.to_string());
    file.display().to_string()
}

#[tokio::test]
async fn each_fix_of_status_reaches_its_cluster() {
    let case = gallery("pasted").await;
    let file = with_another_current_context(&case);
    let flags = ["--kubeconfig", &file, "--context", "here"];
    let status = [&["status", "-n", &case.namespace], &flags[..]].concat();
    let ended = case.apim(&[&status[..], &["-o", "json"]].concat()).exits(0).await;
    let fixes: Vec<String> = ended.json()["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|item| item["fix"].as_str().map(str::to_owned))
        .filter(|fix| fix.starts_with("kubectl "))
        .collect();
    assert!(fixes.len() >= 4, "{fixes:#?}");
    for fix in &fixes {
        let pasted = case
            .shell(fix)
            .without(&["KUBECONFIG"])
            .start()
            .await
            .ended()
            .await;
        assert!(!pasted.stderr.contains("127.0.0.1:1"), "{fix}: {}", pasted.stderr);
        let is_kubectls = !fix.starts_with("kubectl apim");
        assert!(!is_kubectls || pasted.code == Some(0), "{fix}: {}", pasted.stderr);
    }
    let table = case.apim(&status).exits(0).await;
    assert!(
        table
            .stderr
            .contains(&format!("--kubeconfig '{file}' --context here "))
    );
}

#[tokio::test]
async fn each_hint_reaches_its_cluster() {
    let case = Case::new("pasted-hints").await;
    case.deploy(&case.portal()).await;
    case.patch_deployment("gw", &json!({"spec": {"paused": true}}))
        .await;
    let file = with_another_current_context(&case);
    let given = format!(
        "kubectl --kubeconfig '{file}' --context here -n {}",
        case.namespace
    );
    let resume = format!("resume it first: {given} rollout resume deployment.apps/gw");
    let line = ["--kubeconfig", &file, "-n", &case.namespace];
    let of_one = [&["rotate", "gw", "--context", "here"], &line[..]].concat();
    case.apim(&of_one).exits(4).await.says(&[&resume]);
    let of_fleet = [&["rotate", "--all", "--yes", "--contexts", "here"], &line[..]].concat();
    let fleet = case
        .apim(&[&of_fleet[..], &["-o", "json"]].concat())
        .exits(6)
        .await;
    fleet.says(&[&resume]);
    assert_eq!(fleet.json()["items"][0]["error"]["hints"][0], json!(resume));
    let unknown = [&["rotate", "nope", "--context", "here"], &line[..]].concat();
    let listed = format!("list the workloads: {given} get deployments,statefulsets,daemonsets");
    case.apim(&unknown).exits(1).await.says(&[&listed]);
}
