//! Gateways that sign in by Entra.

use clap::Args;
use uuid::Uuid;

use super::super::super::fixture::{APP, DAY, KEY, PRINCIPAL, entra_gateway, now, set_up, sign_in};
use super::super::*;
use crate::cli::entra::EntraArgs;
use crate::model::access::RoleDefinition;
use crate::model::directory::{AppCredential, Application};
use crate::model::{EntraInAzure, InstanceAccess, Validity};

fn assessed(auth: Auth, change: impl Fn(&mut GatewayFacts)) -> Assessment {
    let mut facts = entra_gateway(auth);
    change(&mut facts);
    assess(&facts, now())
}

/// With everything set up in Azure, and one change.
fn with_azure(auth: Auth, change: impl Fn(&mut EntraInAzure)) -> Assessment {
    assessed(auth, |facts| {
        let mut azure = set_up(auth);
        change(&mut azure);
        sign_in(facts).azure = Some(Box::new(azure));
    })
}

fn application(azure: &mut EntraInAzure) -> &mut Application {
    azure.application.as_mut().unwrap().as_mut().unwrap()
}

fn access(azure: &mut EntraInAzure) -> &mut InstanceAccess {
    std::sync::Arc::get_mut(azure.access.as_mut().unwrap()).unwrap()
}

fn secret(facts: &mut GatewayFacts) -> &mut SecretFacts {
    sign_in(facts).stored.as_mut().unwrap().as_mut().unwrap()
}

/// Nothing has recorded the credential.
fn unrecorded(facts: &mut GatewayFacts) {
    secret(facts).marks.app = crate::model::AppMarks::default();
}

#[test]
fn a_recorded_credential_is_due_at_a_third_of_its_life() {
    for (begun, left, expected) in [
        (30, 150, Verdict::Healthy),
        (119, 61, Verdict::Healthy),
        (120, 60, Verdict::Due),
        (172, 8, Verdict::Due),
        (173, 7, Verdict::Expiring),
        (180, 0, Verdict::Expired),
        (300, -120, Verdict::Expired),
        // A short life: seven days count more than a third.
        (1, 8, Verdict::Healthy),
        (2, 7, Verdict::Expiring),
    ] {
        for auth in [Auth::AppSecret, Auth::Certificate] {
            let assessment = assessed(auth, |facts| {
                let marks = &mut secret(facts).marks;
                marks.rotated_at = Some(now() - DAY * begun);
                marks.expires_at = Some(now() + DAY * left);
            });
            assert_eq!(
                assessment.verdict, expected,
                "{begun} {left}: {}",
                assessment.reason
            );
            let noun = if auth == Auth::AppSecret {
                "the client secret"
            } else {
                "the certificate"
            };
            assert!(assessment.reason.starts_with(noun), "{}", assessment.reason);
            assert_eq!(assessment.expiry.unwrap().source, ExpirySource::Annotation);
        }
    }
    // Where the begin is not known, the life of one that the set-up makes counts.
    let unknown = |left: i32| {
        assessed(Auth::AppSecret, |facts| {
            let secret = secret(facts);
            (secret.marks.rotated_at, secret.last_written) = (None, None);
            secret.marks.expires_at = Some(now() + DAY * left);
        })
    };
    assert_eq!(
        (unknown(61).verdict, unknown(60).verdict),
        (Verdict::Healthy, Verdict::Due)
    );
}

#[test]
fn a_workload_identity_does_not_expire() {
    let assessment = assessed(Auth::WorkloadIdentity, |_| {});
    assert_eq!(assessment.verdict, Verdict::Healthy);
    assert_eq!(assessment.reason, "a workload identity does not expire");
    assert_eq!((assessment.fix, assessment.expiry), (None, None));
}

#[test]
fn what_others_wrote_is_not_described_by_our_annotations() {
    let assessment = assessed(Auth::AppSecret, |facts| {
        let secret = secret(facts);
        secret.written_by_us = false;
        secret.last_writer = Some("kubectl-edit".to_owned());
    });
    assert_eq!(assessment.verdict, Verdict::Unknown);
    assert!(
        assessment.reason.contains("kubectl-edit replaced it"),
        "{}",
        assessment.reason
    );
    let fix = assessment.fix_text().unwrap();
    assert!(fix.starts_with("kubectl apim entra setup "), "{fix}");
    let nothing = assessed(Auth::Certificate, unrecorded);
    assert!(
        nothing.reason.contains("ask it with --azure"),
        "{}",
        nothing.reason
    );
    let forbidden = assessed(Auth::AppSecret, |facts| {
        sign_in(facts).stored = Some(Err(Unavailable::Forbidden("no right".to_owned())));
    });
    assert_eq!(forbidden.verdict, Verdict::Unknown);
    assert_eq!(
        forbidden.fix_text().as_deref(),
        Some("kubectl auth can-i get secret/gw-entra -n shop")
    );
}

