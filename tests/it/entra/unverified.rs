//! What was made in Azure, and cannot be read back.

use apim_sandbox::azure::{Action, Fault, Operation};
use futures::future::join_all;

use super::EntraCase;

const FLAGS: [&str; 5] = ["--create-app", "gw", "--mode", "app-secret", "--yes"];

/// The check of an assignment is answered with this status, and everything later as ever.
async fn an_assignment(status: u16) {
    let entra = EntraCase::new("unverified").await;
    entra.deploy(|_| {}).await;
    let fault = Fault::on(Operation::GetRoleAssignment, Action::status(status));
    let fault = fault.matching(&entra.case.principal.client_id);
    entra.case.azure().fault(fault.once());
    let ended = entra.setup(&FLAGS).exits(7).await;
    ended.says(&["what was written cannot be read back", &status.to_string()]);

    let writes = || {
        let mut writes = entra.azure_writes();
        writes.retain(|write| write.operation == Some(Operation::PutRoleAssignment));
        writes.len()
    };
    assert_eq!(writes(), 2, "one of each role");
    entra.setup(&FLAGS).exits(0).await.says(&["proved"]);
    assert_eq!(writes(), 2, "the rerun finds both");
}

/// The report cannot be written after the writes.
#[tokio::test]
async fn a_report_that_cannot_be_written_is_not_nothing() {
    let entra = EntraCase::new("full").await;
    entra.deploy(|_| {}).await;
    let quoted = super::target(&entra.case)
        .map(|word| format!("'{word}'"))
        .join(" ");
    let flags = FLAGS.join(" ");
    let line = format!("kubectl apim entra setup deploy/gw {flags} {quoted} -o json > /dev/full");
    let ended = entra.case.shell(&line).exits(3).await;
    ended.says(&["proved", "cannot write to stdout", "run the same command again"]);
    assert_eq!(entra.apps().len(), 1);
}

#[tokio::test]
async fn an_assignment_that_cannot_be_checked_is_unknown() {
    join_all([403, 409].map(an_assignment)).await;
}
