//! The runs on one gateway, and their targets.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use apim_sandbox::azure::{Gateway, Principal, Slot};
use apim_sandbox::manifests::GatewayManifest;
use apim_sandbox::plugin::Traffic;
use apim_sandbox::{Sandbox, wait};
use jiff::SignedDuration;
use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;

use crate::distance::{Distance, Relays};
use crate::machine::Kubectl;
use crate::measure::{Sample, Subject, cpu, memory, wall};
use crate::table::{MIB, Row, Table};

/// Pairs of runs before those that count: caches are filled by then.
const WARM_UPS: usize = 2;

/// One rotation by the shell script that this plugin replaces.
pub(crate) const SCRIPT_WALL: Duration = Duration::from_millis(3500);
pub(crate) const SCRIPT_CPU: Duration = Duration::from_millis(3400);

/// What was measured on one gateway.
pub(crate) struct Single {
    pub(crate) rotations: Vec<Sample>,
    pub(crate) gets: Vec<Sample>,
    /// The time of `--version`.
    pub(crate) version: Duration,
    /// The size of the binary, in bytes.
    pub(crate) binary: u64,
    pub(crate) requests: Requests,
    pub(crate) distance: Distance,
    pub(crate) table: Table,
}

/// How many requests a run sends to Azure Resource Manager and to Kubernetes.
pub(crate) struct Requests {
    /// Every name is given.
    pub(crate) named: (usize, usize),
    /// Only the namespace is given.
    pub(crate) bare: (usize, usize),
    pub(crate) not_due: (usize, usize),
}

/// One gateway, and the programs that are run on it.
pub(crate) struct Bench<'a> {
    sandbox: &'a Sandbox,
    plugin: PathBuf,
    kubectl: PathBuf,
    namespace: String,
    deployments: Api<Deployment>,
    manifest: GatewayManifest,
    gateway: Gateway,
    principal: Principal,
}

impl<'a> Bench<'a> {
    /// Deploys the gateway.
    pub(crate) async fn prepare(sandbox: &'a Sandbox, plugin: &Path, kubectl: &Kubectl) -> Result<Self> {
        let namespace = sandbox.create_namespace("bench").await?;
        let client = sandbox.client()?;
        let azure = sandbox.azure();
        let gateway = Gateway::new(
            "5ba0c0de-0000-4000-8000-000000000002",
            "rg-apim",
            "contoso-bench",
            "gw",
        );
        azure.add_gateway(&gateway);
        let principal = Principal::token_operator(&format!("/subscriptions/{}", gateway.subscription));
        azure.add_principal(principal.clone());
        let token = azure.mint(
            &gateway,
            Slot::Primary,
            azure.now() + SignedDuration::from_hours(6),
        );
        let manifest = GatewayManifest::portal(
            "gw",
            "https://contoso-bench.configuration.azure-api.net",
            &format!("GatewayKey {token}"),
        );
        manifest.apply(&client, &namespace).await?;
        let this = Self {
            sandbox,
            plugin: plugin.to_owned(),
            kubectl: kubectl.path.clone(),
            deployments: Api::namespaced(client, &namespace),
            namespace,
            manifest,
            gateway,
            principal,
        };
        this.settle().await?;
        Ok(this)
    }

    /// Measures everything.
    pub(crate) async fn run(&self, pairs: usize) -> Result<Single> {
        let bare = self.traffic(&self.bare()).await?;
        let named = self.traffic(&self.named(&["--force", "--no-wait"])).await?;
        let idle = self.traffic(&self.named(&["--if-expiring-within", "1d"])).await?;

        let rotate = self.named(&["--force", "--no-wait"]);
        let get = self.get_secret();
        let (mut rotations, mut gets) = (Vec::new(), Vec::new());
        for pair in 0..WARM_UPS + pairs {
            let samples = (self.quietly(&rotate).await?, self.quietly(&get).await?);
            if pair >= WARM_UPS {
                rotations.push(samples.0);
                gets.push(samples.1);
            }
        }
        let distance = self.at_a_distance(pairs).await?;
        let version = self.plugin(vec!["--version".to_owned()]);
        let versions = (0..pairs)
            .map(|_| version.measure())
            .collect::<Result<Vec<_>>>()?;
        let version = wall(&versions);
        let binary = std::fs::metadata(&self.plugin)?.len();

        let mut rows = costs(&rotations, &gets);
        rows.extend(distance.rows());
        rows.extend([
            Row::at_most("`--version`, time", version, Duration::from_micros(1500)),
            Row::size("release binary", binary, 12_000_000),
            Row::count("all names given: requests to ARM", named.resource_manager(), 2),
            Row::count("all names given: requests to Kubernetes", all(&named), 8),
            Row::count("only the namespace given: requests to Kubernetes", all(&bare), 10),
            Row::count("not due: requests to Azure", idle.azure.len(), 0),
            Row::count("not due: requests to Kubernetes", all(&idle), 2),
        ]);
        Ok(Single {
            rotations,
            gets,
            version,
            binary,
            requests: Requests {
                named: (named.resource_manager(), all(&named)),
                bare: (bare.resource_manager(), all(&bare)),
                not_due: (idle.resource_manager(), all(&idle)),
            },
            distance,
            table: Table {
                beside: "kubectl get secret",
                rows,
            },
        })
    }

