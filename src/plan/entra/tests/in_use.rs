//! What pods use is neither removed nor replaced.

use super::*;
use crate::model::entra::facts::{Absence, RunningPod, ServiceAccountFacts};
use crate::model::entra::{CLIENT_ID_ANNOTATION, TENANT_ID_ANNOTATION};
use crate::model::{Replacement, RotationIds};

/// A gateway that was set up in a mode, and signs in by it.
fn set_up(mode: Mode) -> EntraFacts {
    let mut done = after(facts(), &plan(&facts(), &in_mode(mode)));
    done.cluster.workload.as_mut().unwrap().signs_in = Ok(SignsIn::By(mode));
    done
}

#[test]
fn the_credential_of_another_mode_stays_in_entra_and_in_its_secret() {
    for (now, other) in [
        (Mode::AppSecret, Mode::AppCertificate),
        (Mode::AppCertificate, Mode::AppSecret),
    ] {
        let plan = plan(&set_up(now), &in_mode(other));
        for part in [Part::Credential, Part::Secret, Part::Workload] {
            let found = step(&plan, part);
            assert_eq!(found.mark, StepMark::Missing, "{found:?}");
            let removes = match &found.action {
                Some(Action::AddSecret { remove, .. } | Action::AddCertificate { remove, .. }) => {
                    remove.len()
                }
                _ => 0,
            };
            assert_eq!(removes, 0, "{found:?}");
        }
        let hints = &step(&plan, Part::Secret).hints;
        assert!(hints[0].contains("--secret NAME"), "{hints:?}");
    }
}

#[test]
fn a_credential_for_another_secret_of_the_namespace_was_made_here() {
    for name in ["custom", "custom.1"] {
        let mut facts = set_up(Mode::AppSecret);
        let AppKind::Application(app) = &mut facts.app.as_mut().unwrap().as_mut().unwrap().kind else {
            unreachable!()
        };
        app.secrets[0].name = Some(credential_name("uid", "shop", name));
        let of = |facts: &EntraFacts| step(&plan(facts, &in_mode(Mode::WorkloadIdentity)), Part::App).clone();
        let made = of(&facts);
        assert_eq!(made.stops, None, "{made:?}");
        let note = format!("made here for secret/{name} ");
        assert!(made.notes[0].contains(&note), "{made:?}");
        facts.cluster.place = Err(Unavailable::Forbidden("403".to_owned()));
        assert_eq!(of(&facts).stops, Some(Kind::Refused));
        let notes = of(&facts).text;
        assert!(notes.contains("was made here is not known"), "{notes}");
    }
}

/// A run with `--secret` is followed by one without.
#[test]
fn the_secret_that_the_pods_sign_in_with_is_the_default() {
    for mode in [Mode::AppSecret, Mode::AppCertificate] {
        let custom = SetupRequest {
            secret: Some("custom".to_owned()),
            ..in_mode(mode)
        };
        let mut done = after(facts(), &plan(&facts(), &custom));
        done.cluster.workload.as_mut().unwrap().signs_in = Ok(SignsIn::By(mode));
        for request in [in_mode(mode), as_it_is()] {
            let found = plan(&done, &request);
            assert_eq!(found.secret, "custom");
            assert!(found.is_complete(), "{mode:?}: {:?}", found.steps);
        }
        // Pods that sign in as another app keep their Secret.
        let mut of_another = done.clone();
        let settings = &mut of_another.cluster.workload.as_mut().unwrap().template.settings;
        let other = SettingValue::Text(Uuid::from_u128(99).to_string());
        settings.insert(setting::APP_CLIENT.to_owned(), other);
        assert_eq!(plan(&of_another, &in_mode(mode)).secret, "gw-entra");
        let other_mode = if mode == Mode::AppSecret {
            Mode::AppCertificate
        } else {
            Mode::AppSecret
        };
        assert_eq!(plan(&done, &in_mode(other_mode)).secret, "gw-entra");
    }
}

#[test]
fn the_credential_of_another_app_stays_in_its_secret() {
    let mut done = set_up(Mode::AppSecret);
    let secret = done.cluster.secret.as_mut().unwrap().as_mut().unwrap();
    secret.client_id = Some(Uuid::from_u128(99));
    secret.credential = None;
    let found = plan(&done, &in_mode(Mode::AppSecret));
    assert_eq!(step(&found, Part::Secret).mark, StepMark::Missing);
    assert_eq!(step(&found, Part::Credential).mark, StepMark::Missing);
    // As for a ServiceAccount, nothing is done before another one is chosen.
    assert_eq!(step(&found, Part::Secret).stops, Some(Kind::Refused));
}

