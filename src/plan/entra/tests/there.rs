//! What is there already, and was changed or is only suspected of being wrong.

use super::renewal::{DAY, expires_in};
use super::*;
use crate::model::entra::facts::{ClearSecret, ServiceAccountFacts};
use crate::model::setting;

/// What this run puts right is nobody else's any more; the role of somebody else stays.
#[test]
fn our_federated_credential_that_was_changed_is_changed_back() {
    let federated = |name: String| FederatedCredential {
        name,
        issuer: ISSUER.to_owned(),
        subject: subject("shop", "other"),
        audiences: vec!["api://AzureADTokenExchange".to_owned()],
    };
    let of = |name: String| with_app(|app| app.federated = Ok(vec![federated(name.clone())]));
    let ours = plan(&of(federated_name(ISSUER, &subject("shop", "gw"))), &request());
    let credential = step(&ours, Part::Credential);
    assert_eq!(credential.mark, StepMark::Change);
    assert!(
        credential
            .text
            .contains("the subject from system:serviceaccount:shop:other to system:serviceaccount:shop:gw")
            && !credential.text.contains("issuer"),
        "{}",
        credential.text
    );
    assert!(refusal(&ours.steps).is_none(), "{}", marks(&ours));

    let foreign = plan(&of("by hand".to_owned()), &request());
    assert!(step(&foreign, Part::App).stops.is_some());
    // The app is there all the same.
    let left = &step(&foreign, Part::Credential).text;
    assert!(left.ends_with("it needs the app, see there"), "{left}");
}

/// A rehearsal that is refused says nothing against what is there.
#[test]
fn a_service_account_that_is_set_up_is_not_changed_on_suspicion() {
    let mut facts = with_app(|_| {});
    facts.webhook = Err(Unavailable::Unknown("exceeded quota".to_owned()));
    let annotations = [("azure.workload.identity/client-id".to_owned(), APP.to_string())];
    facts.cluster.service_account = Ok(Some(ServiceAccountFacts {
        annotations: annotations.into(),
        ..ServiceAccountFacts::default()
    }));
    let account = step(
        &plan(&facts, &in_mode(Mode::WorkloadIdentity)),
        Part::ServiceAccount,
    )
    .clone();
    assert_eq!(account.mark, StepMark::Ok, "{}", account.text);
}

#[test]
fn a_certificate_as_pem_stays() {
    let mode = Mode::AppCertificate;
    let mut facts = expires_in(mode, DAY * 61);
    let settings = &mut facts.cluster.workload.as_mut().unwrap().template.settings;
    let pem = SettingValue::Text("/etc/apim-entra/certificate.pem".to_owned());
    settings.insert(setting::APP_CERTIFICATE.to_owned(), pem);
    assert!(plan(&facts, &in_mode(mode)).is_complete());
}

/// The instance decides on the tenant.
#[test]
fn a_setting_of_another_tenant_is_to_be_corrected() {
    let mut facts = expires_in(Mode::AppSecret, DAY * 61);
    facts.instance.as_mut().unwrap().identity.tenant = Some(facts.tenant);
    let settings = &mut facts.cluster.workload.as_mut().unwrap().template.settings;
    let other = SettingValue::Text(Uuid::nil().to_string());
    settings.insert(setting::APP_TENANT.to_owned(), other);
    let error = refusal(&plan(&facts, &in_mode(Mode::AppSecret)).steps).unwrap();
    let setting = format!("{}={}", setting::APP_TENANT, facts.tenant);
    assert!(error.hints()[0].ends_with(&setting), "{:?}", error.hints());
}

/// The tokens of the pods are what Entra sees.
#[test]
fn tokens_for_another_audience_are_not_trusted() {
    let request = SetupRequest {
        federation_audience: Some("api://other".to_owned()),
        ..in_mode(Mode::WorkloadIdentity)
    };
    let facts = with_app(|_| {});
    let error = refusal(&plan(&facts, &request).steps).unwrap();
    assert!(
        error
            .to_string()
            .contains("for the audience api://AzureADTokenExchange, not for api://other")
    );
    assert_eq!(
        error.hints(),
        ["let Entra accept those: --federation-audience 'api://AzureADTokenExchange'"]
    );
}

