//! A workload with what a set-up changes of it: more than a rotation needs, and only
//! read of one workload.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::Cluster;
use super::lean::{Element, few, marks, parse, text};
use super::template_change::fingerprint;
use super::workload::Workload;
use crate::model::{Object, ObjectKind, WorkloadRef};

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

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct DescribedTemplate {
    pub metadata: Labels,
    pub spec: DescribedSpec,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Labels {
    #[serde(deserialize_with = "marks")]
    pub labels: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DescribedSpec {
    /// Empty for `default`.
    #[serde(deserialize_with = "text")]
    pub service_account_name: String,
    pub security_context: Option<SecurityContext>,
    #[serde(deserialize_with = "few")]
    pub containers: Vec<Mounting>,
    #[serde(deserialize_with = "few")]
    pub volumes: Vec<SecretVolume>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SecurityContext {
    pub fs_group: Option<i64>,
}

/// A container's mounts.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Mounting {
    #[serde(deserialize_with = "text")]
    pub name: String,
    #[serde(deserialize_with = "few")]
    pub volume_mounts: Vec<Mount>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Mount {
    #[serde(deserialize_with = "text")]
    pub name: String,
    #[serde(rename = "mountPath", deserialize_with = "text")]
    pub path: String,
    #[serde(deserialize_with = "text")]
    pub sub_path: String,
}

/// A volume of a Secret.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct SecretVolume {
    #[serde(deserialize_with = "text")]
    pub name: String,
    pub secret: Option<SecretFiles>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SecretFiles {
    #[serde(deserialize_with = "text")]
    pub secret_name: String,
    pub default_mode: Option<i32>,
}

impl Element for Mounting {}

impl Element for Mount {}

impl Element for SecretVolume {
    fn is_used(&self) -> bool {
        self.secret.is_some()
    }
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
        let template = whole.spec.template.get();
        let pod: Value = parse(template)?;
        Ok(Self {
            workload: parse(json)?,
            metadata: whole.metadata,
            template: parse(template)?,
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
