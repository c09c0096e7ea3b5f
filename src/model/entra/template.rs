//! What a pod template has, or gets, for a sign-in by Entra.

use std::collections::BTreeMap;

use serde::Serialize;
use uuid::Uuid;

/// An object of Azure that the plan may only be about to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Made {
    /// The app; its client id.
    App,
    /// The service principal of the app; its object id.
    ServicePrincipal,
    /// The system-assigned identity of the instance; its principal id.
    InstanceIdentity,
}

/// An id, or the step that makes what has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Id {
    Known(Uuid),
    Of(Made),
}

/// The value of a setting of the container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum SettingValue {
    Text(String),
    Id(Id),
    /// A reference to a Secret.
    Secret {
        name: String,
        key: String,
    },
}

/// A Secret that is mounted as a folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificateMount {
    pub secret: String,
    pub path: String,
    pub mode: i32,
}

/// What a pod template has, or gets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TemplateSettings {
    /// The variables of the gateway's container, wherever their values are: those of
    /// `env` beat those of `envFrom`.
    pub settings: BTreeMap<String, SettingValue>,
    /// Empty for `default`, or to leave it as it is.
    pub service_account: String,
    /// The labels of the pods.
    pub labels: BTreeMap<String, String>,
    pub mount: Option<CertificateMount>,
    /// The group of the pod's volumes.
    pub fs_group: Option<i64>,
}
