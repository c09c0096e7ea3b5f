//! What was written, and cannot be read back: its outcome is unknown, although the answer
//! to the read is clear.

use apim_sandbox::azure::{Action, Azure, Fault, Grant, GraphRights, Operation, Principal};
use apim_sandbox::wait;
use jiff::SignedDuration;

use super::{PATIENCE, arm, gateway};
use crate::azure::{Error, Graph};
use crate::model::GatewayId;

async fn graph_of(azure: &Azure) -> Graph {
    let principal = Principal::random().with_graph(GraphRights::ReadWriteAll);
    Graph::beside(&arm(azure, &principal, false), None).await.unwrap()
}

fn is_unverified(error: &Error) {
    assert!(matches!(error, Error::Unverified(_)), "{error}");
    assert!(error.is_ambiguous());
    let text = error.to_string();
    assert!(
        text.starts_with("what was written cannot be read back: ") && text.contains("403"),
        "{text}"
    );
}

#[tokio::test]
async fn an_application_that_was_written_under_its_unique_name() {
    let azure = Azure::start().await.unwrap();
    let graph = graph_of(&azure).await;
    let made = graph.upsert_application("gw", "gw").await.unwrap();
    azure.fault(Fault::on(Operation::GetApplication, Action::status(403)).once());
    is_unverified(&graph.upsert_application("gw", "gw").await.unwrap_err());
    let again = graph.upsert_application("gw", "gw").await.unwrap();
    assert_eq!(made.application.id, again.application.id);
}

#[tokio::test]
async fn a_client_secret_whose_creation_was_not_answered() {
    for check in [Operation::GetApplication, Operation::RemovePassword] {
        let azure = Azure::start().await.unwrap();
        let graph = graph_of(&azure).await;
        let application = graph.upsert_application("gw", "gw").await.unwrap().application;
        azure.fault(Fault::on(Operation::AddPassword, Action::ResetAfter).once());
        azure.fault(Fault::on(check, Action::status(403)).once());
        let expires = azure.now() + SignedDuration::from_hours(24);
        let made = graph.add_password(application.id, "gw 1", expires).await;
        is_unverified(&made.unwrap_err());
        let asked = azure.requests_for(Operation::AddPassword).len();
        assert_eq!(asked, 1, "no second one beside the first");
    }
}

#[tokio::test]
async fn an_identity_that_was_asked_for() {
    let azure = Azure::start().await.unwrap();
    azure.add_gateway(&gateway("gw"));
    azure.set_update_time(SignedDuration::from_secs(2));
    let arm = arm(&azure, &Principal::random().with(Grant::new("/", &["*"])), false);
    let service = GatewayId::parse(&gateway("gw").id()).unwrap().service;
    let unread = || Fault::on(Operation::GetService, Action::status(403)).once();
    azure.fault(unread());
    let error = arm.enable_identity(&service).await.unwrap_err();
    assert!(!error.is_ambiguous(), "nothing was written: {error}");

    let (enabled, seen) = tokio::join!(
        arm.enable_identity(&service),
        wait::until("the change", PATIENCE, async || {
            let sent = !azure.requests_for(Operation::PatchService).is_empty();
            Ok(sent.then(|| azure.fault(unread())))
        })
    );
    seen.unwrap();
    is_unverified(&enabled.unwrap_err());
}
