use insta::assert_snapshot;
use serde_json::Value;

use super::*;
use crate::model::{Owner, StalePods, Unavailable};
use crate::plan::fixture::{DAY, cron_job, entra_gateway, gateway, gateway_id, now, set_up, sign_in};

fn described(facts: &GatewayFacts) -> String {
    let row = Row::new(facts.clone(), now());
    let text = describe(&row, &ConnectionFlags::default(), now());
    anstream::adapter::strip_str(&text).to_string()
}

fn with_stored(change: impl Fn(&mut SecretFacts)) -> GatewayFacts {
    let mut facts = gateway();
    if let Ok(Presented::Stored(stored)) = &mut facts.presented {
        change(stored);
    }
    facts
}

/// Several things are wrong with it.
fn troubled() -> GatewayFacts {
    let mut facts = with_stored(|stored| {
        stored.owner = Some(Owner {
            name: "Helm release gw".to_owned(),
            instead: "use another Secret".to_owned(),
        });
        stored.last_writer = Some("apim-rotate".to_owned());
    });
    facts.recorded = Some(gateway_id());
    facts.ready = 1;
    facts.pods = Ok(StalePods {
        stale: vec!["gw-a".to_owned(), "gw-b".to_owned()],
        unsure: vec!["gw-c".to_owned()],
        ..StalePods::default()
    });
    facts.cron_jobs = Ok(vec![CronJobFacts {
        time_zone: Some("Europe/Berlin".to_owned()),
        last_run: Some(now() - SignedDuration::from_mins(7)),
        last_success: Some(now() - DAY * 3),
        ..cron_job()
    }]);
    facts
}

fn asked(auth: Auth) -> GatewayFacts {
    let mut facts = entra_gateway(auth);
    sign_in(&mut facts).azure = Some(Box::new(set_up(auth)));
    facts.azure = Some(Ok(AzureFacts {
        exists: true,
        location: Some("Plant 7".to_owned()),
        apis: Ok(vec!["orders".to_owned(), "payments".to_owned()]),
        tier: "Premium".to_owned(),
        min_api_version: Some("2021-08-01".to_owned()),
    }));
    facts
}

fn forbidden() -> GatewayFacts {
    let why = || Unavailable::Forbidden("User viewer cannot get it".to_owned());
    let mut facts = gateway();
    facts.presented = Err(why());
    facts.pods = Err(why());
    facts.cron_jobs = Err(Unavailable::Unknown("the API server did not answer".to_owned()));
    facts.azure = Some(Err(why()));
    facts.endpoint = None;
    facts
}

