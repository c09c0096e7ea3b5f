//! Decisions about single parts.

use super::*;
use crate::model::entra::facts::{AppFacts, AppKind, WorkloadSide};

#[test]
fn an_app_of_that_name_that_is_not_ours_is_never_used() {
    let stranger = Application {
        id: Uuid::from_u128(90),
        app_id: Uuid::from_u128(91),
        display_name: "gw".to_owned(),
        unique_name: None,
        disabled: false,
        secrets: Vec::new(),
        certificates: Vec::new(),
    };
    let facts = changed(|facts| facts.namesakes = Ok(vec![stranger.clone()]));
    let error = refusal(&plan(&facts, &request()).steps).unwrap();
    assert!(error.hints()[0].contains(&format!("--app {}", stranger.app_id)));
}

#[test]
fn whose_credential_it_is_needs_the_namespace() {
    let facts = |place: Result<String, Unavailable>| {
        let mut facts = with_app(|app| {
            let AppKind::Application(app) = &mut app.kind else {
                unreachable!()
            };
            let names = [credential_name("uid", "shop", "gw-entra"), "old".to_owned()];
            app.secrets.extend(names.map(|name| AppCredential {
                key_id: Uuid::from_u128(9),
                name: Some(name),
                begins: None,
                expires: None,
                fingerprint: None,
            }));
        });
        facts.cluster.place = place;
        facts
    };
    let asked = SetupRequest {
        yes: false,
        ..request()
    };
    let notes = |place| step(&plan(&facts(place), &asked), Part::App).notes.clone();
    let foreign = "it has a credential that was not made here: old";
    let known = notes(Ok("uid".to_owned()));
    assert!(known.len() == 1 && known[0].starts_with(foreign), "{known:?}");
    let unknown = notes(Err(Unavailable::Forbidden("not allowed".to_owned())));
    assert!(
        unknown[0].starts_with("whether its credential kubectl-apim shop/gw-entra ")
            && unknown[0].ends_with("was made here is not known: not allowed"),
        "{unknown:?}"
    );
    assert!(
        unknown.len() == 2 && unknown[1].starts_with(foreign),
        "{unknown:?}"
    );
}

#[test]
fn yes_does_not_consent_to_others_who_can_use_the_app() {
    let credential = |name: &str| AppCredential {
        key_id: Uuid::from_u128(9),
        name: Some(name.to_owned()),
        begins: None,
        expires: None,
        fingerprint: None,
    };
    let owner = |id| Owner {
        id,
        kind: "user".to_owned(),
        name: Some("Eve".to_owned()),
    };
    let add = |app: &mut AppFacts, name: &str| {
        let AppKind::Application(app) = &mut app.kind else {
            unreachable!()
        };
        app.secrets.push(credential(name));
    };
    let ours = credential_name("uid", "shop", "gw-entra");
    for (facts, stops) in [
        (with_app(|_| {}), false),
        (with_app(|app| app.owners = Ok(vec![owner(CALLER)])), false),
        (with_app(|app| add(app, &ours)), false),
        (
            with_app(|app| app.owners = Ok(vec![owner(Uuid::from_u128(8))])),
            true,
        ),
        (
            with_app(|app| app.owners = Err(Unavailable::Unknown("?".to_owned()))),
            true,
        ),
        (with_app(|app| add(app, "old")), true),
    ] {
        let step = |request: &SetupRequest| step(&plan(&facts, request), Part::App).clone();
        assert_eq!(step(&request()).stops.is_some(), stops);
        let asked = SetupRequest {
            yes: false,
            ..request()
        };
        assert_eq!(
            (step(&asked).mark, step(&asked).notes.is_empty()),
            (StepMark::Ok, !stops)
        );
        let named = SetupRequest {
            app: AppRequest::Existing(APP),
            ..request()
        };
        assert_eq!(step(&named).mark, StepMark::Ok);
    }
}

#[test]
fn credentials_of_other_namespaces_and_clusters_are_not_ours() {
    for (place, namespace, secret) in [("uid", "other", "gw-entra"), ("uid-2", "shop", "custom")] {
        let facts = with_app(|app| {
            let AppKind::Application(app) = &mut app.kind else {
                unreachable!()
            };
            app.secrets.push(AppCredential {
                key_id: Uuid::from_u128(9),
                name: Some(credential_name(place, namespace, secret)),
                begins: None,
                expires: None,
                fingerprint: None,
            });
        });
        assert!(
            step(&plan(&facts, &request()), Part::App).stops.is_some(),
            "{place}"
        );
    }
}

