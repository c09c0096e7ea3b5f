//! Wrong or missing input, objects in the cluster or objects in Azure: each
//! message names the thing, and nothing has been changed or minted.

use apim_sandbox::azure::{Gateway, Grant, Principal, Slot};
use apim_sandbox::manifests::{GatewayManifest, apply};
use serde_json::{Value, json};

use super::{broken, fails};
use crate::case::{Case, DAY};

#[tokio::test]
async fn a_namespace_without_a_gateway() {
    let case = Case::new("no-gateway").await;
    let namespace = case.namespace.clone();
    fails(&case, &[], 1, &[&namespace, "has no self-hosted gateway", "-n"]).await;
}

#[tokio::test]
async fn a_namespace_without_a_gateway_beside_one_with() {
    let elsewhere = broken("has-gateway", &Value::Null, &Value::Null).await;
    let case = Case::new("no-gateway-here").await;
    let namespace = case.namespace.clone();
    let plain = format!("namespace {namespace} has no self-hosted gateway");
    // A user without the right to list gets only what is allowed.
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "lister"},
        "rules": [{"apiGroups": ["apps"], "resources": ["*"], "verbs": ["list"]}],
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "lister"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "lister"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "lister"}],
    });
    for object in [role, binding] {
        apply(&case.client, &case.namespace, object).await.unwrap();
    }
    let run = case.apim(&["rotate", "--as", "lister"]);
    let ended = case.fails_untouched(run, 1).await;
    ended.says(&[&plain, "-n"]);
    assert!(!ended.stderr.contains(&elsewhere.namespace));

    // Others of this test binary are there too, and no more than ten are named.
    let run = case.apim(&["rotate"]);
    let ended = case.fails_untouched(run, 1).await;
    ended.says(&[&plain, "there is a gateway in "]);
}

#[tokio::test]
async fn a_namespace_that_does_not_exist() {
    let case = broken("namespace-gone", &Value::Null, &Value::Null).await;
    for line in [
        &["-n", "no-such-place"][..],
        &["-n", "no-such-place", "gw"],
        &["-n", "no-such-place", "deploy/gw"],
    ] {
        let says = ["namespace no-such-place does not exist", "kubectl get namespaces"];
        fails(&case, line, 1, &says).await;
    }
    // Who may not see namespaces learns what he may.
    let ended = case
        .fails_untouched(
            case.apim(&["rotate", "-n", "no-such-place", "deploy/gw", "--as", "nobody"]),
            1,
        )
        .await;
    ended.says(&["nobody", "deployments", "no-such-place"]);
}

#[tokio::test]
async fn a_workload_given_in_the_scripts_form() {
    let case = broken("k8s-object", &Value::Null, &Value::Null).await;
    for (object, code, says) in [
        ("job/gw", 2, &["--k8s-object", "job"][..]),
        ("deployment/", 2, &["--k8s-object `deployment/`"]),
        ("/gw", 2, &["--k8s-object `/gw`"]),
        ("deployment/gw/x", 2, &["--k8s-object `deployment/gw/x`"]),
        ("deployment/Not_A_Name", 2, &["Not_A_Name"]),
        (
            "deployment/absent",
            1,
            &["deployment.apps/absent", "--k8s-object", "does not exist"],
        ),
        (
            "statefulset/gw",
            1,
            &[
                "statefulset.apps/gw",
                "--k8s-object",
                "does not exist",
                "a similar name exists: deployment.apps/gw",
            ],
        ),
    ] {
        fails(&case, &["--k8s-object", object], code, says).await;
        let run = case.apim(&["rotate"]).env("K8S_OBJECT", object);
        let ended = case.fails_untouched(run, code).await;
        ended.says(&["K8S_OBJECT"]);
    }
}

#[tokio::test]
async fn two_gateways_and_no_choice() {
    let case = broken("two-gateways", &Value::Null, &Value::Null).await;
    let token = case.token(Slot::Primary, DAY);
    let other = GatewayManifest::custom("other", &case.endpoint(), &token, "other", "token");
    case.deploy(&other.replicas(0)).await;
    fails(&case, &[], 2, &["deployment.apps/gw", "deployment.apps/other"]).await;
}

#[tokio::test]
async fn a_workload_that_is_not_there() {
    let case = Case::new("no-workload").await;
    fails(
        &case,
        &["deploy/absent"],
        1,
        &["deployment.apps/absent", "does not exist"],
    )
    .await;
    fails(&case, &["absent"], 1, &["absent", "does not exist", "kubectl -n"]).await;
}

#[tokio::test]
async fn a_workload_that_runs_no_gateway() {
    let case = Case::new("no-gateway-image").await;
    let web = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "web"}}, "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "web", "image": "nginx"}]},
        }},
    });
    apply(&case.client, &case.namespace, web).await.unwrap();
    fails(
        &case,
        &["deploy/web"],
        4,
        &["deployment.apps/web", "no self-hosted gateway"],
    )
    .await;
}

#[tokio::test]
async fn a_secret_that_is_not_there() {
    let case = Case::new("no-secret").await;
    let manifest = case.idle_portal();
    case.deploy(&manifest).await;
    let params = kube::api::DeleteParams::default();
    case.secrets().delete("gw-token", &params).await.unwrap();
    let namespace = case.namespace.clone();
    fails(&case, &[], 1, &["secret/gw-token", &namespace, "create it"]).await;
}

