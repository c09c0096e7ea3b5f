//! `status --watch`: each gateway again when something about it has changed.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::StreamExt;
use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, sleep_until};

use super::{Context, layout, nothing_found};
use crate::cluster::list::Scope;
use crate::cluster::watch::{Notice, Watched, Watches};
use crate::cluster::{Cluster, explain};
use crate::discover::gateways::{Rotators, StatusFacts, gateways, gateways_of};
use crate::error::{Error, Result};
use crate::model::WorkloadRef;
use crate::report::status::WatchReport;
use crate::settings::{Selection, StatusSettings};

/// How long to wait for what belongs to a change: a rotation writes two
/// objects, and a rollout many.
const SETTLE: Duration = Duration::from_millis(250);

/// The least time between two looks, so that a namespace that never rests
/// costs the API server little.
const PAUSE: Duration = Duration::from_secs(1);

/// After a look that failed.
const LONG_PAUSE: Duration = Duration::from_secs(30);

/// How often the time is looked at. A machine that sleeps stops its clocks,
/// and the server's is known anew with its next answer.
const GLANCE: Duration = Duration::from_mins(1);

/// Up to so many namespaces are looked at one by one; more, all at once.
const FEW_NAMESPACES: usize = 4;

/// Runs until nobody reads any more, or nothing can be watched.
pub(super) async fn run(settings: &StatusSettings, cluster: &Cluster, context: &Context) -> Result<u8> {
    let scope = settings.selection.scope(cluster);
    // The watches begin before the first look, so that no change falls in
    // between.
    let mut watches = cluster.watch(&scope);
    let mut run = Run {
        settings,
        cluster,
        context,
        scope,
        stream: WatchReport::new(settings.output, settings.sort_by, layout(settings)),
        rotators: None,
        named: None,
        told: BTreeSet::new(),
        dirty: Dirty::default(),
        not_before: Instant::now(),
    };
    if !run.begin(&mut watches).await? {
        return Ok(0);
    }
    if run.stream.is_empty() {
        context.output.note(&nothing_found(settings, cluster)?);
    }
    run.go_on(&mut watches).await
}

/// What is to be looked at again.
#[derive(Debug, Default)]
struct Dirty {
    all: bool,
    namespaces: BTreeSet<String>,
    /// When the first of it was noticed of.
    since: Option<Instant>,
}

struct Run<'a> {
    settings: &'a StatusSettings,
    cluster: &'a Cluster,
    context: &'a Context,
    scope: Scope,
    stream: WatchReport,
    rotators: Option<Rotators>,
    /// Where workloads were named: which these are.
    named: Option<BTreeSet<WorkloadRef>>,
    /// The warnings so far; none is given twice.
    told: BTreeSet<String>,
    dirty: Dirty,
    not_before: Instant,
}

