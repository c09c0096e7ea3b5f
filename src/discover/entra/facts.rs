//! All facts of a set-up, side by side.

use tokio::join;
use uuid::Uuid;

use super::app::{Directory, GraphHalf, principal_of};
use super::arm::{ArmHalf, arm_half};
use super::caller_rights::{ClusterRights, caller_rights, cluster_rights};
use super::gone::gone;
use super::issuer::issuer;
use super::namespace::{place, secret, service_account};
use super::roles::Sought;
use super::settled::settled;
use super::target::SetupTarget;
use super::unavailable::{not_needed, of_cluster};
use super::webhook::webhook;
use crate::azure::{Arm, Caller, Graph};
use crate::cluster::Cluster;
use crate::error::{Error, Result};
use crate::model::entra::facts::{AppFacts, ClusterFacts, EntraFacts, Injected, IssuerFacts};
use crate::model::entra::{Mode, SettingValue, SetupRequest, SignsIn};
use crate::model::setting::APP_CLIENT;
use crate::model::{AzureRole, Cloud, CloudName, Fact, GatewayId, Unavailable, known};

/// Where facts come from.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'a> {
    pub cluster: &'a Cluster,
    pub arm: &'a Arm,
    pub graph: &'a Graph,
}

/// Reads everything that a set-up depends on. `counts_use` is whether the assignments of
/// the roles are counted, and workloads without pods read, as a removal needs it. Only a failed sign-in and a missing instance are errors:
/// every other part that cannot be read is a fact without a value.
pub async fn facts(
    sources: &Sources<'_>,
    target: &SetupTarget,
    gateway: &GatewayId,
    request: &SetupRequest,
    counts_use: bool,
) -> Result<EntraFacts> {
    let Sources { cluster, arm, graph } = *sources;
    let directory = Directory { arm, graph, gateway };
    let mode = mode(target, request);
    let signed_in = async {
        let caller = arm.caller().await?;
        Ok((caller, Box::pin(arm_half(arm, gateway)).await?))
    };
    let of_graph = Box::pin(directory.half(&request.app, mode.is_stored()));
    // The app may not be known yet, but the workload probably signs in as it.
    let likely = secret_name(target, request, mode, likely_app(target, request));
    let of_cluster = Box::pin(cluster_half(
        cluster,
        arm,
        target,
        (request, mode, counts_use),
        likely.as_deref(),
    ));
    let ((caller, azure), app, mut of_cluster) =
        tokio::try_join!(signed_in, async { Ok::<_, Error>(of_graph.await) }, async {
            Ok(of_cluster.await)
        })?;
    let found = known(&app.app).map(AppFacts::client_id);
    let name = secret_name(target, request, mode, found.or(request.app.client_id()));
    if name != likely {
        let (account, name) = (account(target, request), name.as_deref());
        (of_cluster.facts.secret, of_cluster.rights) = join!(
            secret(cluster, name),
            cluster_rights(cluster, account, name, target.workload.as_ref())
        );
    }
    let app = settled(
        &directory,
        (&request.app, mode),
        app,
        &of_cluster.facts,
        cluster.now(),
    );
    let app = Box::pin(app).await?;
    Ok(Box::pin(combined(
        sources,
        gateway,
        (request, counts_use),
        (caller, azure, app, of_cluster),
    ))
    .await)
}

/// The mode that the plan will choose, if it is possible: unasked, the one that is there
/// or workload identity. What other modes need is not read.
fn mode(target: &SetupTarget, request: &SetupRequest) -> Mode {
    let now = target.side.as_ref().map(|side| &side.signs_in);
    match (request.mode, now) {
        (Some(mode), _) => mode,
        (None, Some(Ok(SignsIn::By(mode)))) => *mode,
        (None, _) => Mode::WorkloadIdentity,
    }
}

/// What the API server knows, and what the issuer publishes.
struct ClusterHalf {
    facts: ClusterFacts,
    rights: ClusterRights,
    issuer: Fact<IssuerFacts>,
    webhook: Fact<Option<Injected>>,
}

/// The `ServiceAccount` that the pods use or will use.
fn account<'a>(target: &'a SetupTarget, request: &'a SetupRequest) -> Option<&'a str> {
    let present = target
        .side
        .as_ref()
        .map(|side| side.template.service_account.as_str());
    let present = present.map(|name| if name.is_empty() { "default" } else { name });
    request.service_account.as_deref().or(present)
}

/// The Secret for the credential, as the plan names it.
fn secret_name(
    target: &SetupTarget,
    request: &SetupRequest,
    mode: Mode,
    client_id: Option<Uuid>,
) -> Option<String> {
    let side = target.side.as_ref();
    let given = request.secret.clone();
    given.or_else(|| side.map(|side| side.secret(mode, client_id)))
}

