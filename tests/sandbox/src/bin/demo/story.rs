//! What the demo shows, in order.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use apim_sandbox::Sandbox;
use apim_sandbox::azure::{Gateway, Operation, Slot};
use apim_sandbox::manifests::GatewayManifest;
use apim_sandbox::plugin::{self, Traffic};
use apim_sandbox::workload_identity::Webhook;
use jiff::SignedDuration;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::PostParams;
use serde_json::json;

use crate::entra::sign_in_by_entra;
use crate::screen;
use crate::shell::Shell;

/// The subscription of the two gateways.
pub(crate) const SUBSCRIPTION: &str = "5ba0c0de-0000-4000-8000-000000000001";

/// What to try after the demo.
const NEXT: &str = "\
What next:
  cargo demo --gallery            a gateway in every state, in which the examples of docs/ can be typed
  cargo install --locked --path . puts kubectl-apim on your PATH
  kubectl apim status             shows the gateways of your own cluster; it only reads
  kubectl apim rotate --dry-run   says what a rotation would do, and changes nothing
";

/// The parts so far, each with the time that it took.
#[derive(Default)]
pub(crate) struct Story {
    parts: Vec<(String, Duration)>,
    current: Option<(String, Instant)>,
}

impl Story {
    pub(crate) async fn build(&mut self) -> Result<PathBuf> {
        self.part("Build the plugin");
        screen::line(
            "The first build takes some minutes. It is also that of the tests, and is kept in target/.",
        );
        screen::command("cargo build --bin kubectl-apim");
        plugin::build().await
    }

    pub(crate) async fn start(&mut self) -> Result<Sandbox> {
        self.part("Start Kubernetes and Azure on this machine");
        let sandbox = Sandbox::start().await?;
        let control_plane = sandbox.control_plane();
        let version = sandbox.client()?.apiserver_version().await?.git_version;
        screen::line(&format!(
            "A real Kubernetes {version} at {}, with a stand-in for a node;",
            control_plane.url()
        ));
        screen::line(&format!(
            "an emulator of Entra and Azure Resource Manager at {}.",
            sandbox.azure().url()
        ));
        Ok(sandbox)
    }

    /// Returns what has to live as long as the sandbox.
    pub(crate) async fn tell(&mut self, sandbox: &Sandbox, shell: &Shell) -> Result<Webhook> {
        self.part("Two teams run a self-hosted gateway");
        let orders = Installed::new(sandbox, "shop", "orders", SignedDuration::from_hours(6));
        let payments = Installed::new(sandbox, "bank", "payments", SignedDuration::from_hours(24 * 25));
        orders.install(sandbox, shell, GatewayManifest::portal).await?;
        payments.install(sandbox, shell, GatewayManifest::docs).await?;
        shell.run("kubectl get pods -A").await?;

        self.part("All is well, but for how long?");
        screen::line(
            "A gateway needs a token, which lives 30 days at most. Kubernetes does not know when it expires;",
        );
        screen::line("the token does. This reads it, and asks Azure nothing:");
        shell.run("kubectl apim status -A").await?;

        self.part("What would a rotation do?");
        shell.run("kubectl apim rotate -n shop --dry-run").await?;
        let minted = sandbox.azure().requests_for(Operation::GenerateToken);
        ensure!(minted.is_empty(), "the dry run has minted a token");

        self.part("Rotate: mint, verify, write, restart, prove");
        screen::line(&format!(
            "Only the namespace is given. The service principal {} comes from AZURE_CLIENT_ID.",
            shell.client_id()
        ));
        let accepted = || sandbox.azure().presentations(&orders.gateway).accepted;
        let before = accepted();
        let traffic = Traffic::of(sandbox, shell.run("kubectl apim rotate -n shop")).await?;
        ensure!(accepted() > before, "no pod has signed in with the new token");

        self.part("Rotate the other only if it is due");
        let due = "kubectl apim rotate -n bank --if-expiring-within 15d";
        let idle = Traffic::of(sandbox, shell.run(due)).await?;
        let minted = sandbox.azure().requests_for(Operation::GenerateToken);
        ensure!(minted.len() == 1, "the token of bank was not due");

        self.part("What the rotation has left behind");
        shell
            .run("kubectl annotate secret orders-token -n shop --list")
            .await?;
        shell.run("kubectl get pods -A").await?;
        shell.run("kubectl apim status -A").await?;
        screen::line(
            "Unprotected: both have weeks left now, but nothing in the cluster rotates them by itself.",
        );

        self.part("And from now on by itself");
        install(sandbox, shell).await?;
        let minted = sandbox.azure().requests_for(Operation::GenerateToken);
        ensure!(minted.len() == 2, "the CronJob has not rotated bank");
        shell.run("kubectl apim status -A").await?;

        self.part("Or without a token: sign in by Microsoft Entra");
        let webhook = sign_in_by_entra(sandbox, shell).await?;

        self.part("What it has asked of the servers");
        requests(&traffic);
        screen::line(&format!(
            "The run that found nothing due: {} to Azure, {} to Kubernetes.",
            idle.azure.len(),
            idle.kubernetes.len()
        ));

        self.finish();
        screen::line(
            "\nThe pod of shop was replaced by one that signs in with a token of 30 days, and Azure has accepted it;\n\
             that of bank by a CronJob, which does so from now on.\n",
        );
        screen::line(NEXT);
        screen::durations(&self.parts);
        Ok(webhook)
    }

