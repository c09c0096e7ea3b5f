//! Nothing of an object is shown but what is known to be harmless, wherever a secret
//! is in it, and by whatever way it could get out.

use apim_sandbox::wait;
use apim_sandbox::wire::{Action, Answer, Fault};
use http::Method;
use serde_json::json;

use super::NAME;
use super::legacy::apply_the_article;
use crate::case::{Case, LIMIT};

const MANAGED: [&str; 2] = ["--auth", "managed-identity"];

/// A text that no run may show, of which each place has its own end.
const HUSH: &str = "Zq8xW3vN7b";

/// Puts it wherever the legacy CronJob and its account have room for a text.
async fn fill(case: &Case) {
    let mut places = 0;
    let mut hush = || {
        places += 1;
        case.hides(HUSH);
        format!("{HUSH}{places}")
    };
    let variable = |name: &str, value: String| json!({ "name": name, "value": value });
    let env = json!([
        variable("HTTPS_PROXY", format!("http://user:{}@proxy:3128", hush())),
        variable("NO_PROXY", format!("a,b?{}", hush())),
        variable("SP_SECRET", hush()),
        variable("AZURE_CLIENT_SECRET", hush()),
        variable("ANYTHING", hush()),
        // What somebody may have confused with a name.
        variable("TOKEN_SECRET", format!("GatewayKey gw&1&{}==", hush())),
        variable("APIM_GATEWAY", format!("gw&1&{}==", hush())),
        variable("APIM_INSTANCE", format!("https://u:{}@host", hush())),
        variable("RESOURCE_GROUP", format!("{}=", hush())),
    ]);
    let container = json!({
        "name": "update-token", "env": env, "workingDir": format!("/{}", hush()),
        "args": ["-p", hush(), format!("-p{}", hush()), format!("--client-sec={}", hush()), format!("-cp{}", hush()),
            format!("--tenant={}=", hush()), format!("rotate/{}", hush()), format!("--proxy=http://u:{}@p:1", hush())],
        "lifecycle": { "preStop": { "exec": { "command": ["sh", "-c", format!("rotate -p {}", hush())] } } },
        "readinessProbe": { "httpGet": { "port": 80, "path": format!("/?code={}", hush()),
            "httpHeaders": [{ "name": "Authorization", "value": hush() }] } },
    });
    let init = json!({ "name": "init", "image": format!("http://u:{}@registry/x:1", hush()),
        "command": ["sh", "-c", format!("x=`{}`", hush())], "env": [variable("TOKEN_SECRET", format!("GatewayKey gw&1&{}==", hush()))] });
    let note = |text: String| json!({ "note": text, "app.kubernetes.io/version": text });
    let template = json!({
        "metadata": { "annotations": note(hush()), "labels": note(hush()) },
        "spec": { "containers": [container], "initContainers": [init],
            "hostAliases": [{ "ip": "10.0.0.1", "hostnames": [hush().to_lowercase()] }],
            "volumes": [{ "name": "v", "csi": { "driver": "x", "volumeAttributes": { "key": hush() } } }] },
    });
    let change = json!({ "metadata": { "annotations": note(hush()), "labels": note(hush()) },
        "spec": { "jobTemplate": { "metadata": { "annotations": note(hush()) }, "spec": { "template": template } } } });
    let patch = change.to_string();
    let line = ["patch", "cronjob", NAME, "--type=strategic", "-p", &patch];
    case.kubectl_in_namespace(&line).await;
    let account = json!({ "metadata": { "annotations": note(hush()), "labels": note(hush()) } }).to_string();
    case.kubectl_in_namespace(&["patch", "serviceaccount", NAME, "--type=merge", "-p", &account])
        .await;
}

