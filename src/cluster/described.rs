//! A workload with what a set-up changes of it: more than a rotation needs, and only
//! read of one workload.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::Cluster;
use super::lean::{MOST, parse};
use super::template_change::fingerprint;
use super::workload::Workload;
use crate::model::{Object, ObjectKind, WorkloadRef, cleaned};

/// A workload, as a rotation sees it and beyond.
#[derive(Debug)]
pub struct Described {
    pub workload: Workload,
    pub metadata: ObjectMeta,
    pub template: DescribedTemplate,
    /// The whole pod template. It may hold secrets, so it is never formatted.
    pub pod: Object,
    /// That of the whole pod template.
    pub fingerprint: u64,
}

#[derive(Clone, Debug, Default)]
pub struct DescribedTemplate {
    pub labels: BTreeMap<String, String>,
    /// Empty for `default`.
    pub service_account_name: String,
    /// The group of the volumes.
    pub fs_group: Option<i64>,
    pub containers: Vec<Mounting>,
    /// Those of a Secret.
    pub volumes: Vec<SecretVolume>,
}

/// A container's mounts.
#[derive(Clone, Debug, Default)]
pub struct Mounting {
    pub name: String,
    pub volume_mounts: Vec<Mount>,
}

#[derive(Clone, Debug, Default)]
pub struct Mount {
    pub name: String,
    pub path: String,
    /// Whether it has only one folder or file of the volume.
    pub is_part: bool,
}

/// A volume of a Secret.
#[derive(Clone, Debug, Default)]
pub struct SecretVolume {
    pub name: String,
    pub secret_name: String,
    pub default_mode: Option<i32>,
    /// Whether it has only chosen keys, or keys under other names.
    pub has_items: bool,
}

impl DescribedTemplate {
    /// Keeps of a pod template what a set-up changes.
    fn of(template: &Value) -> Self {
        let spec = &template["spec"];
        let labels = template["metadata"]["labels"].as_object().into_iter().flatten();
        let label = |(name, value): (&String, &Value)| Some((name.clone(), cleaned(value.as_str()?)));
        let mount = |it: &Value| Mount {
            name: text(it, "name"),
            path: text(it, "mountPath"),
            is_part: ["subPath", "subPathExpr"]
                .iter()
                .any(|field| !text(it, field).is_empty()),
        };
        let container = |it: &Value| Mounting {
            name: text(it, "name"),
            volume_mounts: elements(&it["volumeMounts"]).take(MOST).map(mount).collect(),
        };
        let volume = |it: &Value| {
            let secret = it.get("secret")?;
            Some(SecretVolume {
                name: text(it, "name"),
                secret_name: text(secret, "secretName"),
                default_mode: secret["defaultMode"]
                    .as_i64()
                    .and_then(|mode| mode.try_into().ok()),
                has_items: elements(&secret["items"]).next().is_some(),
            })
        };
        Self {
            labels: labels.filter_map(label).take(MOST).collect(),
            service_account_name: text(spec, "serviceAccountName"),
            fs_group: spec["securityContext"]["fsGroup"].as_i64(),
            containers: elements(&spec["containers"]).take(MOST).map(container).collect(),
            volumes: elements(&spec["volumes"]).filter_map(volume).take(MOST).collect(),
        }
    }
}

fn text(object: &Value, field: &str) -> String {
    object[field].as_str().map(cleaned).unwrap_or_default()
}

fn elements(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

#[derive(Deserialize)]
struct Whole {
    metadata: ObjectMeta,
    spec: WholeSpec,
}

#[derive(Deserialize)]
struct WholeSpec {
    template: Box<RawValue>,
}

impl Described {
    /// Reads a workload out of its JSON.
    pub fn parse(json: &str) -> Result<Self, serde_json::Error> {
        let whole: Whole = parse(json)?;
        let pod: Value = parse(whole.spec.template.get())?;
        Ok(Self {
            workload: parse(json)?,
            metadata: whole.metadata,
            template: DescribedTemplate::of(&pod),
            fingerprint: fingerprint(&pod),
            pod: Object::new(ObjectKind::Pod, pod),
        })
    }
}

impl Cluster {
    /// Reads one workload with what a set-up changes of it.
    pub async fn described(&self, workload: &WorkloadRef) -> Result<Described, kube::Error> {
        let path = format!("{}/{}", self.workloads_path(workload.kind), workload.name);
        let json: Box<RawValue> = self.get(&path).await?;
        Described::parse(json.get()).map_err(kube::Error::SerdeError)
    }
}
