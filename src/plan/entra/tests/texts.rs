//! What a plan says, how much of it, and what it leaves alone.

use super::*;
use crate::model::entra::facts::ClearSecret;

#[test]
fn a_wrong_tier_has_a_next_step() {
    let facts = changed(|facts| facts.instance.as_mut().unwrap().tier = "Basic".to_owned());
    let error = refusal(&plan(&facts, &request()).steps).unwrap();
    assert_eq!(
        error.hints(),
        ["choose an instance with the tier Developer or Premium with -a, or change the tier of this one"]
    );
}

#[test]
fn who_else_can_use_an_app_is_listed_in_one_order() {
    let federated = |number: usize| FederatedCredential {
        name: format!("c{number:02}"),
        issuer: "https://other.example".to_owned(),
        subject: "s".to_owned(),
        audiences: vec!["a".to_owned()],
    };
    let owner = |number: u128| Owner {
        id: Uuid::from_u128(number),
        kind: "user".to_owned(),
        name: Some(format!("Eve {number}")),
    };
    let notes = |is_reversed: bool| {
        let facts = with_app(|app| {
            let mut all: Vec<FederatedCredential> = (0..19).map(federated).collect();
            let mut owners: Vec<Owner> = (100..115).map(owner).collect();
            if is_reversed {
                all.reverse();
                owners.reverse();
            }
            app.federated = Ok(all);
            app.owners = Ok(owners);
        });
        let asked = SetupRequest {
            yes: false,
            ..request()
        };
        let unasked = refusal(&plan(&facts, &request()).steps).unwrap();
        let unasked = unasked.to_string();
        let capped = "; and 5 more, which -o json lists; it has a federated";
        assert!(unasked.contains(capped), "{unasked}");
        let step = step(&plan(&facts, &request()), Part::App).clone();
        let asked = plan(&facts, &asked);
        assert_eq!(
            step.notes,
            super::step(&asked, Part::App).notes,
            "each is in the JSON"
        );
        step.notes
    };
    let all = notes(false);
    assert_eq!(all.len(), 34);
    assert_eq!(all, notes(true));
}

#[test]
fn settings_are_left_to_others_only_if_this_user_does_not_write_them_next() {
    let of = |location: Option<&str>, change: fn(&mut EntraFacts)| {
        let mut facts = changed(|facts| facts.resource = Ok(None));
        change(&mut facts);
        let request = SetupRequest {
            location_name: location.map(str::to_owned),
            ..request()
        };
        plan(&facts, &request).workload_is_left_to_others()
    };
    assert!(!of(None, |_| {}), "--location-name comes first");
    assert!(!of(Some("here"), |_| {}));
    assert!(of(Some("here"), |facts| facts.rights.create_gateway = Ok(false)));
    assert!(of(None, |facts| workload_of(facts).owner = Some("Helm".to_owned())));
}

#[test]
fn a_client_secret_in_clear_has_a_command_that_removes_it() {
    let hint = |immutable: bool| {
        let facts = changed(|facts| {
            workload_of(facts).clear_secret = Some(ClearSecret::ConfigMap {
                name: "m".to_owned(),
                key: setting::APP_SECRET.to_owned(),
                immutable,
            });
        });
        step(&plan(&facts, &request()), Part::Workload).hints.concat()
    };
    let patch = "kubectl -n shop patch configmap m --type json -p '[{\"op\":\"remove\",\"path\":\"/data/config.service.auth.azureAd.clientSecret\"}]'";
    assert_eq!(hint(false), format!("remove it there: {patch}"));
    assert_eq!(
        hint(true),
        format!(
            "replace it, since it is immutable: {patch} --dry-run=client -o yaml | kubectl -n shop replace --force -f -"
        )
    );
}

#[test]
fn an_endpoint_that_is_not_known_is_left_alone() {
    let sets = |hidden: &[&'static str]| {
        let facts = changed(|facts| {
            let workload = workload_of(facts);
            workload.service = None;
            workload.hidden = hidden.to_vec();
        });
        plan(&facts, &request())
            .template
            .settings
            .contains_key(setting::ENDPOINT)
    };
    assert!(sets(&[]) && sets(&[setting::GATEWAY_NAME]) && !sets(&[setting::ENDPOINT]));
}
