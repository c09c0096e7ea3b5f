use proptest::prelude::*;
use serde_json::json;
use std::sync::LazyLock;
use uuid::Uuid;

use super::*;
use crate::model::GatewayId;
use crate::model::entra::facts::EntraFacts;
use crate::model::entra::{AppRequest, Mode, SetupRequest};
use crate::model::quote::shell_word;
use crate::plan::entra::fixture::{after, facts, gateway, request};
use crate::plan::entra::setup;

fn plan_of(facts: &EntraFacts, mode: Mode, app: &str) -> SetupPlan {
    let request = SetupRequest {
        mode: Some(mode),
        app: AppRequest::Create(app.to_owned()),
        location_name: Some(app.to_owned()),
        ..request()
    };
    setup(facts, &request, "2027-01-01T00:00:00Z".parse().unwrap()).unwrap()
}

fn script(facts: &EntraFacts, plan: &SetupPlan) -> String {
    let target = ScriptTarget {
        gateway: &facts.gateway,
        graph: "https://graph.microsoft.com",
        client_id: None,
        identity: None,
        namespace: &facts.cluster.namespace,
        next: "kubectl apim entra setup -g 'O'\\''Brien $(id)' --app",
        has_secret: matches!(facts.cluster.secret, Ok(Some(_))),
        now: "2027-01-01T00:00:00Z".parse().unwrap(),
    };
    az_script(&target, plan)
}

#[test]
fn the_lines_of_a_plan_begin_with_their_marks() {
    let lines = plan_lines(&plan_of(&facts(), Mode::WorkloadIdentity, "gw"));
    let all: Vec<&str> = lines.lines().collect();
    assert_eq!(all[0], "= the instance svc has the tier Premium");
    assert!(all.contains(&"+ create the app gw"), "{lines}");
    assert!(
        all.last()
            .unwrap()
            .starts_with("+ set in deployment/gw in namespace shop: config.service.auth, "),
        "{lines}"
    );
}

#[test]
fn the_json_is_versioned_and_has_every_id() {
    let plan = plan_of(&facts(), Mode::AppSecret, "gw");
    let made = StepOutcome::Done(BTreeMap::from([("clientId", Uuid::nil().to_string())]));
    let outcomes = [made];
    assert_eq!(
        client_id(&plan, &outcomes),
        Some(Uuid::nil().to_string().as_str())
    );
    let applied = Applied {
        outcomes: &outcomes,
        proof: &SetupProof::Owed("no pod".to_owned()),
    };
    let json = SetupReport::new(&values(&plan), Some(applied), false, 3).into_value();
    assert_eq!(json["proof"], json!({"state": "owed", "reason": "no pod"}));
    assert_eq!(
        (&json["apiVersion"], &json["kind"]),
        (&"kubectl-apim/v1".into(), &"EntraSetup".into())
    );
    assert_eq!(json["steps"][0]["ids"]["clientId"], Uuid::nil().to_string());
    assert_eq!(
        (&json["dryRun"], &json["steps"][1]["mark"]),
        (&false.into(), &"ok".into())
    );
}

fn values(plan: &SetupPlan) -> Values<'_> {
    static GATEWAY: LazyLock<GatewayId> = LazyLock::new(gateway);
    Values {
        plan,
        gateway: &GATEWAY,
        tenant: "t",
        endpoint: Some("https://svc.configuration.azure-api.net"),
        client_id: None,
    }
}

#[test]
fn the_values_of_the_chart_keep_an_old_credential_out() {
    let plan = plan_of(&facts(), Mode::AppSecret, "gw");
    let helm = values(&plan).helm().unwrap();
    assert_eq!(
        helm,
        json!({
            "gateway": {
                "name": "gw",
                "configuration": {"uri": "https://svc.configuration.azure-api.net"},
                "auth": {
                    "type": "AzureAdApp",
                    "azureAd": {"tenant": {"id": "t"}, "app": {"id": "CLIENT-ID-OF-THE-APP"}},
                },
            },
            "secret": {"createSecret": false, "existingSecretName": "gw-entra"},
        })
    );
    let plan = plan_of(&facts(), Mode::AppCertificate, "gw");
    let values = values(&plan);
    assert!(values.helm().is_none());
    let pod = values.pod_template();
    assert_eq!(
        pod["container"]["volumeMounts"][0]["mountPath"],
        "/etc/apim-entra"
    );
    assert_eq!(pod["spec"]["volumes"][0]["secret"]["defaultMode"], 0o440);
    assert_eq!(pod["spec"]["securityContext"]["fsGroup"], 1001);
}

#[test]
fn the_script_makes_what_the_plan_makes() {
    for (mode, command) in [
        (
            Mode::WorkloadIdentity,
            "az ad app federated-credential create --id \"$APP_ID\"",
        ),
        (
            Mode::AppCertificate,
            "az ad app credential reset --id \"$APP_ID\" --append",
        ),
        (
            Mode::AppSecret,
            "az ad app credential reset --id \"$APP_ID\" --append",
        ),
    ] {
        let text = script(&facts(), &plan_of(&facts(), mode, "gw"));
        assert!(text.contains(command), "{text}");
        assert!(text.contains("--assignee-object-id \"$PRINCIPAL_ID\""), "{text}");
        assert!(
            !text.contains(":?"),
            "each variable is set before it is used: {text}"
        );
        // az drops inner keys in upper case.
        assert!(text.contains("\"dataActions\"") && !text.contains("\"DataActions\""));
    }
}