    /// Rotations with delays in front of both servers.
    async fn at_a_distance(&self, runs: usize) -> Result<Distance> {
        let relays = Relays::start(self.sandbox)?;
        let rotate = |flags: &[&str]| relays.in_front_of(self.named(flags));
        let given = rotate(&["--force", "--no-wait", "--cloud", "public"]);
        let found = rotate(&["--force", "--no-wait"]);
        let (mut with, mut without) = (Vec::new(), Vec::new());
        for run in 0..WARM_UPS + runs {
            let samples = (self.quietly(&given).await?, self.quietly(&found).await?);
            if run >= WARM_UPS {
                with.push(samples.0);
                without.push(samples.1);
            }
        }
        Ok(Distance::new(with, without))
    }

    async fn traffic(&self, subject: &Subject) -> Result<Traffic> {
        Traffic::of(self.sandbox, async { self.quietly(subject).await.map(drop) }).await
    }

    /// Measures one run after the rollout that the run before it has left behind.
    async fn quietly(&self, subject: &Subject) -> Result<Sample> {
        self.settle().await?;
        // The servers' tasks share this thread's runtime and must go on meanwhile.
        tokio::task::block_in_place(|| subject.measure())
    }

    async fn settle(&self) -> Result<()> {
        let name = self.manifest.workload_name();
        wait::until("the rollout of the gateway", Duration::from_mins(1), async || {
            let deployment = self.deployments.get(&name).await?;
            let status = deployment.status.unwrap_or_default();
            let settled = status.observed_generation == deployment.metadata.generation
                && [
                    status.replicas,
                    status.updated_replicas,
                    status.available_replicas,
                ] == [Some(1); 3];
            Ok(settled.then_some(()))
        })
        .await
    }

    /// A rotation that discovers everything but its namespace.
    fn bare(&self) -> Subject {
        self.plugin(
            ["rotate", "--no-wait", "-n", &self.namespace]
                .map(str::to_owned)
                .into(),
        )
    }

    /// A rotation with every name given.
    fn named(&self, policy: &[&str]) -> Subject {
        let workload = format!("deploy/{}", self.manifest.workload_name());
        let secret = self.manifest.secret_name();
        let gateway = &self.gateway;
        let target = [
            ("--namespace", &self.namespace),
            ("--k8s-object", &workload),
            ("--token-secret", &secret),
            ("--apim-gateway", &gateway.name),
            ("--apim-instance", &gateway.service),
            ("--resource-group", &gateway.resource_group),
            ("--subscription-id", &gateway.subscription),
        ];
        let mut arguments = vec!["rotate".to_owned()];
        for (flag, value) in target {
            arguments.extend([flag.to_owned(), value.clone()]);
        }
        arguments.extend(policy.iter().map(|flag| (*flag).to_owned()));
        self.plugin(arguments)
    }

    fn plugin(&self, arguments: Vec<String>) -> Subject {
        let mut variables = self.sandbox.variables();
        for (name, _) in &mut variables {
            // The emulator's authority comes on top of the machine's roots, which every user's run reads.
            if *name == "SSL_CERT_FILE" {
                *name = "KUBECTL_APIM_AZURE_CA_FILE";
            }
        }
        variables.extend([
            ("AZURE_CLIENT_ID", self.principal.client_id.clone()),
            ("AZURE_CLIENT_SECRET", self.principal.client_secret.clone()),
            ("AZURE_TENANT_ID", self.principal.tenant.clone()),
        ]);
        Subject {
            program: self.plugin.clone(),
            arguments,
            variables,
        }
    }

    /// The least that kubectl does with the same Secret.
    fn get_secret(&self) -> Subject {
        let home = self.sandbox.control_plane().directory().display().to_string();
        let kubeconfig = self.sandbox.kubeconfig_path().display().to_string();
        let secret = self.manifest.secret_name();
        Subject {
            program: self.kubectl.clone(),
            arguments: ["get", "secret", &secret, "-n", &self.namespace]
                .map(str::to_owned)
                .into(),
            variables: vec![("KUBECONFIG", kubeconfig), ("HOME", home)],
        }
    }
}

/// Time, CPU and memory of a rotation, beside those of kubectl.
fn costs(rotations: &[Sample], gets: &[Sample]) -> Vec<Row> {
    vec![
        Row::beside("one rotation, time", wall(rotations), wall(gets), 0.45),
        Row::faster(
            "one rotation, time, against the script's 3.5 s",
            wall(rotations),
            SCRIPT_WALL,
            150.0,
        ),
        Row::beside("one rotation, CPU", cpu(rotations), cpu(gets), 0.14),
        Row::faster(
            "one rotation, CPU, against the script's 3.4 s",
            cpu(rotations),
            SCRIPT_CPU,
            450.0,
        ),
        Row::memory(
            "one rotation, peak memory",
            memory(rotations),
            Some(memory(gets)),
            12 * MIB,
        ),
    ]
}

fn all(traffic: &Traffic) -> usize {
    traffic.kubernetes.len() + traffic.waiting.len()
}