#[test]
fn each_fact_is_on_a_line_with_its_source() {
    assert_snapshot!(described(&troubled()), @r"
    Name:         gw
    Namespace:    shop
    Workload:     deployment.apps/gw
    Container:    gw
    Image:        gateway:2
    Auth:         token
    Verdict:      StalePods
    Reasons:
      StalePods:       2 pods run with an older token than the Secret holds
      Unknown:         1 pod started within seconds of the last write, so it is unknown which token is in use
      WillBeReverted:  Helm release gw owns the Secret and will restore its own token; use another Secret
      Unprotected:     the last run of cronjob/apim-rotate, on 2027-01-15 07:53 UTC, failed; its last success was on 2027-01-12 08:00 UTC
    Expires:      2027-02-14 08:00:00 UTC (in 30d)  [token in secret/gw-token, key value]
    Due:          2027-01-30 08:00:00 UTC (in 15d)
    Secret:       secret/gw-token, key value  [pod spec]
    Owner:        Helm release gw
    Key Slot:     primary  [annotation last-used-key of secret/gw-token]
    Rotated At:   2027-01-15 08:00:00 UTC (0s ago)  [annotation apim-rotate/rotated-at of secret/gw-token]
    Rotated By:   apim-rotate  [managed fields of secret/gw-token]
    Endpoint:     svc.configuration.azure-api.net  [setting config.service.endpoint in configmap/gw-env]
    Service:      svc  [setting config.service.endpoint]
    Gateway:      gw  [token]
    ARM ID:       /subscriptions/s/resourceGroups/rg/providers/Microsoft.ApiManagement/service/svc/gateways/gw  [annotation apim-rotate/gateway of secret/gw-token]
    Ready:        1 of 2 pods
    Stale Pods:   gw-a
                  gw-b
    Unsure Pods:  gw-c
    CronJobs:
      shop/apim-rotate:
        Schedule:      17 3 * * *
        Time Zone:     Europe/Berlin
        Suspended:     no
        Last Run:      2027-01-15 07:53:00 UTC (7m ago), Failed
        Last Success:  2027-01-12 08:00:00 UTC (3d ago)
        Next Run:      2027-01-16 02:17:00 UTC (in 18h)
    Fix:          kubectl rollout restart deployment.apps/gw -n shop
    ");
}

#[test]
fn a_sign_in_by_entra_has_each_of_its_parts() {
    assert_snapshot!(described(&asked(Auth::AppSecret)), @r"
    Name:             gw
    Namespace:        shop
    Workload:         deployment.apps/gw
    Container:        gw
    Image:            gateway:2
    Auth:             app-secret
    Verdict:          Healthy
    Reasons:
      Healthy:  the client secret expires in 150 days
    Begins:           2026-12-16 08:00:00 UTC (30d ago)
    Expires:          2027-06-14 08:00:00 UTC (in 150d)  [Microsoft Graph]
    Due:              2027-04-15 08:00:00 UTC (in 90d)
    Secret:           secret/gw-entra, key azure-ad-app-secret  [pod spec]
    Owner:            <none>
    Rotated At:       <unknown>
    Rotated By:       <unknown>
    Endpoint:         svc.configuration.azure-api.net  [setting config.service.endpoint in configmap/gw-env]
    Service:          svc  [setting config.service.endpoint]
    Gateway:          gw  [setting gateway.name]
    ARM ID:           <none>
    Ready:            2 of 2 pods
    Stale Pods:       <none>
    CronJobs:         <none>
    In Azure:         yes
    Location:         Plant 7
    APIs:             orders
                      payments
    Tier:             Premium
    Min API Version:  2021-08-01
    Entra:
      Client ID:  00000000-0000-0000-0000-000000000004  [annotation apim-rotate/client-id of secret/gw-entra]
      App:        gw
      Key ID:     00000000-0000-0000-0000-000000000007  [annotation apim-rotate/key-id of secret/gw-entra]
      Parts:
        app:                  ok
        servicePrincipal:     ok
        credential:           ok
        identity:             ok
        validatorRole:        ok
        readerRole:           ok
        validatorAssignment:  ok
        readerAssignment:     ok
    Fix:              <none>
    ");
}

/// The text of a value of the JSON as a person reads it.
fn readable(value: &str) -> String {
    let time = value.parse::<Timestamp>();
    let time = time.map(|time| time.strftime("%F %T UTC").to_string());
    time.unwrap_or_else(|_| value.to_owned()).to_lowercase()
}

fn leaves(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                // They name the form of the JSON.
                if !["apiVersion", "expiresInSeconds"].contains(&name.as_str()) && value != "GatewayStatus" {
                    leaves(value, found);
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| leaves(value, found)),
        Value::String(text) => found.push(readable(text)),
        Value::Number(number) => found.push(number.to_string()),
        Value::Bool(_) | Value::Null => {}
    }
}

#[test]
fn it_says_everything_that_the_json_has() {
    let mut inline = gateway();
    inline.presented = Ok(Presented::Inline {
        claims: inline.claims().unwrap().clone(),
        location: "configmap/gw-env".to_owned(),
    });
    let mut broken = asked(Auth::WorkloadIdentity);
    sign_in(&mut broken).azure.as_mut().unwrap().application = Ok(None);
    for facts in [
        gateway(),
        troubled(),
        forbidden(),
        inline,
        entra_gateway(Auth::WorkloadIdentity),
        asked(Auth::AppSecret),
        asked(Auth::Certificate),
        asked(Auth::WorkloadIdentity),
        broken,
    ] {
        let row = Row::new(facts.clone(), now());
        let json = serde_json::to_value(row.item(&ConnectionFlags::default(), now())).unwrap();
        let mut all = Vec::new();
        leaves(&json, &mut all);
        assert!(all.len() > 12, "{json:#}");
        let text = described(&facts);
        for leaf in all {
            assert!(
                text.to_lowercase().contains(&leaf),
                "`{leaf}` is missing in:\n{text}"
            );
        }
    }
}

#[test]
fn every_problem_is_named_and_the_worst_first() {
    let text = described(&troubled());
    let names: Vec<&str> = text
        .lines()
        .skip_while(|line| *line != "Reasons:")
        .skip(1)
        .map_while(|line| line.strip_prefix("  ")?.split(':').next())
        .collect();
    assert_eq!(
        names,
        ["StalePods", "Unknown", "WillBeReverted", "Unprotected"],
        "{text}"
    );
    assert_eq!(
        text.lines().filter(|line| line.starts_with("Verdict:")).count(),
        1
    );
    assert!(text.lines().last().unwrap().starts_with("Fix:"), "{text}");
}

#[test]
fn an_endpoint_in_a_secret_is_not_shown() {
    let mut facts = gateway();
    facts.endpoint = Some(("https://private.example".to_owned(), "secret/gw-env".to_owned()));
    let text = described(&facts);
    assert!(
        text.contains("in secret/gw-env") && !text.contains("private"),
        "{text}"
    );
}

#[test]
fn a_text_of_others_stays_on_its_line() {
    let mut facts = gateway();
    facts.image = "gateway:2\nFix: rm\u{1b}[2J".to_owned();
    let text = describe(&Row::new(facts, now()), &ConnectionFlags::default(), now());
    assert_eq!(text.lines().filter(|line| line.starts_with("Fix:")).count(), 1);
    assert!(!text.contains("\u{1b}[2J"));
}
