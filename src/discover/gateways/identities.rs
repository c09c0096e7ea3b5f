//! Workload identities: what their ServiceAccounts name, and which pods have it.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use uuid::Uuid;

use crate::cluster::Cluster;
use crate::cluster::list::List;
use crate::cluster::own_pod::IdentifiedPod;
use crate::discover::pods::{Pods, of_gateway};
use crate::discover::read::{Identity, Key, accounts, scopes, unread};
use crate::discover::survey::Gateway;
use crate::error::Result;
use crate::model::entra::{OwnPod, OwnVariables, USE_LABEL};
use crate::model::request::Scope;
use crate::model::{Auth, EntraSignIn, Fact, GatewayFacts, Presented, StalePods, Unavailable, WorkloadRef};

/// The pods of each gateway that relies on the webhook, with what they have.
type Identified = Vec<Vec<(String, OwnPod)>>;

/// Completes the gateways that sign in by Entra.
pub(super) async fn complete(
    cluster: &Cluster,
    scope: &Scope,
    surveyed: &[Gateway],
    pods: &Fact<Pods>,
    gateways: &mut [GatewayFacts],
) -> Result<()> {
    identities(cluster, scope, surveyed, pods, gateways).await?;
    name_shared(gateways);
    Ok(())
}

/// Completes those that sign in by workload identity.
async fn identities(
    cluster: &Cluster,
    scope: &Scope,
    surveyed: &[Gateway],
    pods: &Fact<Pods>,
    gateways: &mut [GatewayFacts],
) -> Result<()> {
    let wanted: BTreeSet<Key> = gateways.iter().filter_map(account).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let (accounts, identified) = tokio::join!(
        accounts(cluster, &wanted),
        identified(cluster, scope, surveyed, pods, gateways)
    );
    let (accounts, identified) = (accounts?, identified?);
    let given = given(gateways, &identified);
    for (at, facts) in gateways.iter_mut().enumerate() {
        let Some(key) = account(facts) else { continue };
        let Some(sign_in) = entra(facts) else { continue };
        if let Some(identity) = accounts.get(&key) {
            name(sign_in, identity);
        }
        sign_in.given = given.get(&key).cloned().unwrap_or_default();
        let sign_in = &*sign_in;
        let stale = identified
            .as_ref()
            .map_err(Unavailable::clone)
            .and_then(|all| stale(sign_in, all.get(at).map(Vec::as_slice).unwrap_or_default()));
        facts.pods = stale;
    }
    Ok(())
}

/// The gateways that lack the same: for each, the first before it with the same `ServiceAccount`
/// or Secret, and the same app.
fn name_shared(gateways: &mut [GatewayFacts]) {
    let mut first: BTreeMap<(Key, Option<Uuid>), WorkloadRef> = BTreeMap::new();
    for facts in gateways {
        let Some(sign_in) = facts.entra() else { continue };
        let is_own = sign_in.own_variables.sets(OwnVariables::CLIENT_ID);
        let secret = facts.secret.as_ref().map(|(name, _)| format!("secret/{name}"));
        let of_secret = secret.map(|it| (facts.namespace.clone(), it));
        let Some(place) = account(facts).filter(|_| !is_own).or(of_secret) else {
            continue;
        };
        let workload = facts.workload.clone();
        let shared = first
            .entry((place, sign_in.client_id.clone().ok()))
            .or_insert_with(|| workload.clone());
        let shared = (*shared != workload).then(|| shared.clone());
        if let Some(sign_in) = entra(facts) {
            sign_in.shared_with = shared;
        }
    }
}

/// The `ServiceAccount` of a gateway that signs in by workload identity.
fn account(facts: &GatewayFacts) -> Option<Key> {
    let sign_in = facts.entra().filter(|_| facts.auth == Auth::WorkloadIdentity)?;
    Some((facts.namespace.clone(), sign_in.service_account.clone()))
}

fn entra(facts: &mut GatewayFacts) -> Option<&mut EntraSignIn> {
    match &mut facts.presented {
        Ok(Presented::Entra(sign_in)) => Some(sign_in),
        _ => None,
    }
}

/// Adds what the annotations of the `ServiceAccount` name.
fn name(sign_in: &mut EntraSignIn, identity: &Fact<Identity>) {
    sign_in.tenant = identity.as_ref().ok().and_then(|it| it.tenant.clone());
    // A client id that the container sets is the one with which it signs in.
    if sign_in.own_variables.sets(OwnVariables::CLIENT_ID) {
        return;
    }
    sign_in.client_id = match identity {
        Ok(identity) => identity.client_id.clone().map_err(|why| {
            sign_in.lacking.client_id = Some(why.clone());
            Unavailable::Unknown(why)
        }),
        Err(why) => Err(why.clone()),
    };
}

