//! A real Kubernetes control plane as child processes.
//!
//! etcd, kube-apiserver, kube-controller-manager and kube-scheduler are built
//! from the Go module beside this crate, or taken from `KUBEBUILDER_ASSETS`.
//! They listen on loopback addresses only, keep all state in one directory
//! below the target directory, and cannot outlive the process that started
//! them: each reads a pipe whose other end that process holds.

mod arguments;
mod audit;
mod binaries;
mod component;
mod directory;
mod issuer;
mod kubeconfig;
mod ports;
pub mod schedules;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::http::Request;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use kube::{Api, Client};

pub use self::audit::AuditRecord;
pub use self::issuer::{CLUSTER_ISSUER, public_issuer};
pub use self::kubeconfig::CONTEXT;

use self::arguments::Layout;
use self::binaries::Binaries;
use self::component::Component;
use self::directory::StateDirectory;
use self::kubeconfig::User;
use crate::pki::{self, CertificateAuthority, Identity};
use crate::progress::say;
use crate::tls;
use crate::wait;
use crate::wire::{Upstream, Wire};

/// How long the control plane may take to come up, on the slowest machine.
const START_LIMIT: Duration = Duration::from_mins(2);

/// The user agent of the sandbox's own requests.
const USER_AGENT: &str = "apim-sandbox";

/// How the control plane is run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Requests a second that controller manager and scheduler may each send.
    pub qps: u32,
    /// Requests that they may send at once.
    pub burst: u32,
    /// Whether to start controller manager and scheduler at all. Without them
    /// objects stay as they were written, and nothing else uses the machine.
    pub controllers: bool,
    /// The issuer in the tokens of service accounts, to the letter.
    pub issuer: String,
}

impl Default for Options {
    /// Ten times what Kubernetes itself defaults to, so that a test with
    /// dozens of workloads does not wait for a limit meant for shared servers.
    fn default() -> Self {
        Self {
            qps: 500,
            burst: 1000,
            controllers: true,
            issuer: public_issuer(),
        }
    }
}

/// A running control plane, stopped when dropped.
pub struct ControlPlane {
    // The order of the fields is the order of their end: the directory goes last.
    components: Vec<Component>,
    admin: kube::Config,
    authority: CertificateAuthority,
    url: String,
    issuer: String,
    kubeconfig: PathBuf,
    runs_controllers: bool,
    directory: StateDirectory,
}

impl ControlPlane {
    /// Starts a control plane and waits until it serves and its controllers, if any, work.
    pub async fn start(options: Options) -> Result<Self> {
        let target = target_directory();
        let (binaries, directory) = tokio::task::spawn_blocking(move || {
            let binaries = Binaries::find(&target)?;
            let directory = StateDirectory::create(&target)?;
            directory.write("service-account.key", &pki::rsa_key()?)?;
            anyhow::Ok((binaries, directory))
        })
        .await??;

        let [etcd_port, etcd_peer_port, server_port] = ports::free()?;
        let url = format!("https://127.0.0.1:{server_port}");
        let authority = CertificateAuthority::new("apim-sandbox")?;
        let admin_text = write_files(&directory, &authority, &url)?;
        let kubeconfig = directory.write("kubeconfig", &admin_text)?;
        let admin = kubeconfig::config(&admin_text, USER_AGENT).await?;

        let path = directory.path().to_owned();
        let layout = Layout {
            directory: &path,
            etcd_port,
            etcd_peer_port,
            server_port,
            issuer: &options.issuer,
        };
        let components = vec![
            Component::start(&binaries, "etcd", &layout.etcd(), &path)?,
            Component::start(&binaries, "kube-apiserver", &layout.api_server(), &path)?,
        ];
        let mut this = Self {
            components,
            admin,
            authority,
            url: url.clone(),
            issuer: options.issuer.clone(),
            kubeconfig,
            runs_controllers: false,
            directory,
        };
        this.wait_until_ready().await?;

        if options.controllers {
            this.start_controllers(&binaries, &layout, &options).await?;
        }
        Ok(this)
    }

    /// Stops every component and removes all state.
    pub async fn shutdown(self) {
        // Dropping waits for child processes, which must not hold up the runtime.
        let _ = tokio::task::spawn_blocking(move || drop(self)).await;
    }

    /// A kubeconfig whose user may do everything.
    pub fn kubeconfig_path(&self) -> &Path {
        &self.kubeconfig
    }

