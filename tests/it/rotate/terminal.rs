//! Streams that are narrow, closed or full: nothing panics, and the exit code
//! tells what was done.

use serde_json::Value;
use tokio::process::Command;

use super::{ROTATION_ID, broken};
use crate::case::Case;
use crate::run::{Ended, Run};

/// A line for the shell, in which `$0` is the binary.
fn shell<'a>(case: &'a Case, line: &str) -> Run<'a> {
    let mut command = Command::new("bash");
    command
        .args([
            "-c",
            &format!("set -o pipefail; {line}"),
            env!("CARGO_BIN_EXE_kubectl-apim"),
        ])
        .env_clear()
        .envs(case.variables())
        .env("PATH", "/usr/bin:/bin")
        .env("TERM", "xterm")
        .env("TZ", "UTC")
        .kill_on_drop(true);
    Run::new(case, command)
}

#[track_caller]
fn is_calm(ended: &Ended) {
    for text in [&ended.stdout, &ended.stderr] {
        assert!(!text.contains("panicked"), "{text}");
    }
}

async fn idle(name: &str) -> Case {
    broken(name, &Value::Null, &Value::Null).await
}

#[tokio::test]
async fn a_terminal_of_twenty_columns() {
    let case = Case::new("narrow").await;
    // With a pod to wait for, for which there is a spinner.
    case.deploy(&case.portal()).await;
    for line in ["--help", "rotate --help", "rotate --dry-run", "rotate -o wide"] {
        let narrow = format!("script -qec \"stty cols 20 rows 10; '$0' {line}\" /dev/null");
        is_calm(&shell(&case, &narrow).env("COLUMNS", "20").exits(0).await);
        is_calm(
            &shell(&case, &format!("\"$0\" {line}"))
                .env("COLUMNS", "20")
                .exits(0)
                .await,
        );
    }
    for columns in ["0", "1", "many"] {
        is_calm(
            &shell(&case, "\"$0\" rotate --help")
                .env("COLUMNS", columns)
                .exits(0)
                .await,
        );
    }
}

#[tokio::test]
async fn a_reader_that_went_away() {
    let case = idle("no-reader").await;
    for line in [
        "\"$0\" --help | true",
        "\"$0\" rotate --help | true",
        "\"$0\" version | true",
        "\"$0\" completion bash | true",
        "\"$0\" rotate --dry-run -o json | true",
        "\"$0\" rotate --dry-run 2> >(true)",
        "\"$0\" rotate --dry-run -v=8 2> >(true)",
    ] {
        is_calm(&shell(&case, line).exits(0).await);
    }
    assert_eq!(case.mints(), 0);
    is_calm(&shell(&case, "\"$0\" rotate -o json | true").exits(0).await);
    is_calm(&shell(&case, "\"$0\" rotate -v=8 2> >(true)").exits(0).await);
    assert_eq!(case.mints(), 2);
}

#[tokio::test]
async fn closed_streams() {
    let case = idle("closed").await;
    for line in [
        "\"$0\" rotate --help >&-",
        "\"$0\" rotate --dry-run -o json >&-",
        "\"$0\" rotate --dry-run 2>&-",
        "\"$0\" rotate --dry-run -v=8 <&- >&- 2>&-",
    ] {
        is_calm(&shell(&case, line).exits(0).await);
    }
    assert_eq!(case.mints(), 0);
    is_calm(&shell(&case, "\"$0\" rotate -o json <&- >&- 2>&-").exits(0).await);
    assert_eq!(case.mints(), 1);
    // The code of an error, too, is the same without a place to tell it.
    is_calm(&shell(&case, "\"$0\" rotate --expiry 31d 2>&-").exits(2).await);
}

#[tokio::test]
async fn a_disk_that_is_full() {
    let case = idle("full").await;
    let ended = shell(&case, "\"$0\" rotate --dry-run -o json >/dev/full")
        .exits(1)
        .await;
    ended.says(&["cannot write to stdout", "No space left"]);
    is_calm(&ended);
    // What was done stays done, so that no caller takes it for undone.
    let ended = shell(&case, "\"$0\" rotate -o json >/dev/full").exits(0).await;
    ended.says(&["warning", "cannot write to stdout", "No space left"]);
    is_calm(&ended);
    assert_eq!(case.mints(), 1);
    let manifest = case.idle_portal();
    assert!(case.annotation(&manifest, ROTATION_ID).await.is_some());
    is_calm(&shell(&case, "\"$0\" rotate -v=8 2>/dev/full").exits(0).await);
    is_calm(&shell(&case, "\"$0\" rotate --help >/dev/full").exits(0).await);
}
