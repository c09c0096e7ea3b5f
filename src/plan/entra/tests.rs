mod handed_over;
mod in_use;
mod owed;
mod own_variables;
mod parts;
mod renewal;
mod texts;
mod there;
mod unasked;
mod unread;
mod unread_app;

use proptest::prelude::*;
use uuid::Uuid;

use super::fixture::*;
use super::*;
use crate::error::Kind;
use crate::model::access::{Permission, RoleAssignment};
use crate::model::directory::{AppCredential, Application, FederatedCredential, Owner};
use crate::model::entra::facts::{AppFacts, AppKind, InstanceFacts, StoredFacts, WorkloadSide};
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

/// Neither a mode nor a `ServiceAccount`.
fn as_it_is() -> SetupRequest {
    SetupRequest {
        service_account: None,
        ..request()
    }
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
        let again = plan(&done, &as_it_is());
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
            facts.issuer.as_mut().unwrap().name = "https://kubernetes.default.svc.cluster.local".to_owned();
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
                "r/azure-api-management/gateway:2.10.0".to_owned();
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
const IN_AZURE: [(&str, Change); 10] = [
    ("tier Basic", |it, _| instance_of(it).tier = "Basic".to_owned()),
    ("no system-assigned", |it, _| {
        instance_of(it).identity.principal = None;
    }),
    ("belongs to tenant", |it, _| {
        instance_of(it).identity.tenant = Some(Uuid::nil());
    }),
    ("signs in to tenant", |it, request| {
        request.service_account = None;
        let workload = workload_of(it);
        workload.signs_in = Ok(SignsIn::By(Mode::AppSecret));
        let other = SettingValue::Text(Uuid::nil().to_string());
        workload
            .template
            .settings
            .insert(setting::APP_TENANT.to_owned(), other);
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
        app.disabled = true;
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
        workload_of(it).service = Some("other".to_owned());
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
            fingerprint: None,
        });
    });
    let removed = |facts: &EntraFacts| {
        let plan = plan(facts, &in_mode(Mode::AppSecret));
        let Some(Action::AddSecret { remove, .. }) = &step(&plan, Part::Credential).action else {
            return None;
        };
        let previous = plan
            .steps
            .iter()
            .filter(|step| step.part == Part::PreviousCredential);
        Some(remove.len() + previous.count())
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