/// A gateway that was set up in a mode, and whose app was deleted.
fn without_app(mode: Mode) -> EntraFacts {
    let mut done = set_up(mode);
    done.app = Ok(None);
    done.gone = [(APP, Absence::Final)].into();
    done
}

/// The command that `status` gives for it.
#[test]
fn what_names_an_app_that_does_not_exist_any_more_is_replaced() {
    for mode in Mode::ALL {
        let part = if mode.is_stored() {
            Part::Secret
        } else {
            Part::ServiceAccount
        };
        let found = plan(&without_app(mode), &as_it_is());
        assert_eq!(found.mode, mode);
        assert_eq!(planned_exit_code(&found.steps), 0, "{:?}", found.steps);
        let replaced = step(&found, part);
        assert_eq!(replaced.mark, StepMark::Change, "{replaced:?}");
        let note = format!("the app {APP}, which does not exist any more");
        assert!(replaced.notes.iter().any(|it| it.contains(&note)), "{replaced:?}");
        assert_eq!(step(&found, Part::App).mark, StepMark::Create);
        let restarts = step(&found, Part::Workload).to_apply();
        assert!(restarts.is_some_and(Action::replaces_pods));

        let restore = "https://graph.example/v1.0/directory/deletedItems/1/restore";
        for (absence, words) in [
            (
                Absence::Restorable(restore.to_owned()),
                format!("az rest --method post --url '{restore}'"),
            ),
            (
                Absence::NotFound,
                "is not found in the tenant: it was deleted for good, or less than".to_owned(),
            ),
        ] {
            let mut deleted = without_app(mode);
            deleted.gone = [(APP, absence)].into();
            let found = plan(&deleted, &as_it_is());
            let notes = &step(&found, part).notes;
            assert!(notes.iter().any(|note| note.contains(&words)), "{notes:?}");
        }

        // Whether it is gone is not certain.
        let mut unsure = without_app(mode);
        unsure.gone.clear();
        let found = plan(&unsure, &as_it_is());
        assert_eq!(step(&found, part).stops, Some(Kind::Refused), "{mode:?}");
    }
}

#[test]
fn what_is_for_others_is_not_replaced_although_its_app_is_not_found_here() {
    let secret = |change: &dyn Fn(&mut StoredFacts)| {
        let mut facts = without_app(Mode::AppSecret);
        change(facts.cluster.secret.as_mut().unwrap().as_mut().unwrap());
        step(&plan(&facts, &as_it_is()), Part::Secret).mark
    };
    assert_eq!(secret(&|_| {}), StepMark::Change);
    let of_gateway = |it: &mut StoredFacts| it.gateway = Some(gateway().service.gateway("other"));
    assert_eq!(secret(&of_gateway), StepMark::Missing);
    let account = |tenant: Option<Uuid>, of_webhook: Option<Uuid>| {
        let mut facts = without_app(Mode::WorkloadIdentity);
        let found = facts.cluster.service_account.as_mut().unwrap().as_mut().unwrap();
        let tenant = tenant.map(|it| (TENANT_ID_ANNOTATION.to_owned(), it.to_string()));
        found.annotations.extend(tenant);
        facts.webhook.as_mut().unwrap().as_mut().unwrap().tenant = of_webhook.map(|it| it.to_string());
        step(&plan(&facts, &as_it_is()), Part::ServiceAccount).mark
    };
    let other = Uuid::from_u128(98);
    assert_eq!(account(None, Some(TENANT)), StepMark::Change);
    assert_eq!(account(Some(TENANT), Some(other)), StepMark::Change);
    // An app of another tenant.
    assert_eq!(account(Some(other), Some(TENANT)), StepMark::Missing);
    assert_eq!(account(None, Some(other)), StepMark::Missing);
    assert_eq!(account(None, None), StepMark::Missing);
}

