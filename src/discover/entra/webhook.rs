//! The webhook of Azure Workload Identity, rehearsed with a pod that is never made.

use serde_json::{Value, json};

use super::target::SetupTarget;
use super::unavailable::of_cluster;
use crate::cluster::Cluster;
use crate::model::annotation::FIELD_MANAGER;
use crate::model::entra::facts::Injected;
use crate::model::entra::{OwnVariables, USE_LABEL};
use crate::model::{Fact, Object, ObjectKind, Unavailable, cleaned};

/// For a pod of a gateway that is not deployed yet.
const IMAGE: &str = "mcr.microsoft.com/azure-api-management/gateway:2.11.1";

/// The container of such a pod.
const CONTAINER: &str = "gateway";

const DEFAULT_ACCOUNT: &str = "default";

/// What the webhook would inject into a pod of this `ServiceAccount`, or of `default`
/// if that one does not exist. It is a pod of the workload, if there is one: policies of
/// the cluster that let those through let it through as well.
pub(super) async fn webhook(
    cluster: &Cluster,
    account: Option<&str>,
    target: &SetupTarget,
) -> Fact<Option<Injected>> {
    let account = account.unwrap_or(DEFAULT_ACCOUNT);
    let cluster = &cluster.for_optional_reads();
    let (template, side) = (target.pod.as_ref(), target.side.as_ref());
    let rehearse = async |account: &str| {
        let pod = match template.zip(side) {
            Some((template, side)) => of_workload(template, account, &side.workload.name),
            None => pod(account),
        };
        cluster.create(&pod, FIELD_MANAGER, true).await
    };
    let mut made = rehearse(account).await;
    if account != DEFAULT_ACCOUNT && made.as_ref().is_err_and(|error| lacks_account(error, account)) {
        made = rehearse(DEFAULT_ACCOUNT).await;
    }
    let is_denied = made.as_ref().is_err_and(lacks_right);
    let container = side.map_or(CONTAINER, |side| &side.container);
    match of_cluster(made, "rehearsing a pod") {
        Ok(pod) => Ok(injected(pod.document(), container)),
        Err(why) if is_denied => Err(why),
        // A quota or a policy answers with the same code as for a right.
        Err(why) => Err(Unavailable::Unknown(why.why().to_owned())),
    }
}

/// A pod that asks for the webhook, and that the restricted Pod Security Standard and
/// quotas let through.
fn pod(account: &str) -> Object {
    let document = json!({
        "metadata": {"generateName": "kubectl-apim-", "labels": {USE_LABEL: "true"}},
        "spec": {
            "serviceAccountName": account,
            "automountServiceAccountToken": false,
            "restartPolicy": "Never",
            "securityContext": {
                "runAsNonRoot": true, "runAsUser": 1001, "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [{
                "name": CONTAINER,
                "image": IMAGE,
                "resources": {
                    "requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"cpu": "100m", "memory": "64Mi"},
                },
                "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
            }],
        },
    });
    Object::new(ObjectKind::Pod, document)
}

/// A pod of the workload that asks for the webhook, as its controller would make it. What
/// the webhook leaves as it is is left out, since it would hide what that injects.
fn of_workload(template: &Object, account: &str, workload: &str) -> Object {
    let fields = |path: &str| {
        template
            .document()
            .pointer(path)
            .and_then(Value::as_object)
            .cloned()
    };
    let mut labels = fields("/metadata/labels").unwrap_or_default();
    labels.insert(USE_LABEL.to_owned(), "true".into());
    let mut spec = fields("/spec").unwrap_or_default();
    spec.insert("serviceAccountName".to_owned(), account.into());
    // The older name of the same field.
    spec.remove("serviceAccount");
    let is_left = |variable: &Value| {
        let name = variable["name"].as_str().unwrap_or_default();
        !OwnVariables::ALL.contains(&name)
    };
    for kind in ["containers", "initContainers"] {
        let containers = spec.get_mut(kind).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            if let Some(env) = container["env"].as_array_mut() {
                env.retain(is_left);
            }
        }
    }
    let mut spec = Value::Object(spec);
    add_claims(&mut spec);
    let annotations = fields("/metadata/annotations");
    let document = json!({
        "metadata": {"generateName": format!("{workload}-"), "labels": labels, "annotations": annotations},
        "spec": spec,
    });
    Object::new(ObjectKind::Pod, document)
}