    /// The address of the API server.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The authority that signed the API server's certificate.
    pub fn ca_pem(&self) -> &str {
        self.authority.certificate_pem()
    }

    /// The issuer in the tokens of service accounts, which are signed with RS256.
    pub fn service_account_issuer(&self) -> &str {
        &self.issuer
    }

    /// Whether the issuer's documents are where its name points, so that Entra can read them.
    pub fn has_public_issuer(&self) -> bool {
        self.issuer != CLUSTER_ISSUER
    }

    /// The keys that verify the tokens of service accounts, as a JWK set.
    pub async fn service_account_keys(&self) -> Result<serde_json::Value> {
        let request = Request::get("/openid/v1/jwks").body(Vec::new())?;
        Ok(self.client()?.request(request).await?)
    }

    /// Whether workloads run: controllers may be unwanted, and envtest's archives hold none.
    pub fn runs_controllers(&self) -> bool {
        self.runs_controllers
    }

    /// The directory of state and logs.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A client that may do everything.
    ///
    /// Its connections belong to the runtime it is used in, so that every
    /// caller with a runtime of its own, as each test has, needs a new one.
    pub fn client(&self) -> Result<Client> {
        Ok(Client::try_from(self.admin.clone())?)
    }

    /// Writes a kubeconfig for a service account, with a token of one hour.
    pub async fn kubeconfig_for(&self, namespace: &str, service_account: &str) -> Result<PathBuf> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client()?, namespace);
        let request = TokenRequest {
            spec: TokenRequestSpec {
                expiration_seconds: Some(3600),
                ..TokenRequestSpec::default()
            },
            ..TokenRequest::default()
        };
        let response = accounts
            .create_token_request(service_account, &PostParams::default(), &request)
            .await
            .with_context(|| {
                format!("requesting a token for service account {namespace}/{service_account}")
            })?;
        let token = response.status.context("the token request has no status")?.token;
        let text = kubeconfig::text(&self.url, self.ca_pem(), &User::Token(&token), namespace);
        self.directory
            .write(&format!("{namespace}-{service_account}.kubeconfig"), &text)
    }

    /// A proxy before the API server; see [`crate::Sandbox::wire`].
    pub async fn wire(&self, kubeconfig: &Path) -> Result<Wire> {
        let identity = self.authority.server(&["127.0.0.1"])?;
        self.wire_as(kubeconfig, &identity).await
    }

    /// The same with a certificate of the caller's.
    pub async fn wire_as(&self, kubeconfig: &Path, identity: &Identity) -> Result<Wire> {
        let text = std::fs::read_to_string(kubeconfig)?;
        let config = kubeconfig::config(&text, USER_AGENT).await?;
        let namespace = config.default_namespace.clone();
        let upstream = Upstream::ApiServer {
            client: Client::try_from(config)?,
            acceptor: Arc::new(tls::server_config(identity, None)?).into(),
        };
        Wire::start(upstream, |address| {
            let url = format!("https://{address}");
            // The wire signs in by itself.
            let text = kubeconfig::text(&url, self.ca_pem(), &User::Token("none"), &namespace);
            let name = format!("wire-{}.kubeconfig", uuid::Uuid::new_v4());
            let path = self.directory.write(&name, &text)?;
            Ok(("KUBECONFIG", path.display().to_string()))
        })
        .await
    }

    /// The requests that the API server has answered, oldest first, without
    /// those of the control plane itself and of the node.
    pub async fn audit(&self) -> Result<Vec<AuditRecord>> {
        let path = self.directory.path().join("audit.log");
        // A record may be written just after its response was sent, so a marked request tells
        // how far the log must have got.
        let marker = format!("/version?marker={}", uuid::Uuid::new_v4());
        self.client()?
            .request_text(Request::get(&marker).body(Vec::new())?)
            .await?;
        wait::until("the audit log", Duration::from_secs(10), async || {
            let mut records = audit::read(&path)?;
            let written = records.iter().any(|record| record.uri == marker);
            records.retain(|record| !record.uri.starts_with("/version?marker="));
            Ok(written.then_some(records))
        })
        .await
    }

    pub(crate) fn authority(&self) -> &CertificateAuthority {
        &self.authority
    }

    /// A client whose requests are not audited.
    pub(crate) async fn unaudited_client(&self) -> Result<Client> {
        let config = self.system_config("system:observer", USER_AGENT).await?;
        Ok(Client::try_from(config)?)
    }

    /// The configuration of a client whose requests are not audited.
    pub(crate) async fn system_config(&self, user: &str, user_agent: &'static str) -> Result<kube::Config> {
        let identity = self.authority.client(user, &[ADMINISTRATORS])?;
        let text = kubeconfig::text(&self.url, self.ca_pem(), &User::Certificate(&identity), "default");
        kubeconfig::config(&text, user_agent).await
    }

    /// Waits until pods can be created in a namespace.
    pub(crate) async fn wait_for_service_account(&self, namespace: &str) -> Result<()> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client()?, namespace);
        wait::until("the default service account", START_LIMIT, async || {
            Ok(accounts.get_opt("default").await?.map(|_| ()))
        })
        .await
    }

    async fn wait_until_ready(&mut self) -> Result<()> {
        let client = self.client()?;
        let mut last = String::new();
        let ready = wait::until("the API server", START_LIMIT, async || {
            self.check()?;
            let request = Request::get("/readyz").body(Vec::new())?;
            match client.request_text(request).await {
                Ok(_) => Ok(Some(())),
                Err(error) => {
                    last = error.to_string();
                    Ok(None)
                }
            }
        })
        .await;
        ready.with_context(|| format!("its last answer: {last}"))
    }

    /// Starts what turns workloads into pods, as far as there are binaries for it.
    async fn start_controllers(
        &mut self,
        binaries: &Binaries,
        layout: &Layout<'_>,
        options: &Options,
    ) -> Result<()> {
        let controllers = [
            ("kube-controller-manager", layout.controller_manager(options)),
            ("kube-scheduler", layout.scheduler(options)),
        ];
        if let Some((missing, _)) = controllers.iter().find(|(name, _)| !binaries.has(name)) {
            say(&format!(
                "KUBEBUILDER_ASSETS holds no {missing}: workloads will not run"
            ));
            return Ok(());
        }
        for (name, arguments) in controllers {
            let component = Component::start(binaries, name, &arguments, layout.directory)?;
            self.components.push(component);
        }
        self.runs_controllers = true;
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client()?, "default");
        wait::until("the controllers", START_LIMIT, async || {
            self.check()?;
            Ok(accounts.get_opt("default").await?.map(|_| ()))
        })
        .await
    }

    fn check(&mut self) -> Result<()> {
        self.components.iter_mut().try_for_each(Component::check)
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        // All of them at once; dropping one after the other would add up their ends.
        self.components.iter_mut().for_each(Component::close_input);
    }
}

