//! The binary as the container of a Job: its own service account, its own Role, no kubeconfig.

use apim_sandbox::azure::{Operation, Slot};
use apim_sandbox::manifests::{GatewayManifest, apply};
use apim_sandbox::wait;
use k8s_openapi::api::batch::v1::Job;
use kube::Api;
use serde_json::{Value, json};

use crate::case::{Case, LIMIT};

mod script;
mod sign_in;

/// Where the emulator's certificate authority is mounted.
const CA: &str = "/etc/apim-rotate/ca.pem";

const IMAGE: &str = "ghcr.io/kubectl-apim/kubectl-apim:latest";

/// How a Job has ended.
struct Finished {
    succeeded: bool,
    exit_code: i32,
    log: String,
    /// What the container has left in its status.
    message: String,
}

impl Finished {
    /// The message, which Kubernetes must not have cut.
    fn result(&self) -> Value {
        serde_json::from_str(&self.message).unwrap_or_else(|error| panic!("{error}: {}", self.message))
    }

    /// The records of the log.
    fn records(&self) -> Vec<Value> {
        let records = self.log.lines().filter(|line| line.starts_with('{'));
        records.map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Case {
    pub(crate) async fn in_pod(name: &str) -> (Self, GatewayManifest) {
        let case = Self::new(name).await;
        case.sandbox
            .provide_binary(env!("CARGO_BIN_EXE_kubectl-apim").as_ref());
        let manifest = case.portal();
        case.deploy(&manifest).await;
        (case, manifest)
    }

    /// Creates the service account with a Role of these verbs, and what the pods mount and read.
    async fn install(&self, manifest: &GatewayManifest, verbs: &[&str]) {
        let name = json!({ "name": "rotator" });
        let rules = json!([
            { "apiGroups": [""], "resources": ["secrets"], "resourceNames": [manifest.secret_name()], "verbs": verbs },
            { "apiGroups": ["apps"], "resources": ["deployments"], "resourceNames": [manifest.workload_name()],
              "verbs": verbs },
        ]);
        for object in [
            json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": name }),
            json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": name, "rules": rules,
            }),
            json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": name,
                "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "rotator" },
                "subjects": [{ "kind": "ServiceAccount", "name": "rotator" }],
            }),
            json!({
                "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "principal" },
                "stringData": { "secret": self.principal.client_secret },
            }),
            json!({
                "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "ca" },
                "data": { "ca.pem": self.azure().ca_pem() },
            }),
        ] {
            apply(&self.client, &self.namespace, object).await.unwrap();
        }
    }

    /// Who the pod is to Azure: the case's own service principal, by its secret.
    fn by_secret(&self) -> Value {
        json!([
            { "name": "AZURE_CLIENT_ID", "value": self.principal.client_id },
            { "name": "AZURE_TENANT_ID", "value": self.principal.tenant },
            { "name": "AZURE_CLIENT_SECRET", "valueFrom": { "secretKeyRef": { "name": "principal", "key": "secret" } } },
        ])
    }

    /// The pod template, in which the way to Azure is that of a cluster with an egress proxy.
    fn template(&self, container: &Value, identity: &Value) -> Value {
        // The Role has no right to read the ConfigMap with the gateway's endpoint.
        let env = json!([
            { "name": "APIM_INSTANCE", "value": self.gateway.service },
            { "name": "HTTPS_PROXY", "value": self.azure().proxy_url() },
            { "name": "NO_PROXY", "value": "$(KUBERNETES_SERVICE_HOST)" },
            { "name": "SSL_CERT_FILE", "value": CA },
        ]);
        let mut container = container.clone();
        container["name"] = json!("rotate");
        container["image"] = json!(IMAGE);
        container["securityContext"] = json!({ "readOnlyRootFilesystem": true });
        container["volumeMounts"] =
            json!([{ "name": "ca", "mountPath": "/etc/apim-rotate", "readOnly": true }]);
        let mut variables = env.as_array().unwrap().clone();
        for more in [identity, &container["env"]] {
            variables.extend(more.as_array().cloned().unwrap_or_default());
        }
        container["env"] = variables.into();
        json!({ "spec": {
            "restartPolicy": "Never",
            "serviceAccountName": "rotator",
            "containers": [container],
            "volumes": [{ "name": "ca", "configMap": { "name": "ca" } }],
        } })
    }

    async fn run_job(&self, container: &Value) -> Finished {
        self.run_template(&self.template(container, &self.by_secret()))
            .await
    }

    async fn run_template(&self, template: &Value) -> Finished {
        let object = json!({
            "apiVersion": "batch/v1", "kind": "Job", "metadata": { "name": "rotate" },
            "spec": { "backoffLimit": 0, "template": template },
        });
        apply(&self.client, &self.namespace, object).await.unwrap();
        self.finished("rotate").await
    }

    async fn finished(&self, name: &str) -> Finished {
        let jobs: Api<Job> = Api::namespaced(self.client.clone(), &self.namespace);
        let succeeded = wait::until("the end of the Job", LIMIT, async || {
            let status = jobs.get(name).await?.status.unwrap_or_default();
            let conditions = status.conditions.unwrap_or_default();
            let holds = |kind: &str| {
                conditions
                    .iter()
                    .any(|its| its.type_ == kind && its.status == "True")
            };
            Ok((holds("Complete") || holds("Failed")).then(|| holds("Complete")))
        });
        let succeeded = succeeded.await;
        let job = format!("job/{name}");
        let log = self.kubectl_in_namespace(&["logs", &job]).await;
        let label = format!("job-name={name}");
        let of_container = async |field: &str| {
            let path = format!("jsonpath={{.items[0].status.containerStatuses[0].state.terminated.{field}}}");
            self.kubectl_in_namespace(&["get", "pods", "-l", &label, "-o", &path])
                .await
        };
        let code = of_container("exitCode").await;
        Finished {
            succeeded: succeeded.unwrap_or_else(|error| panic!("{error}\n{log}")),
            exit_code: code.parse().unwrap(),
            message: of_container("message").await,
            log,
        }
    }

    /// The real kubectl, whose cache must not end up in the working directory. As of every run, its output is
    /// searched for secrets: the log and the message of a container too.
    pub(crate) async fn kubectl_in_namespace(&self, arguments: &[&str]) -> String {
        let arguments = [&["-n", &self.namespace], arguments].concat();
        let run = self.kubectl(&arguments).env("HOME", env!("CARGO_TARGET_TMPDIR"));
        run.exits(0).await.stdout
    }

    async fn rotated(&self, manifest: &GatewayManifest, before: &str, ended: &Finished) {
        assert!(ended.succeeded, "exit code {}\n{}", ended.exit_code, ended.log);
        assert_eq!(ended.exit_code, 0);
        let after = self.credential(manifest).await;
        assert_ne!(after, before);
        assert!(self.azure().accepts(&after));
        assert_eq!(self.requests(Operation::GenerateToken).len(), 1);
        self.rolled_out(&manifest.workload_name()).await;
        let annotations = self.template_annotations(&manifest.workload_name()).await;
        assert!(annotations.contains_key("apim-rotate/rotation-id"));
        let result = ended.result();
        assert_eq!(
            (result["outcome"].as_str(), result["exitCode"].as_u64()),
            (Some("Rotated"), Some(0))
        );
        assert_eq!(result["namespace"], self.namespace);
        assert_eq!(result["secret"]["name"], manifest.secret_name());
        let id = self.annotation(manifest, "apim-rotate/rotation-id").await;
        assert_eq!(result["rotationId"].as_str(), id.as_deref());
        let expires_at = self.annotation(manifest, "apim-rotate/expires-at").await;
        assert_eq!(result["expiresAt"].as_str(), expires_at.as_deref());
    }
}

