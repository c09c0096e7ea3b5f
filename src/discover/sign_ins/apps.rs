use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, stream};
use uuid::Uuid;

use super::sources::Sources;
use crate::azure::{Error, Graph};
use crate::discover::failed_call::unavailable;
use crate::model::directory::{Application, FederatedCredential, ServicePrincipal};
use crate::model::{Fact, ManagedIdentityId, Unavailable};

/// How many apps or identities are read at a time, where each needs a request.
const SIDE_BY_SIDE: usize = 8;

/// The apps of the gateways, by client id.
pub(super) struct Apps {
    applications: Fact<BTreeMap<Uuid, Application>>,
    service_principals: Fact<BTreeMap<Uuid, ServicePrincipal>>,
    federated: Fact<BTreeMap<Uuid, Fact<Vec<FederatedCredential>>>>,
}

/// Applications with their federated credentials.
type WithFederated = Vec<(Application, Fact<Vec<FederatedCredential>>)>;

impl Apps {
    /// Reads the apps of these client ids, each with whether it is for workload
    /// identity.
    pub(super) async fn read(sources: &Sources<'_>, wanted: impl Iterator<Item = (Uuid, bool)>) -> Self {
        let wanted: BTreeSet<(Uuid, bool)> = wanted.collect();
        let federated: BTreeSet<Uuid> = wanted.iter().filter(|(_, is)| *is).map(|(id, _)| *id).collect();
        let all: BTreeSet<Uuid> = wanted.into_iter().map(|(id, _)| id).collect();
        let others: Vec<Uuid> = all.difference(&federated).copied().collect();
        let graph = match &sources.graph {
            Ok(graph) => graph,
            Err(why) => {
                return Self {
                    applications: Err(why.clone()),
                    service_principals: Err(why.clone()),
                    federated: Err(why.clone()),
                };
            }
        };
        let (federated, all) = (Vec::from_iter(federated), Vec::from_iter(all));
        let (with_federated, others, principals) = tokio::join!(
            with_federated(graph, &federated),
            graph.applications_of(&others),
            graph.service_principals_of(&all)
        );
        let failed = |error: Error| unavailable(&error);
        let service_principals = principals.map_err(failed).map(|found| {
            let by_id = found.into_iter().map(|it| (it.app_id, it));
            by_id.collect::<BTreeMap<_, _>>()
        });
        let with_federated = with_federated.map_err(failed);
        let mut credentials = with_federated.clone().map(|found| {
            let by_id = found
                .into_iter()
                .map(|(app, credentials)| (app.app_id, credentials));
            by_id.collect::<BTreeMap<_, _>>()
        });
        let applications = match (with_federated, others.map_err(failed)) {
            (Ok(found), Ok(others)) => {
                let all = found.into_iter().map(|(app, _)| app).chain(others);
                Ok(all.map(|app| (app.app_id, app)).collect())
            }
            (Err(why), _) | (_, Err(why)) => Err(why),
        };
        if let (Ok(credentials), Ok(principals)) = (&mut credentials, &service_principals) {
            let of_identities = identities(sources, &federated, credentials, principals).await;
            credentials.extend(of_identities);
        }
        Self {
            applications,
            service_principals,
            federated: credentials,
        }
    }

    pub(super) fn application(&self, client_id: Uuid) -> Fact<Option<Application>> {
        self.applications
            .as_ref()
            .map_err(Clone::clone)
            .map(|all| all.get(&client_id).cloned())
    }

    pub(super) fn service_principal(&self, client_id: Uuid) -> Fact<Option<ServicePrincipal>> {
        let all = self.service_principals.as_ref().map_err(Clone::clone)?;
        Ok(all.get(&client_id).cloned())
    }

    pub(super) fn federated(&self, client_id: Uuid) -> Fact<Vec<FederatedCredential>> {
        let all = self.federated.as_ref().map_err(Clone::clone)?;
        all.get(&client_id).cloned().unwrap_or_else(|| {
            Err(Unavailable::Unknown(
                "the tenant has no registration of the app".to_owned(),
            ))
        })
    }

    /// The object ids of the service principals.
    pub(super) fn principals(&self) -> impl Iterator<Item = Uuid> {
        self.service_principals
            .iter()
            .flat_map(|all| all.values().map(|it| it.id))
    }
}

/// Expanded lists, or one read for each app where Graph refuses to expand.
async fn with_federated(graph: &Graph, ids: &[Uuid]) -> Result<WithFederated, Error> {
    match graph.federated_applications_of(ids).await {
        Err(error) if error.status() == Some(400) => tracing::debug!("{error}"),
        outcome => {
            let found = outcome?.into_iter();
            return Ok(found.map(|(app, credentials)| (app, Ok(credentials))).collect());
        }
    }
    let apps = graph.applications_of(ids).await?;
    let reads = stream::iter(apps).map(async |app| {
        let credentials = graph.federated_credentials(app.id).await;
        (app, credentials.map_err(|error| unavailable(&error)))
    });
    Ok(reads.buffer_unordered(SIDE_BY_SIDE).collect().await)
}

/// The federated credentials of managed identities, which only ARM has.
async fn identities(
    sources: &Sources<'_>,
    wanted: &[Uuid],
    known: &BTreeMap<Uuid, Fact<Vec<FederatedCredential>>>,
    principals: &BTreeMap<Uuid, ServicePrincipal>,
) -> Vec<(Uuid, Fact<Vec<FederatedCredential>>)> {
    let identities = wanted
        .iter()
        .filter(|id| !known.contains_key(id))
        .filter_map(|id| {
            let identity: ManagedIdentityId = principals.get(id)?.managed_identity()?;
            Some((*id, identity))
        });
    let identities: Vec<_> = identities.collect();
    let reads = stream::iter(identities).map(async |(id, identity)| {
        let credentials = sources.arm.identity_credentials(&identity).await;
        (id, credentials.map_err(|error| unavailable(&error)))
    });
    reads.buffer_unordered(SIDE_BY_SIDE).collect().await
}