#[tokio::test]
async fn no_place_for_a_text_shows_a_secret() {
    let case = Case::new("hidden").await;
    let manifest = case.idle_portal();
    case.deploy(&manifest).await;
    apply_the_article(&case, &manifest).await;
    fill(&case).await;
    for more in [
        &[][..],
        &["-v=9"],
        &["-v=9", "--log-format", "json"],
        &["-o", "yaml"],
        &["--replace-legacy", "--dry-run=server", "--diff", "-v=9"],
        &["--replace-legacy", "--dry-run=server", "-o", "yaml"],
        &["--replace-legacy", "--dry-run=server", "-o", "json"],
        &["--replace-legacy", "-v=9", "--diff"],
        &["-v=9", "--diff"],
    ] {
        let line = [&MANAGED[..], more].concat();
        // Each run is searched for the text.
        let ended = case.install_cronjob(&line).start().await.ended().await;
        assert!(matches!(ended.code, Some(0 | 4)), "{ended:?}");
        assert!(!ended.stdout.to_lowercase().contains(&HUSH.to_lowercase()));
    }
}

/// A container that somebody has added to the installed CronJob stays, and a policy
/// quotes it.
#[tokio::test]
async fn a_message_that_quotes_an_object_is_shown_without_it() {
    let case = Case::new("hidden-quoted").await;
    case.deploy(&case.idle_portal()).await;
    case.install_cronjob(&MANAGED).exits(0).await;
    case.hides(HUSH);
    let env = json!([{ "name": "ANYTHING", "value": HUSH }]);
    let pod = json!({ "containers": [{ "name": "rotate", "env": env }] });
    let patch = json!({ "spec": { "jobTemplate": { "spec": { "template": { "spec": pod } } } } }).to_string();
    case.kubectl_in_namespace(&["patch", "cronjob", NAME, "--type=strategic", "-p", &patch])
        .await;
    quote_cron_jobs(&case).await;
    let line = [&MANAGED[..], &["--schedule", "0 4 * * *"]].concat();
    let denied = wait::until("the policy", LIMIT, async || {
        let ended = case.install_cronjob(&line).start().await.ended().await;
        Ok((ended.code != Some(0)).then_some(ended))
    });
    let denied = denied.await.unwrap();
    denied.says(&["the value is (hidden)"]);
}

/// An admission policy whose message holds the value of a variable.
async fn quote_cron_jobs(case: &Case) {
    let name = format!("quote-{}", case.namespace);
    let container = "object.spec.jobTemplate.spec.template.spec.containers[0]";
    let mine =
        json!({ "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": case.namespace } } });
    let rule = json!({ "apiGroups": ["batch"], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["cronjobs"] });
    let policy = json!({ "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
        "metadata": { "name": name }, "spec": { "matchConstraints": { "resourceRules": [rule] }, "validations": [{
            "expression": "object.spec.schedule != '0 4 * * *'",
            "messageExpression": format!("'the value is ' + {container}.env[0].value") }] } });
    let binding = json!({ "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": { "name": name }, "spec": { "policyName": name, "validationActions": ["Deny"], "matchResources": mine } });
    for object in [policy, binding] {
        let apply = ["apply", "-f", "-"];
        case.kubectl(&apply).input(&object.to_string()).exits(0).await;
    }
}

/// The API server quotes a whole pod spec in its message about a field.
#[tokio::test]
async fn an_invalid_field_is_named_without_its_value() {
    let case = Case::new("hidden-invalid").await;
    case.deploy(&case.idle_portal()).await;
    case.hides(HUSH);
    let quoted = format!(
        "Invalid value: core.PodSpec{{Env:[]core.EnvVar{{{{Value:\"{HUSH}\"}}}}}}: field is immutable"
    );
    let status = json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 422, "reason": "Invalid",
        "message": format!("Deployment.apps \"gw\" is invalid: spec.template: {quoted}"),
        "details": { "causes": [{ "field": "spec.template", "reason": "FieldValueInvalid", "message": quoted }] } });
    for (path, arguments) in [
        ("/deployments/gw?&dryRun", &["rotate", "deploy/gw", "-v=9"][..]),
        ("/deployments/gw?&fieldManager", &["rotate", "deploy/gw", "-v=9"]),
        (
            "/serviceaccounts/apim",
            &["install-cronjob", "--auth", "managed-identity", "-v=9"],
        ),
    ] {
        let wire = case.sandbox.wire(&case.kubeconfig_path()).await.unwrap();
        let answer = Action::Answer(Answer::json(422, &status));
        wire.fault(Fault::on(path, answer).method(Method::PATCH));
        let ended = case.apim(arguments).through(&wire).start().await.ended().await;
        ended.says(&["spec.template: Invalid value: field is immutable"]);
    }
}