#[tokio::test]
async fn a_job_rotates_with_get_and_patch_of_two_named_objects() {
    let (case, manifest) = Case::in_pod("in-pod").await;
    case.install(&manifest, &["get", "patch"]).await;
    let before = case.credential(&manifest).await;
    let container = json!({
        "command": ["kubectl-apim"],
        "args": ["rotate", "deployment/gw", "--token-secret", manifest.secret_name()],
    });
    let ended = case.run_job(&container).await;
    case.rotated(&manifest, &before, &ended).await;
    let proved = |record: &Value| record["step"] == "proved" && record["level"] == "info";
    assert!(ended.records().iter().any(proved), "{}", ended.log);

    let user = format!("system:serviceaccount:{}:rotator", case.namespace);
    let requests = case.kube_requests().await;
    assert!(!requests.is_empty());
    assert!(requests.iter().all(|request| request.user == user));
    // Only what the run can do without may be refused: the gateway's settings, which would name the instance.
    let mut refused = requests.iter().filter(|request| request.status == Some(403));
    assert!(
        refused.all(|request| request.verb == "get" && request.resource.as_deref() == Some("configmaps"))
    );
}

#[tokio::test]
async fn without_the_right_to_patch_nothing_is_minted_and_the_log_names_it() {
    let (case, manifest) = Case::in_pod("in-pod-get").await;
    case.install(&manifest, &["get"]).await;
    let before = case.credential(&manifest).await;
    let container = json!({
        "command": ["kubectl-apim"],
        "args": ["rotate", "deployment/gw", "--token-secret", manifest.secret_name()],
    });
    let ended = case.run_job(&container).await;
    assert!(!ended.succeeded);
    assert_eq!(ended.exit_code, 4, "{}", ended.log);
    assert!(
        ended.log.contains("patch") && ended.log.contains("secret"),
        "{}",
        ended.log
    );
    assert_eq!(case.credential(&manifest).await, before);
    assert_eq!(case.requests(Operation::GenerateToken).len(), 0);
    let result = ended.result();
    assert_eq!(result["exitCode"], 4);
    let message = result["error"]["message"].as_str().unwrap();
    let reported = |record: &Value| record["level"] == "error" && record["message"] == message;
    assert!(ended.records().iter().any(reported), "{}", ended.log);
    assert!(message.contains("patch"), "{message}");
    assert!(result["error"]["hints"].is_array());
}

