use proptest::prelude::*;
use uuid::Uuid;

use super::fixture::*;
use super::*;
use crate::error::Kind;
use crate::model::access::{Permission, RoleAssignment};
use crate::model::directory::{AppCredential, Application, FederatedCredential, Owner};
use crate::model::entra::{AppRequest, SettingValue, SignsIn, credential_name, federated_name, subject};
use crate::model::{AzureRole, CloudName, ManagedIdentityId, Unavailable, setting};

fn now() -> Timestamp {
    "2027-01-01T00:00:00Z".parse().unwrap()
}

fn plan(facts: &EntraFacts, request: &SetupRequest) -> SetupPlan {
    setup(facts, request, now()).unwrap()
}

fn changed(change: impl Fn(&mut EntraFacts)) -> EntraFacts {
    let mut facts = facts();
    change(&mut facts);
    facts
}

/// A namespace whose app is there.
fn with_app(change: impl Fn(&mut AppFacts)) -> EntraFacts {
    let mut app = application();
    change(&mut app);
    changed(|facts| facts.app = Ok(Some(app.clone())))
}

fn step(plan: &SetupPlan, part: Part) -> &Step {
    plan.steps.iter().find(|step| step.part == part).unwrap()
}

fn marks(plan: &SetupPlan) -> String {
    plan.steps.iter().map(|step| step.mark.sign()).collect()
}

fn in_mode(mode: Mode) -> SetupRequest {
    SetupRequest {
        mode: Some(mode),
        ..request()
    }
}

#[test]
fn from_nothing_every_mode_is_set_up_and_the_next_run_changes_nothing() {
    for mode in Mode::ALL {
        let request = in_mode(mode);
        let first = plan(&facts(), &request);
        assert!(refusal(&first.steps).is_none(), "{:?}", first.steps);
        assert_eq!(planned_exit_code(&first.steps), 0);
        let mut done = after(facts(), &first);
        done.cluster.workload.as_mut().unwrap().signs_in = Ok(SignsIn::By(mode));
        let second = plan(&done, &request);
        assert!(second.is_complete(), "{mode:?}: {:?}", second.steps);
        // The mode stays as it is if none is given.
        let again = plan(&done, &super::fixture::request());
        assert_eq!(again.mode, mode);
        assert!(again.is_complete());
    }
}

#[test]
fn a_run_that_was_cut_off_anywhere_is_completed_by_the_next() {
    for mode in Mode::ALL {
        let request = in_mode(mode);
        let whole = plan(&facts(), &request);
        for kept in 0..whole.steps.len() {
            let mut begun = whole.clone();
            begun.steps.truncate(kept);
            let rest = plan(&after(facts(), &begun), &request);
            assert!(
                refusal(&rest.steps).is_none(),
                "{mode:?} {kept}: {:?}",
                rest.steps
            );
            let mut done = after(after(facts(), &begun), &rest);
            done.cluster.workload.as_mut().unwrap().signs_in = Ok(SignsIn::By(mode));
            assert!(plan(&done, &request).is_complete(), "{mode:?} {kept}");
            let AppKind::Application(app) = done.app.unwrap().unwrap().kind else {
                panic!("an app");
            };
            assert!(app.secrets.len() <= 1, "{mode:?} {kept}");
        }
    }
}