/// Entra of another cloud documents an audience of its own.
#[test]
fn tokens_for_the_audience_of_another_cloud_are_tried() {
    let mut facts = with_app(|_| {});
    facts.cloud = Some(CloudName::China);
    let plan = plan(&facts, &in_mode(Mode::WorkloadIdentity));
    let webhook = step(&plan, Part::Webhook);
    assert_eq!(webhook.mark, StepMark::Unknown, "{}", webhook.text);
    assert!(webhook.text.ends_with("not for api://AzureADTokenExchangeChina"));
    assert!(webhook.hints[0].ends_with("--federation-audience 'api://AzureADTokenExchange'"));
}

fn names_removal(step: &Step, setting: &str) {
    let command = format!("kubectl -n shop set env deployment/gw -c gw {setting}-");
    let mut hints = step.hints.iter();
    assert!(hints.any(|hint| hint.ends_with(&command)), "{:?}", step.hints);
}

#[test]
fn a_client_secret_beside_a_certificate_is_named() {
    let with_both = |signs_in| {
        changed(|facts| {
            let workload = facts.cluster.workload.as_mut().unwrap();
            let settings = &mut workload.template.settings;
            for name in [setting::APP_SECRET, setting::APP_CERTIFICATE] {
                settings.insert(name.to_owned(), SettingValue::Text("there".to_owned()));
            }
            workload.signs_in = Ok(SignsIn::By(signs_in));
        })
    };
    let workload = |now, wanted| step(&plan(&with_both(now), &in_mode(wanted)), Part::Workload).clone();
    let settled = workload(Mode::AppCertificate, Mode::AppCertificate);
    assert!(settled.stops.is_some(), "{}", settled.text);
    names_removal(&settled, setting::APP_SECRET);
    let switched = workload(Mode::AppSecret, Mode::AppCertificate);
    assert_eq!(switched.mark, StepMark::Missing);
    names_removal(&switched, setting::APP_SECRET);
}

/// The certificate decides how the gateway seems to sign in.
#[test]
fn a_certificate_beside_a_client_secret_is_named() {
    let mut facts = expires_in(Mode::AppSecret, DAY * 61);
    let workload = facts.cluster.workload.as_mut().unwrap();
    let path = SettingValue::Text("/x".to_owned());
    let settings = &mut workload.template.settings;
    settings.insert(setting::APP_CERTIFICATE.to_owned(), path);
    workload.signs_in = Ok(SignsIn::By(Mode::AppCertificate));
    let settled = step(&plan(&facts, &in_mode(Mode::AppSecret)), Part::Workload).clone();
    assert!(settled.stops.is_some(), "{}", settled.text);
    names_removal(&settled, setting::APP_CERTIFICATE);
}

#[test]
fn a_client_secret_in_clear_beside_a_certificate_is_named() {
    let stopped = |place: ClearSecret| {
        let facts = changed(|facts| {
            let workload = facts.cluster.workload.as_mut().unwrap();
            workload.clear_secret = Some(place.clone());
            workload.signs_in = Ok(SignsIn::By(Mode::AppCertificate));
        });
        let step = step(&plan(&facts, &in_mode(Mode::AppCertificate)), Part::Workload).clone();
        assert!(step.stops.is_some(), "{}", step.text);
        step
    };
    names_removal(&stopped(ClearSecret::Workload), setting::APP_SECRET);
    let in_map = stopped(ClearSecret::ConfigMap {
        name: "map".to_owned(),
        key: setting::APP_SECRET.to_owned(),
        immutable: false,
    });
    assert!(
        in_map.hints[0].contains("patch configmap map"),
        "{:?}",
        in_map.hints
    );
}

/// A gateway takes it either way, and is not restarted for it.
#[test]
fn the_slash_of_an_authority_stays() {
    let mut facts = expires_in(Mode::AppSecret, DAY * 61);
    let settings = &mut facts.cluster.workload.as_mut().unwrap().template.settings;
    let slash = SettingValue::Text("https://login.microsoftonline.com/".to_owned());
    settings.insert(setting::APP_AUTHORITY.to_owned(), slash);
    assert!(plan(&facts, &in_mode(Mode::AppSecret)).is_complete());
}