/// Whether the pods of a gateway get from the webhook what it signs in with.
fn relies_on_webhook(gateway: &Gateway, facts: &GatewayFacts) -> bool {
    let brings_all = |own: &OwnVariables| {
        let compared = [OwnVariables::CLIENT_ID, OwnVariables::TENANT_ID];
        compared.iter().all(|name| own.sets(name))
    };
    let sign_in = facts.entra().filter(|_| facts.auth == Auth::WorkloadIdentity);
    gateway.asks_webhook && sign_in.is_some_and(|it| !brings_all(&it.own_variables))
}

/// Reads whole pods, of those that ask the webhook for an identity. One that does not ask has
/// none.
async fn identified(
    cluster: &Cluster,
    scope: &Scope,
    surveyed: &[Gateway],
    pods: &Fact<Pods>,
    gateways: &[GatewayFacts],
) -> Result<Fact<Identified>> {
    let mut found: Identified = gateways.iter().map(|_| Vec::new()).collect();
    let mut asking: BTreeMap<(&str, &str), Vec<(usize, &str)>> = BTreeMap::new();
    let rows = surveyed.iter().zip(gateways).zip(&mut found).enumerate();
    for (at, ((gateway, facts), found)) in rows {
        if !relies_on_webhook(gateway, facts) {
            continue;
        }
        let of_gateway = match of_gateway(pods, at) {
            Ok(pods) => pods.iter().filter(|pod| !pod.age.is_idle),
            Err(gap) => return Ok(Err(gap)),
        };
        for pod in of_gateway {
            if pod.asks_webhook {
                let place = (gateway.namespace.as_str(), pod.name.as_str());
                let container = gateway.container.name.as_str();
                asking.entry(place).or_default().push((at, container));
            } else {
                found.push((pod.name.clone(), OwnPod::default()));
            }
        }
    }
    let label = format!("{USE_LABEL}=true");
    let list = List {
        labels: Some(&label),
        ..List::of("/api/v1", "pods")
    };
    let keep = |pod: IdentifiedPod| {
        let meta = &pod.metadata;
        let of_gateways = asking.get(&(meta.namespace.as_str(), meta.name.as_str()))?;
        let own = |(at, container): &(usize, &str)| (*at, meta.name.clone(), pod.own(container));
        Some(of_gateways.iter().map(own).collect::<Vec<_>>())
    };
    let places = scopes(scope, asking.keys().map(|(namespace, _)| *namespace));
    for list in join_all(places.iter().map(|place| cluster.list(list, place, keep))).await {
        match list {
            Ok(list) => {
                for (at, name, pod) in list.into_iter().flatten() {
                    if let Some(found) = found.get_mut(at) {
                        found.push((name, pod));
                    }
                }
            }
            Err(error) => return Ok(Err(unread(error, "listing the pods")?.reason)),
        }
    }
    Ok(Ok(found))
}

/// The client ids that the webhook gave to pods, by their `ServiceAccount`.
fn given(gateways: &[GatewayFacts], identified: &Fact<Identified>) -> BTreeMap<Key, BTreeSet<Uuid>> {
    let mut given: BTreeMap<Key, BTreeSet<Uuid>> = BTreeMap::new();
    for (facts, pods) in gateways.iter().zip(identified.iter().flatten()) {
        let sign_in = facts.entra();
        let is_own = sign_in.is_none_or(|it| it.own_variables.sets(OwnVariables::CLIENT_ID));
        let Some(key) = account(facts).filter(|_| !is_own) else {
            continue;
        };
        let of_account = pods
            .iter()
            .filter(|(_, pod)| pod.asks_for.as_ref() == Some(&key.1));
        let ids = of_account.filter_map(|(_, pod)| Uuid::try_parse(pod.client_id.as_ref()?).ok());
        let ids: Vec<Uuid> = ids.collect();
        given.entry(key).or_default().extend(ids);
    }
    given
}

/// Which pods run without the identity that the `ServiceAccount` names.
fn stale(sign_in: &EntraSignIn, pods: &[(String, OwnPod)]) -> Fact<StalePods> {
    let own = &sign_in.own_variables;
    let is_named = own.sets(OwnVariables::CLIENT_ID);
    let mut found = StalePods::default();
    match &sign_in.client_id {
        Err(why) if !is_named && sign_in.lacking.client_id.is_none() && !pods.is_empty() => {
            return Err(why.clone());
        }
        // New pods would get none either.
        Err(_) if !is_named => return Ok(found),
        _ => {}
    }
    let client_id = sign_in.client_id.as_ref().ok().copied();
    let tenant = sign_in
        .tenant
        .as_ref()
        .and_then(|it| Uuid::try_parse(it.trim()).ok());
    for (name, pod) in pods {
        // Another ServiceAccount, or no label, is of an earlier template.
        let is_of_other = pod.asks_for.as_ref() != Some(&sign_in.service_account);
        if is_of_other || pod.lacks(own, client_id, tenant) {
            found.stale.push(name.clone());
            let is_without = pod.client_id.is_none() && !is_named;
            found.unidentified += usize::from(is_without);
            found.is_earlier |= is_of_other;
        }
    }
    Ok(found)
}