#[tokio::test]
async fn a_wrong_command_line_is_reported_in_the_pod_s_status_and_as_json() {
    let (case, manifest) = Case::in_pod("in-pod-usage").await;
    case.install(&manifest, &["get"]).await;
    let container = json!({ "command": ["kubectl-apim"], "args": ["rotate", "--nonsense"] });
    let ended = case.run_job(&container).await;
    assert_eq!(ended.exit_code, 2, "{}", ended.log);
    let result = ended.result();
    assert_eq!(result["exitCode"], 2);
    let message = result["error"]["message"].as_str().unwrap();
    assert!(message.contains("--nonsense"), "{message}");
    let records = ended.records();
    assert_eq!(records.len(), ended.log.lines().count(), "{}", ended.log);
    assert_eq!(
        (&records[0]["level"], &records[0]["exitCode"]),
        (&json!("error"), &json!(2))
    );
}

#[tokio::test]
async fn a_job_made_from_a_cron_job_rotates_by_the_script_s_variables() {
    let (case, manifest) = Case::in_pod("in-pod-cron").await;
    case.install(&manifest, &["get", "patch"]).await;
    let before = case.credential(&manifest).await;
    let container = json!({
        "command": ["/usr/local/bin/kubectl-apim", "rotate"],
        "env": [
            { "name": "SUBSCRIPTION_ID", "value": case.gateway.subscription },
            { "name": "RESOURCE_GROUP", "value": case.gateway.resource_group },
            { "name": "APIM_GATEWAY", "value": case.gateway.name },
            { "name": "NAMESPACE", "value": case.namespace },
            { "name": "TOKEN_SECRET", "value": manifest.secret_name() },
            { "name": "TOKEN_KEY", "value": "secondary" },
            { "name": "K8S_OBJECT", "value": "deployment/gw" },
        ],
    });
    let spec = json!({ "backoffLimit": 0, "activeDeadlineSeconds": 600, "template": case.template(&container, &case.by_secret()) });
    let object = json!({
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": { "name": "rotator" },
        "spec": { "schedule": "0 9 1,15 * *", "concurrencyPolicy": "Forbid", "jobTemplate": { "spec": spec } },
    });
    apply(&case.client, &case.namespace, object).await.unwrap();
    case.kubectl_in_namespace(&["create", "job", "now", "--from=cronjob/rotator"])
        .await;
    let ended = case.finished("now").await;
    case.rotated(&manifest, &before, &ended).await;
    let acceptance = case.azure().judge(&case.credential(&manifest).await).unwrap();
    assert_eq!(acceptance.slot, Slot::Secondary, "{}", ended.log);
}
