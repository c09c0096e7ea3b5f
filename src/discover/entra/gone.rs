//! Apps that the cluster names and that are not there.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::future::join_all;
use tokio::time::sleep;
use uuid::Uuid;

use crate::azure::Graph;
use crate::model::entra::CLIENT_ID_ANNOTATION;
use crate::model::entra::facts::{Absence, ClusterFacts};
use crate::model::known;

/// The waits before Graph is asked again: its servers get a new app one after the other, and
/// one that lacks it answers as if there was none.
const AGAIN: [Duration; 3] = [Duration::from_secs(6); 3];

/// Of the client ids that the Secret and the `ServiceAccount` name beside the wanted one,
/// those that certainly no app and no identity of the tenant has. Without another one,
/// nothing is asked.
pub(super) async fn gone(
    graph: &Graph,
    facts: &ClusterFacts,
    wanted: Option<Uuid>,
) -> BTreeMap<Uuid, Absence> {
    let secret = known(&facts.secret);
    let account = known(&facts.service_account);
    let of_account = account.and_then(|it| Uuid::try_parse(it.annotations.get(CLIENT_ID_ANNOTATION)?).ok());
    let named = [secret.and_then(|it| it.client_id), of_account];
    let others: BTreeSet<Uuid> = named
        .into_iter()
        .flatten()
        .filter(|id| Some(*id) != wanted)
        .collect();
    let asked = others
        .into_iter()
        .map(async |id| Some((id, absence(graph, id).await?)));
    join_all(asked).await.into_iter().flatten().collect()
}

/// `None` if there may be such an app.
pub(super) async fn absence(graph: &Graph, id: Uuid) -> Option<Absence> {
    if !is_absent(graph, id).await {
        return None;
    }
    let absence = match graph.deleted_application(id).await {
        // That confirms it.
        Ok(Some(object)) => return Some(Absence::Restorable(graph.restore_url(object))),
        Ok(None) => Absence::Final,
        Err(_) => Absence::NotFound,
    };
    for pause in AGAIN {
        sleep(pause).await;
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