#[test]
fn a_rollout_that_has_not_ended_is_no_health() {
    let mut facts = expires_in(Mode::AppSecret, DAY * 61);
    let workload = facts.cluster.workload.as_mut().unwrap();
    workload.still_replaces = Some("1 old pod is left".to_owned());
    let plan = plan(&facts, &in_mode(Mode::AppSecret));
    let proof = step(&plan, Part::Proof);
    assert_eq!((proof.mark, proof.action.is_none()), (StepMark::Unknown, true));
    assert!(
        proof
            .text
            .ends_with("its rollout has not ended: 1 old pod is left")
    );
}

#[test]
fn a_webhook_for_another_cloud_is_named() {
    let mut facts = with_app(|_| {});
    let injected = facts.webhook.as_mut().unwrap().as_mut().unwrap();
    injected.authority = Some("https://login.chinacloudapi.cn/".to_owned());
    let plan = plan(&facts, &in_mode(Mode::WorkloadIdentity));
    let webhook = step(&plan, Part::Webhook);
    assert_eq!(webhook.mark, StepMark::Unknown);
    assert!(
        webhook
            .text
            .contains("sign in at https://login.chinacloudapi.cn/, not at")
    );
}

#[test]
fn a_volume_where_the_certificate_belongs_stays() {
    let facts = changed(|facts| {
        facts.cluster.workload.as_mut().unwrap().other_volume = Some("config".to_owned());
    });
    let error = refusal(&plan(&facts, &in_mode(Mode::AppCertificate)).steps).unwrap();
    assert!(
        error
            .to_string()
            .contains("mounts its volume config at /etc/apim-entra")
    );
    let other = plan(&facts, &in_mode(Mode::AppSecret));
    assert!(refusal(&other.steps).is_none());
}

/// What cannot be written replaces nothing.
#[test]
fn the_previous_credential_stays_without_a_new_one() {
    let mut facts = expires_in(Mode::AppSecret, DAY * 20);
    facts.cluster.secret.as_mut().unwrap().as_mut().unwrap().immutable = true;
    let plan = plan(&facts, &in_mode(Mode::AppSecret));
    assert!(plan.steps.iter().all(|step| step.to_apply().is_none()));
    assert_eq!(step(&plan, Part::PreviousCredential).mark, StepMark::Missing);
}

#[test]
fn no_federated_credential_trusts_the_service_account_of_other_pods() {
    let request = SetupRequest {
        service_account: None,
        ..in_mode(Mode::WorkloadIdentity)
    };
    let plan = plan(&changed(|_| {}), &request);
    assert_eq!(step(&plan, Part::Credential).mark, StepMark::Missing);
    assert!(plan.federated().is_none());
}

/// A flag that does nothing is a mistake.
#[test]
fn a_flag_without_effect_is_refused_with_a_mode_that_was_not_given() {
    let refused = |mode, request: SetupRequest| {
        let facts = changed(|facts| {
            facts.cluster.workload.as_mut().unwrap().signs_in = Ok(SignsIn::By(mode));
        });
        setup(&facts, &request, now()).unwrap_err().to_string()
    };
    let account = refused(Mode::AppSecret, request());
    assert!(account.starts_with("--service-account has no effect with the mode app-secret"));
    let secret = SetupRequest {
        secret: Some("own".to_owned()),
        ..request()
    };
    let secret = refused(Mode::WorkloadIdentity, secret);
    assert!(secret.starts_with("--secret has no effect with the mode workload-identity"));
}

/// One that is valid needs no new one.
#[test]
fn a_policy_against_secrets_does_not_end_those_that_are_there() {
    let mut facts = expires_in(Mode::AppSecret, DAY * 61);
    facts.policy.as_mut().unwrap().forbids_secrets = true;
    let plan = plan(&facts, &in_mode(Mode::AppSecret));
    assert_eq!(
        step(&plan, Part::Credential).mark,
        StepMark::Ok,
        "{}",
        marks(&plan)
    );
}