type Change<'a> = &'a dyn Fn(&mut GatewayFacts);

/// What the app has in Entra does not matter if no pod can read it.
#[test]
fn a_secret_that_is_gone_or_replaced_is_not_healthy_because_of_the_app() {
    let gone = |facts: &mut GatewayFacts| {
        let why = "secret/gw-entra does not exist".to_owned();
        sign_in(facts).stored = Some(Err(Unavailable::Unknown(why)));
    };
    let replaced = |facts: &mut GatewayFacts| secret(facts).written_by_us = false;
    let garbage = |facts: &mut GatewayFacts| {
        unrecorded(facts);
        let why = "certificate.pfx is not a certificate".to_owned();
        sign_in(facts).certificate = Some(Err(Unavailable::Unknown(why)));
    };
    let cases: [(Auth, Change<'_>, &str); 4] = [
        (Auth::AppSecret, &gone, "secret/gw-entra does not exist"),
        (Auth::AppSecret, &replaced, "replaced it after it was recorded"),
        (Auth::Certificate, &gone, "secret/gw-entra does not exist"),
        (Auth::Certificate, &garbage, "is not a certificate"),
    ];
    for (auth, change, why) in cases {
        let assessment = assessed(auth, |facts| {
            change(facts);
            sign_in(facts).azure = Some(Box::new(set_up(auth)));
        });
        assert_eq!(assessment.verdict, Verdict::Unknown, "{why}");
        assert!(assessment.reason.contains(why), "{}", assessment.reason);
        let fix = assessment.fix_text().unwrap();
        assert!(fix.starts_with("kubectl apim entra setup "), "{fix}");
        parses(&fix);
    }
}

#[test]
fn the_certificate_itself_counts_before_a_guess() {
    let assessment = assessed(Auth::Certificate, |facts| {
        unrecorded(facts);
        let mut azure = set_up(Auth::Certificate);
        application(&mut azure).certificates[0].expires = Some(now() + DAY);
        let sign_in = sign_in(facts);
        sign_in.azure = Some(Box::new(azure));
        sign_in.certificate = Some(Ok(Validity {
            begins: Some(now() - DAY * 300),
            expires: now() + DAY * 65,
        }));
    });
    assert_eq!(assessment.verdict, Verdict::Due);
    assert_eq!(assessment.expiry.unwrap().source, ExpirySource::Certificate);
}

#[test]
fn of_several_credentials_none_is_believed_that_may_have_expired() {
    let of = |left: &[i32]| {
        let all = left.iter().map(|left| AppCredential {
            key_id: Uuid::new_v4(),
            name: None,
            begins: Some(now() - DAY * 100),
            expires: Some(now() + DAY * *left),
            fingerprint: None,
        });
        let all: Vec<AppCredential> = all.collect();
        assessed(Auth::AppSecret, |facts| {
            unrecorded(facts);
            let mut azure = set_up(Auth::AppSecret);
            application(&mut azure).secrets.clone_from(&all);
            sign_in(facts).azure = Some(Box::new(azure));
        })
    };
    assert_eq!(of(&[200]).verdict, Verdict::Healthy);
    assert_eq!(of(&[200]).expiry.unwrap().source, ExpirySource::Graph);
    assert_eq!(of(&[200, 5]).verdict, Verdict::Expiring);
    assert_eq!(of(&[-5]).verdict, Verdict::Expired);
    assert_eq!(of(&[-5, -1]).verdict, Verdict::Expired);
    let uncertain = of(&[200, -5]);
    assert_eq!(uncertain.verdict, Verdict::Unknown);
    assert!(
        uncertain
            .reason
            .contains("which of the 2 client secrets of the app gw"),
        "{}",
        uncertain.reason
    );
    // None at all is no doubt.
    assert_eq!(of(&[]).verdict, Verdict::CannotSignIn);
}

#[test]
fn what_graph_has_under_the_recorded_id_counts_most() {
    let assessment = with_azure(Auth::AppSecret, |azure| {
        application(azure).secrets[0].expires = Some(now() + DAY * 5);
    });
    assert_eq!(assessment.verdict, Verdict::Expiring);
    assert_eq!(assessment.expiry.unwrap().source, ExpirySource::Graph);
    let gone = with_azure(Auth::AppSecret, |azure| {
        application(azure).secrets[0].key_id = Uuid::from_u128(99);
    });
    assert_eq!(gone.verdict, Verdict::CannotSignIn);
    assert!(gone.reason.contains(&KEY.to_string()), "{}", gone.reason);
}

/// The command line is one that the program takes.
fn parses(fix: &str) {
    let Some(line) = fix.strip_prefix("kubectl apim entra ") else {
        return;
    };
    let command = EntraArgs::augment_args(clap::Command::new("entra"));
    let command = command.arg(clap::Arg::new("namespace").short('n').global(true));
    let parsed = command.try_get_matches_from(std::iter::once("entra").chain(line.split(' ')));
    parsed.unwrap_or_else(|error| panic!("{fix}: {error}"));
}

const SET_UP: &str = "kubectl apim entra setup deployment/gw -n shop -s s -r rg -a svc -g gw";

#[test]
fn the_broken_part_is_named_with_the_command_that_mends_it() {
    let with_app = format!("{SET_UP} --app {APP}");
    let mends = |change: &dyn Fn(&mut EntraInAzure), said: &str, fix: &str| {
        let assessment = with_azure(Auth::WorkloadIdentity, change);
        assert_eq!(
            assessment.verdict,
            Verdict::CannotSignIn,
            "{said}: {assessment:?}"
        );
        assert!(assessment.reason.contains(said), "{said}: {}", assessment.reason);
        assert_eq!(assessment.fix_text().as_deref(), Some(fix), "{said}");
        parses(fix);
    };
    mends(
        &|azure| access(azure).identity.principal = None,
        "has no system-assigned identity",
        &format!("{with_app} --enable-identity"),
    );
    mends(
        &|azure| access(azure).assignments.as_mut().unwrap().truncate(1),
        "does not have the role API Management Gateway Configuration Reader",
        &with_app,
    );
    mends(
        &|azure| {
            azure.application = Ok(None);
            azure.service_principal = Ok(None);
        },
        "there is no app or managed identity with the client id",
        &format!("{SET_UP} --create-app gw"),
    );
    mends(
        &|azure| azure.service_principal = Ok(None),
        "has no service principal",
        &with_app,
    );
    mends(
        &|azure| {
            azure
                .service_principal
                .as_mut()
                .unwrap()
                .as_mut()
                .unwrap()
                .enabled = false;
        },
        "is disabled",
        &format!("az ad sp update --id {PRINCIPAL} --set accountEnabled=true"),
    );
    // Problems are counted.
    mends(
        &|azure| {
            access(azure).identity.principal = None;
            azure.service_principal = Ok(None);
        },
        "; 3 more problems",
        &format!("{with_app} --enable-identity"),
    );
}

#[test]
fn what_is_due_is_renewed_where_it_is() {
    for (days, verdict, name, more) in [
        (10, Verdict::Due, "gw-entra", ""),
        (5, Verdict::Expiring, "gw-entra", ""),
        (5, Verdict::Expiring, "chosen", " --secret chosen"),
    ] {
        let due = assessed(Auth::AppSecret, |facts| {
            secret(facts).marks.expires_at = Some(now() + DAY * days);
            facts.secret = Some((name.to_owned(), "k".to_owned()));
        });
        let fix = format!("kubectl apim entra setup deployment/gw -n shop --app {APP}{more}");
        parses(&fix);
        assert_eq!((due.verdict, due.fix_text()), (verdict, Some(fix)));
    }
}

#[test]
fn what_could_not_be_read_is_unknown_and_never_broken() {
    let forbidden = || Unavailable::Forbidden("denied\u{1b}".to_owned());
    let assessment = with_azure(Auth::WorkloadIdentity, |azure| {
        azure.application = Err(forbidden());
        azure.service_principal = Err(forbidden());
        azure.federation.as_mut().unwrap().credentials = Err(forbidden());
        access(azure).assignments = Err(forbidden());
        access(azure).definitions = Err(forbidden());
    });
    assert_eq!(assessment.verdict, Verdict::Healthy);
    assert!(
        assessment
            .reason
            .contains("7 parts of its sign-in could not be checked"),
        "{}",
        assessment.reason
    );
    // An alarm that cannot read must not pass.
    let facts = entra_gateway(Auth::WorkloadIdentity);
    assert!(is_alarm(&facts, &assessment, DAY, now()));
    let unasked = assess(&facts, now());
    assert!(!is_alarm(&facts, &unasked, DAY, now()));
    let all_well = with_azure(Auth::WorkloadIdentity, |_| {});
    assert_eq!((all_well.verdict, all_well.links.len()), (Verdict::Healthy, 8));
    assert!(!is_alarm(&facts, &all_well, DAY, now()));
}

#[test]
fn a_secret_in_clear_is_unprotected() {
    let in_clear = with_azure(Auth::AppSecret, |_| {});
    assert_eq!(in_clear.verdict, Verdict::Healthy);
    let in_clear = assessed(Auth::AppSecret, |facts| {
        let azure = set_up(Auth::AppSecret);
        let sign_in = sign_in(facts);
        sign_in.azure = Some(Box::new(azure));
        sign_in.in_clear = Some("configmap/gw".to_owned());
    });
    assert_eq!(in_clear.verdict, Verdict::Unprotected);
    assert!(in_clear.reason.contains("configmap/gw"));
    assert_eq!(in_clear.fix_text(), Some(format!("{SET_UP} --app {APP}")));
}

#[test]
fn the_next_change_is_the_next_threshold() {
    let mut at = now();
    let facts = entra_gateway(Auth::AppSecret);
    let mut left = Vec::new();
    while let Some(next) = next_change(&facts, at) {
        left.push((now() + DAY * 150).duration_since(next).as_hours() / 24);
        at = next;
    }
    assert_eq!(left, [60, 7, 0]);
}

#[test]
fn a_role_of_that_name_without_permissions_is_named() {
    let assessment = with_azure(Auth::WorkloadIdentity, |azure| {
        let rename = |it: &mut RoleDefinition| {
            it.permissions.clear();
            it.name = "API Management Gateway Configuration Reader Role".to_owned();
        };
        rename(&mut access(azure).definitions.as_mut().unwrap()[1]);
    });
    assert!(
        assessment
            .reason
            .starts_with("the role API Management Gateway Configuration Reader Role lacks the permission"),
        "{}",
        assessment.reason
    );
}

/// A set-up stops at such a role.
#[test]
fn a_role_of_that_name_with_another_permission_is_for_its_owner() {
    let assessment = with_azure(Auth::WorkloadIdentity, |azure| {
        let role = &mut access(azure).definitions.as_mut().unwrap()[1];
        role.name = "API Management Gateway Configuration Reader Role".to_owned();
        role.permissions[0].data_actions = vec!["other/action".to_owned()];
    });
    let said = &assessment.reason;
    assert!(said.contains("and has others or excludes some"), "{said}");
    let fix = assessment.fix_text().unwrap();
    assert!(fix.starts_with("az role definition list "), "{fix}");
}

#[test]
fn pods_with_an_older_credential_of_an_app_are_replaced_by_a_set_up() {
    let setting_up = "kubectl apim entra setup deployment/gw -n shop";
    for auth in [Auth::AppSecret, Auth::Certificate] {
        let stale = |facts: &mut GatewayFacts| {
            facts.pods = Ok(StalePods {
                stale: vec!["gw-1".to_owned()],
                ..StalePods::default()
            });
        };
        let interrupted = assessed(auth, stale);
        assert_eq!(interrupted.verdict, Verdict::RestartOwed);
        assert!(interrupted.fix_text().unwrap().starts_with(setting_up));
        let restarted = assessed(auth, |facts| {
            stale(facts);
            facts.marks.rotation_ids = Some(KEY.to_string()).into();
        });
        assert_eq!(restarted.verdict, Verdict::StalePods);
        assert!(
            restarted.reason.contains("older credential"),
            "{}",
            restarted.reason
        );
        assert!(restarted.fix_text().unwrap().starts_with(setting_up));
    }
}
