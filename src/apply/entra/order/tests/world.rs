//! An Azure and a cluster in which the process can die.

use jiff::Timestamp;

use super::super::*;
use super::NOW;
use crate::apply::entra::effects::Ids;
use crate::error::{Error, Result};
use crate::model::entra::facts::AppKind;
use crate::model::entra::{Mode, SetupRequest, SignsIn};
use crate::output::OutputSettings;
use crate::plan::entra::fixture::{self, newest_credential};
use crate::plan::entra::{refusal, replacement_id, replacement_ids, setup};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    Before,
    After,
}

/// An Azure and a cluster, as facts.
#[derive(Clone)]
pub(super) struct World {
    pub(super) facts: EntraFacts,
    /// What Azure says before pods are replaced.
    pub(super) arrived: Arrived,
    /// What the pods say.
    pub(super) proof: Proof,
    /// The effect at which the process dies.
    pub(super) dies: Option<(usize, When)>,
    pub(super) effects: usize,
    pub(super) dead: bool,
    /// How often something of a kind was made.
    pub(super) apps: usize,
    pub(super) credentials: usize,
    pub(super) assignments: usize,
    pub(super) replaced: usize,
    /// What something else has changed of what a run has set.
    pub(super) kept: Vec<String>,
    /// The template before this run.
    pub(super) before: Option<crate::model::entra::facts::WorkloadSide>,
    /// What an action is refused with.
    pub(super) refuses: fn(&Action) -> Option<Failure>,
    /// What its rehearsal is refused with.
    pub(super) disturbs: fn(&Action) -> Option<Failure>,
}

pub(super) fn dead() -> Error {
    Error::failed("the process is dead")
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            facts: fixture::facts(),
            arrived: Arrived::Yes("served".to_owned()),
            proof: Proof::Proved("1 new pod is ready".to_owned()),
            dies: None,
            effects: 0,
            dead: false,
            apps: 0,
            credentials: 0,
            assignments: 0,
            replaced: 0,
            kept: Vec::new(),
            before: None,
            refuses: |_| None,
            disturbs: |_| None,
        }
    }

    /// Counts an effect, and does it unless the process dies before.
    fn effect<T>(&mut self, act: impl FnOnce(&mut Self) -> T) -> Result<T> {
        if self.dead {
            return Err(dead());
        }
        self.effects += 1;
        let dies = self
            .dies
            .filter(|(at, _)| *at == self.effects)
            .map(|(_, when)| when);
        if dies == Some(When::Before) {
            self.dead = true;
            return Err(dead());
        }
        let done = act(self);
        if dies == Some(When::After) {
            self.dead = true;
            return Err(dead());
        }
        Ok(done)
    }

    pub(super) async fn run(&mut self, request: &SetupRequest, wait: bool) -> (SetupPlan, SetupOutcome) {
        let facts = self.facts.clone();
        let plan = setup(&facts, request, NOW.parse::<Timestamp>().unwrap()).unwrap();
        assert!(refusal(&plan.steps).is_none(), "{:?}", plan.steps);
        self.before = None;
        let output = Output::new(OutputSettings::default());
        let outcome = Order::new(self, (&plan, &facts), &output, wait).run().await;
        (plan, outcome)
    }

    pub(super) fn id(&mut self) -> String {
        let stored = newest_credential(&mut self.facts);
        stored.map_or_else(|| "r1".to_owned(), |id| id.to_string())
    }

    fn replace(&mut self, mode: Mode) {
        let held = self.id();
        self.replaced += 1;
        let id = replacement_id(Uuid::from_u128(self.replaced as u128));
        let workload = self.facts.cluster.workload.as_mut().unwrap();
        workload.marks.rotation_ids = replacement_ids(Some(&held), &id);
        workload.unproved = Some(id);
        workload.signs_in = Ok(SignsIn::By(mode));
    }

    pub(super) fn secrets(&self) -> usize {
        match &self.facts.app {
            Ok(Some(app)) => match &app.kind {
                AppKind::Application(app) => app.secrets.len(),
                AppKind::Identity(..) => 0,
            },
            _ => 0,
        }
    }
}

impl SetupEffects for World {
    async fn rehearse(&mut self, steps: &[(usize, &Action)]) -> Result<(), (usize, Failure)> {
        let refused = steps
            .iter()
            .find_map(|(at, action)| Some((*at, (self.disturbs)(action)?)));
        refused.map_or(Ok(()), Err)
    }

    async fn carry_out(&mut self, action: &Action, known: &Known) -> Result<Ids, Failure> {
        if let Some(failure) = (self.refuses)(action) {
            return Err(failure);
        }
        match action {
            Action::Assign { principal, .. } => drop(known.resolve(*principal)?),
            Action::CreateServicePrincipal { app } => drop(known.resolve(*app)?),
            _ => {}
        }
        let mode = match &self.facts.cluster.secret {
            Ok(Some(_)) => Mode::AppSecret,
            _ => Mode::WorkloadIdentity,
        };
        self.effect(|world| {
            match action {
                Action::CreateApp { .. } => world.apps += 1,
                Action::AddSecret { .. } | Action::AddCertificate { .. } => world.credentials += 1,
                Action::Assign { .. } => world.assignments += 1,
                _ => {}
            }
            // What is left over goes later, by an effect of its own.
            let mut action = action.clone();
            if let Action::AddSecret { remove, .. } | Action::AddCertificate { remove, .. } = &mut action {
                remove.clear();
            }
            if action.replaces_pods() {
                world.before = world.facts.cluster.workload.clone();
            }
            fixture::apply(&mut world.facts, &action);
            if action.replaces_pods() {
                world.replace(mode);
            }
            let ids = [
                ("clientId", fixture::APP.to_string()),
                ("servicePrincipalId", fixture::PRINCIPAL.to_string()),
                ("principalId", fixture::INSTANCE.to_string()),
            ];
            Ids::from(ids)
        })
        .map_err(Failure::Unknown)
    }

    async fn remove(&mut self, credentials: &[Uuid]) -> Result<()> {
        let remove = credentials.to_vec();
        self.effect(|world| fixture::apply(&mut world.facts, &Action::RemoveCredentials { remove }))
    }

    async fn arrival(&mut self, _known: &Known, _is_new: bool) -> Arrived {
        let arrived = self.arrived.clone();
        self.effect(|_| arrived)
            .unwrap_or_else(|error| Arrived::NotYet(error.to_string()))
    }

    async fn prove(&mut self, _earlier: Option<&Action>) -> Proof {
        let proof = self.proof.clone();
        self.effect(|_| proof)
            .unwrap_or_else(|error| Proof::Undecided(error.to_string()))
    }

    async fn record(&mut self, _earlier: Option<&Action>, _is_proved: bool) -> Result<()> {
        self.effect(|world| world.facts.cluster.workload.as_mut().unwrap().unproved = None)
    }

    async fn put_back(&mut self) -> Result<Undone> {
        self.effect(|world| match world.before.take() {
            Some(before) => {
                world.facts.cluster.workload = Some(before);
                let kept = world.kept.clone();
                Undone::Done { kept, left: None }
            }
            None => Undone::ByEarlierRun,
        })
    }
}
