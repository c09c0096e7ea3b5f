//! No object makes a reader panic, whatever it holds.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, Secret};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::cron_jobs::Rotator;
use super::facts::{secret_facts, workload_facts};
use super::pod_spec::{
    gateway_containers, missing_config_map, references_to, secrets_used, settings_in_config_maps,
};
use crate::cluster::lean::picked;
use crate::cluster::pods::{ReducedPod, selector};
use crate::cluster::rollout::PodAge;
use crate::cluster::workload::Workload;
use crate::model::{Endpoint, GatewayId, Object, ObjectKind, Token, WorkloadKind, WorkloadRef};

fn workload() -> Value {
    json!({
        "metadata": {"name": "gw", "namespace": "shop", "generation": 3, "creationTimestamp": "2026-01-01T00:00:00Z",
            "annotations": {"apim-rotate/rotation-id": "r1"}},
        "spec": {
            "replicas": 2, "selector": {"matchLabels": {"app": "gw"}}, "strategy": {"rollingUpdate": {"maxSurge": 1}},
            "template": {"metadata": {"annotations": {"apim-rotate/rotation-id": "r1"}}, "spec": {
                "containers": [{"name": "gw", "image": "r/azure-api-management/gateway:2", "env": [
                    {"name": "gateway.name", "value": "gw"},
                    {"name": "config.service.auth", "valueFrom": {"secretKeyRef": {"name": "s", "key": "value"}}}],
                    "envFrom": [{"prefix": "config.", "secretRef": {"name": "s"}}, {"configMapRef": {"name": "m"}}]}],
                "volumes": [{"name": "v", "projected": {"sources": [{"secret": {"name": "s"}}]}}]}},
        },
        "status": {"observedGeneration": 3, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2},
    })
}

fn secret() -> Value {
    json!({
        "metadata": {"name": "s", "annotations": {
            "apim-rotate/expires-at": "2030-01-01T00:00:00Z", "apim-rotate/rotated-at": "2026-01-01T00:00:00Z",
            "apim-rotate/gateway": "/subscriptions/s/resourceGroups/r/providers/Microsoft.ApiManagement/service/s/gateways/gw"},
            "managedFields": [{"manager": "m", "time": "2026-01-01T00:00:00Z", "fieldsV1": {"f:data": {"f:value": {}}}}]},
        "data": {"value": "R2F0ZXdheUtleSBndyYyMDMwMDEwMTAwMDAmYzJsbg=="},
    })
}

fn pod() -> Value {
    json!({
        "metadata": {"name": "gw-1", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"containers": [{"name": "gw"}]},
        "status": {"phase": "Running", "startTime": "2026-01-01T00:00:00Z", "containerStatuses": [
            {"name": "gw", "ready": true, "restartCount": 0, "image": "i", "imageID": "i",
             "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}]},
    })
}

fn cron_job() -> Value {
    json!({
        "metadata": {"name": "r", "namespace": "shop"},
        "spec": {"schedule": "17 3 * * *", "timeZone": "Europe/Zurich", "jobTemplate": {"spec": {"template": {"spec": {
            "containers": [{"name": "c", "image": "kubectl-apim", "command": ["/kubectl-apim"],
                "args": ["rotate", "deploy/gw", "-n", "shop"], "env": [{"name": "TOKEN_SECRET", "value": "s"}]}]}}}}},
        "status": {"active": [], "lastScheduleTime": "2026-01-01T00:00:00Z"},
    })
}

/// What stands in the place of a value: odd texts, numbers and times among it.
fn odd() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        Just(json!({})),
        Just(json!([])),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        ".{0,40}".prop_map(Value::from),
        prop::sample::select(vec![
            "",
            "/",
            "-",
            "&&",
            "GatewayKey &&",
            "é&203001010000&c2ln",
            "%1b%",
            "@every",
            "* * * * * *",
            "/kubectl-apim",
            "--",
            "9999-12-31T23:59:59Z",
            "-009999-01-02T01:59:59Z",
            "https://é.azure-api.net",
            "azure-api.netazure-api.net",
        ])
        .prop_map(Value::from),
    ]
}

/// An object in which a few values are replaced by odd ones.
fn changed(object: Value) -> impl Strategy<Value = Value> {
    let mut places = Vec::new();
    collect(&object, String::new(), &mut places);
    prop::collection::vec((prop::sample::select(places), odd()), 0..4).prop_map(move |changes| {
        let mut object = object.clone();
        for (place, value) in changes {
            if let Some(old) = object.pointer_mut(&place) {
                *old = value;
            }
        }
        object
    })
}

fn collect(value: &Value, place: String, places: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let key = key.replace('~', "~0").replace('/', "~1");
                collect(value, format!("{place}/{key}"), places);
            }
        }
        Value::Array(list) => {
            for (at, value) in list.iter().enumerate() {
                collect(value, format!("{place}/{at}"), places);
            }
        }
        _ => {}
    }
    places.push(place);
}

