//! Azure, control plane and node together, for one owner or for a whole test
//! binary.

use std::path::{Path, PathBuf};
use std::sync::{OnceLock, mpsc};

use anyhow::{Context, Result, anyhow};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::PostParams;
use kube::{Api, Client};
use serde_json::json;

use crate::azure::{Azure, Cloud};
use crate::control_plane::{AuditRecord, ControlPlane, Options};
use crate::node::{EmulatorEndpoint, Node, NodeOptions};
use crate::observer::Observer;
use crate::pki::Identity;
use crate::wire::Wire;
use crate::workload_identity::{Webhook, WebhookOptions};

/// A cluster with one node whose gateways talk to an emulator of Azure.
pub struct Sandbox {
    // The node goes first: without an API server its tasks would only fail.
    node: Node,
    control_plane: ControlPlane,
    azure: Azure,
    ca_file: PathBuf,
    observer: Option<Observer>,
}

impl Sandbox {
    /// Starts everything.
    pub async fn start() -> Result<Self> {
        Self::start_with(Options::default()).await
    }

    /// Starts everything, with a control plane of its own kind. Entra trusts the issuer of its
    /// tokens if that is public.
    pub async fn start_with(options: Options) -> Result<Self> {
        let azure = Azure::start().await?;
        let emulator = EmulatorEndpoint {
            addr: azure.addr(),
            ca_pem: azure.ca_pem().to_owned(),
        };
        let control_plane = ControlPlane::start(options).await?;
        if control_plane.has_public_issuer() {
            let keys = control_plane.service_account_keys().await?;
            azure.trust_issuer(control_plane.service_account_issuer(), keys);
        }
        let ca_file = control_plane.directory().join("azure-ca.pem");
        std::fs::write(&ca_file, azure.ca_pem())
            .context("cannot write the emulator's certificate authority")?;
        let node = Node::start(
            &control_plane,
            NodeOptions {
                emulator,
                silent: false,
                binary: None,
            },
        )
        .await?;
        Ok(Self {
            node,
            control_plane,
            azure,
            ca_file,
            observer: None,
        })
    }

    /// Starts everything, with an observer of what the program writes.
    pub async fn observed() -> Result<Self> {
        let mut this = Self::start().await?;
        let client = this.control_plane.unaudited_client().await?;
        this.observer = Some(Observer::start(client, this.azure.clone()).await?);
        Ok(this)
    }

    /// The emulator of Azure.
    pub fn azure(&self) -> &Azure {
        &self.azure
    }

    /// What sees every write, if there is one.
    pub fn observer(&self) -> Option<&Observer> {
        self.observer.as_ref()
    }

    /// Sets what containers of this project's own image run; until then such
    /// an image cannot be pulled. See [`Node::provide_binary`].
    pub fn provide_binary(&self, path: &Path) {
        self.node.provide_binary(path);
    }

    /// The variables with which any client reaches the cluster, and the
    /// emulator under the real host names of Azure.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("KUBECONFIG", self.kubeconfig_path().display().to_string()),
            ("HTTPS_PROXY", self.azure.proxy_url()),
            ("NO_PROXY", "127.0.0.1".to_owned()),
            ("SSL_CERT_FILE", self.ca_file.display().to_string()),
        ]
    }

    /// Stops everything and removes all state.
    pub async fn shutdown(self) {
        drop(self.node);
        self.control_plane.shutdown().await;
    }

    /// The control plane.
    pub fn control_plane(&self) -> &ControlPlane {
        &self.control_plane
    }

    /// A client that may do everything; see [`ControlPlane::client`].
    pub fn client(&self) -> Result<Client> {
        self.control_plane.client()
    }

    /// A kubeconfig whose user may do everything.
    pub fn kubeconfig_path(&self) -> &Path {
        self.control_plane.kubeconfig_path()
    }

    /// Writes a kubeconfig for a service account.
    pub async fn kubeconfig_for(&self, namespace: &str, service_account: &str) -> Result<PathBuf> {
        self.control_plane
            .kubeconfig_for(namespace, service_account)
            .await
    }

    /// A proxy before the API server that lets requests fail. What it passes on
    /// is sent by the user of the kubeconfig.
    pub async fn wire(&self, kubeconfig: &Path) -> Result<Wire> {
        self.control_plane.wire(kubeconfig).await
    }

    /// The same with a certificate of the caller's.
    pub async fn wire_as(&self, kubeconfig: &Path, identity: &Identity) -> Result<Wire> {
        self.control_plane.wire_as(kubeconfig, identity).await
    }

    /// Installs the webhook of workload identity for the pods of one namespace; until then there is none.
    pub async fn workload_identity_webhook(&self, namespace: &str, tenant: &str) -> Result<Webhook> {
        let options = WebhookOptions {
            tenant: tenant.to_owned(),
            cloud: Cloud::Public,
            namespace: Some(namespace.to_owned()),
        };
        Webhook::install(self, options).await
    }

    /// The requests that the API server has answered.
    pub async fn audit(&self) -> Result<Vec<AuditRecord>> {
        self.control_plane.audit().await
    }

    /// Creates a namespace of its own for a test and returns its name, as soon
    /// as pods can be created in it.
    pub async fn create_namespace(&self, prefix: &str) -> Result<String> {
        let namespaces: Api<Namespace> = Api::all(self.client()?);
        let namespace =
            serde_json::from_value(json!({ "metadata": { "generateName": format!("{prefix}-") } }))?;
        let created = namespaces.create(&PostParams::default(), &namespace).await?;
        let name = created.metadata.name.context("a namespace without a name")?;
        if self.control_plane.runs_controllers() {
            self.control_plane.wait_for_service_account(&name).await?;
        }
        Ok(name)
    }
}

/// The sandbox that all tests of a process share, started by the first of them.
///
/// It lives on a runtime of its own, since that of a test ends with the test. Nothing
/// stops the sandbox when the process ends: its components notice the end by
/// themselves and remove its directory.
pub fn shared() -> Result<&'static Sandbox> {
    static SHARED: OnceLock<Result<Sandbox, String>> = OnceLock::new();

    let shared = SHARED.get_or_init(|| {
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || run_for_ever(&sender));
        match receiver.recv() {
            Ok(started) => started.map_err(|error| format!("{error:#}")),
            Err(_) => Err("the thread of the sandbox has ended".to_owned()),
        }
    });
    shared
        .as_ref()
        .map_err(|error| anyhow!("the shared sandbox did not start: {error}"))
}

fn run_for_ever(started: &mpsc::Sender<Result<Sandbox>>) {
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = started.send(Err(error.into()));
            return;
        }
    };
    runtime.block_on(async {
        let _ = started.send(Sandbox::observed().await);
        std::future::pending::<()>().await;
    });
}