    fn part(&mut self, headline: &str) {
        self.finish();
        screen::headline(self.parts.len() + 1, headline);
        self.current = Some((headline.to_owned(), Instant::now()));
    }

    fn finish(&mut self) {
        if let Some((headline, start)) = self.current.take() {
            self.parts.push((headline, start.elapsed()));
        }
    }
}

/// From nothing to a scheduled rotation that has run once: its pod is a process
/// with the rights of its own service account, and signs in by that one's token.
async fn install(sandbox: &Sandbox, shell: &Shell) -> Result<()> {
    let identity = shell.federated(sandbox, "bank").await?;
    screen::line(
        "No secret is stored: a federated credential of an identity in Entra trusts the ServiceAccount.",
    );
    screen::line("Azure is behind a proxy here, with an authority of its own, which the pods must know too.");
    screen::line("Bank's token has 25 days left, so that a run is to find it due within 26:");
    shell
        .run("kubectl create configmap azure-ca -n bank --from-file=ca.crt=azure-ca.pem")
        .await?;
    let way = format!("--proxy {} --ca-configmap azure-ca", sandbox.azure().proxy_url());
    shell
        .run(&format!(
            "kubectl apim install-cronjob -n bank --if-expiring-within 26d \\\n    --auth workload-identity --client-id {} \\\n    \
             {way} --run-now",
            identity.client_id
        ))
        .await?;
    screen::line("Its ServiceAccount may change this Secret, and see no other:");
    let account = "-n bank --as system:serviceaccount:bank:apim-shg-rotate";
    shell
        .run(&format!(
            "kubectl auth can-i patch secret/apim-access-token {account}"
        ))
        .await?;
    shell
        .run_to(1, &format!("kubectl auth can-i list secrets {account}"))
        .await
}

/// Each request of a rotation.
fn requests(traffic: &Traffic) {
    screen::line(&format!(
        "{} to Azure ({} of them to Resource Manager), {} to Kubernetes, and {} while waiting for the pods:",
        traffic.azure.len(),
        traffic.resource_manager(),
        traffic.kubernetes.len(),
        traffic.waiting.len()
    ));
    for request in &traffic.azure {
        let path = request.path.split('?').next().unwrap_or_default();
        screen::line(&format!(
            "  azure    {:5} {}{}",
            request.method,
            request.host,
            shortened(path)
        ));
    }
    let kubernetes = traffic.kubernetes.iter().map(|record| ("kube", record));
    let waiting = traffic.waiting.iter().map(|record| ("waiting", record));
    for (label, record) in kubernetes.chain(waiting) {
        let path = record.uri.split('?').next().unwrap_or_default();
        let rehearsed = if record.dry_run { "  (dry run)" } else { "" };
        screen::line(&format!("  {label:8} {:5} {path}{rehearsed}", record.verb));
    }
}

/// A gateway of a team.
struct Installed {
    namespace: &'static str,
    name: &'static str,
    gateway: Gateway,
    endpoint: String,
    token: String,
}

impl Installed {
    fn new(sandbox: &Sandbox, namespace: &'static str, name: &'static str, life: SignedDuration) -> Self {
        let azure = sandbox.azure();
        let service = format!("contoso-{namespace}");
        let gateway = Gateway::new(SUBSCRIPTION, "rg-apim", &service, name);
        azure.add_gateway(&gateway);
        let token = azure.mint(&gateway, Slot::Primary, azure.now() + life);
        Self {
            namespace,
            name,
            gateway,
            endpoint: format!("https://{service}.configuration.azure-api.net"),
            token: format!("GatewayKey {token}"),
        }
    }

    /// Deploys the gateway in one of the published layouts.
    async fn install(
        &self,
        sandbox: &Sandbox,
        shell: &Shell,
        layout: fn(&str, &str, &str) -> GatewayManifest,
    ) -> Result<()> {
        let Self { namespace, name, .. } = self;
        let namespaces: Api<Namespace> = Api::all(sandbox.client()?);
        let object = serde_json::from_value(json!({ "metadata": { "name": namespace } }))?;
        namespaces
            .create(&PostParams::default(), &object)
            .await
            .with_context(|| format!("creating namespace {namespace}"))?;
        let manifest = layout(name, &self.endpoint, &self.token);
        shell.write(&format!("{name}.yaml"), &manifest.yaml()?)?;
        shell
            .run(&format!("kubectl create -n {namespace} -f {name}.yaml"))
            .await?;
        shell
            .run(&format!("kubectl rollout status -n {namespace} deploy/{name}"))
            .await
    }
}

/// A path of ARM without the ids in its middle, which are long and known.
fn shortened(path: &str) -> String {
    match path.split_once("/providers/Microsoft.ApiManagement/") {
        Some((_, rest)) => format!("/…/{rest}"),
        None => path.to_owned(),
    }
}
