//! Apps that the cluster names and that do not exist any more.

use std::collections::BTreeSet;

use futures::future::join_all;
use uuid::Uuid;

use crate::azure::Graph;
use crate::model::entra::CLIENT_ID_ANNOTATION;
use crate::model::entra::facts::ClusterFacts;

/// Of the client ids that the Secret and the `ServiceAccount` name beside the wanted one,
/// those that certainly no app and no identity of the tenant has. Without another one,
/// nothing is asked.
pub(super) async fn gone(graph: &Graph, facts: &ClusterFacts, wanted: Option<Uuid>) -> BTreeSet<Uuid> {
    let secret = facts.secret.as_ref().ok().and_then(Option::as_ref);
    let account = facts.service_account.as_ref().ok().and_then(Option::as_ref);
    let of_account = account.and_then(|it| Uuid::try_parse(it.annotations.get(CLIENT_ID_ANNOTATION)?).ok());
    let named = [secret.and_then(|it| it.client_id), of_account];
    let others: BTreeSet<Uuid> = named
        .into_iter()
        .flatten()
        .filter(|id| Some(*id) != wanted)
        .collect();
    let asked = others.into_iter().map(async |id| {
        let (app, principal) = tokio::join!(graph.application(id), graph.service_principal(id));
        matches!((app, principal), (Ok(None), Ok(None))).then_some(id)
    });
    join_all(asked).await.into_iter().flatten().collect()
}