/// Who may not read apps gets the client id and the next command from the script.
#[test]
fn the_script_ends_with_the_client_id_of_a_new_app() {
    let plan = plan_of(&facts(), Mode::WorkloadIdentity, "gw");
    let text = script(&facts(), &plan);
    let end = text.split_once("# The one who asked").unwrap().1;
    let line = format!("set -eu; APP_ID=some-id\n#{end}");
    let shell = std::process::Command::new("sh").args(["-c", &line]).output();
    let printed = String::from_utf8(shell.unwrap().stdout).unwrap();
    assert_eq!(
        printed,
        "The client id of the app: some-id\nNext: kubectl apim entra setup -g 'O'\\''Brien $(id)' --app some-id\n"
    );
    let done = after(facts(), &plan);
    let later = script(&done, &plan_of(&done, Mode::WorkloadIdentity, "gw"));
    assert!(!later.contains("Next:"), "{later}");
}

#[test]
fn undo_removes_what_was_made_and_keeps_a_role_in_use() {
    let plan = plan_of(&facts(), Mode::WorkloadIdentity, "gw");
    let mut done = after(facts(), &plan);
    let undo = |facts: &EntraFacts| undo_script(facts, &request());
    let id = done.reader.definitions.as_ref().unwrap()[0].id;
    done.reader.in_use.insert(id, Ok(1));
    let text = undo(&done);
    assert_eq!(text.matches("az role assignment delete").count(), 2, "{text}");
    assert!(
        text.contains(&format!("--name {id}")) && text.contains("az ad app delete"),
        "{text}"
    );
    done.reader.in_use.insert(id, Ok(2));
    assert!(!undo(&done).contains(&format!("--name {id}")));
    assert_eq!(undo(&facts()).matches("az ").count(), 0);
}

#[test]
fn undo_keeps_what_another_gateway_uses() {
    let plan = plan_of(&facts(), Mode::WorkloadIdentity, "gw");
    let mut done = after(facts(), &plan);
    let id = done.reader.definitions.as_ref().unwrap()[0].id;
    done.reader.in_use.insert(id, Ok(1));
    let app = done.app.as_mut().unwrap().as_mut().unwrap();
    let mut other = app.federated.as_ref().unwrap()[0].clone();
    let own = other.name.clone();
    other.name = "apim-shop-other-1".to_owned();
    other.subject = "system:serviceaccount:shop:other".to_owned();
    app.federated.as_mut().unwrap().push(other);
    let text = undo_script(&done, &request());
    assert!(
        !text.contains("az ad app delete") && !text.contains("az role"),
        "{text}"
    );
    assert!(
        !text.contains("apim-shop-other-1") && text.contains(&own),
        "{text}"
    );
}

/// What is outside of single quotes, as a shell reads it.
fn bare(script: &str) -> String {
    let mut bare = String::new();
    let script = script.replace("'\\''", "");
    for (at, part) in script.split('\'').enumerate() {
        if at % 2 == 0 {
            bare += part;
        }
    }
    bare
}

proptest! {
    #[test]
    fn no_name_leaves_its_quotes(
        gateway_name in "(a'; touch x #|\\$\\(id\\)|[^\u{0}]{1,30})",
        app in "(O'Brien|`id`|\n; id|[^\u{0}]{1,30})",
    ) {
        let mark = "zzmarkzz";
        let mut odd = facts();
        odd.resource = Ok(None);
        odd.gateway = gateway().service.gateway(format!("{mark}{gateway_name}"));
        let plan = plan_of(&odd, Mode::AppSecret, &format!("{mark}{app}{mark}"));
        let text = script(&odd, &plan);
        prop_assert!(!bare(&text).contains(mark), "{}", text);
        let lines = plan_lines(&plan);
        let ends = lines.lines().all(|line| line.starts_with(['=', '+', '~', '?', '!', ' ']));
        prop_assert!(ends, "{}", lines);
        prop_assert!(shell_word(&app).starts_with('\''));
    }
}

#[test]
fn what_no_script_mends_is_named_in_it() {
    let mut facts = facts();
    facts.resource = Ok(None);
    let plan = |location: Option<&str>| {
        let request = SetupRequest {
            location_name: location.map(str::to_owned),
            ..request()
        };
        setup(&facts, &request, "2027-01-01T00:00:00Z".parse().unwrap()).unwrap()
    };
    let text = script(&facts, &plan(None));
    assert!(text.contains("\n# not in the script: the gateway "), "{text}");
    assert!(text.contains("--location-name NAME"), "{text}");
    let whole = script(&facts, &plan(Some("here")));
    assert!(!whole.contains("not in the script"), "{whole}");
}

#[test]
fn the_hints_of_what_ends_a_plan_are_left_to_its_error() {
    let mut facts = facts();
    facts.instance.as_mut().unwrap().tier = "Basic".to_owned();
    facts.webhook = Ok(None);
    let lines = plan_lines(&plan_of(&facts, Mode::WorkloadIdentity, "gw"));
    assert!(lines.contains("! the instance svc has the tier Basic"), "{lines}");
    assert!(!lines.contains("choose an instance"), "{lines}");
    assert!(
        lines.contains("    on AKS: az aks update"),
        "the error has only the first: {lines}"
    );
}

#[test]
fn a_deployment_that_follows_gets_its_endpoint() {
    let mut facts = facts();
    let has_endpoint = |facts: &EntraFacts| {
        let request = SetupRequest {
            mode: Some(Mode::WorkloadIdentity),
            service_account: Some("gw".to_owned()),
            ..request()
        };
        let plan = setup(facts, &request, "2027-01-01T00:00:00Z".parse().unwrap()).unwrap();
        let env = values(&plan).pod_template()["container"]["env"].to_string();
        env.contains("config.service.endpoint")
    };
    assert!(!has_endpoint(&facts), "the workload has it");
    facts.cluster.workload = None;
    assert!(has_endpoint(&facts));
}
