//! The old script's `CronJob` with only its image changed.

use apim_sandbox::azure::Operation;
use apim_sandbox::manifests::apply;
use serde_json::json;

use super::IMAGE;
use crate::case::Case;
use crate::script::grant_the_scripts_role;

/// The article's cronjob.yaml with current apiVersions. A container without a
/// command runs the image's entrypoint, which is the link. The last four
/// variables and the mount are the sandbox's way to its Azure.
#[tokio::test]
async fn the_scripts_cron_job_needs_only_another_image() {
    let (case, manifest) = Case::in_pod("script").await;
    case.install(&manifest, &["get"]).await;
    grant_the_scripts_role(&case).await;
    let before = case.credential(&manifest).await;
    let env = json!([
        { "name": "SUBSCRIPTION_ID", "value": case.gateway.subscription },
        { "name": "RESOURCE_GROUP", "value": case.gateway.resource_group },
        { "name": "APIM_INSTANCE", "value": case.gateway.service },
        { "name": "APIM_GATEWAY", "value": case.gateway.name },
        { "name": "NAMESPACE", "value": case.namespace },
        { "name": "TOKEN_SECRET", "value": manifest.secret_name() },
        { "name": "TOKEN_KEY", "value": "rotate" },
        { "name": "K8S_OBJECT", "value": "deployment/gw" },
        { "name": "SP_ID", "value": case.principal.client_id },
        { "name": "SP_SECRET", "value": case.principal.client_secret },
        { "name": "TENANT", "value": case.principal.tenant },
        { "name": "HTTPS_PROXY", "value": case.azure().proxy_url() },
        { "name": "NO_PROXY", "value": "$(KUBERNETES_SERVICE_HOST)" },
        { "name": "SSL_CERT_FILE", "value": super::CA },
    ]);
    let object = json!({
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": { "name": "apim-shg-rotate" },
        "spec": {
            "concurrencyPolicy": "Forbid",
            "schedule": "0 9 1,15 * *",
            "jobTemplate": { "spec": {
                "activeDeadlineSeconds": 600,
                "completions": 1,
                "parallelism": 1,
                "template": {
                    "metadata": { "labels": { "aadpodidbinding": "apim-shg-rotate" } },
                    "spec": {
                        "containers": [{
                            "name": "update-token",
                            "image": IMAGE,
                            "imagePullPolicy": "Always",
                            "env": env,
                            "volumeMounts": [{ "name": "ca", "mountPath": "/etc/apim-rotate" }],
                        }],
                        "restartPolicy": "Never",
                        "serviceAccountName": "apim-shg-rotate",
                        "automountServiceAccountToken": true,
                        "volumes": [{ "name": "ca", "configMap": { "name": "ca" } }],
                    },
                },
            } },
        },
    });
    apply(&case.client, &case.namespace, object).await.unwrap();
    case.kubectl_in_namespace(&["create", "job", "now", "--from=cronjob/apim-shg-rotate"])
        .await;
    let ended = case.finished("now").await;
    case.rotated(&manifest, &before, &ended).await;
    // Its users read its text.
    assert!(ended.log.contains("\nproved  "), "{}", ended.log);
    assert_eq!(ended.records(), Vec::<serde_json::Value>::new());
    assert_eq!(case.requests(Operation::GenerateToken).len(), 1);
}
