//! What the cluster has of a sign-in by Entra, and what its containers set themselves.

use uuid::Uuid;

use super::super::super::fixture::{APP, DAY, entra_gateway, now, set_up, sign_in};
use super::super::*;
use crate::model::entra::OwnVariables;
use crate::model::setting::{AUTH, GATEWAY_NAME};
use crate::model::{AzureFacts, EntraInAzure, EntraSignIn, Replacement, WorkloadKind, WorkloadRef};

fn assessed(change: impl Fn(&mut GatewayFacts)) -> Assessment {
    let mut facts = entra_gateway(Auth::WorkloadIdentity);
    change(&mut facts);
    assess(&facts, now())
}

/// The container sets variables that the webhook of Azure Workload Identity leaves alone.
fn own(facts: &mut GatewayFacts, variables: &[(&'static str, Option<&str>)]) {
    let all = variables
        .iter()
        .map(|(name, value)| (*name, value.map(str::to_owned)));
    sign_in(facts).own_variables = OwnVariables::new(all.collect());
}

#[test]
fn variables_that_the_webhook_leaves_alone_are_no_health() {
    let file = [(OwnVariables::TOKEN_FILE, Some("/x"))];
    let id = APP.to_string();
    let client_id = [(OwnVariables::CLIENT_ID, Some(id.as_str()))];
    let plain = assessed(|facts| own(facts, &client_id));
    assert_eq!(plain.verdict, Verdict::Unknown);
    assert!(
        plain.reason.contains(&format!("AZURE_CLIENT_ID to {APP}")),
        "{}",
        plain.reason
    );
    let fix = "kubectl apim status -n shop --azure";
    assert_eq!(plain.fix_text().as_deref(), Some(fix));
    let with_azure = |variables: &[(&'static str, Option<&str>)], change: &dyn Fn(&mut EntraInAzure)| {
        assessed(|facts| {
            own(facts, variables);
            let mut azure = set_up(Auth::WorkloadIdentity);
            change(&mut azure);
            sign_in(facts).azure = Some(Box::new(azure));
        })
    };
    assert_eq!(with_azure(&client_id, &|_| {}).verdict, Verdict::Healthy);
    // A path whose file nobody has seen.
    let unsure = with_azure(&file, &|_| {});
    assert_eq!(unsure.verdict, Verdict::Unknown);
    let fix = "kubectl -n shop set env deployment/gw -c gw AZURE_FEDERATED_TOKEN_FILE-";
    assert_eq!(unsure.fix_text().as_deref(), Some(fix));
    // The app that the container names does not exist.
    let gone = with_azure(&client_id, &|azure| {
        azure.application = Ok(None);
        azure.service_principal = Ok(None);
    });
    assert_eq!(gone.verdict, Verdict::CannotSignIn);
    assert!(
        gone.reason.contains("the container sets AZURE_CLIENT_ID"),
        "{}",
        gone.reason
    );
    let fix = "kubectl -n shop set env deployment/gw -c gw AZURE_CLIENT_ID-";
    assert_eq!(gone.fix_text().as_deref(), Some(fix));
    let other = Uuid::from_u128(77).to_string();
    let tenant = with_azure(&[(OwnVariables::TENANT_ID, Some(&other))], &|azure| {
        let access = azure.access.as_mut().unwrap();
        std::sync::Arc::get_mut(access).unwrap().identity.tenant = Some(APP);
    });
    assert_eq!(tenant.verdict, Verdict::CannotSignIn, "{}", tenant.reason);
    assert!(
        tenant.reason.contains("the tenant of the instance"),
        "{}",
        tenant.reason
    );
    let authority = |host: &str| {
        assessed(|facts| {
            facts.cloud = Some(crate::model::CloudName::Public);
            own(facts, &[(OwnVariables::AUTHORITY, Some(host))]);
            sign_in(facts).azure = Some(Box::new(set_up(Auth::WorkloadIdentity)));
        })
        .verdict
    };
    assert_eq!(authority("https://login.microsoftonline.com"), Verdict::Healthy);
    assert_eq!(authority("https://login.chinacloudapi.cn/"), Verdict::Unknown);
    // A container that sets all of them does not rely on the webhook.
    let all = [(OwnVariables::TENANT_ID, None), file[0], client_id[0]];
    assert_eq!(assessed(|facts| own(facts, &all)).verdict, Verdict::Healthy);
}

#[test]
fn what_a_set_up_leaves_alone_has_another_command() {
    let old =
        assessed(|facts| facts.image = "mcr.microsoft.com/azure-api-management/gateway:2.5.0".to_owned());
    assert_eq!(old.verdict, Verdict::CannotSignIn);
    assert!(old.reason.contains("is older than 2.11"), "{}", old.reason);
    let fix = old.fix_text().unwrap();
    assert!(
        fix.starts_with("kubectl -n shop set image deployment/gw "),
        "{fix}"
    );
    let skipped = assessed(|facts| sign_in(facts).lacking.skipped = true);
    assert!(
        skipped.reason.contains("azure.workload.identity/skip-containers"),
        "{}",
        skipped.reason
    );
    assert_eq!(
        skipped.fix_text().as_deref(),
        Some("kubectl -n shop edit deployment/gw")
    );
}

#[test]
fn what_certainly_lacks_in_the_cluster_is_broken_with_and_without_azure() {
    type Change<'a> = &'a dyn Fn(&mut GatewayFacts);
    let lacks: [(Change<'_>, &str); 4] = [
        (
            &|facts| sign_in(facts).lacking.label = true,
            "azure.workload.identity/use",
        ),
        (
            &|facts| sign_in(facts).lacking.setting = Some(AUTH),
            "config.service.auth is not set",
        ),
        (
            &|facts| sign_in(facts).lacking.setting = Some(GATEWAY_NAME),
            "gateway.name is not set",
        ),
        (
            &|facts| sign_in(facts).lacking.client_id = Some("serviceaccount/gw does not exist".to_owned()),
            "serviceaccount/gw does not exist",
        ),
    ];
    for (lack, said) in lacks {
        for is_asked in [false, true] {
            let found = assessed(|facts| {
                lack(facts);
                sign_in(facts).azure = is_asked.then(|| Box::new(set_up(Auth::WorkloadIdentity)));
            });
            assert_eq!(found.verdict, Verdict::CannotSignIn, "{said}");
            assert!(found.reason.contains(said), "{}", found.reason);
            let fix = found.fix_text().unwrap();
            assert!(
                fix.starts_with("kubectl apim entra setup deployment/gw -n shop"),
                "{fix}"
            );
        }
    }
    let gone = assessed(|facts| {
        sign_in(facts).azure = Some(Box::new(set_up(Auth::WorkloadIdentity)));
        facts.azure = Some(Ok(AzureFacts {
            exists: false,
            location: None,
            apis: Ok(Vec::new()),
            tier: "Premium".to_owned(),
            min_api_version: None,
        }));
    });
    assert_eq!(gone.verdict, Verdict::CannotSignIn);
    assert!(gone.fix_text().unwrap().ends_with(" --location-name <NAME>"));
}

#[test]
fn what_the_webhook_does_not_give_or_gives_wrong_is_broken() {
    let tenant = Uuid::from_u128(70);
    let with = |change: &dyn Fn(&mut GatewayFacts, &mut EntraInAzure)| {
        assessed(|facts| {
            let mut azure = set_up(Auth::WorkloadIdentity);
            let access = std::sync::Arc::get_mut(azure.access.as_mut().unwrap());
            access.unwrap().identity.tenant = Some(tenant);
            change(facts, &mut azure);
            sign_in(facts).azure = Some(Box::new(azure));
        })
    };
    let federation = |azure: &mut EntraInAzure, change: &dyn Fn(&mut crate::model::Federation)| {
        change(azure.federation.as_mut().unwrap());
    };
    let unregistered = |azure: &mut EntraInAzure| federation(azure, &|it| it.webhook = Ok(false));
    let found = with(&|_, azure| unregistered(azure));
    assert_eq!(found.verdict, Verdict::CannotSignIn);
    assert!(found.reason.contains("is not registered"), "{}", found.reason);
    assert!(found.fix_text().unwrap().starts_with("kubectl apim entra setup "));
    // Where the container may bring a token of its own, the webhook is not needed.
    let own = with(&|facts, azure| {
        unregistered(azure);
        sign_in(facts).may_bring_token = true;
    });
    assert_eq!(own.verdict, Verdict::Healthy);
    let denied = with(&|_, azure| {
        federation(azure, &|it| {
            it.webhook = Err(Unavailable::Forbidden("no right".to_owned()));
        });
    });
    assert_eq!(denied.verdict, Verdict::Healthy);
    assert!(
        denied.reason.ends_with("could not be checked: no right"),
        "{}",
        denied.reason
    );
    assert!(is_alarm(
        &entra_gateway(Auth::WorkloadIdentity),
        &denied,
        DAY,
        now()
    ));

    let of = |text: &str| with(&|facts, _| sign_in(facts).tenant = Some(text.to_owned()));
    assert_eq!(of(&tenant.to_string().to_uppercase()).verdict, Verdict::Healthy);
    let other = of(&APP.to_string());
    assert_eq!(other.verdict, Verdict::CannotSignIn);
    assert!(
        other
            .reason
            .contains(&format!("is {APP}, but the tenant of the instance is {tenant}")),
        "{}",
        other.reason
    );
    assert!(other.fix_text().unwrap().ends_with(&format!("--app {APP}")));
    let name = of("contoso.onmicrosoft.com");
    assert_eq!(name.verdict, Verdict::Healthy);
    assert!(name.reason.contains("contoso.onmicrosoft.com"), "{}", name.reason);
}

fn pods(stale: &[&str], unidentified: usize) -> StalePods {
    StalePods {
        stale: stale.iter().map(|name| (*name).to_owned()).collect(),
        unidentified,
        ..StalePods::default()
    }
}

#[test]
fn pods_without_the_identity_are_stale() {
    let set_up_again = format!("kubectl apim entra setup deployment/gw -n shop --app {APP}");
    for (unidentified, said) in [
        (2, "2 pods run without the identity that serviceaccount/gw names"),
        (
            1,
            "2 pods run with none or another identity than serviceaccount/gw names",
        ),
        (0, "2 pods run with another identity than serviceaccount/gw names"),
    ] {
        let change = |facts: &mut GatewayFacts| facts.pods = Ok(pods(&["gw-1", "gw-2"], unidentified));
        let found = assessed(change);
        assert_eq!((found.verdict, found.reason.as_str()), (Verdict::StalePods, said));
        assert_eq!(found.fix_text().as_ref(), Some(&set_up_again));
        let with_azure = assessed(|facts| {
            change(facts);
            sign_in(facts).azure = Some(Box::new(set_up(Auth::WorkloadIdentity)));
        });
        assert_eq!(with_azure.verdict, Verdict::StalePods);
        let facts = entra_gateway(Auth::WorkloadIdentity);
        assert!(is_alarm(&facts, &found, SignedDuration::ZERO, now()));
    }
    // A stuck rollout replaces none of them, which the set-up does.
    let rolling = assessed(|facts| {
        facts.pods = Ok(pods(&["gw-1"], 1));
        facts.still_replaces = Some("1 of 2 pods are new".to_owned());
    });
    assert!(
        rolling
            .reason
            .ends_with("; its rollout has not ended: 1 of 2 pods are new"),
        "{}",
        rolling.reason
    );
    assert_eq!(rolling.fix_text(), Some(set_up_again));
    let mut unseen = entra_gateway(Auth::WorkloadIdentity);
    unseen.pods = Err(Unavailable::Forbidden("pods".to_owned()));
    let found = assess(&unseen, now());
    assert_eq!(found.verdict, Verdict::Healthy);
    assert!(is_alarm(&unseen, &found, SignedDuration::ZERO, now()));
}

#[test]
fn pods_that_no_controller_replaces_are_deleted_by_hand() {
    for by_hand in ["the strategy OnDelete", "the partition 1"] {
        for auth in [Auth::AppSecret, Auth::Certificate, Auth::WorkloadIdentity] {
            let mut facts = entra_gateway(auth);
            facts.pods = Ok(pods(&["gw-0", "gw-1"], 0));
            facts.replacement = Replacement::ByHand(by_hand.to_owned());
            let found = assess(&facts, now());
            assert!(found.verdict.is_alarm(), "{auth:?}");
            let fix = "kubectl delete pod -n shop gw-0 gw-1";
            assert_eq!(found.fix_text().as_deref(), Some(fix), "{auth:?}");
        }
    }
}

#[test]
fn a_pod_that_keeps_an_earlier_template_is_replaced_without_the_partition() {
    for (partition, fix) in [
        (0, "kubectl delete pod -n shop gw-0"),
        (
            1,
            r#"kubectl -n shop patch deployment/gw -p '{"spec":{"updateStrategy":{"rollingUpdate":{"partition":0}}}}'"#,
        ),
    ] {
        let found = assessed(|facts| {
            facts.partition = partition;
            facts.replacement = Replacement::ByHand("x".to_owned());
            facts.pods = Ok(StalePods {
                is_earlier: true,
                ..pods(&["gw-0"], 1)
            });
        });
        assert_eq!(found.fix_text().as_deref(), Some(fix));
    }
}

/// The annotation is gone, in two workloads with one `ServiceAccount`.
#[test]
fn an_app_is_created_only_if_nothing_shows_one() {
    let gone = |facts: &mut GatewayFacts| {
        let why = "serviceaccount/gw does not exist".to_owned();
        let sign_in = sign_in(facts);
        sign_in.client_id = Err(Unavailable::Unknown(why.clone()));
        sign_in.lacking.client_id = Some(why);
    };
    let app_gone = |facts: &mut GatewayFacts| {
        let mut azure = set_up(Auth::WorkloadIdentity);
        azure.application = Ok(None);
        azure.service_principal = Ok(None);
        sign_in(facts).azure = Some(Box::new(azure));
    };
    let lacks_label = |facts: &mut GatewayFacts| {
        gone(facts);
        sign_in(facts).lacking.label = true;
    };
    let (other, third) = (Uuid::from_u128(80), Uuid::from_u128(81));
    let first = WorkloadRef {
        kind: WorkloadKind::Deployment,
        name: "first".to_owned(),
    };
    let lacks: [&dyn Fn(&mut GatewayFacts); 3] = [&gone, &app_gone, &lacks_label];
    for lack in lacks {
        let fix = |change: &dyn Fn(&mut EntraSignIn)| {
            let found = assessed(|facts| {
                lack(facts);
                change(sign_in(facts));
            });
            assert_eq!(found.verdict, Verdict::CannotSignIn, "{}", found.reason);
            (found.fix_text(), found.reason)
        };
        let ends = |change: &dyn Fn(&mut EntraSignIn), end: &str| {
            let (fix, reason) = fix(change);
            assert!(fix.as_ref().is_some_and(|fix| fix.ends_with(end)), "{fix:?}");
            assert!(!reason.contains("first"), "{reason}");
        };
        ends(&|_| {}, " --create-app gw");
        ends(&|it| it.given = [other].into(), &format!(" --app {other}"));
        ends(&|it| it.given = [other, third].into(), " --app CLIENT-ID");
        let shared = |it: &mut EntraSignIn| it.shared_with = Some(first.clone());
        let (fix, reason) = fix(&shared);
        assert_eq!(fix, None);
        let said = "; set up deployment/first first, which has the same serviceaccount/gw";
        assert!(reason.contains(said), "{reason}");
        let shown = |it: &mut EntraSignIn| {
            shared(it);
            it.given = [other].into();
        };
        ends(&shown, &format!(" --app {other}"));
    }
    let unread = assessed(|facts| {
        let sign_in = sign_in(facts);
        sign_in.client_id = Err(Unavailable::Forbidden("no right".to_owned()));
        sign_in.lacking.label = true;
    });
    assert!(unread.fix_text().unwrap().ends_with(" --app CLIENT-ID"));
}