/// The group that RBAC lets do everything, even before its rules are loaded.
const ADMINISTRATORS: &str = "system:masters";

/// Writes what the components read and returns the administrator's kubeconfig.
fn write_files(directory: &StateDirectory, authority: &CertificateAuthority, url: &str) -> Result<String> {
    let ca_pem = authority.certificate_pem();
    directory.write("ca.crt", ca_pem)?;
    directory.write("audit-policy.yaml", arguments::AUDIT_POLICY)?;
    let server = authority.server(&[
        "127.0.0.1",
        "localhost",
        "kubernetes",
        "kubernetes.default.svc",
        "10.96.0.1",
    ])?;
    let kubelet_client = authority.client("kube-apiserver-kubelet-client", &[ADMINISTRATORS])?;
    for (name, identity) in [("server", &server), ("kubelet-client", &kubelet_client)] {
        directory.write(&format!("{name}.crt"), &identity.certificate_pem)?;
        directory.write(&format!("{name}.key"), &identity.key_pem)?;
    }
    for component in ["kube-controller-manager", "kube-scheduler"] {
        let identity = authority.client(&format!("system:{component}"), &[ADMINISTRATORS])?;
        let text = kubeconfig::text(url, ca_pem, &User::Certificate(&identity), "default");
        directory.write(&format!("{component}.kubeconfig"), &text)?;
    }
    let admin = authority.client("apim-sandbox-admin", &[ADMINISTRATORS])?;
    Ok(kubeconfig::text(
        url,
        ca_pem,
        &User::Certificate(&admin),
        "default",
    ))
}

/// Cargo's target directory, which git ignores and `cargo clean` empties.
fn target_directory() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    let target = workspace.join(target);
    std::path::absolute(&target).map_or(target, |path| normalized(&path))
}

/// Resolves `..` by text alone: the target directory may not exist yet.
fn normalized(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut result, component| {
        if component == std::path::Component::ParentDir {
            result.pop();
        } else {
            result.push(component);
        }
        result
    })
}
