//! A rotation at a distance from its servers: what it takes beside the round trips that depend on each other.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use apim_sandbox::Sandbox;
use apim_sandbox::relay::Relay;
use serde_json::Value;

use crate::measure::{Sample, Subject, wall};
use crate::table::Row;

/// The round trip to Azure and to Kubernetes.
const AZURE: Duration = Duration::from_millis(50);
const KUBERNETES: Duration = Duration::from_millis(20);

/// How much more than its floor a rotation may take.
const LIMIT: f64 = 1.15;

/// The round trips of a rotation. The first two stretches run side by side, the third follows both.
const TO_SIGN_IN: [&str; 4] = [
    "TCP to the proxy",
    "CONNECT to the login host",
    "TLS 1.3 to it",
    "the access token; beside them the same to Azure Resource Manager",
];
const TO_THE_CLUSTER: [&str; 4] = [
    "TCP to the API server",
    "TLS 1.3 to it",
    "the workload and the Secret",
    "the dry runs of both patches",
];
const TO_MINT: [&str; 1] = ["generateToken"];
const TO_WRITE: [&str; 2] = ["the patch of the Secret", "the patch of the workload"];

/// What was measured at a distance.
pub(crate) struct Distance {
    /// Runs with `--cloud`.
    given: Vec<Sample>,
    /// Runs that take the cloud from the endpoint.
    found: Vec<Sample>,
}

/// Relays in front of the servers.
pub(crate) struct Relays {
    azure: Relay,
    _kubernetes: Relay,
    kubeconfig: tempfile::NamedTempFile,
}

impl Relays {
    pub(crate) fn start(sandbox: &Sandbox) -> Result<Self> {
        let url = |text: &str| {
            let (_, address) = text.split_once("://").context("an address has a scheme")?;
            address.parse().context("an address is on loopback")
        };
        let kubernetes = Relay::start(url(sandbox.control_plane().url())?, KUBERNETES)?;
        let azure = Relay::start(url(&sandbox.azure().proxy_url())?, AZURE)?;
        let text = std::fs::read_to_string(sandbox.kubeconfig_path())?;
        let mut config: Value = serde_json::from_str(&text)?;
        config["clusters"][0]["cluster"]["server"] = format!("https://{}", kubernetes.address()).into();
        let kubeconfig = tempfile::NamedTempFile::new()?;
        std::fs::write(kubeconfig.path(), config.to_string())?;
        Ok(Self {
            azure,
            _kubernetes: kubernetes,
            kubeconfig,
        })
    }

    /// The same run at a distance.
    pub(crate) fn in_front_of(&self, mut subject: Subject) -> Subject {
        let path = |path: &Path| path.display().to_string();
        for (name, value) in &mut subject.variables {
            match *name {
                "KUBECONFIG" => *value = path(self.kubeconfig.path()),
                "HTTPS_PROXY" => *value = format!("http://{}", self.azure.address()),
                _ => {}
            }
        }
        subject
    }
}

impl Distance {
    pub(crate) fn new(given: Vec<Sample>, found: Vec<Sample>) -> Self {
        Self { given, found }
    }

    pub(crate) fn rows(&self) -> [Row; 2] {
        let row = |what: &str, samples: &[Sample]| Row::over_floor(what, wall(samples), floor(), LIMIT);
        [
            row("at a distance, `--cloud` given, time", &self.given),
            row("at a distance, time", &self.found),
        ]
    }

    pub(crate) fn given(&self) -> Duration {
        wall(&self.given)
    }

    pub(crate) fn found(&self) -> Duration {
        wall(&self.found)
    }
}

/// The time of the longest chain of round trips.
pub(crate) fn floor() -> Duration {
    let trips = |names: &[&str], trip: Duration| trip * u32::try_from(names.len()).unwrap_or(u32::MAX);
    trips(&TO_SIGN_IN, AZURE).max(trips(&TO_THE_CLUSTER, KUBERNETES))
        + trips(&TO_MINT, AZURE)
        + trips(&TO_WRITE, KUBERNETES)
}

/// The round trips of the floor.
pub(crate) fn chain() -> String {
    let mut text = String::new();
    for (what, names, trip) in [
        ("sign in", &TO_SIGN_IN[..], AZURE),
        ("beside it, read the cluster", &TO_THE_CLUSTER, KUBERNETES),
        ("then mint", &TO_MINT, AZURE),
        ("then write", &TO_WRITE, KUBERNETES),
    ] {
        let count = u32::try_from(names.len()).unwrap_or(u32::MAX);
        let _ = writeln!(
            text,
            "- {what}: {} × {} ms = {} ms ({})",
            count,
            trip.as_millis(),
            (trip * count).as_millis(),
            names.join(", ")
        );
    }
    text
}
