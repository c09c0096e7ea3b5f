//! The admission policies of an installation, which belong to no namespace.

use futures::future::join_all;

use crate::cluster::{Cluster, explain};
use crate::error::Result;
use crate::manifest::admission::policy_names;
use crate::manifest::installation::POLICY_KINDS;
use crate::manifest::ownership::Owner;
use crate::model::Ownership;
use crate::plan::Surplus;

/// Reads the policies of an installation. Few users may read policies and few
/// installations have any, so one that cannot be read counts only if it is expected.
pub(super) async fn policies(
    cluster: &Cluster,
    owner: Owner<'_>,
    are_expected: bool,
) -> Result<Vec<Surplus>> {
    let names = policy_names(&cluster.namespace, owner.name);
    let places = POLICY_KINDS
        .into_iter()
        .flat_map(|kind| names.iter().map(move |name| (kind, name)));
    let reads = places.map(async |(kind, name)| (kind, name, cluster.object(kind, name).await));
    let mut found = Vec::new();
    for (kind, name, read) in join_all(reads).await {
        let reference = kind.reference(name);
        match read {
            Ok(live) => found.extend(
                live.filter(|live| owner.owns(live))
                    .map(|live| Surplus::Present(live, Ownership::Ours)),
            ),
            Err(kube::Error::Api(status)) if status.is_forbidden() && are_expected => {
                let why = format!(
                    "this user may not read {}; if it is there, delete it: kubectl delete {reference}",
                    kind.plural()
                );
                found.push(Surplus::Unreadable { reference, why });
            }
            // Kubernetes before 1.30 does not have the kind.
            Err(kube::Error::Api(status)) if status.is_forbidden() || status.is_not_found() => {}
            Err(error) => return Err(explain(error, &format!("reading {reference}"))),
        }
    }
    Ok(found)
}
