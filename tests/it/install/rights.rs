//! The rights for installing that docs/rights.md lists: they are enough, and each
//! of them is used.

use std::collections::BTreeSet;
use std::path::Path;

use apim_sandbox::control_plane::AuditRecord;
use apim_sandbox::manifests::{GatewayManifest, apply};
use apim_sandbox::wire::{Action, Fault};
use http::Method;
use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule, Role};
use kube::Api;
use serde_json::json;

use super::legacy::apply_the_article;
use super::{NAME, service_principal, workload_identity};
use crate::case::Case;
use crate::documents::{Part, document};
use crate::run::Ended;
use crate::workloads::{into_daemon_set, into_stateful_set};

const USER: &str = "installer";

/// A verb on a resource of an API group.
type Right = (String, String, String);

/// The YAML blocks of a section of docs/rights.md.
fn documented(section: &str) -> Vec<String> {
    let page = document("docs/rights.md");
    let mut blocks = Vec::new();
    let mut inside = false;
    for part in page.parts() {
        match part {
            Part::Line(_, line) if line.starts_with('#') => inside = line == format!("## {section}"),
            Part::Block("yaml", content) if inside => blocks.push(content),
            _ => {}
        }
    }
    blocks
}

/// Grants these rules to the user in the whole cluster.
async fn grant_everywhere(case: &Case, name: &str, rules: &str) -> Vec<PolicyRule> {
    let rbac = "rbac.authorization.k8s.io";
    let role = format!("apiVersion: {rbac}/v1\nkind: ClusterRole\nmetadata:\n  name: {name}\n{rules}");
    case.kubectl(&["apply", "-f", "-"]).input(&role).exits(0).await;
    let account = format!("--serviceaccount={}:{USER}", case.namespace);
    let role = format!("--clusterrole={name}");
    case.kubectl(&["create", "clusterrolebinding", name, &role, &account])
        .exits(0)
        .await;
    let api: Api<ClusterRole> = Api::all(case.client.clone());
    api.get(name).await.unwrap().rules.unwrap()
}

/// Grants these rules to the user.
async fn grant(case: &Case, namespace: &str, name: &str, rules: &str) -> Vec<PolicyRule> {
    let role = format!(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata:\n  name: {name}\n  namespace: {namespace}\n{rules}"
    );
    case.kubectl(&["apply", "-f", "-"]).input(&role).exits(0).await;
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": { "name": name },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name },
        "subjects": [{ "kind": "ServiceAccount", "name": USER, "namespace": case.namespace }],
    });
    apply(&case.client, namespace, binding).await.unwrap();
    let api: Api<Role> = Api::namespaced(case.client.clone(), namespace);
    api.get(name).await.unwrap().rules.unwrap()
}

fn rights(rules: &[PolicyRule]) -> BTreeSet<Right> {
    let mut rights = BTreeSet::new();
    for rule in rules {
        for group in rule.api_groups.iter().flatten() {
            for resource in rule.resources.iter().flatten() {
                let of_verb = |verb: &String| (group.clone(), resource.clone(), verb.clone());
                rights.extend(rule.verbs.iter().map(of_verb));
            }
        }
    }
    rights
}

/// The rights that a request took. An apply that creates an object takes two.
fn taken(record: &AuditRecord) -> Vec<Right> {
    if record.impersonated {
        return vec![(
            String::new(),
            "serviceaccounts".to_owned(),
            "impersonate".to_owned(),
        )];
    }
    let Some(resource) = &record.resource else {
        return Vec::new();
    };
    let group = record
        .uri
        .strip_prefix("/apis/")
        .and_then(|path| path.split('/').next());
    let resource = match &record.subresource {
        Some(subresource) => format!("{resource}/{subresource}"),
        None => resource.clone(),
    };
    let right = |verb: &str| {
        (
            group.unwrap_or_default().to_owned(),
            resource.clone(),
            verb.to_owned(),
        )
    };
    let mut taken = vec![right(&record.verb)];
    if record.verb == "patch" && record.status == Some(201) {
        taken.push(right("create"));
    }
    taken
}

/// A gateway of each other kind of workload.
async fn other_kinds(case: &Case) {
    for name in ["sts", "ds"] {
        let gateway = apim_sandbox::azure::Gateway {
            name: name.to_owned(),
            ..case.gateway.clone()
        };
        case.azure().add_gateway(&gateway);
        let expires = case.azure().now() + crate::case::DAY * 20;
        let token = case
            .azure()
            .mint(&gateway, apim_sandbox::azure::Slot::Primary, expires);
        case.hides(&token);
        let manifest = GatewayManifest::portal(name, &case.endpoint(), &format!("GatewayKey {token}"));
        for mut object in manifest.objects() {
            if object["kind"] == "Deployment" {
                match name {
                    "sts" => into_stateful_set(&mut object, 0, &json!({"type": "RollingUpdate"})),
                    _ => into_daemon_set(&mut object),
                }
            }
            apply(&case.client, &case.namespace, object).await.unwrap();
        }
    }
}

