//! A client secret or a certificate that is due.

use std::time::Duration;

use apim_sandbox::azure::{Action, Fault, Operation};
use apim_sandbox::{wait, wire};
use http::Method;
use jiff::SignedDuration;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::EntraCase;
use crate::case::LIMIT;

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// The credentials of the app of the test, by their ids.
pub(super) fn ids(entra: &EntraCase) -> Vec<String> {
    let app = entra.apps().remove(0);
    let secrets = app.passwords.into_iter().map(|it| it.key_id);
    secrets.chain(app.keys.into_iter().map(|it| it.key_id)).collect()
}

/// Time passes, until what the app has is due.
pub(super) fn is_due(entra: &EntraCase) {
    let azure = entra.case.azure();
    let life = (azure.now() - DAY * 170, azure.now() + DAY * 10);
    let app = entra.apps().remove(0).app_id;
    azure.directory(|it| {
        it.change_application(&app, |app| {
            for secret in &mut app.passwords {
                (secret.start, secret.end) = life;
            }
            for key in &mut app.keys {
                (key.start, key.end) = life;
            }
        })
    });
}

async fn renewed(mode: &str) {
    let entra = EntraCase::new("renewal").await;
    entra.deploy(|_| {}).await;
    let flags = ["--create-app", "gw", "--mode", mode, "--yes"];
    entra.setup(&flags).exits(0).await;
    entra.case.rolled_out("gw").await;
    let before = ids(&entra);
    is_due(&entra);
    let ended = entra.setup(&flags).exits(0).await;
    ended.says(&["proved", "once the pods have proved the new one"]);
    assert!(
        ended.stdout.contains(&format!("it replaces {}", before[0])),
        "{}",
        ended.stdout
    );
    entra.case.rolled_out("gw").await;
    let after = ids(&entra);
    assert!(after.len() == 1 && after != before, "{before:?} {after:?}");
    let template = entra.case.template_annotations("gw").await;
    let marks: Vec<&str> = template["apim-rotate/rotation-id"].split(',').collect();
    assert!(marks.len() == 2 && marks[0] == after[0], "{marks:?}");
    let again = entra.setup(&flags).exits(0).await.stdout;
    assert!(again.lines().all(|line| line.starts_with(['=', ' '])), "{again}");
}

/// Two workloads share a Secret. The pods of the other one keep what they were started with.
async fn one_of_two() {
    let entra = EntraCase::new("renewal-of-two").await;
    entra.deploy(|_| {}).await;
    entra
        .deploy(|it| {
            it["metadata"]["name"] = "other".into();
            let labels = serde_json::json!({"app": "other"});
            it["spec"]["selector"]["matchLabels"] = labels.clone();
            it["spec"]["template"]["metadata"]["labels"] = labels;
        })
        .await;
    let flags = [
        "--create-app",
        "gw",
        "--mode",
        "app-secret",
        "--secret",
        "gw-entra",
        "--yes",
    ];
    let run = |name: &str| entra.setup_of(&[&[name][..], &flags].concat()).exits(0);
    run("deploy/gw").await;
    run("deploy/other").await;
    entra.case.rolled_out("other").await;
    let before = ids(&entra);
    assert_eq!(before.len(), 1);
    is_due(&entra);
    let renewal = run("deploy/gw").await.stdout;
    let note = format!("{} stays in the app, because pod/other-", before[0]);
    assert!(renewal.contains(&note), "{renewal}");
    assert!(ids(&entra).contains(&before[0]));
    // Until then the old pod of the first one may have the previous credential too.
    entra.case.rolled_out("gw").await;
    let restarted = run("deploy/other").await;
    let after = ids(&entra);
    assert!(
        after.len() == 1 && after != before,
        "{before:?} {after:?}: {}\n{}",
        restarted.stdout,
        restarted.stderr
    );
    let again = run("deploy/gw").await.stdout;
    assert!(again.lines().all(|line| line.starts_with(['=', ' '])), "{again}");
}