#[test]
fn workload_identity_is_chosen_only_where_it_works() {
    let broken: [fn(&mut EntraFacts); 9] = [
        |facts| {
            facts.issuer.as_mut().unwrap().name = "https://kubernetes.default.svc.cluster.local".to_owned()
        },
        |facts| facts.issuer.as_mut().unwrap().name = "http://a.example".to_owned(),
        |facts| facts.issuer.as_mut().unwrap().published = Ok(ISSUER.trim_end_matches('/').to_owned()),
        |facts| facts.issuer.as_mut().unwrap().published = Err(Unavailable::Unknown("401".to_owned())),
        |facts| facts.issuer.as_mut().unwrap().key_types = Ok(vec!["EC".to_owned()]),
        |facts| facts.issuer = Err(Unavailable::Forbidden("no".to_owned())),
        |facts| facts.webhook = Ok(None),
        |facts| facts.webhook = Err(Unavailable::Forbidden("no".to_owned())),
        |facts| {
            facts.cluster.workload.as_mut().unwrap().image =
                "r/azure-api-management/gateway:2.10.0".to_owned()
        },
    ];
    for (at, change) in broken.into_iter().enumerate() {
        let facts = changed(change);
        let error = setup(&facts, &request(), now()).unwrap_err();
        assert_eq!(error.kind(), Kind::Usage, "{at}");
        assert!(error.hints().concat().contains("--mode app-certificate"), "{at}");
        if facts.issuer.is_ok() {
            let given = plan(&facts, &in_mode(Mode::WorkloadIdentity));
            assert_eq!(refusal(&given.steps).unwrap().kind(), Kind::Refused, "{at}");
        }
        assert!(
            refusal(&plan(&facts, &in_mode(Mode::AppSecret)).steps).is_none(),
            "{at}"
        );
    }
    let rolling = changed(|facts| {
        facts.cluster.workload.as_mut().unwrap().image = "r/azure-api-management/gateway:v2".to_owned();
    });
    assert_eq!(plan(&rolling, &request()).mode, Mode::WorkloadIdentity);
    assert_eq!(
        step(&plan(&rolling, &request()), Part::Image).mark,
        StepMark::Unknown
    );
}

#[test]
fn an_identity_has_no_secrets() {
    let id = ManagedIdentityId {
        subscription: "s".to_owned(),
        resource_group: "rg".to_owned(),
        name: "gw".to_owned(),
    };
    let facts = with_app(|app| app.kind = AppKind::Identity(id.clone(), APP));
    let error = setup(&facts, &in_mode(Mode::AppSecret), now()).unwrap_err();
    assert_eq!(error.kind(), Kind::Usage);
    assert_eq!(plan(&facts, &request()).mode, Mode::WorkloadIdentity);
}

type Change = fn(&mut EntraFacts, &mut SetupRequest);

fn app_of(facts: &mut EntraFacts) -> &mut AppFacts {
    facts.app.as_mut().unwrap().as_mut().unwrap()
}

fn instance_of(facts: &mut EntraFacts) -> &mut InstanceFacts {
    facts.instance.as_mut().unwrap()
}

fn workload_of(facts: &mut EntraFacts) -> &mut WorkloadSide {
    facts.cluster.workload.as_mut().unwrap()
}

/// Each with what its refusal says.
const IN_AZURE: [(&str, Change); 9] = [
    ("tier Basic", |it, _| instance_of(it).tier = "Basic".to_owned()),
    ("no system-assigned", |it, _| {
        instance_of(it).identity.principal = None
    }),
    ("belongs to tenant", |it, _| {
        instance_of(it).identity.tenant = Some(Uuid::nil())
    }),
    ("lock frozen", |it, _| it.lock = Ok(Some("frozen".to_owned()))),
    ("other permissions", |it, _| {
        let mut role = definition(AzureRole::ConfigReader, AzureRole::ConfigReader.definition().name);
        role.permissions[0].data_actions.push("*".to_owned());
        it.reader.definitions = Ok(vec![role]);
    }),
    ("there is no app", |it, _| it.app = Ok(None)),
    ("is disabled", |it, _| {
        let AppKind::Application(app) = &mut app_of(it).kind else {
            unreachable!()
        };
        app.disabled = Some(true);
    }),
    ("service principal", |it, _| {
        app_of(it)
            .service_principal
            .as_mut()
            .unwrap()
            .as_mut()
            .unwrap()
            .enabled = false;
    }),
    ("20 federated", |it, _| {
        let credential = |number: usize| FederatedCredential {
            name: format!("c{number}"),
            issuer: "https://other.example".to_owned(),
            subject: "s".to_owned(),
            audiences: vec!["a".to_owned()],
        };
        app_of(it).federated = Ok((0..20).map(credential).collect());
    }),
];