/// What is removed at once, and what after the proof.
fn removed(plan: &SetupPlan) -> (Vec<Uuid>, Vec<Uuid>) {
    let at_once = match &step(plan, Part::Credential).action {
        Some(Action::AddSecret { remove, .. } | Action::AddCertificate { remove, .. }) => remove.clone(),
        other => panic!("{other:?}"),
    };
    let previous = plan
        .steps
        .iter()
        .find(|step| step.part == Part::PreviousCredential);
    let after = match previous.and_then(|step| step.action.clone()) {
        Some(Action::RemoveCredentials { remove }) => remove,
        _ => Vec::new(),
    };
    (at_once, after)
}

/// Pods that somebody else has deployed carry no mark.
#[test]
fn the_credential_of_running_pods_is_not_left_over() {
    for mode in [Mode::AppSecret, Mode::AppCertificate] {
        let mut done = set_up(mode);
        let held = newest_credential(&mut done).unwrap();
        done.cluster.secret = Ok(None);
        for ids in [String::new(), held.to_string()] {
            let ids = RotationIds::from(ids.as_str());
            done.cluster.workload.as_mut().unwrap().marks.rotation_ids = ids.clone();
            let pod = RunningPod {
                name: "pod/gw-1".to_owned(),
                is_own: true,
                rotation_ids: ids,
                secrets: vec!["gw-entra".to_owned()],
                created: "2026-12-01T00:00:00Z".parse().ok(),
                ..RunningPod::default()
            };
            done.cluster.pods = Ok(vec![pod]);
            let found = plan(&done, &in_mode(mode));
            assert_eq!(removed(&found), (Vec::new(), vec![held]), "{:?}", found.steps);

            // Nothing proves the new one.
            let mut owned = done.clone();
            owned.cluster.workload.as_mut().unwrap().owner = Some("Helm".to_owned());
            let found = plan(&owned, &in_mode(mode));
            assert_eq!(removed(&found), (Vec::new(), Vec::new()));
            let notes = &step(&found, Part::Credential).notes;
            let note = format!("{held} stays in the app, because pod/gw-1 may have it");
            assert!(notes.iter().any(|it| it.starts_with(&note)), "{notes:?}");

            // What is not known is left, with the command.
            done.cluster.pods = Err(Unavailable::Forbidden("403".to_owned()));
            let found = plan(&done, &in_mode(mode));
            assert_eq!(removed(&found), (Vec::new(), Vec::new()));
            let notes = &step(&found, Part::Credential).notes;
            let command = format!("az ad app credential delete --id {APP} --key-id {held}");
            assert!(notes.iter().any(|it| it.contains(&command)), "{notes:?}");
        }
    }
}

/// Of another app, whose only copy may be there.
#[test]
fn what_somebody_else_has_put_into_the_secret_is_not_overwritten() {
    for mode in [Mode::AppSecret, Mode::AppCertificate] {
        for keys in [mode.keys(), &mode.keys()[..1]] {
            let mut facts = set_up(mode);
            facts.cluster.secret = Ok(Some(StoredFacts {
                keys: keys.iter().map(|key| (*key).to_owned()).collect(),
                ..StoredFacts::default()
            }));
            let secret = |facts: &EntraFacts| step(&plan(facts, &in_mode(mode)), Part::Secret).clone();
            // This app's, by the pod template.
            assert_eq!(secret(&facts).mark, StepMark::Change, "{mode:?} {keys:?}");

            let other = Uuid::from_u128(99);
            let settings = &mut workload_of(&mut facts).template.settings;
            settings.insert(
                setting::APP_CLIENT.to_owned(),
                SettingValue::Text(other.to_string()),
            );
            let found = secret(&facts);
            assert_eq!(found.mark, StepMark::Missing, "{mode:?} {keys:?}");
            let words = format!("has {} already, which was not written here", keys.join(", "));
            assert!(found.text.contains(&words), "{}", found.text);
            let whose = format!("deployment/gw signs in with it as the app {other}");
            assert!(found.text.ends_with(&whose), "{}", found.text);
            let hints = found.hints.join("\n");
            assert!(
                hints.contains("--secret NAME") && hints.contains("kubectl -n shop delete secret gw-entra")
            );
            let plan = plan(&facts, &in_mode(mode));
            assert_eq!(planned_exit_code(&plan.steps), 4);
            assert!(step(&plan, Part::Credential).to_apply().is_none());
        }
    }
}