/// The controller of a `StatefulSet` adds a volume for each claim of its own.
fn add_claims(spec: &mut Value) {
    let names = |list: &Value, field: &str| -> Vec<String> {
        let all = list.as_array().into_iter().flatten();
        let names = all.filter_map(|it| it[field].as_str());
        names.map(str::to_owned).collect()
    };
    let mut known = names(&spec["volumes"], "name");
    let containers = ["containers", "initContainers"].map(|kind| &spec[kind]);
    let containers = containers.into_iter().filter_map(Value::as_array).flatten();
    let mounts = containers.flat_map(|it| [&it["volumeMounts"], &it["volumeDevices"]]);
    let mounted: Vec<String> = mounts.flat_map(|list| names(list, "name")).collect();
    let mut added = Vec::new();
    for name in mounted {
        if !known.contains(&name) {
            added.push(json!({"name": name, "persistentVolumeClaim": {"claimName": name}}));
            known.push(name);
        }
    }
    match spec["volumes"].as_array_mut() {
        Some(volumes) => volumes.extend(added),
        None if added.is_empty() => {}
        None => spec["volumes"] = added.into(),
    }
}

/// Whether the answer is about the user's right to create pods.
fn lacks_right(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status)
        if status.is_forbidden() && status.message.contains("cannot create resource \"pods\""))
}

fn lacks_account(error: &kube::Error, account: &str) -> bool {
    matches!(error, kube::Error::Api(status)
        if status.message.contains("not found") && status.message.contains(&format!("\"{account}\"")))
}

/// What was set in the gateway's container of the pod; `None` without the path of the
/// token.
fn injected(pod: &Value, container: &str) -> Option<Injected> {
    let mut containers = pod.pointer("/spec/containers")?.as_array()?.iter();
    let container = containers.find(|it| it["name"] == container)?;
    let env = container["env"].as_array()?;
    let value = |name: &str| {
        let variable = env.iter().find(|it| it["name"] == name)?;
        variable["value"]
            .as_str()
            .filter(|value| !value.is_empty())
            .map(cleaned)
    };
    let token_file = value("AZURE_FEDERATED_TOKEN_FILE")?;
    Some(Injected {
        audience: audience(pod, container, &token_file),
        token_file,
        tenant: value("AZURE_TENANT_ID"),
        authority: value("AZURE_AUTHORITY_HOST"),
    })
}

