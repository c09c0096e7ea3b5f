//! The names that complete a command line. Nothing is said about a failure: the
//! answer has no names then.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::local_now;
use crate::cli::KubeArgs;
use crate::cli::complete::Wanted;
use crate::cluster::list::List;
use crate::cluster::{Cluster, ConnectInputs, kubeconfig_names};
use crate::discover::{OF_CREDENTIALS, gateway_names};
use crate::environment::Environment;
use crate::error::Result;
use crate::manifest::ownership::installations;
use crate::model::request::{KubeConnection, Scope};
use crate::model::{WorkloadKind, WorkloadRef};
use crate::settings;

/// How long somebody waits at a prompt.
const LIMIT: Duration = Duration::from_secs(2);

/// The names that are wanted, by the connection of the line.
pub fn names(wanted: Wanted, kube: KubeArgs, environment: &Environment) -> Vec<String> {
    without_terminal();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else {
        return Vec::new();
    };
    let kube = settings::kube_connection(kube);
    let found = runtime.block_on(async {
        let deadline = Instant::now() + LIMIT;
        let names = Box::pin(read(wanted, &kube, environment, deadline));
        timeout_at(deadline, names).await
    });
    // Dropping it would wait for the resolver, which may hang.
    runtime.shutdown_background();
    let mut names = found.map(Result::unwrap_or_default).unwrap_or_default();
    names.sort();
    names.dedup();
    names
}

/// Leaves the terminal, so that a credential plugin cannot ask the user on it.
/// The leader of a group of processes cannot, which a shell starts only in front of
/// a user.
fn without_terminal() {
    #[cfg(unix)]
    let _ = rustix::process::setsid();
}

async fn read(
    wanted: Wanted,
    kube: &KubeConnection,
    environment: &Environment,
    deadline: Instant,
) -> Result<Vec<String>> {
    let variable = |name: &str| environment.get(name).map(str::to_owned);
    let inputs = ConnectInputs::new(&variable, false, local_now()).until(deadline);
    let list = match wanted {
        Wanted::Contexts => return Ok(kubeconfig_names(kube, inputs)?.contexts),
        Wanted::Clusters => return Ok(kubeconfig_names(kube, inputs)?.clusters),
        Wanted::Users => return Ok(kubeconfig_names(kube, inputs)?.users),
        Wanted::Gateways(kind) => {
            let cluster = Cluster::connect(kube, inputs).await?.trying_once();
            let kinds = kind.map_or_else(|| WorkloadKind::ALL.to_vec(), |kind| vec![kind]);
            let found = gateway_names(&cluster, &kinds).await?;
            return Ok(found.iter().map(WorkloadRef::short).collect());
        }
        Wanted::Namespaces => List::of("/api/v1", "namespaces"),
        Wanted::PriorityClasses => List::of("/apis/scheduling.k8s.io/v1", "priorityclasses"),
        Wanted::Secrets => List {
            fields: Some(OF_CREDENTIALS),
            ..List::of("/api/v1", "secrets")
        },
        Wanted::PullSecrets => List {
            fields: Some("type=kubernetes.io/dockerconfigjson"),
            ..List::of("/api/v1", "secrets")
        },
        Wanted::ServiceAccounts => List::of("/api/v1", "serviceaccounts"),
        Wanted::ConfigMaps => List::of("/api/v1", "configmaps"),
        Wanted::CronJobs => List {
            labels: Some(&installations()),
            ..List::of("/apis/batch/v1", "cronjobs")
        },
    };
    let cluster = Cluster::connect(kube, inputs).await?.trying_once();
    let scope = match wanted {
        Wanted::Namespaces | Wanted::PriorityClasses => Scope::Everywhere,
        _ => Scope::Namespace(cluster.namespace.clone()),
    };
    Ok(cluster.names(list, &scope).await.unwrap_or_default())
}
