//! What `uninstall-cronjob` asks on a terminal.

use super::NAME;
use crate::case::Case;
use crate::terminal::{Answer, REFUSALS};

const OBJECTS: [&str; 4] = [
    "get",
    "cronjobs,roles,rolebindings,serviceaccounts",
    "-o",
    "jsonpath={range .items[*]}{.kind}/{.metadata.name} {.metadata.uid} {.metadata.resourceVersion}{'\\n'}{end}",
];

/// Nothing but yes removes anything, and a signal ends the run while it waits.
#[tokio::test]
async fn it_takes_every_answer_and_every_signal() {
    let case = Case::new("uninstall-ask").await;
    case.deploy(&case.idle_portal()).await;
    case.install_cronjob(&["--auth", "managed-identity"])
        .exits(0)
        .await;
    let before = case.kubectl_in_namespace(&OBJECTS).await;
    let question = format!(
        "Remove 4 objects from namespace {} of context apim-sandbox of ",
        case.namespace
    );
    let ask = async |question: &str, answer, code| {
        let mut terminal = case.on_a_terminal("uninstall-cronjob");
        terminal.shows(question).await;
        terminal.shows("? [y/N] ").await;
        terminal.ends(answer, code).await
    };
    for (answer, says) in REFUSALS {
        let shown = ask(&question, answer, 1).await;
        assert!(shown.contains("  cronjob.batch/apim-shg-rotate\r\n"), "{shown}");
        assert!(shown.contains(&format!("\n{says}\r\n")), "{answer:?}: {shown}");
        assert_eq!(case.kubectl_in_namespace(&OBJECTS).await, before);
    }
    let shown = ask(&question, Answer::Types("y\n"), 0).await;
    assert_eq!(shown.matches(" deleted\r\n").count(), 4, "{shown}");
    assert!(!case.kubectl_in_namespace(&OBJECTS).await.contains(NAME));

    // A single object is one object.
    case.install_cronjob(&["--auth", "managed-identity"])
        .exits(0)
        .await;
    case.kubectl_in_namespace(&["delete", "cronjobs,roles,rolebindings", NAME])
        .await;
    let question = format!(
        "Remove 1 object from namespace {} of context apim-sandbox of ",
        case.namespace
    );
    ask(&question, Answer::Types("yes\n"), 0).await;
}

/// Without a terminal nobody can have said yes.
#[tokio::test]
async fn no_other_input_is_an_answer() {
    let case = Case::new("uninstall-input").await;
    case.deploy(&case.idle_portal()).await;
    case.install_cronjob(&["--auth", "managed-identity"])
        .exits(0)
        .await;
    let before = case.kubectl_in_namespace(&OBJECTS).await;
    let binary = env!("CARGO_BIN_EXE_kubectl-apim");
    for line in [
        format!("yes | '{binary}' uninstall-cronjob"),
        format!("'{binary}' uninstall-cronjob <&-"),
        format!("'{binary}' uninstall-cronjob </dev/null"),
        format!("head -c 1000000 /dev/zero | '{binary}' uninstall-cronjob"),
        format!("printf '\\377y\\n' | '{binary}' uninstall-cronjob"),
    ] {
        // The program before the pipe may be killed by its end.
        let line = format!("set +o pipefail; {line}");
        case.shell(&line).exits(2).await.says(&[
            "  cronjob.batch/apim-shg-rotate\n",
            "there is no terminal to ask",
            "--yes",
        ]);
        assert_eq!(case.kubectl_in_namespace(&OBJECTS).await, before);
    }
}
