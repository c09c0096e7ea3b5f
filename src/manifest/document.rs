//! Typed objects of the API as documents.

use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{Pod, Secret, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;

use super::ownership::Owner;
use crate::model::{Object, ObjectKind};

/// The metadata of an object: its name and the labels of its owner.
pub fn meta(namespace: Option<&str>, name: &str, owner: Owner<'_>) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: namespace.map(str::to_owned),
        labels: Some(owner.labels()),
        ..ObjectMeta::default()
    }
}

/// A type of the API whose objects are of one of our kinds.
pub trait Kind: Serialize {
    const KIND: ObjectKind;
}

macro_rules! kinds {
    ($($type:ident),*) => {
        $(impl Kind for $type {
            const KIND: ObjectKind = ObjectKind::$type;
        })*
    };
}

kinds!(
    ServiceAccount,
    Secret,
    Pod,
    Role,
    RoleBinding,
    ClusterRole,
    ClusterRoleBinding,
    NetworkPolicy,
    CronJob,
    Job,
    ValidatingAdmissionPolicy,
    ValidatingAdmissionPolicyBinding
);

/// A typed object as a document.
pub fn document<T: Kind>(object: &T) -> Object {
    let document = serde_json::to_value(object).expect("an object of the API has string keys");
    Object::new(T::KIND, document)
}
