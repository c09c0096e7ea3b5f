//! The workloads that a survey reads, and which of them were selected.

use std::collections::BTreeSet;

use futures::future::join_all;

use super::workload::Surveyed;
use crate::cluster::list::{List, MetadataOf};
use crate::cluster::workload::APPS;
use crate::cluster::{Cluster, explain};
use crate::discover::read::{is_forbidden, listed, named};
use crate::error::{Error, Result};
use crate::model::request::{Scope, Selection, WorkloadRequest};
use crate::model::{Gap, WorkloadKind, WorkloadRef};

/// Workloads by namespace and reference.
pub(super) type Selected = BTreeSet<(String, WorkloadRef)>;

/// The workloads of a survey.
#[derive(Default)]
pub(super) struct Workloads {
    /// Those that were selected, and those beside them.
    pub(super) all: Vec<Surveyed>,
    /// `None` for all.
    pub(super) selected: Option<Selected>,
    /// Of several that were named, those that could not be read.
    pub(super) unread: Vec<(WorkloadRef, Error)>,
    pub(super) gaps: Vec<Gap>,
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
        let (all, gaps) = listed(cluster, scope, Surveyed::of).await?;
        Ok(Self {
            all,
            selected: selected(cluster, selection, scope).await?,
            gaps,
            ..Self::default()
        })
    }

    /// Those that were named, read one by one, which needs no right to list;
    /// and with `users` those beside them. Of several, one that is gone does
    /// not keep the others from being read.
    async fn named(cluster: &Cluster, selection: &Selection, users: bool) -> Result<Self> {
        let reads = selection.names.iter().map(|name| named(cluster, name));
        let mut these = Self::default();
        for (name, read) in selection.names.iter().zip(join_all(reads).await) {
            match read {
                // One may be named twice, in two ways.
                Ok((reference, workload)) => {
                    if !these.all.iter().any(|known| *known.reference() == reference) {
                        these.all.push(Surveyed::of(reference.kind, workload));
                    }
                }
                Err(error) => these.unread.push((reference(&name.value), error)),
            }
        }
        if these.all.is_empty() && !these.unread.is_empty() {
            let (_, first) = these.unread.swap_remove(0);
            return Err(first);
        }
        let selected: Selected = these.all.iter().map(Surveyed::place).collect();
        if users {
            match listed(cluster, &selection.scope(&cluster.namespace), Surveyed::of).await {
                Ok((listed, gaps)) => {
                    let others = listed.into_iter();
                    these
                        .all
                        .extend(others.filter(|other| !selected.contains(&other.place())));
                    these.gaps.extend(gaps);
                }
                Err(error) => these.gaps.push(Gap {
                    kind: WorkloadKind::Deployment.plural(),
                    namespace: Some(cluster.namespace.clone()),
                    why: format!(
                        "what else uses the Secrets of these gateways is not known, and not restarted: {error}"
                    ),
                }),
            }
        }
        these.selected = Some(selected);
        Ok(these)
    }
}

/// The workload that was named; a bare name is reported as a Deployment.
fn reference(request: &WorkloadRequest) -> WorkloadRef {
    match request {
        WorkloadRequest::Exact(reference) => reference.clone(),
        WorkloadRequest::ByName(name) => WorkloadRef {
            kind: WorkloadKind::Deployment,
            name: name.clone(),
        },
    }
}

/// The workloads that the labels select; `None` without labels. The API server
/// does the matching, because only it knows all the forms of a selector.
async fn selected(cluster: &Cluster, selection: &Selection, scope: &Scope) -> Result<Option<Selected>> {
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
    let mut selected = Selected::new();
    for list in join_all(lists).await {
        match list {
            Ok(list) => selected.extend(list),
            Err(error) if is_forbidden(&error) => {}
            Err(error) => return Err(explain(error, &format!("selecting by the labels `{labels}`"))),
        }
    }
    Ok(Some(selected))
}