/// The audience of the token of a `ServiceAccount` that a container has at a path.
fn audience(pod: &Value, container: &Value, path: &str) -> Option<String> {
    let in_folder = |folder: &Value| {
        let folder = folder.as_str()?.trim_end_matches('/');
        path.strip_prefix(folder)?.strip_prefix('/')
    };
    let mut mounts = container["volumeMounts"].as_array()?.iter();
    let (volume, file) = mounts.find_map(|mount| Some((&mount["name"], in_folder(&mount["mountPath"])?)))?;
    let mut volumes = pod.pointer("/spec/volumes")?.as_array()?.iter();
    let volume = volumes.find(|it| it["name"] == *volume)?;
    let sources = volume.pointer("/projected/sources")?.as_array()?.iter();
    let mut tokens = sources.map(|source| &source["serviceAccountToken"]);
    let token = tokens.find(|token| token["path"] == *file)?;
    token["audience"].as_str().map(cleaned)
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn forbidden(message: &str) -> kube::Error {
        kube::Error::Api(Status::failure(message, "Forbidden").with_code(403).boxed())
    }

    #[test]
    fn what_the_webhook_sets_is_found() {
        let env = json!([
            {"name": "AZURE_FEDERATED_TOKEN_FILE", "value": "/var/run/token"},
            {"name": "AZURE_TENANT_ID", "value": ""},
            {"name": "AZURE_AUTHORITY_HOST", "value": "https://login.example/\u{1b}[2J"},
        ]);
        // Others may have been injected as well.
        let containers = json!([{"name": "proxy", "env": []}, {"name": "gw", "env": env}]);
        let found = injected(&json!({"spec": {"containers": containers}}), "gw").unwrap();
        assert_eq!(found.audience, None);
        assert_eq!(
            (found.token_file.as_str(), &found.tenant),
            ("/var/run/token", &None)
        );
        assert!(!found.authority.unwrap().contains('\u{1b}'));
        for name in ["c", "gw"] {
            let pod = json!({"spec": {"containers": [{"name": "c"}]}});
            assert_eq!(injected(&pod, name), None);
        }
    }

    #[test]
    fn a_pod_of_the_workload_is_rehearsed_as_its_controller_would_make_it() {
        let template = json!({
            "metadata": {"name": "x", "namespace": "other", "labels": {"team": "shop", USE_LABEL: "false"},
                "annotations": {"a": "b"}},
            "spec": {
                "serviceAccount": "old", "serviceAccountName": "old", "nodeSelector": {"kubernetes.io/os": "linux"},
                "containers": [{
                    "name": "gw", "image": "mirror/gateway:2.11.1",
                    "env": [{"name": "gateway.name", "value": "gw"}, {"name": "AZURE_FEDERATED_TOKEN_FILE", "value": "/x"}],
                    "volumeMounts": [{"name": "config", "mountPath": "/a"}, {"name": "claimed", "mountPath": "/b"}],
                }],
                "volumes": [{"name": "config", "emptyDir": {}}],
            },
        });
        let made = of_workload(&Object::new(ObjectKind::Pod, template), "gw-account", "gw");
        let pod = made.document();
        assert_eq!(
            pod["metadata"],
            json!({"generateName": "gw-", "labels": {"team": "shop", USE_LABEL: "true"}, "annotations": {"a": "b"}})
        );
        let spec = &pod["spec"];
        assert_eq!(
            (&spec["serviceAccountName"], spec.get("serviceAccount")),
            (&json!("gw-account"), None)
        );
        assert_eq!(spec["nodeSelector"], json!({"kubernetes.io/os": "linux"}));
        let container = &spec["containers"][0];
        assert_eq!(container["image"], "mirror/gateway:2.11.1");
        assert_eq!(container["env"], json!([{"name": "gateway.name", "value": "gw"}]));
        let claim = json!({"name": "claimed", "persistentVolumeClaim": {"claimName": "claimed"}});
        assert_eq!(
            spec["volumes"],
            json!([{"name": "config", "emptyDir": {}}, claim])
        );
        // A template with nothing of that.
        let bare = Object::new(ObjectKind::Pod, json!({"spec": {"containers": [{"name": "gw"}]}}));
        let bare = of_workload(&bare, "gw", "gw");
        assert!(bare["spec"].get("volumes").is_none_or(Value::is_null));
    }

    #[test]
    fn a_quota_is_not_a_right() {
        let right = forbidden(
            "pods is forbidden: User \"u\" cannot create resource \"pods\" in API group \"\" in the namespace \"n\"",
        );
        let quota = forbidden("pods \"kubectl-apim-x\" is forbidden: exceeded quota: q, requested: pods=1");
        assert!(lacks_right(&right) && !lacks_right(&quota));
        let account = forbidden(
            "pods \"x\" is forbidden: error looking up service account n/gw: serviceaccount \"gw\" not found",
        );
        assert!(lacks_account(&account, "gw") && !lacks_account(&account, "g") && !lacks_right(&account));
    }
}