/// The app that was named, or else the one that the workload signs in as.
fn likely_app(target: &SetupTarget, request: &SetupRequest) -> Option<Uuid> {
    let of_workload = || match target.side.as_ref()?.template.settings.get(APP_CLIENT)? {
        SettingValue::Text(id) => Uuid::try_parse(id).ok(),
        _ => None,
    };
    request.app.client_id().or_else(of_workload)
}

async fn cluster_half(
    cluster: &Cluster,
    arm: &Arm,
    target: &SetupTarget,
    (request, mode, counts_use): (&SetupRequest, Mode, bool),
    name: Option<&str>,
) -> ClusterHalf {
    let account = account(target, request);
    let issuer = async {
        if mode == Mode::WorkloadIdentity {
            issuer(cluster, arm).await
        } else {
            not_needed()
        }
    };
    let webhook = async {
        if mode == Mode::WorkloadIdentity {
            webhook(cluster, account, target).await
        } else {
            not_needed()
        }
    };
    let pods = async {
        let workload = target.side.as_ref();
        let workload = workload.map(|it| (&it.workload, it.container.as_str()));
        let cluster = cluster.for_optional_reads();
        let read = cluster.own_and_running_pods(workload).await;
        let (own, mut all) = of_cluster(read, "listing the pods of the namespace")?;
        if counts_use {
            let templates = cluster.pod_templates(workload.map(|(name, _)| name)).await;
            all.extend(of_cluster(templates, "listing the workloads of the namespace")?);
        }
        Ok::<_, Unavailable>((own, all))
    };
    let (place, service_account, secret, rights, issuer, webhook, pods) = join!(
        place(cluster),
        service_account(cluster, account),
        secret(cluster, name),
        cluster_rights(cluster, account, name, target.workload.as_ref()),
        issuer,
        webhook,
        pods
    );
    let (own_pods, pods) = match pods {
        Ok((own, all)) => (Ok(own), Ok(all)),
        Err(why) => (Err(why.clone()), Err(why)),
    };
    ClusterHalf {
        facts: ClusterFacts {
            place,
            namespace: cluster.namespace.clone(),
            workload: target.side.clone(),
            service_account,
            secret,
            own_pods,
            pods,
        },
        rights,
        issuer,
        webhook,
    }
}

async fn combined(
    sources: &Sources<'_>,
    gateway: &GatewayId,
    (request, counts_use): (&SetupRequest, bool),
    (caller, azure, graph, cluster): (Caller, ArmHalf, GraphHalf, ClusterHalf),
) -> EntraFacts {
    let arm = sources.arm;
    let sought = Sought {
        gateway,
        custom_roles: &azure.custom_roles,
        assignments: &azure.assignments,
        counts_use,
    };
    let identity = azure.instance.as_ref().ok().and_then(|it| it.identity.principal);
    let app = known(&graph.app);
    let wanted = app.map(AppFacts::client_id).or(request.app.client_id());
    let now = Some(sources.cluster.now()).filter(|_| !matches!(graph.app, Ok(None)));
    let (gone, validator, reader, rights) = join!(
        gone(sources.graph, &cluster.facts, wanted, now),
        sought.role(arm, AzureRole::ConfigValidator, identity),
        sought.role(arm, AzureRole::ConfigReader, principal_of(&graph.app)),
        caller_rights(
            arm,
            &azure.rights,
            &cluster.rights,
            &graph.app,
            &cluster.facts.service_account,
            &cluster.facts.secret,
        )
    );
    let cloud = arm.cloud();
    let resource = known(&azure.resource);
    let name = resource.map_or(&gateway.name, |found| &found.name);
    EntraFacts {
        gateway: gateway.service.gateway(name.clone()),
        cloud: name_of(cloud),
        authority: cloud.authority.trim_end_matches('/').to_owned(),
        tenant: caller.tenant,
        caller: caller
            .object
            .ok_or_else(|| Unavailable::Unknown("the access token does not name its owner".to_owned())),
        instance: azure.instance,
        resource: azure.resource,
        validator,
        reader,
        given: request.app.client_id(),
        app: graph.app,
        gone,
        namesakes: graph.namesakes,
        policy: graph.policy,
        rights,
        lock: azure.lock,
        issuer: cluster.issuer,
        webhook: cluster.webhook,
        cluster: cluster.facts,
    }
}

/// The name of a cloud with built-in endpoints.
fn name_of(cloud: &Cloud) -> Option<CloudName> {
    CloudName::ALL.into_iter().find(|name| {
        let known = Cloud::known(*name).resource_manager;
        known.eq_ignore_ascii_case(cloud.resource_manager.trim_end_matches('/'))
    })
}
