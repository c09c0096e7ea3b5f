//! The document of all figures, with what a reader must know to trust them.

use std::fmt;

use crate::fleet::{Figures, PAIRS, ROTATIONS};
use crate::table::Table;

/// What was measured; a part may be left out of a run.
pub(crate) struct Report {
    pub(crate) single: Option<Table>,
    pub(crate) fleet: Option<Figures>,
}

impl Report {
    /// Whether every bound is kept.
    pub(crate) fn is_met(&self) -> bool {
        let fleet = self.fleet.iter().map(|figures| &figures.table);
        self.single.iter().chain(fleet).all(Table::is_met)
    }

    /// The document, if nothing was left out.
    pub(crate) fn document(&self, machine: &str, pairs: usize) -> Option<String> {
        let single = self.single.as_ref()?;
        let Figures { table, costs } = self.fleet.as_ref()?;
        Some(format!(
            "# Benchmarks

Made by `cargo bench-rotate --write` on this machine: {machine}.

## One gateway

{single}
One rotation is `kubectl-apim rotate --force --no-wait` with the target told by flags, from the start of the process
to its end: it signs in, mints, writes the Secret and restarts the workload. Beside it runs `kubectl get secret`
against the same API server, in turn, {pairs} times each after two that do not count. Times and CPU are medians, memory is
the largest of all runs. The API server is a real one, Azure is an emulator on the same machine, so that the servers'
own latency is next to nothing here. A bare rotation is told its namespace and finds everything else.

## A fleet

{table}
The fleet is 1,000 gateways of 40 API Management services, in one namespace for each service, with 5,000 pods. Its API
server runs without controllers, scheduler and nodes: pods and statuses are written as these would have written them,
and nothing else uses the machine meanwhile.

`status -A` runs beside `kubectl get pods -A`, in turn, {PAIRS} times each after two that do not count; the medians count.

`rotate -A` is `kubectl-apim rotate -A --no-wait --yes`. Before each run all gateways are as if never rotated, so that
each of them is minted for, written and restarted, which is counted afterwards. The principal is a new one, whose token
buckets are full, and the emulator enforces them as Azure does: for each subscription 200 writes at once and then 10 a
second. Where all services are in one subscription, that is the limit: 1,000 gateways need 80 s at least, and 105 s if a
fifth of the budget is left to others, which is the default without `--burst`. These runs are made once each.

Where each service has a subscription of its own, its 25 gateways fit into one bucket, and the rest is work: that of
the program, of the API server and of the emulator, which share the machine's cores. The table of costs has these
rotations, as medians of {ROTATIONS} runs. Smaller fleets are of the same kind: 25 gateways a service, five pods a gateway.

{costs}"
        ))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(table) = &self.single {
            write!(f, "\n{table}")?;
        }
        if let Some(Figures { table, costs }) = &self.fleet {
            write!(f, "\n{table}\n{costs}")?;
        }
        Ok(())
    }
}
