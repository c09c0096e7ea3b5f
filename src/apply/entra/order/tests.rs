//! The order of the effects, in a world that can end the run before or after each.

use jiff::Timestamp;

use super::*;
use crate::apply::Refusal;
use crate::error::{Error, Result};
use crate::model::RotationIds;
use crate::model::entra::facts::AppKind;
use crate::model::entra::{Mode, SetupRequest, SignsIn};
use crate::output::OutputSettings;
use crate::plan::entra::fixture::{self, newest_credential};
use crate::plan::entra::{StepMark, exit_code, refusal, setup};

const NOW: &str = "2027-01-01T00:00:00Z";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Before,
    After,
}

/// An Azure and a cluster, as facts.
#[derive(Clone)]
struct World {
    facts: EntraFacts,
    /// What Azure says before pods are replaced.
    arrived: Arrived,
    /// What the pods say.
    proof: Proof,
    /// The effect at which the process dies.
    dies: Option<(usize, When)>,
    effects: usize,
    dead: bool,
    /// How often something of a kind was made.
    apps: usize,
    credentials: usize,
    assignments: usize,
    replaced: usize,
    /// What something else has changed of what a run has set.
    kept: Vec<String>,
    /// The template before this run.
    before: Option<crate::model::entra::facts::WorkloadSide>,
    /// What an action is refused with.
    refuses: fn(&Action) -> Option<Failure>,
}

fn dead() -> Error {
    Error::failed("the process is dead")
}

