//! What cannot be read of a sign-in.

use apim_sandbox::azure::{Action, GraphRights, Operation, Principal};
use serde_json::json;

use super::{SetUp, parts};

/// The gateway `gw`, in full and in the table.
async fn four_are_shown(set_up: &SetUp) {
    let full = set_up.run(&["status", "gw", "--azure"]).exits(0).await;
    assert!(full.stdout.contains("\n  Parts:\n"), "{}", full.stdout);
    let unknown = full
        .stdout
        .lines()
        .filter(|line| line.contains(": ") && line.contains("  unknown  "));
    assert_eq!(unknown.count(), 4, "{}", full.stdout);
    let table = set_up
        .run(&["status", "gw", "--azure", "-o", "table"])
        .exits(0)
        .await;
    table.says(&["4 parts of the sign-in of gw could not be checked; -o json shows each part"]);
}

#[tokio::test]
async fn without_rights_parts_are_unknown_and_never_broken() {
    let set_up = SetUp::new("entra-rights").await;
    let app = set_up.federated("gw");
    set_up.workload("gw", &app.client_id).await;
    set_up.secret("secret", &app).await;
    let without_graph = Principal {
        graph: GraphRights::None,
        ..set_up.reader.clone()
    };
    set_up.case.azure().add_principal(without_graph.clone());
    let ended = set_up.with_azure().await;
    let row = ended.gateway("gw");
    assert_eq!(row["verdict"], "Healthy", "{row:#}");
    assert_eq!(parts(&row, "broken"), Vec::<String>::new());
    assert_eq!(
        parts(&row, "unknown"),
        ["app", "servicePrincipal", "credential", "readerAssignment"],
        "{row:#}"
    );
    assert!(
        row["reason"]
            .as_str()
            .unwrap()
            .contains("4 parts of its sign-in could not be checked")
    );
    let unread = row["unread"].as_array().unwrap();
    assert!(
        unread
            .iter()
            .any(|it| it["part"] == "entra" && it["forbidden"] == true),
        "{row:#}"
    );
    let secret = ended.gateway("secret");
    assert_eq!(secret["verdict"], "Unknown");
    assert!(
        secret["reason"].as_str().unwrap().contains("could not be asked"),
        "{secret:#}"
    );
    four_are_shown(&set_up).await;
    // An alarm that cannot read must not pass.
    set_up
        .run(&["status", "gw", "--azure", "--fail-within", "1d"])
        .exits(9)
        .await;

    // Nothing in Azure at all: what the cluster shows stays.
    let stranger = Principal {
        grants: Vec::new(),
        ..without_graph
    };
    set_up.case.azure().add_principal(stranger);
    let row = set_up.with_azure().await.gateway("gw");
    assert_eq!(
        (
            &row["verdict"],
            parts(&row, "broken").len(),
            parts(&row, "unknown").len()
        ),
        (&json!("Healthy"), 0, 8),
        "{row:#}"
    );
}

#[tokio::test]
async fn graph_that_is_busy_or_fails_is_asked_again() {
    let set_up = SetUp::new("entra-faults").await;
    let app = set_up.federated("gw");
    set_up.workload("gw", &app.client_id).await;
    for action in [
        Action::status(429),
        Action::status(500),
        Action::ResetAfter,
        Action::CutBody,
    ] {
        let fault = apim_sandbox::azure::Fault::on(Operation::ListApplications, action);
        set_up.case.azure().fault(fault.matching(&app.client_id).times(1));
        let row = set_up.with_azure().await.gateway("gw");
        assert_eq!(
            (row["verdict"].clone(), parts(&row, "ok").len()),
            (json!("Healthy"), 8),
            "{row:#}"
        );
    }
    // Lists that Graph does not expand are read app by app.
    let refused = Action::status(400);
    let fault = apim_sandbox::azure::Fault::on(Operation::ListApplications, refused);
    set_up.case.azure().fault(fault.matching(&app.client_id).times(1));
    let row = set_up.with_azure().await.gateway("gw");
    assert_eq!(parts(&row, "ok").len(), 8, "{row:#}");
    assert_eq!(set_up.asked(Operation::ListFederatedCredentials), 1);
}