/// Another run writes the Secret after this one has read it.
async fn raced() {
    let entra = EntraCase::new("renewal-raced").await;
    entra.deploy(|_| {}).await;
    let flags = ["--create-app", "gw", "--mode", "app-secret", "--yes"];
    entra.setup(&flags).exits(0).await;
    entra.case.rolled_out("gw").await;
    is_due(&entra);
    let before = (ids(&entra), entra.azure_writes().len());
    let case = &entra.case;
    let slow = Fault::on(
        Operation::ListOwners,
        Action::delay_before(Duration::from_secs(8)),
    );
    case.azure()
        .fault(slow.matching(&case.principal.client_id).once());
    let asked = case.requests(Operation::ListOwners).len();
    let wire = case.sandbox.wire(&case.kubeconfig_path()).await.unwrap();
    let run = entra.setup(&flags).through(&wire).start().await;
    wait::until("the Secret to be read", LIMIT, async || {
        let is_read = !wire.seen_of(&Method::GET, "/secrets/gw-entra").is_empty();
        let is_held = case.requests(Operation::ListOwners).len() > asked;
        Ok((is_read && is_held).then_some(()))
    })
    .await
    .unwrap();
    let id = uuid::Uuid::new_v4().to_string();
    let other = json!({
        "metadata": {"annotations": {"apim-rotate/key-id": id}},
        "stringData": {"azure-ad-app-secret": "zzz8Q~Hn3bVx6Cm1Kd8Ws5Ef2Rt9Yg4Uj7Ip0LoQ"},
    });
    let (params, patch) = (PatchParams::default(), Patch::Merge(&other));
    let written = case.secrets().patch("gw-entra", &params, &patch).await.unwrap();
    let ended = run.ends(3).await;
    ended.says(&[
        "something else wrote secret/gw-entra during this run, and that stays",
        "run the same command again",
    ]);
    assert_eq!((ids(&entra), entra.azure_writes().len()), before);
    let now = case.secrets().get("gw-entra").await.unwrap();
    assert_eq!(now.metadata.resource_version, written.metadata.resource_version);
}

/// Another run has read the certificates of the app before, and writes them back.
async fn lost() {
    let entra = EntraCase::new("lost-certificate").await;
    entra.deploy(|_| {}).await;
    let flags = ["--create-app", "gw", "--mode", "app-certificate", "--yes"];
    let run = entra.setup(&flags).start().await;
    wait::until("a certificate", LIMIT, async || {
        let apps = entra.apps();
        let added = apps.first().filter(|app| !app.keys.is_empty());
        Ok(added.map(|app| {
            let azure = entra.case.azure();
            azure.directory(|it| it.change_application(&app.app_id, |app| app.keys.clear()));
        }))
    })
    .await
    .unwrap();
    run.ends(0).await.says(&["it was added again", "proved"]);
    assert_eq!(ids(&entra).len(), 1);
    entra.case.rolled_out("gw").await;
}

/// The settings of a gateway that signs in as an app with `secret/gw-entra`.
fn settings(entra: &EntraCase, app: &str) -> Vec<Value> {
    let text = |name: &str, value: &str| json!({"name": name, "value": value});
    vec![
        text("gateway.name", &entra.case.gateway.name),
        text("config.service.auth", "azureAdApp"),
        text(
            "config.service.auth.azureAd.tenantId",
            &entra.case.principal.tenant,
        ),
        text("config.service.auth.azureAd.clientId", app),
        json!({
            "name": "config.service.auth.azureAd.clientSecret",
            "valueFrom": {"secretKeyRef": {"name": "gw-entra", "key": "azure-ad-app-secret"}},
        }),
    ]
}

/// A day has passed since it was made.
fn is_older(entra: &EntraCase, secret: &str) {
    let app = entra.apps().remove(0).app_id;
    entra.case.azure().directory(|it| {
        it.change_application(&app, |app| {
            let made = app.passwords.iter_mut().find(|it| it.key_id == secret);
            made.unwrap().start -= DAY;
        })
    });
}

/// Somebody has deployed the workload after the set-up, so that its pods carry no mark, and
/// has deleted the Secret, which its pods run with all the same.
async fn without_secret(release: Option<&str>) {
    let entra = EntraCase::new("renewal-lost-secret").await;
    let flags = ["--create-app", "gw", "--mode", "app-secret", "--yes"];
    let ahead = [&flags[..], &["--secret", "gw-entra"]].concat();
    entra.setup_of(&ahead).exits(0).await;
    let app = entra.apps().remove(0).app_id;
    entra
        .deploy(|it| {
            if let Some(release) = release {
                it["metadata"]["annotations"] =
                    json!({"meta.helm.sh/release-name": release, "meta.helm.sh/release-namespace": "apim"});
            }
            let env = &mut it["spec"]["template"]["spec"]["containers"][0]["env"];
            env.as_array_mut().unwrap().extend(settings(&entra, &app));
        })
        .await;
    entra.case.rolled_out("gw").await;
    let old = ids(&entra).remove(0);
    entra.case.shell("kubectl delete secret gw-entra").exits(0).await;

    let setup = || entra.setup(&flags);
    if release.is_none() {
        let asked = reads_of(&entra, &app).len();
        setup()
            .exits(0)
            .await
            .says(&["proved", "once the pods have proved the new one"]);
        entra.case.rolled_out("gw").await;
        assert!(ids(&entra).len() == 1 && ids(&entra)[0] != old);
        let removed = entra.case.azure().requests_where(|request| {
            request.operation == Some(Operation::RemovePassword)
                && request.principal.as_ref() == Some(&entra.case.principal.client_id)
        });
        // By the run, and then by the new pod.
        let read = &reads_of(&entra, &app)[asked..];
        assert!(
            read.len() >= 2 && read[1].time <= removed[0].time,
            "{read:?} {removed:?}"
        );
        return;
    }
    let ended = setup().exits(4).await;
    let note = format!("{old} stays in the app, because pod/gw-");
    assert!(ended.stdout.contains(&note), "{}", ended.stdout);
    assert!(ids(&entra).len() == 2 && ids(&entra)[0] == old);
    entra
        .case
        .shell("kubectl rollout restart deployment/gw")
        .exits(0)
        .await;
    entra.case.rolled_out("gw").await;
    // Another run may be writing what is new.
    let early = setup().exits(0).await;
    assert!(
        early.stdout.contains(&format!("{old} stays for now")),
        "{}",
        early.stdout
    );
    is_older(&entra, &old);
    let ended = setup().exits(0).await;
    ended.says(&["remove a client secret of the app that no pod uses"]);
    assert!(ids(&entra).len() == 1 && ids(&entra)[0] != old);
}

