//! An Azure and a cluster in which the process can die.

use jiff::Timestamp;

use super::super::*;
use super::NOW;
use crate::apply::entra::effects::Ids;
use crate::error::{Error, Result};
use crate::model::entra::facts::{AppKind, RunningPod};
use crate::model::entra::{CLIENT_ID_ANNOTATION, Mode, OwnPod, SetupRequest, SignsIn, USE_LABEL};
use crate::model::{Fact, known};
use crate::output::OutputSettings;
use crate::plan::entra::fixture::{self, newest_credential};
use crate::plan::entra::{Usage, refusal, replacement_id, replacement_ids, setup, stays};

/// When the first pod was created: before the Secret was written.
pub(super) const CREATED: &str = "2026-12-01T00:00:00Z";
/// When every other one was created.
const REPLACED: &str = "2027-01-01T01:00:00Z";

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
    /// The pods of the workload, each with the credential that it was really started with.
    pub(super) pods: Vec<(RunningPod, Option<Uuid>)>,
    /// What something else has changed of what a run has set.
    pub(super) kept: Vec<String>,
    /// The template before this run.
    pub(super) before: Option<crate::model::entra::facts::WorkloadSide>,
    /// Its pods before this run.
    pub(super) pods_before: Option<Fact<Vec<OwnPod>>>,
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
        let mut facts = fixture::facts();
        facts.cluster.own_pods = Ok(vec![OwnPod {
            created: CREATED.parse().ok(),
            ..OwnPod::default()
        }]);
        Self {
            facts,
            arrived: Arrived::Yes("served".to_owned()),
            proof: Proof::Proved("1 new pod is ready".to_owned()),
            dies: None,
            effects: 0,
            dead: false,
            apps: 0,
            credentials: 0,
            assignments: 0,
            replaced: 0,
            pods: Vec::new(),
            kept: Vec::new(),
            before: None,
            pods_before: None,
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
        let mut facts = self.facts.clone();
        if let Ok(pods) = &mut facts.cluster.pods {
            *pods = self.running();
        }
        let plan = setup(&facts, request, NOW.parse::<Timestamp>().unwrap()).unwrap();
        assert!(refusal(&plan.steps).is_none(), "{:?}", plan.steps);
        self.before = None;
        let output = Output::new(OutputSettings::default());
        let outcome = Order::new(self, (&plan, &facts), &output, wait).run().await;
        (plan, outcome)
    }

    /// What is listed: the pods of something else and those of the workload.
    fn running(&self) -> Vec<RunningPod> {
        let others = self.facts.cluster.pods.iter().flatten();
        others
            .chain(self.pods.iter().map(|(pod, _)| pod))
            .cloned()
            .collect()
    }

    /// Whether the app still has what each pod of the workload was started with.
    pub(super) fn pods_can_sign_in(&mut self) -> bool {
        let Ok(Some(app)) = &self.facts.app else {
            return false;
        };
        let ids: Vec<Uuid> = app.credentials().map(|it| it.key_id).collect();
        self.pods
            .iter()
            .all(|(_, id)| id.is_some_and(|id| ids.contains(&id)))
    }

    pub(super) fn id(&mut self) -> String {
        let stored = newest_credential(&mut self.facts);
        stored.map_or_else(|| "r1".to_owned(), |id| id.to_string())
    }

    fn replace(&mut self, mode: Mode) {
        let held = self.id();
        self.replaced += 1;
        let id = replacement_id(Uuid::from_u128(self.replaced as u128));
        let held_by_pods = newest_credential(&mut self.facts);
        let workload = self.facts.cluster.workload.as_mut().unwrap();
        workload.marks.rotation_ids = replacement_ids(Some(&held), &id);
        let pod = RunningPod {
            name: format!("pod/gw-{}", self.replaced),
            is_own: true,
            rotation_ids: workload.marks.rotation_ids.clone(),
            secrets: vec!["gw-entra".to_owned()],
            created: NOW.parse().ok(),
            ..RunningPod::default()
        };
        self.pods.push((pod, held_by_pods));
        workload.unproved = Some(id);
        workload.signs_in = Ok(SignsIn::By(mode));
        self.facts.cluster.own_pods = Ok(vec![self.new_pod()]);
    }

    /// A pod of the present template, as the webhook changes it.
    pub(super) fn new_pod(&self) -> OwnPod {
        let workload = self.facts.cluster.workload.as_ref().unwrap();
        let template = &workload.template;
        let account = self.facts.cluster.service_account.as_ref().unwrap().as_ref();
        let account = account.filter(|_| template.labels.contains_key(USE_LABEL));
        OwnPod {
            marks: workload.marks.clone(),
            created: REPLACED.parse().ok(),
            asks_for: account.map(|_| template.service_account.clone()),
            client_id: account.and_then(|it| it.annotations.get(CLIENT_ID_ANNOTATION).cloned()),
            tenant: account.map(|_| fixture::TENANT.to_string()),
        }
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
                world.pods_before = Some(world.facts.cluster.own_pods.clone());
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
        let pods = self.running();
        let of_secret = Usage {
            app: known(&self.facts.app),
            secret: "gw-entra",
            stored: known(&self.facts.cluster.secret),
        };
        let user = |id: &Uuid| of_secret.user_of(&pods, *id);
        let (kept, remove): (Vec<Uuid>, Vec<Uuid>) = credentials.iter().partition(|id| user(id).is_some());
        let why = kept.first().and_then(|id| Some(stays(*id, user(id)?)));
        self.effect(|world| {
            let of_pods = world.pods.iter().filter_map(|(_, id)| *id);
            assert_eq!(
                of_pods.filter(|id| remove.contains(id)).count(),
                0,
                "pods run with it"
            );
            fixture::apply(&mut world.facts, &Action::RemoveCredentials { remove });
        })?;
        why.map_or(Ok(()), |why| Err(Error::failed(why)))
    }

    async fn arrival(&mut self, _known: &Known, _is_new: bool) -> Arrived {
        let arrived = self.arrived.clone();
        self.effect(|_| arrived)
            .unwrap_or_else(|error| Arrived::NotYet(error.to_string()))
    }

    async fn prove(&mut self, _earlier: Option<&Action>) -> Proof {
        let proof = self.proof.clone();
        self.effect(|world| {
            if matches!(proof, Proof::Proved(_)) {
                let workload = world.facts.cluster.workload.as_ref().unwrap();
                let ids = &workload.marks.rotation_ids;
                world.pods.retain(|(pod, _)| pod.rotation_ids == *ids);
            }
            proof
        })
        .unwrap_or_else(|error| Proof::Undecided(error.to_string()))
    }

    async fn record(&mut self, _earlier: Option<&Action>, _is_proved: bool) -> Result<()> {
        self.effect(|world| world.facts.cluster.workload.as_mut().unwrap().unproved = None)
    }

    async fn put_back(&mut self) -> Result<Undone> {
        self.effect(|world| match world.before.take() {
            Some(before) => {
                let ids = &before.marks.rotation_ids;
                world.pods.retain(|(pod, _)| pod.rotation_ids == *ids);
                world.facts.cluster.workload = Some(before);
                world.facts.cluster.own_pods = world.pods_before.take().unwrap();
                let kept = world.kept.clone();
                Undone::Done { kept, left: None }
            }
            None => Undone::ByEarlierRun,
        })
    }
}