#[test]
fn a_role_without_permissions_is_mended_where_only_this_subscription_can_use_it() {
    let name = AzureRole::ConfigReader.definition().name;
    let mut empty = definition(AzureRole::ConfigReader, name);
    empty.permissions = vec![Permission::default()];
    let own = changed(|facts| facts.reader.definitions = Ok(vec![empty.clone()]));
    let mending = plan(&own, &request());
    let Some(Action::MendRole(mended)) = &step(&mending, Part::ReaderRole).action else {
        panic!("it is mended");
    };
    assert!(mended.grants_exactly(&[], &AzureRole::ConfigReader.definition().data_action_names()));
    empty.assignable_scopes.push("/subscriptions/other".to_owned());
    let shared = changed(|facts| facts.reader.definitions = Ok(vec![empty.clone()]));
    let plan = plan(&shared, &request());
    let step = step(&plan, Part::ReaderRole);
    assert!(matches!(&step.action, Some(Action::CreateRole { .. })) && !step.notes.is_empty());
}

#[test]
fn an_inherited_assignment_counts_and_one_to_the_app_id_does_not() {
    let role = definition(AzureRole::ConfigReader, "any name");
    let assignment = |principal, scope: &str| RoleAssignment {
        id: "/x/1".to_owned(),
        scope: scope.to_owned(),
        role: role.id,
        principal,
        created: None,
    };
    let subscription = gateway().service.subscription_path().to_uppercase();
    for (principal, scope, mark) in [
        (PRINCIPAL, subscription.as_str(), StepMark::Ok),
        (PRINCIPAL, "/subscriptions/other", StepMark::Create),
        (APP, subscription.as_str(), StepMark::Create),
    ] {
        let mut facts = with_app(|_| {});
        facts.reader.definitions = Ok(vec![role.clone()]);
        facts.reader.assignments = Ok(vec![assignment(principal, scope)]);
        let plan = plan(&facts, &request());
        let step = step(&plan, Part::ReaderAssignment);
        assert_eq!(step.mark, mark, "{scope}");
        assert_eq!(step.notes.len(), usize::from(principal == APP));
    }
}

#[test]
fn an_issuer_without_its_slash_is_mended_if_we_wrote_it_and_named_if_not() {
    let subject = subject("shop", "gw");
    let federated = |name: String| FederatedCredential {
        name,
        issuer: ISSUER.trim_end_matches('/').to_owned(),
        subject: subject.clone(),
        audiences: vec!["api://AzureADTokenExchange".to_owned()],
    };
    let ours = with_app(|app| app.federated = Ok(vec![federated(federated_name(ISSUER, &subject))]));
    let step_of = |facts: &EntraFacts| {
        step(
            &plan(
                facts,
                &SetupRequest {
                    yes: false,
                    ..request()
                },
            ),
            Part::Credential,
        )
        .clone()
    };
    assert!(matches!(step_of(&ours).action, Some(Action::ChangeFederated(it)) if it.issuer == ISSUER));
    let other = with_app(|app| app.federated = Ok(vec![federated("aks".to_owned())]));
    assert_eq!(
        (step_of(&other).mark, step_of(&other).notes.len()),
        (StepMark::Create, 1)
    );
}

#[test]
fn without_a_right_the_rest_goes_on_but_not_what_needs_it() {
    let facts = changed(|facts| facts.rights.assign_at_instance = Ok(false));
    let plan = plan(&facts, &request());
    assert!(refusal(&plan.steps).is_none());
    assert_eq!(planned_exit_code(&plan.steps), 4);
    assert!(step(&plan, Part::ReaderAssignment).left_to_others().is_some());
    assert_eq!(step(&plan, Part::App).mark, StepMark::Create);
    assert_eq!(
        step(&plan, Part::Workload).mark,
        StepMark::Missing,
        "{}",
        marks(&plan)
    );
    let facts = changed(|facts| facts.rights.write_secret = Ok(false));
    let plan = super::setup(&facts, &in_mode(Mode::AppSecret), now()).unwrap();
    assert_eq!(step(&plan, Part::Credential).mark, StepMark::Missing);
}

#[test]
fn a_workload_of_another_kind_or_owner_is_not_written() {
    for change in [
        |it: &mut WorkloadSide| it.signs_in = Ok(SignsIn::ByToken),
        |it: &mut WorkloadSide| it.signs_in = Ok(SignsIn::By(Mode::AppSecret)),
        |it: &mut WorkloadSide| it.owner = Some("Helm".to_owned()),
    ] {
        let facts = changed(|facts| change(facts.cluster.workload.as_mut().unwrap()));
        let plan = plan(&facts, &in_mode(Mode::WorkloadIdentity));
        assert_eq!(
            marks(&plan).chars().filter(|mark| *mark == '!').count(),
            1,
            "{:?}",
            plan.steps
        );
        assert!(step(&plan, Part::Workload).left_to_others().is_some());
    }
}