impl World {
    fn new() -> Self {
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

    async fn run(&mut self, request: &SetupRequest, wait: bool) -> (SetupPlan, SetupOutcome) {
        let facts = self.facts.clone();
        let plan = setup(&facts, request, NOW.parse::<Timestamp>().unwrap()).unwrap();
        assert!(refusal(&plan.steps).is_none(), "{:?}", plan.steps);
        self.before = None;
        let output = Output::new(OutputSettings::default());
        let outcome = Order::new(self, (&plan, &facts), &output, wait).run().await;
        (plan, outcome)
    }

    fn id(&mut self) -> String {
        let stored = newest_credential(&mut self.facts);
        stored.map_or_else(|| "r1".to_owned(), |id| id.to_string())
    }

    fn replace(&mut self, mode: Mode) {
        let id = self.id();
        self.replaced += 1;
        let workload = self.facts.cluster.workload.as_mut().unwrap();
        workload.marks.rotation_ids = id.as_str().into();
        workload.unproved = Some(id);
        workload.signs_in = Ok(SignsIn::By(mode));
    }

    fn secrets(&self) -> usize {
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
    async fn rehearse(&mut self, _steps: &[(usize, &Action)]) -> Result<(), (usize, Error)> {
        Ok(())
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

fn in_mode(mode: Mode) -> SetupRequest {
    SetupRequest {
        mode: Some(mode),
        ..fixture::request()
    }
}

fn code(plan: &SetupPlan, outcome: &SetupOutcome) -> u8 {
    exit_code(&plan.steps, &outcome.outcomes, &outcome.proof)
}

fn outcome_of<'a>(plan: &SetupPlan, outcome: &'a SetupOutcome, part: Part) -> &'a StepOutcome {
    let at = plan.steps.iter().position(|step| step.part == part).unwrap();
    &outcome.outcomes[at]
}

#[tokio::test]
async fn every_mode_is_set_up_proved_and_then_complete() {
    for mode in Mode::ALL {
        let mut world = World::new();
        let (plan, outcome) = world.run(&in_mode(mode), true).await;
        assert_eq!(
            (code(&plan, &outcome), &outcome.proof),
            (0, &SetupProof::Proved),
            "{mode:?}"
        );
        for id in ["clientId", "servicePrincipalId", "gatewayId"] {
            assert!(outcome.ids.contains_key(id), "{mode:?} {id}");
        }
        let effects = world.effects;
        let (plan, outcome) = world.run(&in_mode(mode), true).await;
        assert!(plan.is_complete(), "{mode:?} {:?}", plan.steps);
        assert_eq!(
            (code(&plan, &outcome), &outcome.proof),
            (0, &SetupProof::NotNeeded)
        );
        assert_eq!(world.effects, effects, "{mode:?}: nothing is asked");
    }
}

#[tokio::test]
async fn a_kill_at_any_effect_and_one_rerun_end_as_an_uninterrupted_run() {
    for mode in Mode::ALL {
        let request = in_mode(mode);
        let mut calm = World::new();
        calm.run(&request, true).await;
        for dies_at in 1..=calm.effects {
            for when in [When::Before, When::After] {
                let given = format!("{mode:?} died {when:?} effect {dies_at}");
                let mut world = World {
                    dies: Some((dies_at, when)),
                    ..World::new()
                };
                world.run(&request, true).await;
                (world.dies, world.dead) = (None, false);
                let (plan, outcome) = world.run(&request, true).await;
                assert_eq!(code(&plan, &outcome), 0, "{given}: {outcome:?}");
                let (plan, _) = world.run(&request, true).await;
                assert!(plan.is_complete(), "{given}: {:?}", plan.steps);
                assert_eq!(
                    (world.apps, world.assignments),
                    (calm.apps, calm.assignments),
                    "{given}"
                );
                assert_eq!(world.secrets(), calm.secrets(), "{given}");
                assert!(world.credentials <= calm.credentials + 1, "{given}");
                assert_eq!(world.replaced, 1, "{given}");
                assert_eq!(
                    calm.facts.cluster.workload.as_ref().unwrap().template,
                    world.facts.cluster.workload.unwrap().template,
                    "{given}"
                );
            }
        }
    }
}

#[tokio::test]
async fn pods_are_replaced_only_once_azure_is_ready() {
    for (arrived, code_, proof) in [
        (
            Arrived::NotYet("slow".to_owned()),
            3,
            SetupProof::Owed("slow".to_owned()),
        ),
        (
            Arrived::Refused("no".to_owned()),
            5,
            SetupProof::Refused("no".to_owned()),
        ),
        (Arrived::PodsDecide("unseen".to_owned()), 0, SetupProof::Proved),
    ] {
        let mut world = World {
            arrived,
            ..World::new()
        };
        let (plan, outcome) = world.run(&in_mode(Mode::AppSecret), true).await;
        assert_eq!((code(&plan, &outcome), &outcome.proof), (code_, &proof));
        assert_eq!(world.replaced == 1, proof == SetupProof::Proved);
        // The same command goes on, and makes nothing a second time.
        world.arrived = Arrived::Yes("served".to_owned());
        let (plan, outcome) = world.run(&in_mode(Mode::AppSecret), true).await;
        assert_eq!(
            (code(&plan, &outcome), world.replaced, world.credentials),
            (0, 1, 1)
        );
    }
}

#[tokio::test]
async fn a_workload_whose_pods_are_refused_is_put_back() {
    let mut world = World::new();
    world.proof = Proof::Refused(Refusal {
        evidence: "pod gw-1 logs ConfigurationApiV2NotAvailable".to_owned(),
        pod: Some("gw-1".to_owned()),
    });
    world.kept = vec!["gateway.name".to_owned()];
    let (plan, outcome) = world.run(&in_mode(Mode::AppSecret), true).await;
    assert_eq!(code(&plan, &outcome), 5);
    let SetupProof::Refused(text) = &outcome.proof else {
        panic!("{:?}", outcome.proof)
    };
    let words = "the workload is as it was before, except what something else has changed: gateway.name";
    assert!(text.contains(words), "{text}");
    let workload = world.facts.cluster.workload.as_ref().unwrap();
    assert_eq!(
        workload.template,
        fixture::facts().cluster.workload.unwrap().template
    );
    assert_eq!((world.apps, world.secrets()), (1, 1), "Azure's half stays");
    assert!(matches!(
        outcome_of(&plan, &outcome, Part::Workload),
        StepOutcome::Failed(_)
    ));
}

#[tokio::test]
async fn a_forbidden_step_ends_only_those_that_need_it() {
    let mut world = World::new();
    world.refuses = |action| match action {
        Action::CreateRole { role, .. } if *role == crate::model::AzureRole::ConfigReader => {
            Some(Failure::Forbidden(Error::failed("no right")))
        }
        _ => None,
    };
    let (plan, outcome) = world.run(&in_mode(Mode::AppSecret), true).await;
    let of = |part| outcome_of(&plan, &outcome, part).clone();
    assert_eq!(code(&plan, &outcome), 4);
    assert_eq!(
        of(Part::ReaderRole),
        StepOutcome::Forbidden("no right".to_owned())
    );
    for part in [Part::ReaderAssignment, Part::Workload] {
        assert_eq!(of(part), StepOutcome::NotReached, "{part:?}");
    }
    for part in [
        Part::ValidatorAssignment,
        Part::App,
        Part::Credential,
        Part::Secret,
    ] {
        assert!(matches!(of(part), StepOutcome::Done(_)), "{part:?}");
    }
}

#[tokio::test]
async fn what_an_interrupted_run_left_goes_only_after_the_secret_holds_another() {
    let request = in_mode(Mode::AppSecret);
    let mut world = World::new();
    world.refuses = |action| matches!(action, Action::WriteSecret { .. }).then(|| Failure::Unknown(dead()));
    let (plan, outcome) = world.run(&request, true).await;
    assert_eq!((code(&plan, &outcome), world.secrets()), (7, 1));
    let (plan, outcome) = world.run(&request, true).await;
    assert_eq!(
        (code(&plan, &outcome), world.secrets()),
        (7, 2),
        "the first one stays until then"
    );
    world.refuses = |_| None;
    let (plan, outcome) = world.run(&request, true).await;
    assert_eq!((code(&plan, &outcome), world.secrets()), (0, 1));
}

#[tokio::test]
async fn without_waiting_the_pods_are_replaced_and_azure_is_asked_all_the_same() {
    let mut world = World::new();
    let (plan, outcome) = world.run(&in_mode(Mode::WorkloadIdentity), false).await;
    assert_eq!(
        (code(&plan, &outcome), &outcome.proof),
        (0, &SetupProof::NotNeeded)
    );
    assert_eq!(world.replaced, 1);
    let mut world = World {
        arrived: Arrived::NotYet("slow".to_owned()),
        ..World::new()
    };
    let (plan, outcome) = world.run(&in_mode(Mode::WorkloadIdentity), false).await;
    assert_eq!((code(&plan, &outcome), world.replaced), (3, 0));
}

#[tokio::test]
async fn a_new_credential_restarts_pods_whose_template_is_complete() {
    let request = in_mode(Mode::AppSecret);
    let mut world = World::new();
    world.run(&request, true).await;
    world.facts.cluster.secret = Ok(None);
    let (plan, outcome) = world.run(&request, true).await;
    let restart = plan
        .steps
        .iter()
        .find(|step| step.part == Part::Workload)
        .unwrap();
    assert_eq!(restart.mark, StepMark::Change);
    assert!(matches!(restart.action, Some(Action::RestartWorkload { .. })));
    // The one of the pods that run is removed once they are replaced.
    assert_eq!(
        (code(&plan, &outcome), world.secrets(), world.replaced),
        (0, 2, 2)
    );
    let (plan, outcome) = world.run(&request, true).await;
    assert_eq!(
        (code(&plan, &outcome), world.secrets(), world.replaced),
        (0, 1, 2)
    );
    let ids: RotationIds = world.id().as_str().into();
    assert_eq!(world.facts.cluster.workload.unwrap().marks.rotation_ids, ids);
}
