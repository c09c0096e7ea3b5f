use serde_json::{Value, json};

use super::*;
use crate::model::request::CloudRequest;
use crate::model::{CloudName, WorkloadKind, WorkloadRef};

fn installation(identity: PodIdentity) -> Installation {
    let gw = WorkloadRef {
        kind: WorkloadKind::Deployment,
        name: "gw".to_owned(),
    };
    Installation {
        namespace: "shop".to_owned(),
        name: "apim-shg-rotate".to_owned(),
        schedule: Schedule {
            cron: "17 3 * * *".to_owned(),
            time_zone: "Etc/UTC".to_owned(),
            suspend: false,
        },
        task: Task {
            workloads: vec![gw],
            secrets: vec!["gw-token".to_owned()],
            config_maps: Vec::new(),
            instance: Some(Instance {
                name: "contoso".to_owned(),
                resource_group: Some("rg-apim".to_owned()),
                subscription: Some("sub".to_owned()),
            }),
            gateway: Some("orders".to_owned()),
            cloud: CloudRequest::Known(CloudName::Public),
            if_expiring_within: SignedDuration::from_hours(24 * 15),
            timeout: SignedDuration::from_mins(5),
            adopt: false,
            prove_logs: false,
            events: false,
        },
        identity,
        pod: PodOptions {
            image: "ghcr.io/kubectl-apim/kubectl-apim:v1".to_owned(),
            ..PodOptions::default()
        },
    }
}

fn workload_identity() -> PodIdentity {
    PodIdentity::Workload {
        client_id: "client".to_owned(),
        tenant: Some("tenant".to_owned()),
    }
}

fn service_principal() -> PodIdentity {
    PodIdentity::ServicePrincipal {
        client_id: "client".to_owned(),
        tenant: "tenant".to_owned(),
        credential: KeyOf {
            name: "principal".to_owned(),
            key: CLIENT_SECRET_KEY.to_owned(),
        },
    }
}

fn container(object: &Object) -> &Value {
    &object["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]
}

#[test]
fn errors_that_would_recur_are_not_retried() {
    let object = cron_job(&installation(workload_identity()));
    let job = &object["spec"]["jobTemplate"]["spec"];
    assert_eq!(
        job["podFailurePolicy"]["rules"][0]["onExitCodes"]["values"],
        json!([2, 4, 5, 6])
    );
    assert_eq!(job["backoffLimit"], 2);
    assert_eq!(job["activeDeadlineSeconds"], 360);
    assert_eq!(job["template"]["spec"]["restartPolicy"], "Never");
    let label = &job["template"]["metadata"]["labels"]["azure.workload.identity/use"];
    assert_eq!(label, "true");
}

#[test]
fn the_arguments_leave_nothing_to_discover() {
    let object = cron_job(&installation(service_principal()));
    assert_eq!(
        container(&object)["args"],
        json!([
            "rotate",
            "deployment/gw",
            "--token-secret=gw-token",
            "--apim-gateway=orders",
            "--apim-instance=contoso",
            "--resource-group=rg-apim",
            "--subscription-id=sub",
            "--if-expiring-within=15d",
            "--timeout=5m",
            "--cloud=public",
            "--auth=service-principal",
            "--client-id=client",
            "--tenant=tenant",
            "--client-secret-file=/var/run/secrets/apim-rotate/principal/client-secret",
        ])
    );
    assert!(container(&object).get("env").is_none());
}

#[test]
fn several_gateways_are_a_fleet_with_the_sum_of_their_timeouts() {
    let mut several = installation(PodIdentity::Managed { client_id: None });
    let another = WorkloadRef {
        kind: WorkloadKind::StatefulSet,
        name: "other".to_owned(),
    };
    several.task.workloads.push(another);
    several.task.secrets.push("other-token".to_owned());
    several.task.gateway = None;
    let object = cron_job(&several);
    let args = container(&object)["args"].to_string();
    assert!(
        args.starts_with(r#"["rotate","deployment/gw","statefulset/other","--apim-instance=contoso""#),
        "{args}"
    );
    // A broken gateway must not keep the others from being rotated.
    assert!(args.contains(r#""--canary=0","--max-failures=2","--retries=2""#), "{args}");
    let spec = &object["spec"]["jobTemplate"]["spec"];
    assert_eq!(spec["activeDeadlineSeconds"], 660);
}

#[test]
fn a_proxy_and_its_ca_are_passed_on() {
    let mut behind_proxy = installation(workload_identity());
    behind_proxy.pod.proxy = Some("http://proxy.corp:3128".to_owned());
    behind_proxy.pod.ca = Some(KeyOf {
        name: "roots".to_owned(),
        key: "ca.crt".to_owned(),
    });
    let object = cron_job(&behind_proxy);
    let container = container(&object);
    assert_eq!(container["env"][0]["value"], "http://proxy.corp:3128");
    let trusted = "--azure-ca-file=/etc/apim-rotate/ca/ca.crt";
    assert!(container["args"].as_array().unwrap().contains(&json!(trusted)));
    let ports = network_policy(&behind_proxy)["spec"]["egress"][0]["ports"].clone();
    assert!(ports.to_string().contains("3128"), "{ports}");
}

#[test]
fn the_pod_of_the_dry_run_uses_the_default_service_account() {
    let pod = pod(&installation(workload_identity()));
    assert_eq!(pod["spec"]["serviceAccountName"], Value::Null);
    assert_eq!(pod["metadata"]["generateName"], "apim-shg-rotate-");
    assert_eq!(pod["spec"]["automountServiceAccountToken"], false);
}
