//! A stand-in for a node and its kubelet.
//!
//! It registers a node, takes the pods that the scheduler binds to it, builds
//! their environment from Secrets and `ConfigMaps` as a kubelet does, reports
//! their status, and serves their logs over the kubelet's API. Nothing is
//! pulled. A gateway's container presents its credential to the configuration
//! endpoint until it is accepted; a container of this project's own image, `kubectl-apim` in
//! any registry, is the real binary as a process with the pod's volumes in a
//! mount namespace of its own; and every other container just runs.
//!
//! The annotation [`MODE_ANNOTATION`] on a pod changes how its gateway behaves.

mod container;
mod environment;
mod event;
mod gateway;
mod image;
mod kubelet;
mod logs;
mod pod;
mod process;
mod quantity;
mod registration;
mod status;
mod stop;
mod volumes;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use anyhow::Result;
use kube::Client;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use self::environment::Environment;
use self::gateway::ConfigurationApi;
use self::image::Binary;
use self::logs::LogStore;
pub(crate) use self::status::running;
use crate::control_plane::ControlPlane;

/// The name of the node.
pub const NODE_NAME: &str = "sandbox-node";

/// The annotation of a pod that says how its gateway containers behave:
///
/// - `strict`: ready when, and only when, the credential is accepted; the
///   behaviour without the annotation, unless the node's options say `silent`;
/// - `silent`: ready even when the credential is refused, as some versions of
///   the real gateway are;
/// - `crash`: a refused credential ends the container, which is started again
///   after a growing delay;
/// - `pending`: the container is never started;
/// - `image-pull`: its image cannot be pulled;
/// - `slow:<seconds>`: ready only so long after an accepted credential.
pub const MODE_ANNOTATION: &str = "sandbox.apim/mode";

/// Requests to the API server that all pods together may have open, so that a
/// thousand pods at once do not open a thousand connections.
const PARALLEL_REQUESTS: usize = 64;

/// Where the gateways' configuration endpoints really are.
#[derive(Debug, Clone)]
pub struct EmulatorEndpoint {
    /// The TLS address to connect to, whatever host a gateway asks for.
    pub addr: SocketAddr,
    /// The authority that signed the certificates of those hosts.
    pub ca_pem: String,
}

/// How the node behaves.
#[derive(Debug, Clone)]
pub struct NodeOptions {
    /// Where gateways present their credentials.
    pub emulator: EmulatorEndpoint,
    /// Whether gateways without [`MODE_ANNOTATION`] are in mode `silent`.
    pub silent: bool,
    /// What containers of this project's own image run. Until there is one,
    /// here or by [`Node::provide_binary`], their image cannot be pulled.
    pub binary: Option<PathBuf>,
}

/// A registered node. Dropping it stops its tasks; what it reported stays.
pub struct Node {
    context: Arc<Context>,
    _tasks: JoinSet<()>,
}

impl Node {
    /// Registers the node and starts to look after its pods.
    pub async fn start(control_plane: &ControlPlane, options: NodeOptions) -> Result<Self> {
        let user = format!("system:node:{NODE_NAME}");
        let config = control_plane.system_config(&user, "apim-sandbox-node").await?;
        let context = Arc::new(Context {
            client: Client::try_from(config)?,
            configuration_api: ConfigurationApi::new(&options.emulator)?,
            logs: LogStore::default(),
            silent: options.silent,
            binary: Binary::new(options.binary),
            service: environment::of_service(control_plane.url()),
            directory: control_plane.directory().join("pods"),
            requests: Semaphore::new(PARALLEL_REQUESTS),
            next_address: AtomicU32::new(1),
        });

        let mut tasks = JoinSet::new();
        let port = kubelet::start(control_plane.authority(), context.clone(), &mut tasks).await?;
        registration::register(&context.client, port).await?;
        tasks.spawn(registration::keep_lease(context.client.clone()));
        tasks.spawn(pod::watch(context.clone()));
        Ok(Self {
            context,
            _tasks: tasks,
        })
    }

    /// Sets what containers of this project's own image run when they are
    /// started from now on, those that wait for it included.
    pub fn provide_binary(&self, path: &Path) {
        self.context.binary.provide(path);
    }
}

/// What the pods of the node share.
pub(crate) struct Context {
    client: Client,
    configuration_api: ConfigurationApi,
    logs: LogStore,
    silent: bool,
    binary: Binary,
    /// The variables by which containers find the API server.
    service: Environment,
    /// Where the files of pods are.
    directory: PathBuf,
    requests: Semaphore,
    next_address: AtomicU32,
}
