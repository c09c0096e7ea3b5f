//! Settings of a container that do not fit its cloud, its instance or its Secret.

use uuid::Uuid;

use super::super::super::fixture::{APP, entra_gateway, now, set_up, sign_in};
use super::super::*;
use crate::model::{AppSettings, CloudName};

type Change = fn(&mut AppSettings);

fn assessed(auth: Auth, change: impl Fn(&mut AppSettings)) -> Assessment {
    let mut facts = entra_gateway(auth);
    facts.cloud = Some(CloudName::Public);
    let mut azure = set_up(auth);
    let access = std::sync::Arc::get_mut(azure.access.as_mut().unwrap()).unwrap();
    access.identity.tenant = Some(Uuid::from_u128(77));
    sign_in(&mut facts).azure = Some(Box::new(azure));
    change(&mut sign_in(&mut facts).settings);
    assess(&facts, now())
}

#[test]
fn what_fits_is_healthy() {
    let fitting: [Change; 4] = [
        |it| it.tenant = Some(Uuid::from_u128(77).to_string()),
        |it| it.tenant = Some("contoso.onmicrosoft.com".to_owned()),
        |it| it.audience = Some("https://azure-api.net/configuration/".to_owned()),
        |it| it.authority = Some("https://login.microsoftonline.com/".to_owned()),
    ];
    for change in fitting {
        let found = assessed(Auth::AppSecret, change);
        assert_eq!(found.verdict, Verdict::Healthy, "{}", found.reason);
    }
}

#[test]
fn what_does_not_fit_is_named_with_what_corrects_it() {
    let set_up = "kubectl apim entra setup deployment/gw -n shop";
    let cases: [(&str, &str, Change); 5] = [
        (
            "the tenant of the instance is",
            "kubectl -n shop set env deployment/gw -c gw config.service.auth.azureAd.tenantId=",
            |it| it.tenant = Some(Uuid::nil().to_string()),
        ),
        ("config.service.auth.tokenAudience is", set_up, |it| {
            it.audience = Some("https://azure-api.cn/configuration".to_owned());
        }),
        ("config.service.auth.azureAd.authority is", set_up, |it| {
            it.authority = Some("https://login.chinacloudapi.cn".to_owned());
        }),
        ("clientId is not a GUID", set_up, |it| {
            it.odd_client = Some("gw".to_owned());
        }),
        ("nothing is mounted", set_up, |it| {
            it.no_certificate = Some(Ok(
                "nothing is mounted at /x, where the certificate is to be".to_owned()
            ));
        }),
    ];
    for (said, fix, change) in cases {
        let found = assessed(Auth::Certificate, change);
        assert_eq!(found.verdict, Verdict::CannotSignIn, "{said}");
        assert!(found.reason.contains(said), "{said}: {}", found.reason);
        let command = found.fix_text().unwrap();
        assert!(command.starts_with(fix), "{said}: {command}");
    }
}

/// The set-up then gives the container the right client id.
#[test]
fn the_app_of_the_secret_counts_before_one_that_the_container_names() {
    let mut facts = entra_gateway(Auth::AppSecret);
    let mut azure = set_up(Auth::AppSecret);
    azure
        .application
        .as_mut()
        .unwrap()
        .as_mut()
        .unwrap()
        .secrets
        .clear();
    let sign_in = sign_in(&mut facts);
    sign_in.client_id = Ok(Uuid::from_u128(99));
    sign_in.azure = Some(Box::new(azure));
    let fix = assess(&facts, now()).fix_text().unwrap();
    assert!(fix.ends_with(&format!("--app {APP}")), "{fix}");
}

/// It is not created under the name that was mistyped.
#[test]
fn a_gateway_that_does_not_exist_is_the_one_of_the_secret() {
    let mut facts = entra_gateway(Auth::AppSecret);
    facts.gateway = Ok("nope".to_owned());
    let recorded = crate::plan::entra::fixture::gateway();
    let sign_in = sign_in(&mut facts);
    let secret = sign_in.stored.as_mut().unwrap().as_mut().unwrap();
    secret.marks.gateway = Some(recorded.to_string());
    sign_in.azure = Some(Box::new(set_up(Auth::AppSecret)));
    facts.azure = Some(Ok(crate::model::AzureFacts {
        exists: false,
        location: None,
        apis: Ok(Vec::new()),
        tier: "Premium".to_owned(),
        min_api_version: None,
    }));
    let fix = assess(&facts, now()).fix_text().unwrap();
    assert_eq!(fix, "kubectl -n shop set env deployment/gw -c gw gateway.name=gw");
}

/// A set-up restarts every pod that it can, so those that are left are of an earlier template.
#[test]
fn pods_below_a_partition_are_replaced_without_it() {
    let mut facts = entra_gateway(Auth::AppSecret);
    facts.partition = 1;
    facts.replacement = crate::model::Replacement::ByHand("the partition 1".to_owned());
    facts.pods.as_mut().unwrap().stale = vec!["gw-0".to_owned()];
    let id = facts
        .comparable_secret()
        .and_then(SecretFacts::id_of_pods)
        .unwrap();
    facts.marks.rotation_ids = Some(id).into();
    let fix = assess(&facts, now()).fix_text().unwrap();
    assert!(fix.contains("patch") && fix.contains("partition"), "{fix}");
}

#[test]
fn of_two_credentials_nobody_knows_which_counts() {
    let found = assessed(Auth::Certificate, |it| it.two_credentials = true);
    assert_eq!(found.unknown_links().count(), 1);
    assert!(found.reason.contains("clientSecret beside"), "{}", found.reason);
}