const IN_THE_CLUSTER: [(&str, Change); 5] = [
    ("another instance", |it, _| {
        workload_of(it).service = Some("other".to_owned())
    }),
    ("another gateway", |it, _| {
        let other = SettingValue::Text("other".to_owned());
        let settings = &mut workload_of(it).template.settings;
        settings.insert(setting::GATEWAY_NAME.to_owned(), other);
    }),
    ("used by every pod", |_, request| request.service_account = None),
    ("immutable", |it, request| {
        request.mode = Some(Mode::AppSecret);
        let immutable = StoredFacts {
            immutable: true,
            ..StoredFacts::default()
        };
        it.cluster.secret = Ok(Some(immutable));
    }),
    ("forbids client secrets", |it, request| {
        request.mode = Some(Mode::AppSecret);
        it.policy.as_mut().unwrap().forbids_secrets = true;
    }),
];

#[test]
fn what_stops_a_run_is_refused_before_the_first_write() {
    for (why, change) in IN_AZURE.into_iter().chain(IN_THE_CLUSTER) {
        let mut facts = with_app(|_| {});
        let mut request = SetupRequest {
            app: AppRequest::Existing(APP),
            ..request()
        };
        change(&mut facts, &mut request);
        let error = refusal(&plan(&facts, &request).steps).unwrap_or_else(|| panic!("{why}"));
        assert_eq!(error.kind(), Kind::Refused, "{why}");
        assert!(error.to_string().contains(why), "{why}: {error}");
        assert!(!error.hints().is_empty(), "{why}");
    }
}

#[test]
fn a_secret_that_cannot_be_read_loses_no_credential() {
    let name = credential_name("uid", "shop", "gw-entra");
    let mut facts = with_app(|app| {
        let AppKind::Application(app) = &mut app.kind else {
            unreachable!()
        };
        app.secrets.push(AppCredential {
            key_id: Uuid::from_u128(9),
            name: Some(name.clone()),
            begins: None,
            expires: None,
        });
    });
    let removed =
        |facts: &EntraFacts| match &step(&plan(facts, &in_mode(Mode::AppSecret)), Part::Credential).action {
            Some(Action::AddSecret { remove, .. }) => Some(remove.len()),
            _ => None,
        };
    assert_eq!(removed(&facts), Some(1));
    // Somebody has removed our annotation.
    facts.cluster.secret = Ok(Some(StoredFacts {
        keys: vec!["azure-ad-app-secret".to_owned()],
        ..StoredFacts::default()
    }));
    assert_eq!(removed(&facts), Some(0));
    facts.cluster.secret = Err(Unavailable::Forbidden("no".to_owned()));
    assert_eq!(removed(&facts), None);
}

#[test]
fn an_app_of_that_name_that_is_not_ours_is_never_used() {
    let stranger = Application {
        id: Uuid::from_u128(90),
        app_id: Uuid::from_u128(91),
        display_name: "gw".to_owned(),
        unique_name: None,
        disabled: None,
        secrets: Vec::new(),
        certificates: Vec::new(),
    };
    let facts = changed(|facts| facts.namesakes = Ok(vec![stranger.clone()]));
    let error = refusal(&plan(&facts, &request()).steps).unwrap();
    assert!(error.hints()[0].contains(&format!("--app {}", stranger.app_id)));
}

#[test]
fn yes_does_not_consent_to_others_who_can_use_the_app() {
    let credential = |name: &str| AppCredential {
        key_id: Uuid::from_u128(9),
        name: Some(name.to_owned()),
        begins: None,
        expires: None,
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
fn a_role_without_permissions_is_mended_where_only_this_subscription_can_use_it() {
    let name = AzureRole::ConfigReader.definition().name;
    let mut empty = definition(AzureRole::ConfigReader, name);
    empty.permissions = vec![Permission::default()];
    let own = changed(|facts| facts.reader.definitions = Ok(vec![empty.clone()]));
    let Some(Action::MendRole(mended)) = &step(&plan(&own, &request()), Part::ReaderRole).action else {
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
