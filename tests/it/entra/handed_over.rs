//! A credential that an administrator makes by the printed script, for a caller who may
//! not change apps.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use apim_sandbox::azure::{Directory, Grant, GraphRights, KeyCredential, PasswordCredential, Principal};

use serde_json::json;

use super::EntraCase;
use crate::run::Ended;

/// In the form of Entra's.
const SECRET: &str = "q7x8Q~Zk4vWn9Tb2Lr6Yd1Hs8Mf3Gc5Xj0Qp7aE";

/// Stands in for the Azure CLI: it prints a client secret as that does, or keeps the
/// certificate that it is given.
const AZ: &str = r#"#!/bin/sh
case "$*" in
*--cert*) for last; do :; done; cp "${last#@}" "$HOME/given.crt" ;;
*"credential reset"*) echo 'q7x8Q~Zk4vWn9Tb2Lr6Yd1Hs8Mf3Gc5Xj0Qp7aE' ;;
*) echo "not expected: $*" >&2; exit 1 ;;
esac
"#;

/// Somebody of the tenant who may do everything in Azure, and only read apps.
fn signs_in_as_a_reader_of_apps(entra: &mut EntraCase) {
    signs_in_with(entra, |it| it.with_graph(GraphRights::ReadAll));
}

fn signs_in_with(entra: &mut EntraCase, rights: impl FnOnce(Principal) -> Principal) {
    let scope = format!("/subscriptions/{}", entra.case.gateway.subscription);
    let principal = Principal {
        tenant: entra.case.principal.tenant.clone(),
        ..Principal::random()
    };
    let principal = rights(principal.with(Grant::new(&scope, &["*"])));
    entra.case.azure().add_principal(principal.clone());
    entra.case.principal = principal;
}

/// Runs the printed script as an administrator, and gives Entra what it has made.
async fn is_handed_over(entra: &EntraCase, script: &str, app: &str, is_certificate: bool) {
    let az = entra.case.file("az", AZ);
    std::fs::set_permissions(&az, std::fs::Permissions::from_mode(0o755)).unwrap();
    let folder = az.parent().unwrap();
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", folder.display());
    let script = entra.case.file("setup.sh", script);
    let line = format!("sh -u {}", script.display());
    entra.case.shell(&line).env("PATH", &path).exits(0).await;
    let key = is_certificate.then(|| certificate(folder));
    entra.case.azure().directory(|it| {
        it.change_application(app, |app| match key {
            Some(key) => app.keys.push(key),
            None => app.passwords.push(PasswordCredential::new(SECRET)),
        })
    });
}

fn certificate(folder: &Path) -> KeyCredential {
    let given = std::fs::read_to_string(folder.join("given.crt")).unwrap();
    KeyCredential::from_pem(&given).unwrap()
}

fn marks(ended: &Ended) -> String {
    let lines = ended.stdout.lines();
    lines
        .filter_map(|line| line.chars().next())
        .filter(|mark| *mark != ' ')
        .collect()
}

async fn credential_of_an_administrator(mode: &str) {
    let mut entra = EntraCase::new("handed-over").await;
    entra.case.hides(SECRET);
    entra.deploy(|_| {}).await;
    let (app, _) = super::registered(&entra, |_, _| {});
    signs_in_as_a_reader_of_apps(&mut entra);
    let flags = ["--app", &app, "--mode", mode];
    let run = |more: &[&str]| entra.setup(&[&flags[..], more].concat());
    run(&["--yes"]).exits(4).await;
    let script = run(&["--print-az"]).exits(0).await.stdout;
    is_handed_over(&entra, &script, &app, mode == "app-certificate").await;

    let adopted = run(&["--yes"]).exits(0).await;
    adopted.says(&["proved"]);
    let tried = adopted.stdout.lines().any(|line| {
        line.starts_with("? secret/gw-entra seems to hold") && line.contains("was not written here")
    });
    assert!(tried, "{}", adopted.stdout);
    entra.case.rolled_out("gw").await;
    let writes = entra.azure_writes().len();
    let again = run(&["--yes"]).exits(0).await;
    assert!(marks(&again).chars().all(|mark| mark == '='), "{}", again.stdout);
    assert_eq!(entra.azure_writes().len(), writes);
    let apps = entra.apps();
    let found = apps.iter().find(|it| it.app_id == app).unwrap();
    assert_eq!(found.passwords.len() + found.keys.len(), 1);
    let status = entra.case.apim(&["status", "-o", "json"]).exits(0).await.json();
    assert_eq!(
        status["items"][0]["entra"]["expiryFrom"], "annotation",
        "{status:#}"
    );
    if mode == "app-secret" {
        what_is_of_no_use_is_left_to_others(&entra, &script, &app, &flags).await;
    }
}

