use std::collections::BTreeMap;

use uuid::Uuid;

use crate::apply::Proof;
use crate::error::{Error, Result};
use crate::model::entra::facts::EntraFacts;
use crate::model::entra::{Id, Made};
use crate::model::known;
use crate::plan::entra::{Action, StepOutcome};

/// The ids of what is there, by the names of the plan.
pub(super) type Ids = BTreeMap<&'static str, String>;

/// Everything that a set-up changes or observes outside the process.
pub(super) trait SetupEffects {
    /// Has the API server check every write to the cluster. The failure comes with the
    /// place of its step.
    async fn rehearse(&mut self, steps: &[(usize, &Action)]) -> Result<(), (usize, Failure)>;
    /// Carries out an action, unless it is done already.
    async fn carry_out(&mut self, action: &Action, known: &Known) -> Result<Ids, Failure>;
    /// Removes credentials of the app that nobody can use.
    async fn remove(&mut self, credentials: &[Uuid]) -> Result<()>;
    /// Waits until Azure accepts what the gateway will present. `is_new` if this run
    /// wrote something.
    async fn arrival(&mut self, known: &Known, is_new: bool) -> Arrived;
    /// Waits for the proof by new pods; the id is that of an earlier run, or `None` for
    /// those that this run replaces.
    async fn prove(&mut self, earlier: Option<&Action>) -> Proof;
    /// Records on the workload that its pods have proved the credential, or that nobody
    /// waits for that.
    async fn record(&mut self, earlier: Option<&Action>, is_proved: bool) -> Result<()>;
    /// Gives the workload back what this run has changed.
    async fn put_back(&mut self) -> Result<Undone>;
}

/// What became of a workload whose pods Azure refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Undone {
    /// It is as it was before.
    Done {
        /// The fields of this run that something else has changed, and that stay.
        kept: Vec<String>,
        /// What is left to somebody else.
        left: Option<String>,
    },
    /// An earlier run changed it, so what it was before is not known.
    ByEarlierRun,
}

/// Whether Azure accepts what the gateway will present.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Arrived {
    /// By the evidence given.
    Yes(String),
    /// That cannot be seen from here, for the reason given.
    PodsDecide(String),
    /// Waiting longer would not help.
    Refused(String),
    /// Somebody else has to allow it.
    Forbidden { why: String, hint: String },
    /// Not before the deadline.
    NotYet(String),
}

/// Why an action was not carried out.
#[derive(Debug)]
pub(super) enum Failure {
    /// A right is missing.
    Forbidden(Error),
    Failed(Error),
    /// It may have been carried out.
    Unknown(Error),
    /// Something else has changed it since the plan was made. The same command makes a
    /// new plan.
    Changed(Error),
    /// There was not enough time for it.
    OutOfTime(Error),
}

impl Failure {
    pub(super) fn outcome(&self) -> StepOutcome {
        match self {
            Self::Forbidden(error) => StepOutcome::Forbidden(in_words(error)),
            Self::Failed(error) | Self::Changed(error) => StepOutcome::Failed(in_words(error)),
            Self::Unknown(error) => StepOutcome::Unknown(in_words(error)),
            Self::OutOfTime(_) => StepOutcome::NotReached,
        }
    }

    /// What the same command still has to do, if that can help.
    pub(super) fn owed(&self) -> Option<String> {
        match self {
            Self::OutOfTime(error) => Some(in_words(error)),
            Self::Changed(_) => Some("what was to be written needs a new plan".to_owned()),
            _ => None,
        }
    }
}

fn in_words(error: &Error) -> String {
    match error.hints().first() {
        Some(hint) => format!("{error}; {hint}"),
        None => error.to_string(),
    }
}

/// The ids that steps need of those before them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Known {
    /// The client id.
    pub(super) app: Option<Uuid>,
    /// The object id.
    pub(super) service_principal: Option<Uuid>,
    /// The principal id.
    pub(super) instance: Option<Uuid>,
}

impl Known {
    pub(super) fn of(facts: &EntraFacts) -> Self {
        let app = known(&facts.app);
        let principal = app.and_then(|app| app.service_principal.as_ref().ok()?.as_ref());
        Self {
            app: facts.client_id(),
            service_principal: principal.map(|it| it.id),
            instance: facts.instance.as_ref().ok().and_then(|it| it.identity.principal),
        }
    }

    /// Adds what a step has made.
    pub(super) fn learn(&mut self, action: &Action, ids: &Ids) {
        let id = |name| ids.get(name).and_then(|id| Uuid::try_parse(id).ok());
        match action {
            Action::CreateApp { .. } => self.app = id("clientId").or(self.app),
            Action::CreateServicePrincipal { .. } => {
                self.service_principal = id("servicePrincipalId").or(self.service_principal);
            }
            Action::EnableIdentity { .. } | Action::AwaitIdentity => {
                self.instance = id("principalId").or(self.instance);
            }
            _ => {}
        }
    }

    pub(super) fn resolve(&self, id: Id) -> Result<Uuid, Failure> {
        let (found, what) = match id {
            Id::Known(id) => return Ok(id),
            Id::Of(Made::App) => (self.app, "the client id of the app"),
            Id::Of(Made::ServicePrincipal) => (self.service_principal, "the id of the service principal"),
            Id::Of(Made::InstanceIdentity) => (self.instance, "the id of the instance's identity"),
        };
        found.ok_or_else(|| Failure::Failed(Error::failed(format!("{what} is not known"))))
    }
}
