//! The runs on all gateways of a cluster, and their targets.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use apim_sandbox::azure::{Azure, Grant, Principal};
use apim_sandbox::control_plane::{ControlPlane, Options};
use apim_sandbox::fleet::{Fleet, Subscriptions};

use crate::costs::Costs;
use crate::machine::Kubectl;
use crate::measure::{Sample, Subject, cpu, memory, wall};
use crate::say;
use crate::table::{MIB, Row, Table};

/// The default size of the fleet.
pub(crate) const GATEWAYS: usize = 1000;

/// The sizes at which a fleet is measured on its way to the whole.
const SMALLER: [usize; 2] = [10, 100];

const PER_SERVICE: usize = 25;
const REPLICAS: u32 = 5;

/// Pairs of lists before those that count.
const WARM_UPS: usize = 2;
/// Pairs of lists that count.
pub(crate) const PAIRS: usize = 7;
/// Rotations of the whole fleet where no token bucket holds them up.
pub(crate) const ROTATIONS: usize = 3;

/// A thousand gateways need 80 s at least where ARM grants 200 writes and then ten a second.
const BURST_LIMIT: Duration = Duration::from_secs(82);
/// A thousand gateways need 105 s at least where a fifth of that is left to others.
const POLITE_LIMIT: Duration = Duration::from_secs(107);

/// What was measured on a fleet.
pub(crate) struct Figures {
    pub(crate) lists: Lists,
    /// All gateways in one subscription.
    pub(crate) burst: Rotations,
    /// The same, with a fifth of Azure's requests left to others.
    pub(crate) polite: Rotations,
    pub(crate) table: Table,
    pub(crate) costs: Costs,
}

/// A growing fleet, and the programs that are run on it.
pub(crate) struct FleetBench {
    control_plane: ControlPlane,
    fleet: Fleet,
    plugin: PathBuf,
    kubectl: PathBuf,
}

/// A list of everything by both programs, in turn.
pub(crate) struct Lists {
    pub(crate) status: Vec<Sample>,
    pub(crate) pods: Vec<Sample>,
}

/// Rotations of every gateway.
pub(crate) struct Rotations {
    pub(crate) samples: Vec<Sample>,
    /// The requests that ARM refused for their number.
    pub(crate) throttled: usize,
}

impl FleetBench {
    /// Starts a control plane that does nothing by itself.
    pub(crate) async fn prepare(plugin: &Path, kubectl: &Kubectl) -> Result<Self> {
        let options = Options {
            controllers: false,
            ..Options::default()
        };
        let control_plane = ControlPlane::start(options).await?;
        let fleet = Fleet::new(control_plane.client()?, PER_SERVICE, REPLICAS);
        Ok(Self {
            control_plane,
            fleet,
            plugin: plugin.to_owned(),
            kubectl: kubectl.path.clone(),
        })
    }

    /// Measures everything, up to this many gateways, and stops the control plane.
    pub(crate) async fn run(mut self, gateways: usize) -> Result<Figures> {
        let mut costs = Costs::default();
        for size in SMALLER.into_iter().filter(|size| *size < gateways) {
            self.measure(size, &mut costs).await?;
        }
        let (lists, free) = self.measure(gateways, &mut costs).await?;
        let burst = self.rotate(&["--burst"], Subscriptions::One).await?;
        let polite = self.rotate(&[], Subscriptions::One).await?;
        self.control_plane.shutdown().await;

        let mut rows = list_rows(&lists);
        rows.extend(paced_rows(
            "`rotate -A --burst`, one subscription",
            &burst,
            BURST_LIMIT,
        ));
        rows.extend(paced_rows("`rotate -A`, one subscription", &polite, POLITE_LIMIT));
        rows.extend(free_rows(
            "`rotate -A --burst`, a subscription for each instance",
            &free,
        ));
        let table = Table {
            beside: "kubectl get pods -A",
            rows,
        };
        Ok(Figures {
            lists,
            burst,
            polite,
            table,
            costs,
        })
    }

    /// Grows the fleet to this many gateways and measures what can be measured at any size.
    async fn measure(&mut self, gateways: usize, costs: &mut Costs) -> Result<(Lists, Rotations)> {
        self.grow(gateways).await?;
        let lists = self.list().await?;
        let mut rotations = self.rotate(&["--burst"], Subscriptions::PerService).await?;
        for _ in 1..ROTATIONS {
            let next = self.rotate(&["--burst"], Subscriptions::PerService).await?;
            rotations.samples.extend(next.samples);
            rotations.throttled += next.throttled;
        }
        costs.add("`rotate -A --burst`", gateways, &rotations.samples);
        costs.add("`status -A`", gateways, &lists.status);
        costs.add("`kubectl get pods -A`", gateways, &lists.pods);
        // Without controllers the last rotation would for ever look unfinished to the next list.
        let azure = Azure::start().await?;
        self.fleet.redeploy(&azure, Subscriptions::One).await?;
        Ok((lists, rotations))
    }

    async fn grow(&mut self, gateways: usize) -> Result<()> {
        let azure = Azure::start().await?;
        let start = Instant::now();
        self.fleet.grow(gateways, &azure, Subscriptions::One).await?;
        say(&format!(
            "the fleet has {gateways} gateways and {} pods after another {:.1} s",
            self.fleet.pods(),
            start.elapsed().as_secs_f64()
        ));
        Ok(())
    }