/// A credential of the script that the Secret no longer holds.
async fn what_is_of_no_use_is_left_to_others(entra: &EntraCase, script: &str, app: &str, flags: &[&str]) {
    let name = script.split("--display-name '").nth(1).unwrap();
    let (name, _) = name.split_once('\'').unwrap();
    let unused = PasswordCredential {
        display_name: Some(name.to_owned()),
        ..PasswordCredential::new("b4y8Q~Bu1cNe8Rk5Va3Wd7Ty2Js9Lm4Fh6Gx0PqZ")
    };
    let id = unused.key_id.clone();
    let azure = entra.case.azure();
    azure.directory(|it| it.change_application(app, |app| app.passwords.push(unused)));
    let ended = entra.setup(&[flags, &["--yes"]].concat()).exits(0).await;
    ended.says(&["have it removed: az ad app credential delete --id ", &id]);
}

/// What the app does not have is not taken, and what Entra refuses is not recorded.
async fn another_secret() {
    let mut entra = EntraCase::new("not-handed-over").await;
    entra.case.hides(SECRET);
    entra.deploy(|_| {}).await;
    let (app, _) = super::registered(&entra, |app, _| {
        app.passwords.push(PasswordCredential::new(
            "q7x8Q~Bu1cNe8Rk5Va3Wd7Ty2Js9Lm4Fh6Gx0PqZ",
        ));
    });
    signs_in_as_a_reader_of_apps(&mut entra);
    let create = |name: &str, value: &str| {
        let line =
            format!("kubectl create secret generic {name} --from-literal=azure-ad-app-secret='{value}'");
        entra.case.shell(&line).exits(0)
    };
    create("foreign", "zzz8Q~Hn3bVx6Cm1Kd8Ws5Ef2Rt9Yg4Uj7Ip0LoQ").await;
    create("broken", &format!("{SECRET}\n")).await;
    let run = |secret: &str| {
        let flags = [
            "--app",
            &app,
            "--mode",
            "app-secret",
            "--secret",
            secret,
            "--dry-run",
        ];
        entra.setup(&flags).exits(4)
    };
    for secret in ["foreign", "broken"] {
        let plan = run(secret).await.stdout;
        let line = format!(
            "! secret/{secret} in namespace {} has azure-ad-app-secret already",
            entra.case.namespace
        );
        assert!(plan.contains(&line), "{plan}");
    }
}

/// A gateway signs in as an app that somebody has made, and the Secret holds the only copy of its
/// client secret. Another app is set up for it.
async fn of_another_app() {
    let entra = EntraCase::new("of-another-app").await;
    entra.case.hides(SECRET);
    let create =
        format!("kubectl create secret generic gw-entra --from-literal=azure-ad-app-secret='{SECRET}'");
    entra.case.shell(&create).exits(0).await;
    let (app, _) = super::registered(&entra, |app, _| {
        app.passwords.push(PasswordCredential::new(SECRET));
    });
    entra
        .deploy(|it| {
            let env = &mut it["spec"]["template"]["spec"]["containers"][0]["env"];
            env.as_array_mut().unwrap().extend([
                json!({"name": "config.service.auth", "value": "azureAdApp"}),
                json!({"name": "config.service.auth.azureAd.tenantId", "value": entra.case.principal.tenant}),
                json!({"name": "config.service.auth.azureAd.clientId", "value": app}),
                json!({"name": "config.service.auth.azureAd.clientSecret",
                    "valueFrom": {"secretKeyRef": {"name": "gw-entra", "key": "azure-ad-app-secret"}}}),
            ]);
        })
        .await;
    let before = entra.case.versions().await;
    let flags = ["--create-app", "gw", "--mode", "app-secret", "--yes"];
    let refused = entra.setup(&flags).exits(4).await;
    let line = format!(
        "! secret/gw-entra in namespace {} has azure-ad-app-secret already, which was not written here and matches \
         no credential of the app; deployment/gw signs in with it as the app {app}",
        entra.case.namespace
    );
    assert!(refused.stdout.contains(&line), "{}", refused.stdout);
    assert_eq!(entra.case.versions().await, before);
    // As the flag in that line says.
    let ended = entra
        .setup(&[&flags[..], &["--secret", "other"]].concat())
        .exits(0)
        .await;
    ended.says(&["proved"]);
    let after = entra.case.versions().await;
    assert_eq!(after["secret/gw-entra"], before["secret/gw-entra"]);
}