proptest! {
    #[test]
    fn any_workload_is_survived(object in changed(workload()), map in changed(json!({"m": "x", "config.service.endpoint": "e"}))) {
        let Ok(workload) = serde_json::from_value::<Workload>(object) else { return Ok(()) };
        let name = WorkloadRef { kind: WorkloadKind::StatefulSet, name: workload.metadata.name.clone() };
        let _ = workload_facts(&name, &workload);
        let _ = selector(&workload.spec.selector);
        let Some(spec) = workload.pod_spec() else { return Ok(()) };
        let keys = settings_in_config_maps(spec).remove("m").unwrap_or_default();
        let data = picked(&map.to_string(), &keys).unwrap_or_default();
        for container in gateway_containers(spec, &BTreeMap::from([("m".to_owned(), data)])) {
            let _ = container.endpoint.as_deref().map(Endpoint::parse);
            let _ = super::reference::candidates_of(&container.credential);
            let _ = super::reference::refuse_other_sign_in(&name, &container);
        }
        for secret in secrets_used(spec) {
            let _ = references_to(spec, &secret);
            let _ = missing_config_map(spec, &BTreeMap::new(), |name| name == secret);
        }
    }

    #[test]
    fn any_secret_is_survived(object in changed(secret())) {
        let Ok(secret) = serde_json::from_value::<Secret>(object) else { return Ok(()) };
        if let Ok((facts, _)) = secret_facts(&secret, "value") {
            let _ = facts.marks.gateway.as_deref().map(GatewayId::parse);
            let _ = (facts.written(), facts.rotation(), facts.recorded());
        }
    }

    #[test]
    fn any_pod_is_survived(object in changed(pod()), written in any::<i32>()) {
        let Ok(pod) = serde_json::from_value::<ReducedPod>(object) else { return Ok(()) };
        let written = Timestamp::from_second(written.into()).unwrap();
        let _ = PodAge::of(&Pod::from(pod), Some("gw")).is_stale(Some("r1"), written);
    }

    #[test]
    fn any_cron_job_is_survived(object in changed(cron_job()), now in any::<i32>()) {
        let read = crate::settings::rotate_request;
        let Some(rotator) = Rotator::of_json(&object.to_string(), read) else { return Ok(()) };
        let gw = WorkloadRef { kind: WorkloadKind::Deployment, name: "gw".to_owned() };
        let _ = (rotator.serves("shop", &gw, Some("s")), rotator.workloads());
        let now = Timestamp::from_second(now.into()).unwrap();
        let _ = crate::plan::next_run(&rotator.facts, now);
        let mut facts = crate::plan::fixture::gateway();
        let credential = super::pod_spec::CredentialSource::Missing;
        let _ = rotator.service(&facts, &credential, &super::cron_jobs::Surroundings::default());
        facts.cron_jobs = Ok(vec![rotator.facts]);
        let _ = (crate::plan::assess(&facts, now), crate::plan::next_change(&facts, now));
    }

    #[test]
    fn any_answer_is_survived(value in odd(), text in ".{0,60}") {
        let object = Object::new(ObjectKind::CronJob, value);
        let _ = (object.name(), object.label("x"), object.managers().len());
        let _ = (Token::parse(&text).is_ok(), GatewayId::parse(&text).is_ok(), Endpoint::parse(&text).is_ok());
    }
}
