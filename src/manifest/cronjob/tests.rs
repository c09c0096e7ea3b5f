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
            api_version: None,
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

/// The TCP ports that a NetworkPolicy allows at all addresses.
fn tcp_ports(installation: &Installation) -> Vec<u64> {
    let policy = network_policy(installation, &[6443].into());
    let ports = policy["spec"]["egress"][0]["ports"].as_array().unwrap().iter();
    let tcp = ports.filter(|port| port["protocol"] == "TCP");
    tcp.map(|port| port["port"].as_u64().unwrap()).collect()
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
    assert!(
        args.contains(r#""--canary=0","--max-failures=2","--retries=2""#),
        "{args}"
    );
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
    assert!(tcp_ports(&behind_proxy).contains(&3128));
}

#[test]
fn the_pod_of_the_dry_run_uses_the_default_service_account() {
    let pod = pod(&installation(workload_identity()));
    assert_eq!(pod["spec"]["serviceAccountName"], Value::Null);
    assert_eq!(pod["metadata"]["generateName"], "apim-shg-rotate-");
    assert_eq!(pod["spec"]["automountServiceAccountToken"], false);
}

#[test]
fn the_ports_of_dns_azure_and_the_api_server_are_allowed_and_those_of_given_urls() {
    let mut installation = installation(workload_identity());
    assert_eq!(tcp_ports(&installation), [53, 443, 5353, 6443]);
    for (cloud, proxy, more) in [
        (
            "https://arm.local.azurestack.external",
            "http://proxy.corp",
            vec![53, 80, 443, 5353, 6443],
        ),
        (
            "https://arm.local.azurestack.external:30024",
            "https://proxy.corp:8443",
            vec![53, 443, 5353, 6443, 8443, 30024],
        ),
    ] {
        installation.task.cloud = CloudRequest::ResourceManager(cloud.to_owned());
        installation.pod.proxy = Some(proxy.to_owned());
        assert_eq!(tcp_ports(&installation), more, "{cloud} {proxy}");
    }
}

#[test]
fn only_a_managed_identity_reaches_the_metadata_service_of_the_node() {
    let rules = |identity: PodIdentity| {
        let policy = network_policy(&installation(identity), &[].into());
        policy["spec"]["egress"].as_array().unwrap().clone()
    };
    assert_eq!(rules(workload_identity()).len(), 1);
    assert_eq!(rules(service_principal()).len(), 1);
    assert_eq!(
        rules(PodIdentity::Managed { client_id: None })[1..],
        [
            json!({"ports": [{"port": 80, "protocol": "TCP"}], "to": [{"ipBlock": {"cidr": "169.254.169.254/32"}}]})
        ]
    );
}

#[test]
fn the_cluster_assigns_the_user_if_the_pods_leave_it_out() {
    for (run_as, user, mode) in [
        (RunAs::Image, json!(65532), json!(0o440)),
        (RunAs::Cluster, Value::Null, Value::Null),
    ] {
        let mut installation = installation(service_principal());
        installation.pod.run_as = run_as;
        let pod = pod(&installation);
        let context = &pod["spec"]["securityContext"];
        for id in ["runAsUser", "runAsGroup", "fsGroup"] {
            assert_eq!(context[id], user, "{id}");
        }
        assert_eq!(context["runAsNonRoot"], true);
        // Without a group of the pod, the files belong to root.
        let volumes = pod["spec"]["volumes"].as_array().unwrap();
        assert_eq!(volumes[0]["projected"]["defaultMode"], mode);
        assert_eq!(volumes[1]["secret"]["defaultMode"], mode);
    }
}

fn pod_template(pod: PodOptions) -> Value {
    let object = cron_job(&Installation {
        pod,
        ..installation(workload_identity())
    });
    object["spec"]["jobTemplate"]["spec"]["template"].clone()
}

#[test]
fn the_pod_runs_on_linux_and_without_sidecars() {
    let template = pod_template(PodOptions {
        node_selector: [("pool".to_owned(), "infra".to_owned())].into(),
        ..PodOptions::default()
    });
    assert_eq!(
        template["spec"]["nodeSelector"],
        json!({"kubernetes.io/os": "linux", "pool": "infra"})
    );
    let metadata = &template["metadata"];
    assert_eq!(metadata["labels"]["sidecar.istio.io/inject"], "false");
    assert_eq!(metadata["labels"]["kuma.io/sidecar-injection"], "disabled");
    assert_eq!(
        metadata["annotations"],
        json!({"linkerd.io/inject": "disabled", "openservicemesh.io/sidecar-injection": "disabled"})
    );
}

#[test]
fn given_labels_and_annotations_take_precedence() {
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let template = pod_template(PodOptions {
        labels: [pair("sidecar.istio.io/inject", "true"), pair("team", "api")].into(),
        annotations: [pair("linkerd.io/inject", "enabled"), pair("note", "a=b")].into(),
        priority_class: Some("high".to_owned()),
        ..PodOptions::default()
    });
    let metadata = &template["metadata"];
    assert_eq!(metadata["labels"]["sidecar.istio.io/inject"], "true");
    assert_eq!(metadata["labels"]["team"], "api");
    assert_eq!(metadata["labels"][USE_LABEL], "true");
    assert_eq!(metadata["annotations"]["linkerd.io/inject"], "enabled");
    assert_eq!(metadata["annotations"]["note"], "a=b");
    assert_eq!(template["spec"]["priorityClassName"], "high");
}