/// An administrator has done everything in Azure, for a caller who may not read apps.
async fn app_of_an_administrator() {
    let mut entra = EntraCase::new("unread-app").await;
    let mode = ["--mode", "workload-identity", "--yes"];
    let account = ["--service-account", "gw"];
    let ahead = [&["--create-app", "gw"], &account[..], &mode].concat();
    entra.setup_of(&ahead).exits(0).await;
    let app = entra.apps()[0].app_id.clone();
    let remove = "kubectl delete serviceaccount gw";
    entra.case.shell(remove).exits(0).await;
    entra.deploy(|_| {}).await;
    signs_in_with(&mut entra, |it| it);
    let run = |app: &str, account: &str| {
        entra.setup(&[&["--app", app, "--service-account", account], &mode[..]].concat())
    };
    let ended = run(&app, "gw").exits(0).await;
    ended.says(&["accepted", "proved"]);
    let tried = marks(&ended).chars().filter(|mark| *mark == '?').count();
    assert_eq!(tried, 4, "{}", ended.stdout);
    entra.case.rolled_out("gw").await;
    let again = run(&app, "gw").exits(0).await;
    again.says(&["accepted"]);
    assert!(
        marks(&again).chars().all(|mark| "=?".contains(mark)),
        "{}",
        again.stdout
    );

    // What is not there is refused, and not awaited for ever.
    let (other, _) = super::registered(&entra, |_, _| {});
    let before = entra.case.versions().await;
    let refused = run(&other, "other").exits(4).await;
    refused.says(&["the workload was not changed", "somebody who may read apps"]);
    assert_eq!(entra.case.versions().await, before);
    assert!(entra.azure_writes().is_empty());
}

/// The Secret that an administrator's run has written, which is then the default.
async fn credential_for_who_reads_no_apps() {
    let mut entra = EntraCase::new("unread-secret").await;
    let mode = ["--mode", "app-secret", "--yes"];
    let ahead = [&["--create-app", "gw", "--secret", "custom"], &mode[..]].concat();
    entra.setup_of(&ahead).exits(0).await;
    let app = entra.apps()[0].app_id.clone();
    entra.deploy(|_| {}).await;
    signs_in_with(&mut entra, |it| it);
    let run = |more: &[&str]| entra.setup(&[&["--app", &app], &mode[..], more].concat());
    let ended = run(&["--secret", "custom"]).exits(0).await;
    ended.says(&["accepted", "proved"]);
    entra.case.rolled_out("gw").await;
    let again = run(&[]).exits(0).await;
    again.says(&["accepted"]);
    let stdout = &again.stdout;
    assert!(stdout.contains("? secret/custom seems to hold"), "{stdout}");
    assert!(marks(&again).chars().all(|mark| "=?".contains(mark)), "{stdout}");
    assert!(entra.azure_writes().is_empty());
}

/// Nothing on the Secret shows which credential of the app it holds: the caller may not read
/// apps, and then something else keeps the Secret.
async fn credential_without_a_record() {
    let mut entra = EntraCase::new("unrecorded").await;
    entra.case.hides(SECRET);
    let mode = ["--mode", "app-secret", "--yes"];
    let ahead = [&["--create-app", "gw", "--secret", "ahead"], &mode[..]].concat();
    entra.setup_of(&ahead).exits(0).await;
    let app = entra.apps()[0].app_id.clone();
    let added = PasswordCredential::new(SECRET);
    let is_added = |it: &mut Directory| it.change_application(&app, |app| app.passwords.push(added));
    assert!(entra.case.azure().directory(is_added));
    let create =
        format!("kubectl create secret generic gw-entra --from-literal=azure-ad-app-secret='{SECRET}'");
    entra.case.shell(&create).exits(0).await;
    entra.deploy(|_| {}).await;
    let flags = [&["--app", &app][..], &mode].concat();

    signs_in_with(&mut entra, |it| it);
    let ended = entra.setup(&flags).exits(0).await;
    ended.says(&["accepted", "proved"]);
    entra.case.rolled_out("gw").await;
    let template = entra.case.template_annotations("gw").await;
    let ids = &template["apim-rotate/rotation-id"];
    assert!(ids.starts_with("setup-") && !ids.contains(','), "{ids}");
    is_tried_again(&entra, &flags, "which is tried by its sign-in").await;

    signs_in_as_a_reader_of_apps(&mut entra);
    let id = format!("shop:/Secret:{}/gw-entra", entra.case.namespace);
    let annotate = format!("kubectl annotate secret gw-entra argocd.argoproj.io/tracking-id={id}");
    entra.case.shell(&annotate).exits(0).await;
    is_tried_again(
        &entra,
        &flags,
        "not recorded there: the Secret belongs to Argo CD",
    )
    .await;
}

/// A further run only signs in.
async fn is_tried_again(entra: &EntraCase, flags: &[&str], how: &str) {
    let before = entra.case.versions().await;
    let again = entra.setup(flags).exits(0).await;
    again.says(&["accepted"]);
    let stdout = &again.stdout;
    let line = stdout
        .lines()
        .find(|line| line.starts_with("? secret/gw-entra seems to hold"));
    assert!(line.is_some_and(|line| line.contains(how)), "{stdout}");
    assert!(marks(&again).chars().all(|mark| "=?".contains(mark)), "{stdout}");
    assert_eq!(entra.case.versions().await, before);
    assert!(entra.azure_writes().is_empty());
}

/// Side by side, since most of their time is waiting.
#[tokio::test]
async fn a_credential_of_an_administrator_is_adopted() {
    tokio::join!(
        credential_of_an_administrator("app-secret"),
        credential_of_an_administrator("app-certificate"),
        app_of_an_administrator(),
        credential_for_who_reads_no_apps(),
        credential_without_a_record(),
        another_secret(),
        of_another_app()
    );
}
