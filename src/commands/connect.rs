//! Reaches the cluster that the flags, the kubeconfig and the environment name.

use std::io::IsTerminal;
use std::sync::Arc;

use tokio::time::Instant;

use super::Context;
use crate::cluster::{self, Cluster, Show, valid_namespace};
use crate::discover::{missing_namespace, with_places};
use crate::error::{Error, Result};
use crate::model::request::{KubeConnection, Selection};

/// Reaches the cluster that the flags and the environment mean.
pub async fn connect(kube: &KubeConnection, context: &Context) -> Result<Cluster> {
    connect_by(None, kube, context).await
}

/// The same with a deadline for signing in and for all requests.
pub async fn connect_until(deadline: Instant, kube: &KubeConnection, context: &Context) -> Result<Cluster> {
    connect_by(Some(deadline), kube, context).await
}

async fn connect_by(deadline: Option<Instant>, kube: &KubeConnection, context: &Context) -> Result<Cluster> {
    if let Some(namespace) = &kube.namespace {
        valid_namespace(namespace)?;
    }
    let environment = &context.environment;
    let variable = |name: &str| environment.get(name).map(str::to_owned);
    let output = context.output.clone();
    let show: Show = Arc::new(move |line: &str| output.note(line));
    let inputs = around(&variable).showing(&show);
    let inputs = deadline.map_or(inputs, |deadline| inputs.until(deadline));
    Cluster::connect(kube, inputs).await
}

/// The namespace that the flags and the kubeconfig mean, without any request.
pub fn namespace(kube: &KubeConnection, context: &Context) -> Result<String> {
    if let Some(namespace) = &kube.namespace {
        valid_namespace(namespace)?;
        return Ok(namespace.clone());
    }
    let environment = &context.environment;
    let variable = |name: &str| environment.get(name).map(str::to_owned);
    cluster::namespace(kube, around(&variable)).map_err(|error| error.hint("or name the namespace, with -n"))
}

/// The contexts of the kubeconfig that these names or globs mean.
pub fn contexts(kube: &KubeConnection, context: &Context, patterns: &[String]) -> Result<Vec<String>> {
    let environment = &context.environment;
    let variable = |name: &str| environment.get(name).map(str::to_owned);
    cluster::contexts(kube, around(&variable), patterns)
}

/// What a connection takes from around the process.
fn around(variable: &(dyn Fn(&str) -> Option<String> + Sync)) -> cluster::ConnectInputs<'_> {
    let interactive = std::io::stdin().is_terminal();
    #[expect(
        clippy::disallowed_methods,
        reason = "a plugin's credential expires by the local clock"
    )]
    let now = jiff::Timestamp::now();
    cluster::ConnectInputs::new(variable, interactive, now)
}

/// The machine's own time, for what no server's clock is asked about.
pub fn local_now() -> jiff::Timestamp {
    #[expect(
        clippy::disallowed_methods,
        reason = "a schedule is judged by its distances, which are the same at any time"
    )]
    jiff::Timestamp::now()
}

/// There is no gateway where it was looked for.
pub struct NothingFound {
    pub error: Error,
    /// Whether that place does not exist.
    pub lacks_namespace: bool,
}

pub async fn nothing_found(selection: &Selection, cluster: &Cluster) -> NothingFound {
    let there = |error| NothingFound {
        error,
        lacks_namespace: false,
    };
    let labels = selection
        .labels
        .as_ref()
        .map(|labels| format!(" with the labels `{labels}`"))
        .unwrap_or_default();
    if selection.everywhere {
        let text = format!("no self-hosted gateway{labels} was found in any namespace");
        return there(Error::failed(text));
    }
    if let Some(error) = missing_namespace(cluster).await {
        return NothingFound {
            error,
            lacks_namespace: true,
        };
    }
    let error = Error::failed(format!(
        "no self-hosted gateway{labels} was found in namespace {}",
        cluster.namespace
    ));
    let next = "choose the namespace with -n, or look in all with -A";
    there(with_places(error, next, cluster).await)
}