#[test]
fn a_service_account_of_another_app_is_not_taken() {
    let facts = changed(|facts| {
        facts.cluster.service_account = Ok(Some(ServiceAccountFacts {
            annotations: [(CLIENT_ID_ANNOTATION.to_owned(), Uuid::from_u128(99).to_string())].into(),
            ..ServiceAccountFacts::default()
        }));
    });
    let plan = plan(&facts, &in_mode(Mode::WorkloadIdentity));
    assert_eq!(step(&plan, Part::ServiceAccount).stops, Some(Kind::Refused));
}

#[test]
fn a_role_that_was_renamed_is_not_overwritten() {
    let wanted = AzureRole::ConfigReader.definition();
    let mut role = definition(AzureRole::ConfigReader, "Renamed");
    role.id = wanted.id_in(&gateway().service.subscription);
    role.permissions[0].actions.push("Microsoft.Storage/*".to_owned());
    let facts = changed(|facts| facts.reader.definitions = Ok(vec![role.clone()]));
    let plan = plan(&facts, &in_mode(Mode::AppSecret));
    assert_eq!(step(&plan, Part::ReaderRole).stops, Some(Kind::Refused));
}

#[test]
fn who_may_not_read_apps_gets_a_whole_script_for_others() {
    let facts = changed(|facts| {
        facts.app = Err(Unavailable::Forbidden("403".to_owned()));
        facts.namesakes = Err(Unavailable::Forbidden("403".to_owned()));
    });
    for mode in Mode::ALL {
        let plan = plan(&facts, &in_mode(mode));
        assert_eq!(planned_exit_code(&plan.steps), 4);
        for part in [Part::App, Part::ServicePrincipal, Part::Credential] {
            assert!(step(&plan, part).left_to_others().is_some(), "{mode:?} {part:?}");
        }
    }
}

#[test]
fn settings_that_are_left_over_of_another_cloud_are_replaced() {
    let facts = changed(|facts| {
        let template = &mut facts.cluster.workload.as_mut().unwrap().template;
        for name in [setting::TOKEN_AUDIENCE, setting::APP_AUTHORITY] {
            template.settings.insert(
                name.to_owned(),
                SettingValue::Text("https://elsewhere".to_owned()),
            );
        }
    });
    let wanted = plan(&facts, &in_mode(Mode::AppSecret)).template.settings;
    let text = |text: &str| Some(SettingValue::Text(text.to_owned()));
    assert_eq!(
        wanted.get(setting::TOKEN_AUDIENCE).cloned(),
        text("https://azure-api.net/configuration")
    );
    assert_eq!(
        wanted.get(setting::APP_AUTHORITY).cloned(),
        text("https://login.microsoftonline.com")
    );
}

#[test]
fn pods_that_are_not_replaced_are_named() {
    let paused = changed(|facts| facts.cluster.workload.as_mut().unwrap().paused = true);
    let found = plan(&paused, &in_mode(Mode::AppSecret));
    assert_eq!(step(&found, Part::Workload).stops, Some(Kind::Refused));
    let by_hand = changed(|facts| {
        facts.cluster.workload.as_mut().unwrap().replacement = Replacement::ByHand("OnDelete".to_owned());
    });
    let found = plan(&by_hand, &in_mode(Mode::AppSecret));
    assert!(step(&found, Part::Workload).notes[0].contains("OnDelete"));
    let below = changed(|facts| {
        let workload = facts.cluster.workload.as_mut().unwrap();
        workload.replacement = Replacement::ByHand("the partition 2".to_owned());
        workload.partition = 2;
    });
    let found = plan(&below, &in_mode(Mode::AppSecret));
    let note = &step(&found, Part::Workload).notes[0];
    assert!(
        note.contains("below the partition 2") && note.contains("kubectl -n shop patch deployment/gw -p '{"),
        "{note}"
    );
    let deleted = changed(|facts| facts.cluster.workload.as_mut().unwrap().is_deleted = true);
    let found = plan(&deleted, &in_mode(Mode::AppSecret));
    assert_eq!(step(&found, Part::Workload).stops, Some(Kind::Refused));
    let ordered = changed(|facts| facts.cluster.workload.as_mut().unwrap().ordered = true);
    let found = plan(&ordered, &in_mode(Mode::AppSecret));
    assert!(step(&found, Part::Workload).notes[0].contains("a pod that is not ready is deleted"));
}
