//! Variables of Azure Workload Identity that the container sets itself.

use super::*;
use crate::model::entra::OwnVariables;

#[test]
fn variables_that_the_webhook_leaves_alone_stop_a_workload_identity_unless_they_are_right() {
    let other = Uuid::from_u128(0x1111);
    let with = |variables: &[(&'static str, Option<String>)]| {
        let mut facts = with_app(|_| {});
        workload_of(&mut facts).own_variables = OwnVariables::new(variables.iter().cloned().collect());
        facts
    };
    let of = |facts: &EntraFacts, mode| plan(facts, &in_mode(mode));
    let wrong = [
        (OwnVariables::CLIENT_ID, other.to_string()),
        (OwnVariables::TENANT_ID, other.to_string()),
        (OwnVariables::TOKEN_FILE, "/elsewhere".to_owned()),
        (OwnVariables::AUTHORITY, "https://login.other.example/".to_owned()),
        (OwnVariables::CLIENT_ID, String::new()),
    ];
    for (name, value) in wrong {
        let facts = with(&[(name, Some(value.clone()))]);
        let made = of(&facts, Mode::WorkloadIdentity);
        let error = refusal(&made.steps).unwrap_or_else(|| panic!("{name} {value}: {:?}", made.steps));
        assert!(error.to_string().contains(name), "{error}");
        let command = format!("kubectl -n shop set env deployment/gw -c gw {name}-");
        assert!(error.hints().concat().contains(&command), "{:?}", error.hints());
        assert!(refusal(&of(&facts, Mode::AppSecret).steps).is_none(), "{name}");
    }
    let facts = with_app(|_| {});
    let file = facts
        .webhook
        .as_ref()
        .unwrap()
        .as_ref()
        .unwrap()
        .token_file
        .clone();
    let right = with(&[
        (OwnVariables::CLIENT_ID, Some(APP.to_string().to_uppercase())),
        (OwnVariables::TENANT_ID, Some(TENANT.to_string())),
        (OwnVariables::TOKEN_FILE, Some(file)),
        (OwnVariables::AUTHORITY, Some(format!("{}/", facts.authority))),
    ]);
    assert!(refusal(&of(&right, Mode::WorkloadIdentity).steps).is_none());
    let unread = of(&with(&[(OwnVariables::CLIENT_ID, None)]), Mode::WorkloadIdentity);
    let notes = step(&unread, Part::Workload).notes.concat();
    assert!(notes.contains("AZURE_CLIENT_ID"), "{notes}");
    // The id of an app that is yet to be made cannot be there already.
    let mut no_app = with(&[(OwnVariables::CLIENT_ID, Some(APP.to_string()))]);
    no_app.app = Ok(None);
    assert!(refusal(&of(&no_app, Mode::WorkloadIdentity).steps).is_some());
}