impl Run<'_> {
    /// Waits until all watches have begun that can, and looks for the first
    /// time; false when nobody reads.
    async fn begin(&mut self, watches: &mut Watches) -> Result<bool> {
        let mut waiting = BTreeSet::from(Watched::ALL);
        while !waiting.is_empty()
            && let Some((what, notice)) = watches.next().await
        {
            if !matches!(notice, Notice::Changed { .. }) {
                waiting.remove(&what);
            }
            self.add(what, notice)?;
        }
        self.dirty = Dirty::default();
        let found = gateways(self.cluster, &self.settings.selection).await?;
        for warning in &found.warnings {
            self.warn(warning);
        }
        if !self.settings.selection.names.is_empty() {
            let named = found.gateways.iter().map(|facts| facts.workload.clone());
            self.named = Some(named.collect());
        }
        self.rotators = found.rotators;
        let news = self.stream.update(None, found.gateways, self.cluster.now())?;
        self.context.output.more_data(&news)
    }

    async fn go_on(mut self, watches: &mut Watches) -> Result<u8> {
        loop {
            let next_change = Instant::now() + self.until_next_change();
            let noticed = self.dirty.since.map(|since| since + SETTLE);
            let look = noticed.map(|noticed| noticed.max(self.not_before));
            let news = tokio::select! {
                notice = watches.next() => {
                    let (what, notice) = notice.ok_or_else(|| nothing_to_watch(&self.scope))?;
                    self.add(what, notice)?;
                    continue;
                }
                () = sleep_until(look.unwrap_or(next_change)), if look.is_some() => self.look_again().await?,
                () = sleep_until(next_change) => self.stream.update_verdicts(self.cluster.now())?,
            };
            if !news.is_empty() && !self.context.output.more_data(&news)? {
                return Ok(0);
            }
        }
    }

    /// How long it is until time alone may change something.
    fn until_next_change(&self) -> Duration {
        let now = self.cluster.now();
        let left = |at: Timestamp| at.duration_since(now).max(SignedDuration::ZERO);
        let left = self.stream.next_change(now).map(left);
        let left = left.and_then(|left| Duration::try_from(left).ok());
        left.map_or(GLANCE, |left| left.min(GLANCE))
    }

    fn add(&mut self, what: Watched, notice: Notice) -> Result<()> {
        let plural = what.plural();
        let doing = format!("watching the {plural} of {}", self.scope);
        match notice {
            Notice::Listed => self.mark_all(),
            Notice::Changed { namespace, declared } => self.changed(what, namespace, declared),
            Notice::Forbidden(error) => {
                let why = explain(error, &doing);
                self.warn(&format!("changes of {plural} will not be noticed: {why}"));
            }
            Notice::Failing(error) => {
                let signed_out = matches!(&error, kube::Error::Api(status) if status.code == 401);
                // One that has never answered is more likely a wrong address.
                let is_over = signed_out || self.cluster.clock.now().is_none();
                let error = explain(error, &doing);
                if is_over {
                    return Err(error);
                }
                self.warn(&format!("changes of {plural} may be noticed late: {error}"));
            }
        }
        Ok(())
    }

    fn changed(&mut self, what: Watched, namespace: String, declared: bool) {
        let matters = match what {
            // One that rotates in all namespaces may stand in any.
            Watched::CronJobs if self.scope == Scope::Everywhere => {
                if declared || self.stream.has_cron_job_in(&namespace) {
                    self.mark_all();
                }
                return;
            }
            // It may be a gateway's.
            _ if what.is_workload() && declared => true,
            _ => self.stream.has_gateway_in(&namespace),
        };
        if matters {
            self.dirty.since.get_or_insert_with(Instant::now);
            self.dirty.namespaces.insert(namespace);
        }
    }

    fn mark_all(&mut self) {
        self.dirty.since.get_or_insert_with(Instant::now);
        self.dirty.all = true;
    }

    /// Looks at what has changed, and says what is new. What fails is tried
    /// again.
    async fn look_again(&mut self) -> Result<String> {
        let Dirty { all, namespaces, .. } = std::mem::take(&mut self.dirty);
        let all = all || self.scope != Scope::Everywhere || namespaces.len() > FEW_NAMESPACES;
        let rotators = self.rotators.clone().filter(|_| !all);
        let looked = match &rotators {
            Some(rotators) => self.look_into(&namespaces, rotators).await,
            None => self.look_at_all().await,
        };
        let found = match looked {
            Ok(found) => found,
            Err(error) => {
                self.warn(&error.to_string());
                self.mark_all();
                self.not_before = Instant::now() + LONG_PAUSE;
                return Ok(String::new());
            }
        };
        self.not_before = Instant::now() + PAUSE;
        let looked_at = rotators.is_some().then_some(&namespaces);
        self.rotators = found.rotators;
        self.stream.update(looked_at, found.gateways, self.cluster.now())
    }

    async fn look_into(&self, namespaces: &BTreeSet<String>, rotators: &Rotators) -> Result<StatusFacts> {
        let mut all = StatusFacts {
            gateways: Vec::new(),
            warnings: Vec::new(),
            rotators: Some(rotators.clone()),
        };
        for namespace in namespaces {
            let found = gateways_of(self.cluster, namespace, &self.settings.selection, rotators).await?;
            all.gateways.extend(found.gateways);
        }
        Ok(all)
    }

    async fn look_at_all(&self) -> Result<StatusFacts> {
        let selection = &self.settings.selection;
        let Some(named) = &self.named else {
            return gateways(self.cluster, selection).await;
        };
        // To read one by its name that has gone would be an error.
        let any_name = Selection {
            names: Vec::new(),
            ..selection.clone()
        };
        let mut found = gateways(self.cluster, &any_name).await?;
        found.gateways.retain(|facts| named.contains(&facts.workload));
        Ok(found)
    }

    fn warn(&mut self, warning: &str) {
        if self.told.insert(warning.to_owned()) {
            self.context.output.warning(warning);
        }
    }
}

fn nothing_to_watch(scope: &Scope) -> Error {
    Error::failed(format!(
        "nothing of {scope} may be watched, so no change would be noticed"
    ))
    .hint("--watch needs the verbs list and watch on what it shows; without it, get and list do")
}
