mod script;

use proptest::prelude::*;
use serde_json::json;
use std::sync::LazyLock;
use uuid::Uuid;

use super::*;
use crate::model::GatewayId;
use crate::model::entra::facts::{CertificateVolume, EntraFacts, RunningPod};
use crate::model::entra::{AppRequest, Mode, SetupRequest, SignsIn};
use crate::model::quote::shell_word;
use crate::model::request::ConnectionFlags;
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

const CLUSTER: ScriptCluster<'_> = ScriptCluster {
    origin: "context shop of ~/.kube/config",
    server: "https://shop:6443",
    context: Some("shop"),
};

fn target(facts: &EntraFacts) -> ScriptTarget<'_> {
    ScriptTarget {
        gateway: &facts.gateway,
        graph: "https://graph.microsoft.com",
        client_id: None,
        identity: None,
        namespace: &facts.cluster.namespace,
        cluster: CLUSTER,
        next: "kubectl apim entra setup -g 'O'\\''Brien $(id)' --app",
        has_secret: matches!(facts.cluster.secret, Ok(Some(_))),
        now: "2027-01-01T00:00:00Z".parse().unwrap(),
    }
}

fn script(facts: &EntraFacts, plan: &SetupPlan) -> String {
    az_script(&target(facts), plan)
}

#[test]
fn the_lines_of_a_plan_begin_with_their_marks() {
    let lines = plan_lines(
        &plan_of(&facts(), Mode::WorkloadIdentity, "gw"),
        &ConnectionFlags::default(),
    );
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
    let json =
        SetupReport::new(&values(&plan), Some(applied), false, 3).into_value(&ConnectionFlags::default());
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

/// The chart puts its values into a `ConfigMap`, in which nothing is expanded.
#[test]
fn values_of_env_are_escaped_and_those_of_the_chart_are_not() {
    let mut facts = facts();
    facts.gateway = gateway().service.gateway("x$$y".to_owned());
    let plan = plan_of(&facts, Mode::AppSecret, "gw");
    let mut values = values(&plan);
    values.gateway = &facts.gateway;
    let env = values.pod_template()["container"]["env"].to_string();
    assert!(env.contains("\"x$$$$y\""), "{env}");
    assert_eq!(values.helm().unwrap()["gateway"]["name"], "x$$y");
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
        let lines = plan_lines(&plan, &ConnectionFlags::default());
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
    let lines = plan_lines(
        &plan_of(&facts, Mode::WorkloadIdentity, "gw"),
        &ConnectionFlags::default(),
    );
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

#[test]
fn the_secret_of_an_undo_is_that_of_the_pod_template() {
    let custom = SetupRequest {
        mode: Some(Mode::AppSecret),
        secret: Some("custom".to_owned()),
        ..request()
    };
    let now = "2027-01-01T00:00:00Z".parse().unwrap();
    let mut facts = after(facts(), &setup(&facts(), &custom, now).unwrap());
    facts.cluster.workload.as_mut().unwrap().signs_in = Ok(SignsIn::By(Mode::AppSecret));
    let undo = |facts: &EntraFacts, request: &SetupRequest| undo_script(facts, request, &CLUSTER);
    let text = undo(&facts, &request());
    assert!(text.contains("kubectl -n shop delete secret custom\n"), "{text}");
    assert!(text.contains("az ad app delete --id "), "{text}");
    assert!(!text.contains("--secret NAME"), "{text}");

    let assumed = "# It is assumed that the credential of the app is in secret/gw-entra: name its Secret";
    facts.cluster.workload.as_mut().unwrap().template.settings.clear();
    let text = undo(&facts, &request());
    assert!(text.contains(assumed), "{text}");
    facts.cluster.workload = None;
    let text = undo(&facts, &request());
    let words = "# No client secret or certificate of the app is removed: name its Secret";
    assert!(text.contains(words), "{text}");
    assert!(undo(&facts, &custom).contains("az ad app delete --id "));
}

#[test]
fn an_undo_leaves_what_another_workload_signs_in_by() {
    for (mode, pod) in [
        (
            Mode::WorkloadIdentity,
            RunningPod {
                service_account: "gw".to_owned(),
                ..RunningPod::default()
            },
        ),
        (
            Mode::AppSecret,
            RunningPod {
                secrets: vec!["gw-entra".to_owned()],
                ..RunningPod::default()
            },
        ),
    ] {
        let request = SetupRequest {
            mode: Some(mode),
            service_account: Some("gw".to_owned()),
            ..request()
        };
        let now = "2027-01-01T00:00:00Z".parse().unwrap();
        let mut facts = after(facts(), &setup(&facts(), &request, now).unwrap());
        let undo = |facts: &EntraFacts| undo_script(facts, &request, &CLUSTER);
        let own = RunningPod {
            is_own: true,
            ..pod.clone()
        };
        facts.cluster.pods = Ok(vec![own]);
        let text = undo(&facts);
        assert!(text.contains("az ad app delete --id "), "{text}");
        // A workload without pods needs it as well.
        facts.cluster.pods = Ok(vec![RunningPod {
            name: "deployment/gw2".to_owned(),
            ..pod
        }]);
        let text = undo(&facts);
        assert!(text.contains("# deployment/gw2 of another workload"), "{text}");
        for removal in [
            "az ad app ",
            "az role ",
            "annotate serviceaccount",
            "delete secret",
        ] {
            assert!(!text.contains(removal), "{removal}: {text}");
        }
    }
}

#[test]
fn an_undo_takes_the_volume_of_a_certificate_out_before_its_secret() {
    let request = SetupRequest {
        mode: Some(Mode::AppCertificate),
        ..request()
    };
    let now = "2027-01-01T00:00:00Z".parse().unwrap();
    let mut facts = after(facts(), &setup(&facts(), &request, now).unwrap());
    facts.cluster.workload.as_mut().unwrap().certificate_volume = Some(CertificateVolume {
        name: "apim-entra".to_owned(),
        path: "/etc/apim-entra/".to_owned(),
    });
    let text = undo_script(&facts, &request, &CLUSTER);
    let [mount, volume, secret] = [
        r#"{"$patch":"delete","mountPath":"/etc/apim-entra/"}"#,
        r#"{"$patch":"delete","name":"apim-entra"}"#,
        "delete secret gw-entra",
    ]
    .map(|it| text.find(it).unwrap());
    assert!(mount < volume && volume < secret, "{text}");
}
