//! `status --watch`: prints a gateway again when it changes.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::StreamExt;
use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, sleep_until};

use super::shared::{print_nothing_found, table_options};
use crate::cluster::watch::{WatchEvent, Watched, Watches};
use crate::cluster::{Cluster, explain};
use crate::commands::Context;
use crate::discover::gateways::{Rotators, StatusFacts, gateways, gateways_of};
use crate::error::{Error, Result};
use crate::model::request::{Scope, Selection, StatusFormat};
use crate::model::{Auth, Gap, WorkloadRef};
use crate::output::Screen;
use crate::report::status::WatchReport;
use crate::settings::{StatusSettings, rotate_request};

/// The time to wait for further changes: a rotation writes two objects, and a
/// rollout many.
const DEBOUNCE: Duration = Duration::from_millis(250);

/// The shortest time between two reads, to limit the load on the API server
/// when objects change all the time.
const MIN_INTERVAL: Duration = Duration::from_secs(1);

/// The time between a failed read and the next one.
const RETRY_INTERVAL: Duration = Duration::from_secs(30);

/// The longest time between two looks at the clock. The timers stop while the
/// machine sleeps, and the next answer of the API server corrects the clock.
const CLOCK_INTERVAL: Duration = Duration::from_mins(1);

/// The same where the table is drawn in place: it says how much time is left.
const DRAW_INTERVAL: Duration = Duration::from_secs(5);

/// Up to this number, changed namespaces are read one by one; more are read
/// with one set of lists for all namespaces.
const MAX_SINGLE_NAMESPACES: usize = 4;

/// Runs until stdout is closed, or nothing can be watched any more.
pub(super) async fn run(settings: &StatusSettings, cluster: &Cluster, context: &Context) -> Result<u8> {
    context.interrupt.watching.set(true);
    let scope = settings.selection.scope(&cluster.namespace);
    // The watches start before the first read, so that no change is missed.
    let mut watches = cluster.watch(&scope);
    let mut run = Run {
        settings,
        cluster,
        context,
        scope,
        report: WatchReport::new(
            settings.output,
            settings.sort_by,
            table_options(settings, context),
        ),
        rotators: None,
        named: None,
        has_identity: false,
        shown_warnings: BTreeSet::new(),
        screen: match settings.output {
            StatusFormat::Table | StatusFormat::Wide => context.output.screen(),
            _ => None,
        },
        changes: Changes::default(),
        not_before: Instant::now(),
    };
    if !run.start(&mut watches).await? {
        return Ok(0);
    }
    if run.report.is_empty() {
        print_nothing_found(settings, cluster, &context.output).await?;
    }
    run.follow(&mut watches).await
}

/// Changes whose namespaces were not read again yet.
#[derive(Debug, Default)]
struct Changes {
    /// Whether all namespaces have to be read.
    all: bool,
    namespaces: BTreeSet<String>,
    /// The time of the first change.
    since: Option<Instant>,
}

struct Run<'a> {
    settings: &'a StatusSettings,
    cluster: &'a Cluster,
    context: &'a Context,
    scope: Scope,
    report: WatchReport,
    rotators: Option<Rotators>,
    /// The named workloads, if any were named.
    named: Option<BTreeSet<WorkloadRef>>,
    /// Whether a gateway was found whose identity a `ServiceAccount` decides on.
    has_identity: bool,
    /// Each warning is printed once.
    shown_warnings: BTreeSet<String>,
    /// Where all gateways are drawn in place, instead of the changed ones one after the other.
    screen: Option<Screen>,
    changes: Changes,
    /// The earliest time of the next read.
    not_before: Instant,
}