/// The reads of the configuration with a token of an app.
fn reads_of(entra: &EntraCase, app: &str) -> Vec<apim_sandbox::azure::Request> {
    entra.case.azure().requests_where(|request| {
        request.operation == Some(Operation::Configuration) && request.principal.as_deref() == Some(app)
    })
}

/// Side by side, since most of their time is waiting.
#[tokio::test]
async fn what_is_due_is_renewed_where_it_is() {
    tokio::join!(
        renewed("app-secret"),
        renewed("app-certificate"),
        one_of_two(),
        raced(),
        lost(),
        without_secret(None),
        without_secret(Some("gw"))
    );
}

#[tokio::test]
async fn an_attempt_without_an_answer_leaves_what_the_pods_use() {
    let entra = EntraCase::new("renewal-5xx").await;
    entra.deploy(|_| {}).await;
    let flags = ["--create-app", "gw", "--mode", "app-secret", "--yes"];
    entra.setup(&flags).exits(0).await;
    entra.case.rolled_out("gw").await;
    let before = ids(&entra);
    is_due(&entra);
    let app = entra.apps().remove(0).id;
    let fault = Fault::on(Operation::AddPassword, Action::ResetAfter);
    entra.case.azure().fault(fault.matching(&app));
    let made = entra.case.requests(Operation::AddPassword).len();
    let run = entra.setup(&flags).start().await;
    // What the first attempt may have made is removed before the second one.
    wait::until("the second attempt", LIMIT, async || {
        let attempts = entra.case.requests(Operation::AddPassword).len() - made;
        Ok((attempts >= 2).then_some(()))
    })
    .await
    .unwrap();
    run.signal("KILL").await;
    run.ended().await;
    assert!(ids(&entra).contains(&before[0]), "{:?}", ids(&entra));
}

#[tokio::test]
async fn status_shows_a_renewal_that_ended_before_its_restart() {
    let entra = EntraCase::new("renewal-owed").await;
    entra.deploy(|_| {}).await;
    let flags = ["--create-app", "gw", "--mode", "app-secret", "--yes"];
    entra.setup(&flags).exits(0).await;
    entra.case.rolled_out("gw").await;
    let verdict = async || {
        let status = entra.case.apim(&["status", "-o", "json"]).exits(0).await;
        status.gateway("gw")["verdict"].as_str().unwrap().to_owned()
    };
    assert_eq!(verdict().await, "Healthy");
    is_due(&entra);
    let wire = entra.case.sandbox.wire(&entra.case.kubeconfig_path()).await;
    let wire = wire.unwrap();
    let restart = wire::Fault::on("/deployments/gw?&fieldManager", wire::Action::Hang);
    wire.fault(restart.once().method(Method::PATCH));
    let run = entra.setup(&flags).through(&wire).start().await;
    wait::until("the restart", LIMIT, async || {
        let mut seen = wire.seen_of(&Method::PATCH, "/deployments/gw");
        seen.retain(|seen| !seen.uri.contains("dryRun"));
        Ok((!seen.is_empty()).then_some(()))
    })
    .await
    .unwrap();
    run.signal("KILL").await;
    run.ended().await;
    assert_eq!(verdict().await, "RestartOwed");
    entra.setup(&flags).exits(0).await;
    entra.case.rolled_out("gw").await;
    assert_eq!(verdict().await, "Healthy");
}