    async fn list(&self) -> Result<Lists> {
        let mut lists = Lists {
            status: Vec::new(),
            pods: Vec::new(),
        };
        for pair in 0..WARM_UPS + PAIRS {
            let samples = (
                measure(self.plugin(&["status", "-A"])).await?,
                measure(self.kubectl(&["get", "pods", "-A"])).await?,
            );
            if pair >= WARM_UPS {
                lists.status.push(samples.0);
                lists.pods.push(samples.1);
            }
        }
        Ok(lists)
    }

    /// Measures one rotation of all gateways, none of which has been rotated
    /// before, by a principal whose token buckets are full.
    async fn rotate(&self, pace: &[&str], subscriptions: Subscriptions) -> Result<Rotations> {
        let azure = Azure::start().await?;
        azure.enforce_buckets(true);
        self.fleet.redeploy(&azure, subscriptions).await?;
        let mut subject = self.plugin(&["rotate", "-A", "--no-wait", "--yes"]);
        subject
            .arguments
            .extend(pace.iter().map(|flag| (*flag).to_owned()));
        subject
            .variables
            .extend(self.azure_variables(&azure, subscriptions)?);

        let sample = measure(subject).await?;
        let gateways = self.fleet.gateways();
        let rotated = self.fleet.rotated().await?;
        ensure!(
            rotated == gateways,
            "the run has restarted {rotated} of {gateways} gateways"
        );
        let throttled = azure.requests_where(|request| request.status == Some(429));
        say(&format!(
            "{gateways} gateways are rotated after {:.1} s",
            sample.wall.as_secs_f64()
        ));
        Ok(Rotations {
            samples: vec![sample],
            throttled: throttled.len(),
        })
    }

    /// The variables with which a run reaches an emulator, as a principal that may mint tokens there.
    fn azure_variables(
        &self,
        azure: &Azure,
        subscriptions: Subscriptions,
    ) -> Result<Vec<(&'static str, String)>> {
        let used: BTreeSet<String> = self
            .fleet
            .in_azure(subscriptions)
            .map(|gateway| format!("/subscriptions/{}", gateway.subscription))
            .collect();
        let principal = used.iter().fold(Principal::random(), |principal, scope| {
            principal.with(Grant::token_operator(scope))
        });
        azure.add_principal(principal.clone());
        let ca_file = self.control_plane.directory().join("azure-ca.pem");
        std::fs::write(&ca_file, azure.ca_pem()).context("writing the emulator's authority")?;
        Ok(vec![
            ("HTTPS_PROXY", azure.proxy_url()),
            ("NO_PROXY", "127.0.0.1".to_owned()),
            ("KUBECTL_APIM_AZURE_CA_FILE", ca_file.display().to_string()),
            ("AZURE_CLIENT_ID", principal.client_id),
            ("AZURE_CLIENT_SECRET", principal.client_secret),
            ("AZURE_TENANT_ID", principal.tenant),
        ])
    }

    fn plugin(&self, arguments: &[&str]) -> Subject {
        self.subject(&self.plugin, arguments)
    }

    fn kubectl(&self, arguments: &[&str]) -> Subject {
        self.subject(&self.kubectl, arguments)
    }

    fn subject(&self, program: &Path, arguments: &[&str]) -> Subject {
        let kubeconfig = self.control_plane.kubeconfig_path().display().to_string();
        // kubectl keeps what it has discovered below its home.
        let home = self.control_plane.directory().display().to_string();
        Subject {
            program: program.to_owned(),
            arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
            variables: vec![("KUBECONFIG", kubeconfig), ("HOME", home)],
        }
    }
}

/// A run may take minutes, during which the program must listen for an interrupt.
async fn measure(subject: Subject) -> Result<Sample> {
    tokio::task::spawn_blocking(move || subject.measure()).await?
}

fn list_rows(lists: &Lists) -> Vec<Row> {
    let Lists { status, pods } = lists;
    vec![
        Row::beside("`status -A`, time", wall(status), wall(pods), 0.75),
        Row::memory(
            "`status -A`, peak memory",
            memory(status),
            Some(memory(pods)),
            64 * MIB,
        ),
    ]
}

/// Rotations whose pace is that of a token bucket.
fn paced_rows(what: &str, rotations: &Rotations, limit: Duration) -> Vec<Row> {
    let time = Row::at_most(&format!("{what}, time"), wall(&rotations.samples), limit);
    let mut rows = vec![time];
    rows.extend(common_rows(what, rotations));
    rows
}

/// Rotations that no token bucket holds up.
fn free_rows(what: &str, rotations: &Rotations) -> Vec<Row> {
    let limit = Duration::from_secs(3);
    let cpu = Row::at_most(&format!("{what}, CPU"), cpu(&rotations.samples), limit);
    let mut rows = vec![cpu];
    rows.extend(common_rows(what, rotations));
    rows
}

fn common_rows(what: &str, rotations: &Rotations) -> [Row; 2] {
    [
        Row::count(
            &format!("{what}: requests that ARM throttled"),
            rotations.throttled,
            0,
        ),
        Row::memory(
            &format!("{what}, peak memory"),
            memory(&rotations.samples),
            None,
            32 * MIB,
        ),
    ]
}