#[tokio::test]
async fn a_gateway_that_azure_does_not_have() {
    let case = Case::new("absent").await;
    // The Secret has a token of a gateway in another instance with the same name.
    let elsewhere = Gateway::new(
        &case.gateway.subscription,
        "rg-apim",
        &case.gateway.service,
        "gone",
    );
    let token = "GatewayKey gone&203001010000&c2lnbmF0dXJlLW9mLW5vLWdhdGV3YXk=";
    let manifest = GatewayManifest::portal("gw", &case.endpoint(), token).replicas(0);
    case.deploy(&manifest).await;
    fails(
        &case,
        &[],
        1,
        &["gone", "404", &elsewhere.service, "correlation id"],
    )
    .await;
}

#[tokio::test]
async fn an_instance_that_the_identity_does_not_see() {
    let case = Case::new("unseen").await;
    let stranger = Principal::random();
    case.azure().add_principal(stranger.clone());
    case.deploy(&case.idle_portal()).await;
    let run = case
        .apim(&["rotate"])
        .env("AZURE_CLIENT_ID", &stranger.client_id)
        .env("AZURE_CLIENT_SECRET", &stranger.client_secret)
        .env("AZURE_TENANT_ID", &stranger.tenant);
    case.hides(&stranger.client_secret);
    let ended = case.fails_untouched(run, 1).await;
    ended.says(&[&case.gateway.service, "--subscription-id"]);
}

#[tokio::test]
async fn a_role_that_does_not_allow_it_names_action_and_scope() {
    let case = Case::new("forbidden").await;
    let scope = format!("/subscriptions/{}", case.gateway.subscription);
    let reader = Principal::random().with(Grant::new(
        &scope,
        &[
            "Microsoft.ApiManagement/service/read",
            "Microsoft.ApiManagement/service/gateways/read",
        ],
    ));
    case.azure().add_principal(reader.clone());
    case.deploy(&case.idle_portal()).await;
    let run = case
        .apim(&["rotate"])
        .env("AZURE_CLIENT_ID", &reader.client_id)
        .env("AZURE_CLIENT_SECRET", &reader.client_secret)
        .env("AZURE_TENANT_ID", &reader.tenant);
    case.hides(&reader.client_secret);
    let ended = case.fails_untouched(run, 1).await;
    ended.says(&[
        "Microsoft.ApiManagement/service/gateways/generateToken/action",
        &case.gateway.service,
        "grant",
    ]);
}

#[tokio::test]
async fn flags_and_variables_that_make_no_sense() {
    let case = broken("usage", &Value::Null, &Value::Null).await;
    for (line, says) in [
        (&["--expiry", "31d"][..], &["--expiry", "30 days"][..]),
        (&["--expiry", "0"], &["--expiry"]),
        (&["--expiry", "-1d"], &["--expiry"]),
        (&["--expiry", "0d"], &["--expiry"]),
        (&["--expiry", "1 month"], &["--expiry", "months"]),
        (&["--expiry", "30"], &["--expiry", "30d"]),
        (
            &["--expiry", "5d", "--if-expiring-within", "6d"],
            &["--expiry", "--if-expiring-within"],
        ),
        (
            &["--if-expiring-within", "30d"],
            &["--if-expiring-within", "--expiry"],
        ),
        (&["--timeout", "10s"], &["--timeout"]),
        (&["--k8s-object", "gw"], &["--k8s-object `gw`", "deployment/NAME"]),
        (&["pod/gw"], &["pod"]),
        (&["--cloud", "mars"], &["--cloud `mars`"]),
        (&["-n", "Not_A_Namespace"], &["Not_A_Namespace"]),
    ] {
        fails(&case, line, 2, says).await;
    }
    let nonsense = case.apim(&["rotate"]).env("TOKEN_KEY", "nonsense");
    let ended = case.fails_untouched(nonsense, 2).await;
    ended.says(&["TOKEN_KEY", "`nonsense`", "primary and secondary"]);
    assert!(
        case.arm_requests().is_empty(),
        "Azure is not asked about nonsense"
    );
}

#[tokio::test]
async fn durations_as_people_write_them() {
    let case = broken("durations", &Value::Null, &Value::Null).await;
    let now = case.azure().now();
    for (expiry, hours) in [("30d", 720), ("720h", 720), ("4w", 672), ("1d12h", 36)] {
        let run = case.apim(&["rotate", "--dry-run", "-o", "json", "--expiry", expiry]);
        let report = case.fails_untouched(run, 0).await.json();
        let expires: jiff::Timestamp = report["expiresAt"].as_str().unwrap().parse().unwrap();
        // A little less, so that Azure's clock does not take it for more than it allows.
        let early = (now + jiff::SignedDuration::from_hours(hours)).duration_since(expires);
        assert!((0..=15).contains(&early.as_mins()), "{expiry}: {expires}");
    }
}

#[tokio::test]
async fn a_cluster_that_cannot_be_reached() {
    let case = Case::new("unreachable").await;
    fails(&case, &["--context", "elsewhere"], 2, &["elsewhere"]).await;
    fails(
        &case,
        &["--server", "https://127.0.0.1:1"],
        1,
        &["https://127.0.0.1:1", "refused"],
    )
    .await;
}
