//! Which gateways.

use std::fmt;

use crate::model::{Sourced, WorkloadRef};

/// One gateway. What is not given is discovered.
#[derive(Clone, Debug, Default)]
pub struct TargetRequest {
    pub workload: Option<Sourced<WorkloadRequest>>,
    pub secret: Option<Sourced<String>>,
    /// The gateway's id in API Management.
    pub gateway: Option<Sourced<String>>,
    /// The API Management instance.
    pub service: Option<Sourced<String>>,
    pub resource_group: Option<Sourced<String>>,
    pub subscription: Option<Sourced<String>>,
    /// Whether to leave the workloads alone: without a workload the script
    /// restarted nothing, and its Role cannot list any.
    pub secret_alone: bool,
}

impl TargetRequest {
    /// The workload, if it was given by kind and name.
    pub fn exact_workload(&self) -> Option<&WorkloadRef> {
        match &self.workload.as_ref()?.value {
            WorkloadRequest::Exact(workload) => Some(workload),
            WorkloadRequest::ByName(_) => None,
        }
    }
}

/// A workload as it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorkloadRequest {
    Exact(WorkloadRef),
    /// By name, of any kind.
    ByName(String),
}

impl WorkloadRequest {
    /// Whether it names this workload.
    pub fn matches(&self, workload: &WorkloadRef) -> bool {
        match self {
            Self::Exact(reference) => reference == workload,
            Self::ByName(name) => *name == workload.name,
        }
    }
}

impl fmt::Display for WorkloadRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(reference) => reference.fmt(f),
            Self::ByName(name) => write!(f, "workload {name}"),
        }
    }
}

/// Several gateways.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Whether all namespaces are selected.
    pub everywhere: bool,
    /// A label selector for workloads.
    pub labels: Option<String>,
    /// These workloads only; empty for all.
    pub names: Vec<Sourced<WorkloadRequest>>,
}

impl Selection {
    /// The namespaces to read, from the current one.
    pub fn scope(&self, namespace: &str) -> Scope {
        if self.everywhere {
            Scope::Everywhere
        } else {
            Scope::Namespace(namespace.to_owned())
        }
    }
}

/// The namespaces to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    Namespace(String),
    Everywhere,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Namespace(name) => write!(f, "namespace {name}"),
            Self::Everywhere => f.write_str("all namespaces"),
        }
    }
}