/// Installs as the user.
async fn installs(case: &Case, kubeconfig: &str, arguments: &[&str]) -> Ended {
    let run = case.install_cronjob_that_can_run(arguments).await;
    let ended = run.env("KUBECONFIG", kubeconfig).exits(0).await;
    assert!(!ended.stderr.contains("this user"), "{}", ended.stderr);
    ended
}

async fn uninstalls(case: &Case, kubeconfig: &str) {
    // The status of a CronJob changes at any time, and then it is read again.
    let wire = case.sandbox.wire(kubeconfig.as_ref()).await.unwrap();
    let changed = Fault::on("/cronjobs/", Action::status(409)).method(Method::DELETE);
    wire.fault(changed.once());
    let run = case.apim(&["uninstall-cronjob", "--yes"]);
    let ended = run.through(&wire).exits(0).await;
    assert!(!ended.stderr.contains("this user"), "{}", ended.stderr);
    let kinds = "cronjobs,networkpolicies,serviceaccounts,roles,rolebindings,secrets";
    let left = case.kubectl_in_namespace(&["get", kinds, "-o", "name"]).await;
    assert!(!left.contains(NAME), "{left}");
}

/// Each way to install and to remove; returns the rights that the Roles have granted.
async fn every_way(case: &Case, kubeconfig: &str, secret: &Path) -> BTreeSet<Right> {
    let roles: Api<Role> = Api::namespaced(case.client.clone(), &case.namespace);
    let granted = async || rights(&roles.get(NAME).await.unwrap().rules.unwrap());
    let mut all = BTreeSet::new();

    let principal = case.federated().await;
    let workload = workload_identity(&principal);
    let most = ["--all", "--prove", "logs", "--events", "--network-policy"];
    let ended = installs(case, kubeconfig, &[&most[..], &workload, &["--run-now"]].concat()).await;
    assert!(ended.stdout.contains("completed"), "{}", ended.stdout);
    all.extend(granted().await);
    // A change without --run-now checks whether the identity can mint, and what is
    // no longer wanted goes.
    installs(case, kubeconfig, &workload)
        .await
        .says(&["may mint tokens"]);
    uninstalls(case, kubeconfig).await;

    let principal = service_principal(case, secret);
    let named = ["deployment/gw", "--network-policy"];
    installs(case, kubeconfig, &[&named[..], &principal].concat())
        .await
        .says(&["may mint tokens"]);
    // Applied again, with other labels of the nodes.
    let elsewhere = [
        "deployment/gw",
        "--node-selector",
        "pool=infra",
        "--network-policy",
    ];
    installs(case, kubeconfig, &[&elsewhere[..], &principal].concat()).await;
    uninstalls(case, kubeconfig).await;

    let managed = [
        "--auth",
        "managed-identity",
        "--network-policy",
        "--admission-policy",
    ];
    installs(case, kubeconfig, &[&["deployment/gw"][..], &managed].concat()).await;
    all.extend(granted().await);
    uninstalls(case, kubeconfig).await;

    let manifest = case.idle_portal();
    apply_the_article(case, &manifest).await;
    let replace = ["--auth", "managed-identity", "--replace-legacy"];
    installs(case, kubeconfig, &replace).await;
    uninstalls(case, kubeconfig).await;
    all
}

#[tokio::test]
async fn the_documented_rights_are_enough_and_each_is_used() {
    let (case, _) = Case::in_pod("install-rights").await;
    other_kinds(&case).await;
    let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": USER } });
    apply(&case.client, &case.namespace, account).await.unwrap();
    let blocks = documented("Install");
    let [of_the_gateways, of_the_api_server, of_the_cluster] = blocks.as_slice() else {
        panic!("{blocks:?}")
    };
    let mut written = rights(&grant(&case, &case.namespace, USER, of_the_gateways).await);
    // Other tests use the namespace too.
    let name = format!("{USER}-{}", case.namespace);
    written.extend(rights(&grant(&case, "default", &name, of_the_api_server).await));
    written.extend(rights(&grant_everywhere(&case, &name, of_the_cluster).await));
    let kubeconfig = case.sandbox.kubeconfig_for(&case.namespace, USER).await.unwrap();
    let secret = case.file("secret", &case.principal.client_secret);
    let granted = every_way(&case, kubeconfig.to_str().unwrap(), &secret).await;

    let installer = format!("system:serviceaccount:{}:{USER}", case.namespace);
    let mut requests = case.sandbox.audit().await.unwrap();
    requests.retain(|request| request.user == installer);
    // In the name of the account, a policy denies a probe; any other denial ends the run.
    let refused: Vec<_> = requests
        .iter()
        .filter(|request| request.status == Some(403) && !(request.impersonated && request.dry_run))
        .collect();
    assert!(refused.is_empty(), "{refused:#?}");
    let used: BTreeSet<Right> = requests.iter().flat_map(taken).chain(granted).collect();
    assert_eq!(written, used);
}
