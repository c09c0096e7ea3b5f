//! The workloads that a survey looks at, and which of them were selected.

use std::collections::BTreeSet;

use futures::future::join_all;

use super::{Surveyed, is_forbidden};
use crate::cluster::list::{List, MetadataOf};
use crate::cluster::workload::APPS;
use crate::cluster::{Cluster, explain};
use crate::discover::workloads::named;
use crate::error::{Error, Result};
use crate::model::request::{Scope, Selection, WorkloadRequest};
use crate::model::{WorkloadKind, WorkloadRef};

/// The workloads of a survey.
#[derive(Default)]
pub(super) struct Workloads {
    /// Those that were selected, and those beside them.
    pub all: Vec<Surveyed>,
    /// By namespace; `None` for all.
    pub selected: Option<BTreeSet<(String, WorkloadRef)>>,
    /// Those that were named and could not be read, of several.
    pub unread: Vec<(WorkloadRef, Error)>,
    /// What could not be looked at.
    pub warnings: Vec<String>,
}

impl Workloads {
    pub(super) async fn read(
        cluster: &Cluster,
        selection: &Selection,
        scope: &Scope,
        users: bool,
    ) -> Result<Self> {
        if !selection.names.is_empty() {
            return Self::named(cluster, selection, users).await;
        }
        let mut warnings = Vec::new();
        Ok(Self {
            all: list(cluster, scope, &mut warnings).await?,
            selected: selected(cluster, selection, scope).await?,
            warnings,
            ..Self::default()
        })
    }

    /// Those that were named, read one by one, which needs no right to list;
    /// and with `users` those beside them. Of several, one that is gone does
    /// not keep the others from being looked after.
    async fn named(cluster: &Cluster, selection: &Selection, users: bool) -> Result<Self> {
        let reads = selection.names.iter().map(|ask| named(cluster, ask));
        let mut these = Self::default();
        for (ask, read) in selection.names.iter().zip(join_all(reads).await) {
            match read {
                // One may be named twice, in two ways.
                Ok((reference, workload)) => {
                    if !these.all.iter().any(|known| *known.reference() == reference) {
                        these.all.push(Surveyed::of(reference.kind, workload));
                    }
                }
                Err(error) => these.unread.push((reference(&ask.value), error)),
            }
        }
        if these.all.is_empty() && !these.unread.is_empty() {
            let (_, first) = these.unread.swap_remove(0);
            return Err(first);
        }
        let place = |workload: &Surveyed| (workload.namespace.clone(), workload.reference().clone());
        let selected: BTreeSet<_> = these.all.iter().map(place).collect();
        if users {
            match list(cluster, &selection.scope(&cluster.namespace), &mut these.warnings).await {
                Ok(listed) => these.all.extend(
                    listed
                        .into_iter()
                        .filter(|other| !selected.contains(&place(other))),
                ),
                Err(error) => these.warnings.push(format!(
                    "what else uses the Secrets of these gateways is not known, and not restarted: {error}"
                )),
            }
        }
        these.selected = Some(selected);
        Ok(these)
    }
}

/// What was asked for; a bare name stands for a Deployment before all else.
fn reference(ask: &WorkloadRequest) -> WorkloadRef {
    match ask {
        WorkloadRequest::Exact(reference) => reference.clone(),
        WorkloadRequest::ByName(name) => WorkloadRef {
            kind: WorkloadKind::Deployment,
            name: name.clone(),
        },
    }
}

/// The workloads of a namespace, or of all.
async fn list(cluster: &Cluster, scope: &Scope, warnings: &mut Vec<String>) -> Result<Vec<Surveyed>> {
    let lists = WorkloadKind::ALL.map(async |kind| {
        let of_kind = |workload| Some(Surveyed::of(kind, workload));
        cluster.list(List::of(APPS, kind.plural()), scope, of_kind).await
    });
    let mut found = Vec::new();
    let mut denied = Vec::new();
    for (kind, list) in WorkloadKind::ALL.into_iter().zip(join_all(lists).await) {
        match list {
            Ok(list) => found.extend(list),
            Err(error) => {
                let forbidden = is_forbidden(&error);
                let error = explain(error, &format!("listing the {} of {}", kind.plural(), scope));
                if !forbidden {
                    return Err(error);
                }
                denied.push(error);
            }
        }
    }
    if denied.len() == WorkloadKind::ALL.len() {
        let error = denied.swap_remove(0);
        return Err(match scope {
            Scope::Everywhere => error.hint("look into one namespace, with -n"),
            Scope::Namespace(_) => {
                error.hint("name the workload, as deployment/NAME; then nothing needs to be listed")
            }
        });
    }
    warnings.extend(denied.iter().map(Error::to_string));
    Ok(found)
}

/// What the labels select; `None` when everything is meant. The API server
/// does the matching, because it alone knows all the forms of a selector.
async fn selected(
    cluster: &Cluster,
    selection: &Selection,
    scope: &Scope,
) -> Result<Option<BTreeSet<(String, WorkloadRef)>>> {
    let Some(labels) = &selection.labels else {
        return Ok(None);
    };
    let lists = WorkloadKind::ALL.map(async |kind| {
        let list = List {
            labels: Some(labels),
            metadata_only: true,
            ..List::of(APPS, kind.plural())
        };
        let reference = |object: MetadataOf| {
            let name = object.metadata.name;
            Some((object.metadata.namespace, WorkloadRef { kind, name }))
        };
        cluster.list(list, scope, reference).await
    });
    let mut selected = BTreeSet::new();
    for list in join_all(lists).await {
        match list {
            Ok(list) => selected.extend(list),
            Err(error) if is_forbidden(&error) => {}
            Err(error) => return Err(explain(error, &format!("selecting by the labels `{labels}`"))),
        }
    }
    Ok(Some(selected))
}
