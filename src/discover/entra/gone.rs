//! Apps that the cluster names and that are not there.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use tokio::time::sleep;
use uuid::Uuid;

use crate::azure::Graph;
use crate::model::entra::CLIENT_ID_ANNOTATION;
use crate::model::entra::facts::{Absence, ClusterFacts};
use crate::model::known;

/// The pause before Graph is asked again: its servers get what is new one after the other,
/// and one that lacks it answers as if there was none.
pub(super) const PAUSE: Duration = Duration::from_secs(6);

/// How often it is asked again.
const AGAIN: usize = 3;

/// How often it is asked again for what was written just before.
pub(super) const AGAIN_IF_NEW: usize = 11;

/// How long after it was written something may be new to a server of Graph.
const NEW: SignedDuration = SignedDuration::from_mins(10);

/// Whether what was written at this time may be new to Graph.
pub(super) fn is_new(written: Option<Timestamp>, now: Timestamp) -> bool {
    written.is_some_and(|at| now.duration_since(at) < NEW)
}

/// The client ids that the Secret and the `ServiceAccount` name, each with when that was
/// written.
pub(super) fn named(facts: &ClusterFacts) -> impl Iterator<Item = (Uuid, Option<Timestamp>)> {
    let secret = known(&facts.secret).and_then(|it| Some((it.client_id?, it.written)));
    let account = known(&facts.service_account).and_then(|it| {
        let id = Uuid::try_parse(it.annotations.get(CLIENT_ID_ANNOTATION)?).ok()?;
        Some((id, it.written))
    });
    [secret, account].into_iter().flatten()
}

/// Of the client ids that the Secret and the `ServiceAccount` name beside the wanted one,
/// those that certainly no app and no identity of the tenant has. Without another one,
/// nothing is asked. Without `now`, what is new was awaited before.
pub(super) async fn gone(
    graph: &Graph,
    facts: &ClusterFacts,
    wanted: Option<Uuid>,
    now: Option<Timestamp>,
) -> BTreeMap<Uuid, Absence> {
    let others: BTreeMap<Uuid, usize> = named(facts)
        .filter(|(id, _)| Some(*id) != wanted)
        .map(|(id, written)| {
            let is_new = now.is_some_and(|now| is_new(written, now));
            (id, if is_new { AGAIN_IF_NEW } else { AGAIN })
        })
        .collect();
    let asked = others
        .into_iter()
        .map(async |(id, times)| Some((id, absence(graph, id, times).await?)));
    join_all(asked).await.into_iter().flatten().collect()
}

/// `None` if there may be such an app. Graph is asked again so many times.
pub(super) async fn absence(graph: &Graph, id: Uuid, times: usize) -> Option<Absence> {
    if !is_absent(graph, id).await {
        return None;
    }
    let absence = match graph.deleted_application(id).await {
        // That confirms it.
        Ok(Some(object)) => return Some(Absence::Restorable(graph.restore_url(object))),
        Ok(None) => Absence::Final,
        Err(_) => Absence::NotFound,
    };
    for _ in 0..times {
        sleep(PAUSE).await;
        if !is_absent(graph, id).await {
            return None;
        }
    }
    Some(absence)
}

async fn is_absent(graph: &Graph, id: Uuid) -> bool {
    let (app, principal) = tokio::join!(graph.application(id), graph.service_principal(id));
    matches!((app, principal), (Ok(None), Ok(None)))
}