#[test]
fn the_settings_are_those_of_the_mode_and_of_the_cloud() {
    for (mode, cloud, names) in [
        (
            Mode::WorkloadIdentity,
            CloudName::Public,
            "config.service.auth gateway.name",
        ),
        (
            Mode::WorkloadIdentity,
            CloudName::China,
            "config.service.auth config.service.auth.tokenAudience gateway.name",
        ),
        (
            Mode::AppSecret,
            CloudName::Public,
            "config.service.auth config.service.auth.azureAd.clientId config.service.auth.azureAd.clientSecret \
             config.service.auth.azureAd.tenantId gateway.name",
        ),
        (
            Mode::AppCertificate,
            CloudName::UsGov,
            "config.service.auth config.service.auth.azureAd.authority config.service.auth.azureAd.certificatePath \
             config.service.auth.azureAd.clientId config.service.auth.azureAd.tenantId \
             config.service.auth.tokenAudience gateway.name",
        ),
    ] {
        let facts = changed(|facts| facts.cloud = Some(cloud));
        let template = plan(&facts, &in_mode(mode)).template;
        let all: Vec<&str> = template.settings.keys().map(String::as_str).collect();
        assert_eq!(all.join(" "), names);
        assert_eq!(template.labels.len(), usize::from(mode == Mode::WorkloadIdentity));
        assert_eq!(template.mount.is_some(), mode == Mode::AppCertificate);
    }
    let custom = changed(|facts| facts.cloud = None);
    assert_eq!(setup(&custom, &request(), now()).unwrap_err().kind(), Kind::Usage);
}

#[test]
fn a_policy_caps_the_life_of_a_secret() {
    let longest = jiff::SignedDuration::from_hours(24 * 30);
    let facts = changed(|facts| facts.policy.as_mut().unwrap().longest_secret = Some(longest));
    let plan = plan(&facts, &in_mode(Mode::AppSecret));
    let step = step(&plan, Part::Credential);
    assert!(matches!(&step.action, Some(Action::AddSecret { expires, .. }) if *expires == now() + longest));
    assert!(step.notes[0].contains("30 days"));
}

#[test]
fn without_the_uid_of_the_namespace_no_credential_is_made() {
    let why = Unavailable::Forbidden("not allowed".to_owned());
    let facts = changed(|facts| facts.cluster.place = Err(why.clone()));
    for mode in [Mode::AppSecret, Mode::AppCertificate] {
        let plan = plan(&facts, &in_mode(mode));
        let credential = step(&plan, Part::Credential);
        assert_eq!(credential.mark, StepMark::Missing);
        assert!(credential.hints[0].contains("can-i get namespaces/shop"));
        assert_eq!(step(&plan, Part::Secret).to_apply(), None);
    }
    assert_eq!(
        planned_exit_code(&plan(&facts, &in_mode(Mode::WorkloadIdentity)).steps),
        0
    );
}

#[test]
fn a_role_that_grants_more_than_the_readers_is_another_one() {
    let assignment = |role| RoleAssignment {
        id: format!("/assignments/{role}"),
        scope: gateway().service.path(),
        role,
        principal: PRINCIPAL,
        created: None,
    };
    let exact = definition(AzureRole::ConfigReader, "r");
    let mut wide = definition(AzureRole::ConfigReader, "wide");
    wide.permissions.push(Permission {
        actions: vec!["*".to_owned()],
        ..Permission::default()
    });
    // One as az makes it of the document, which a set-up mends.
    let mut empty = definition(AzureRole::ConfigReader, "empty");
    empty.permissions = vec![Permission::default()];
    for (role, others) in [(exact, 0), (wide, 1), (empty, 0)] {
        let facts = changed(|facts| {
            let mut app = application();
            app.assignments = Ok(vec![assignment(role.id)]);
            facts.app = Ok(Some(app));
            facts.reader.assignments = Ok(vec![assignment(role.id)]);
            facts.reader.definitions = Ok(vec![role.clone()]);
        });
        let asked = SetupRequest {
            yes: false,
            ..request()
        };
        let plan = plan(&facts, &asked);
        let notes = &step(&plan, Part::App).notes;
        assert_eq!(notes.len(), others, "{notes:?}");
    }
}

/// Azure shows the assignment first, and the role later.
#[test]
fn the_role_that_an_earlier_run_has_made_is_no_other_one() {
    let subscription = gateway().service.subscription;
    let own = AzureRole::ConfigReader.definition().id_in(&subscription);
    for (role, is_other) in [(own, false), (Uuid::from_u128(71), true)] {
        let facts = with_app(|app| {
            app.assignments = Ok(vec![RoleAssignment {
                id: "/assignments/1".to_owned(),
                scope: gateway().service.path(),
                role,
                principal: PRINCIPAL,
                created: None,
            }]);
        });
        let stops = step(&plan(&facts, &request()), Part::App).stops;
        assert_eq!(stops.is_some(), is_other, "{role}");
    }
}

proptest! {
    /// Names that people chose change neither the marks nor the order of the lines.
    #[test]
    fn names_decide_nothing(name in any::<String>(), app in any::<String>()) {
        let plain = plan(&facts(), &request());
        let odd = changed(|facts| facts.gateway.name.clone_from(&name));
        let request = SetupRequest { app: AppRequest::Create(app), ..request() };
        prop_assert_eq!(marks(&plan(&odd, &request)), marks(&plain));
    }
}
