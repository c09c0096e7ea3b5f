//! A client secret or a certificate that is due.

use jiff::SignedDuration;

use super::EntraCase;

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// The credentials of the app of the test, by their ids.
fn ids(entra: &EntraCase) -> Vec<String> {
    let app = entra.apps().remove(0);
    let secrets = app.passwords.into_iter().map(|it| it.key_id);
    secrets.chain(app.keys.into_iter().map(|it| it.key_id)).collect()
}

async fn renewed(mode: &str) {
    let entra = EntraCase::new("renewal").await;
    entra.deploy(|_| {}).await;
    let flags = ["--create-app", "gw", "--mode", mode, "--yes"];
    entra.setup(&flags).exits(0).await;
    entra.case.rolled_out("gw").await;
    let before = ids(&entra);
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

/// Side by side, since most of their time is waiting.
#[tokio::test]
async fn what_is_due_is_renewed_where_it_is() {
    tokio::join!(renewed("app-secret"), renewed("app-certificate"));
}