impl Run<'_> {
    /// Waits until the watches have started, and prints all gateways. False if
    /// stdout is closed.
    async fn start(&mut self, watches: &mut Watches) -> Result<bool> {
        let mut waiting = BTreeSet::from(Watched::ALWAYS);
        while !waiting.is_empty()
            && let Some((what, event)) = watches.next().await
        {
            if !matches!(event, WatchEvent::Changed { .. }) {
                waiting.remove(&what);
            }
            self.add(what, event)?;
        }
        self.changes = Changes::default();
        let found = gateways(self.cluster, &self.settings.selection, rotate_request).await?;
        for warning in Gap::warnings(&found.gaps) {
            self.warn(&warning);
        }
        if !self.settings.selection.names.is_empty() {
            let named = found.gateways.iter().map(|facts| facts.workload.clone());
            self.named = Some(named.collect());
        }
        let text = self.update(None, found)?;
        self.show(&text)
    }

    /// Shows the changed gateways. False if stdout is closed.
    fn show(&mut self, changed: &str) -> Result<bool> {
        match &mut self.screen {
            Some(screen) => screen.draw(&self.report.screen(self.cluster.now(), screen.size())),
            None if changed.is_empty() => Ok(true),
            None => self.context.output.more_data(changed),
        }
    }

    async fn follow(mut self, watches: &mut Watches) -> Result<u8> {
        let mut watches_accounts = false;
        loop {
            if self.has_identity && !watches_accounts {
                watches_accounts = true;
                watches.push(self.cluster.watch_of(Watched::ServiceAccounts, &self.scope));
            }
            let next_change = Instant::now() + self.until_next_change();
            let settled = self.changes.since.map(|since| since + DEBOUNCE);
            let next_read = settled.map(|settled| settled.max(self.not_before));
            let text = tokio::select! {
                event = watches.next() => {
                    let (what, event) = event.ok_or_else(|| nothing_to_watch(&self.scope))?;
                    self.add(what, event)?;
                    continue;
                }
                () = sleep_until(next_read.unwrap_or(next_change)), if next_read.is_some() => self.read_changes().await?,
                () = sleep_until(next_change) => self.report.update_verdicts(self.cluster.now())?,
            };
            if !self.show(&text)? {
                return Ok(0);
            }
        }
    }

    /// The time until a verdict may change without any change in the cluster.
    fn until_next_change(&self) -> Duration {
        let now = self.cluster.now();
        let left = |at: Timestamp| at.duration_since(now).max(SignedDuration::ZERO);
        let left = self.report.next_change(now).map(left);
        let left = left.and_then(|left| Duration::try_from(left).ok());
        let longest = match self.screen {
            Some(_) => DRAW_INTERVAL,
            None => CLOCK_INTERVAL,
        };
        left.map_or(longest, |left| left.min(longest))
    }

    fn add(&mut self, what: Watched, event: WatchEvent) -> Result<()> {
        let plural = what.plural();
        let doing = format!("watching the {plural} of {}", self.scope);
        match event {
            WatchEvent::Listed => self.mark_all(),
            WatchEvent::Changed { namespace, declared } => self.changed(what, namespace, declared),
            WatchEvent::Forbidden(error) => {
                let why = explain(error, &doing);
                self.warn(&format!("changes of {plural} will not be shown: {why}"));
            }
            WatchEvent::Failing(error) => {
                let signed_out = match &error {
                    kube::Error::Api(status) => status.code == 401,
                    kube::Error::Auth(_) => true,
                    _ => false,
                };
                // A server that has never answered probably has a wrong address.
                let is_fatal = signed_out || self.cluster.clock.now().is_none();
                let error = explain(error, &doing);
                if is_fatal {
                    return Err(error);
                }
                self.warn(&format!("changes of {plural} may be shown late: {error}"));
            }
        }
        Ok(())
    }

    fn changed(&mut self, what: Watched, namespace: String, declared: bool) {
        let relevant = match what {
            // A CronJob of any namespace may rotate gateways of all namespaces.
            Watched::CronJobs if self.scope == Scope::Everywhere => {
                if declared || self.report.has_cron_job_in(&namespace) {
                    self.mark_all();
                }
                return;
            }
            // It may have become a gateway.
            _ if what.is_workload() && declared => true,
            _ => self.report.has_gateway_in(&namespace),
        };
        if relevant {
            self.changes.since.get_or_insert_with(Instant::now);
            self.changes.namespaces.insert(namespace);
        }
    }

    fn mark_all(&mut self) {
        self.changes.since.get_or_insert_with(Instant::now);
        self.changes.all = true;
    }

    /// Reads the changed namespaces and returns the changed gateways as text. A
    /// failed read is repeated later.
    async fn read_changes(&mut self) -> Result<String> {
        let Changes { all, namespaces, .. } = std::mem::take(&mut self.changes);
        let all = all || self.scope != Scope::Everywhere || namespaces.len() > MAX_SINGLE_NAMESPACES;
        let rotators = self.rotators.clone().filter(|_| !all);
        let result = match &rotators {
            Some(rotators) => self.read(&namespaces, rotators).await,
            None => self.read_all().await,
        };
        let found = match result {
            Ok(found) => found,
            Err(error) => {
                self.warn(&error.to_string());
                self.mark_all();
                self.not_before = Instant::now() + RETRY_INTERVAL;
                return Ok(String::new());
            }
        };
        self.not_before = Instant::now() + MIN_INTERVAL;
        self.update(rotators.is_some().then_some(&namespaces), found)
    }

    /// The changed gateways, of these namespaces or of all, as text.
    fn update(&mut self, namespaces: Option<&BTreeSet<String>>, found: StatusFacts) -> Result<String> {
        self.rotators = found.rotators;
        let mut auths = found.gateways.iter().map(|facts| facts.auth);
        self.has_identity |= auths.any(|auth| auth == Auth::WorkloadIdentity);
        self.report.update(namespaces, found.gateways, self.cluster.now())
    }

    async fn read(&self, namespaces: &BTreeSet<String>, rotators: &Rotators) -> Result<StatusFacts> {
        let mut all = StatusFacts {
            gateways: Vec::new(),
            gaps: Vec::new(),
            rotators: Some(rotators.clone()),
        };
        for namespace in namespaces {
            let found = gateways_of(self.cluster, namespace, &self.settings.selection, rotators).await?;
            all.gateways.extend(found.gateways);
        }
        Ok(all)
    }

    async fn read_all(&self) -> Result<StatusFacts> {
        let selection = &self.settings.selection;
        let Some(named) = &self.named else {
            return gateways(self.cluster, selection, rotate_request).await;
        };
        // Reading a deleted workload by its name would be an error.
        let any_name = Selection {
            names: Vec::new(),
            ..selection.clone()
        };
        let mut found = gateways(self.cluster, &any_name, rotate_request).await?;
        found.gateways.retain(|facts| named.contains(&facts.workload));
        Ok(found)
    }

    fn warn(&mut self, warning: &str) {
        if !self.shown_warnings.insert(warning.to_owned()) {
            return;
        }
        let output = &self.context.output;
        match &mut self.screen {
            Some(screen) => screen.above(|| output.warning(warning)),
            None => output.warning(warning),
        }
    }
}

fn nothing_to_watch(scope: &Scope) -> Error {
    Error::failed(format!(
        "no resource of {scope} may be watched, so no change would be shown"
    ))
    .hint("--watch needs the verbs list and watch; to see the current state only, omit it")
}
