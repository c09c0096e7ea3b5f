//! A run that is interrupted: its exit code shows what is owed, and
//! the next run does it.

use std::time::Duration;

use apim_sandbox::azure::Action;
use apim_sandbox::wait;

use super::ROTATION_ID;
use crate::case::{Case, LIMIT};
use crate::terminal::Answer;

#[tokio::test]
async fn before_the_write_nothing_has_changed() {
    let case = Case::new("term-before").await;
    let manifest = case.idle_portal();
    case.deploy(&manifest).await;
    let before = case.versions().await;
    case.disturb_mint(Action::delay_before(Duration::from_secs(30)), 1);
    for signal in ["TERM", "INT"] {
        let asked = case.mints();
        let run = case.apim(&["rotate"]).start().await;
        case.mints_reach(asked + 1).await;
        if signal == "TERM" {
            case.disturb_mint(Action::delay_before(Duration::from_secs(30)), 1);
        }
        run.signal(signal).await;
        run.ends(1).await.says(&["interrupted; nothing was changed"]);
    }
    assert_eq!(case.versions().await, before);
}

/// Ends a run while its pods start slowly, and completes it by another.
async fn after_the_write(name: &str, signal: &str, code: Option<i32>) {
    let case = Case::new(name).await;
    let manifest = case.portal().mode("slow:3");
    case.deploy(&manifest).await;
    let run = case.apim(&["rotate"]).start().await;
    let id = case.written(&manifest).await;
    run.signal(signal).await;
    let ended = run.ended().await;
    assert_eq!(ended.code, code, "{}", ended.stderr);
    if code.is_some() {
        ended.says(&[
            "the token may have been written",
            "completes an unfinished rotation",
        ]);
    }

    case.apim(&["rotate"]).exits(0).await;
    assert_eq!(case.mints(), 1, "the token that is there is good");
    assert_eq!(case.annotation(&manifest, ROTATION_ID).await, Some(id.clone()));
    case.rolled_out("gw").await;
    let template = case.template_annotations("gw").await;
    assert_eq!(template.get(ROTATION_ID), Some(&id));
    let presented = case.azure().presentations(&case.gateway);
    assert_eq!(presented.accepted, 2, "the pods were restarted once");
}

#[tokio::test]
async fn after_the_write_the_next_run_completes_what_is_owed() {
    after_the_write("term-after", "TERM", Some(3)).await;
}

#[tokio::test]
async fn killed_after_the_write_the_next_run_completes_what_is_owed() {
    after_the_write("kill-after", "KILL", None).await;
}

#[tokio::test]
async fn a_completion_says_what_is_owed() {
    let case = Case::new("term-completing").await;
    let manifest = case.portal().mode("slow:5");
    case.deploy(&manifest).await;
    let run = case.apim(&["rotate"]).start().await;
    let id = case.written(&manifest).await;
    wait::until("the restart", LIMIT, async || {
        let template = case.template_annotations("gw").await;
        Ok((template.get(ROTATION_ID) == Some(&id)).then_some(()))
    })
    .await
    .unwrap();
    run.signal("KILL").await;
    run.ended().await;

    let mut completion = case.on_a_terminal("rotate");
    completion.shows("completing it, without a new token").await;
    completion.shows("waiting").await;
    let shown = completion.ends(Answer::Signals("TERM"), 3).await;
    assert!(
        shown.contains("the restart of an earlier rotation, or its proof, is still owed"),
        "{shown}"
    );
    assert!(shown.contains("completes an unfinished rotation"), "{shown}");
    case.apim(&["rotate"]).exits(0).await;
}
