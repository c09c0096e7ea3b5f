//! The set-up of a gateway's sign-in by Entra: what is there, what is made, and what
//! is refused. Pure functions of the facts, the request and the time.

mod app;
mod arrival;
mod assignment;
mod chain;
mod credential;
mod ending;
mod federated;
mod holder;
mod image;
mod instance;
mod marks;
mod mode;
mod notes;
mod objects;
mod owed;
mod own_variables;
mod removal;
mod role;
mod step;
mod template;
mod unread;
mod workload;

pub use arrival::{
    ASSIGNMENT_TIME, Arrival, LOST_TIME, UNREAD_TIME, is_forbidden, is_unknown_certificate, may_arrive,
    refusal_counts,
};
pub use assignment::newest_assignment;
pub use chain::{Link, LinkState, chain, credentials, right_tenant, role_in_the_way};
pub use ending::{SetupProof, StepOutcome, exit_code, planned_exit_code};
pub use holder::HandedOver;
pub use marks::{marks_of_new_pods, replacement_id, replacement_ids};
pub use notes::capped;
pub use removal::{Usage, removal_command, stays};
pub use step::{Action, Part, Step, StepMark, refusal};

use jiff::Timestamp;
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::model::directory::FederatedCredential;
use crate::model::entra::facts::{self, EntraFacts};
use crate::model::entra::{Mode, SetupRequest, TemplateSettings};
use crate::model::{AzureRole, cleaned};
use credential::Wanted;
use mode::choose_mode;
use role::Need;

/// The plan of a set-up. It holds no secret, so it may be printed and logged.
#[derive(Clone, Debug)]
pub struct SetupPlan {
    pub mode: Mode,
    /// The `ServiceAccount` of the pods.
    pub service_account: String,
    /// The Secret for the credential.
    pub secret: String,
    /// The audience of the tokens of the `ServiceAccount` that Entra is to accept.
    pub federation_audience: Option<String>,
    /// What the pod template needs, for Helm's values too.
    pub template: TemplateSettings,
    /// In the order in which they are applied.
    pub steps: Vec<Step>,
}

impl SetupPlan {
    /// Whether everything is there.
    #[cfg(test)]
    pub fn is_complete(&self) -> bool {
        self.steps.iter().all(|step| step.mark == StepMark::Ok)
    }

    /// Whether this run has nothing to do.
    pub fn is_settled(&self) -> bool {
        self.steps.iter().all(|step| step.to_apply().is_none())
    }

    /// Whether something is not known, and only the sign-in of the gateway tries it.
    pub fn asks_sign_in(&self) -> bool {
        self.steps.iter().any(|step| step.by_sign_in)
    }

    /// What may help if Azure refuses what only the sign-in of the gateway tries.
    pub fn hint_of_sign_in(&self) -> String {
        let mut tried = self.steps.iter().filter(|step| step.by_sign_in);
        if tried.all(|step| step.part == Part::Credential && step.ids.contains_key("credentialId")) {
            return format!(
                "have the right credential put into secret/{}, without a line break at its end, or choose another \
                 Secret with --secret NAME",
                self.secret
            );
        }
        "let somebody who may read apps in Entra run the same command with --dry-run, which shows what is missing"
            .to_owned()
    }

    /// Whether somebody else has to set what the pod template needs.
    pub fn workload_is_left_to_others(&self) -> bool {
        let of = |part: Part| self.steps.iter().find(|step| step.part == part);
        // The next run of this user creates it.
        let is_postponed = |step: &Step| {
            step.waits_for == Some(Part::Gateway)
                && of(Part::Gateway).is_some_and(|gateway| gateway.action.is_none())
        };
        of(Part::Workload).is_none_or(|step| step.left_to_others().is_some() && !is_postponed(step))
    }

    /// The definition of a role that is to be assigned; `None` if it is assigned already.
    pub fn definition_to_assign(&self, wanted: AzureRole) -> Option<Uuid> {
        self.actions().find_map(|action| match action {
            Action::Assign { role, definition, .. } if *role == wanted => Some(*definition),
            _ => None,
        })
    }

    /// Whether the role is to be created.
    pub fn creates(&self, wanted: AzureRole) -> bool {
        self.actions()
            .any(|action| matches!(action, Action::CreateRole { role, .. } if *role == wanted))
    }

    /// What is to be done, by this run or by others.
    fn actions(&self) -> impl Iterator<Item = &Action> {
        self.steps.iter().filter_map(|step| step.action.as_ref())
    }

    /// The federated credential that is to be added or changed.
    pub fn federated(&self) -> Option<&FederatedCredential> {
        self.steps.iter().find_map(|step| match &step.action {
            Some(Action::AddFederated(credential) | Action::ChangeFederated(credential)) => Some(credential),
            _ => None,
        })
    }
}

/// Makes the plan. An error means that the command line has to be another one;
/// [`refusal`] is for what stops a plan that can be shown.
pub fn setup(facts: &EntraFacts, request: &SetupRequest, now: Timestamp) -> Result<SetupPlan> {
    let mode = choose_mode(facts, request)?;
    let service_account = service_account(facts, request, mode)?;
    let secret = secret(facts, request, mode)?;
    let names = (service_account.as_str(), secret.as_str());
    let template = template::wanted_template(facts, request, mode, names)?;
    let group = facts.gateway.service.group_path();
    let service = facts.gateway.service.path();
    let (validator, reader) = (Need::validator(facts, &group), Need::reader(facts, &service));
    let (validator_role, reader_role) = (validator.step(facts), reader.step(facts));
    let federation_audience = match mode {
        Mode::WorkloadIdentity => Some(federated::audience(facts, request)?),
        _ => None,
    };
    let holder = holder::of_secret(facts, mode, &secret, now);
    let (credential, removed) = match &federation_audience {
        Some(audience) => (
            federated::federated(facts, &service_account, audience),
            Vec::new(),
        ),
        None => credential::stored(
            facts,
            &Wanted {
                request,
                mode,
                secret: &secret,
                holder: &holder,
                now,
            },
        ),
    };
    let cluster = workload::steps(facts, mode, names, &template, (&credential, &holder));
    let validator_assignment = assignment::validator(facts, &validator, validator_role.definition);
    let reader_assignment = assignment::reader(facts, &reader, reader_role.definition);
    let mut steps = instance::steps(facts, request);
    steps.extend(mode::steps(facts, request, mode));
    steps.extend([validator_role.step, reader_role.step, validator_assignment]);
    steps.extend(app::steps(facts, request, (&secret, &credential)));
    steps.extend([reader_assignment, credential]);
    steps.extend(cluster);
    steps.extend(removed);
    let mut steps = step::without_missing(steps);
    if let Some(locked) = locked(facts, &steps) {
        steps.insert(0, locked);
    }
    Ok(SetupPlan {
        mode,
        service_account,
        secret,
        federation_audience,
        template,
        steps,
    })
}

/// A lock matters only if something is written below it.
fn locked(facts: &EntraFacts, steps: &[Step]) -> Option<Step> {
    let lock = facts.lock.as_ref().ok()?.as_ref()?;
    let is_below = |step: &Step| {
        matches!(
            step.to_apply(),
            Some(Action::EnableIdentity { .. } | Action::CreateGateway { .. } | Action::Assign { .. })
        )
    };
    steps.iter().any(is_below).then(|| {
        let text = format!(
            "the lock {} lets nothing be written to the instance or its resource group",
            cleaned(lock)
        );
        Step::stop(Part::Lock, text).hint(format!(
            "show it, and remove it for the time of the set-up: az lock list --subscription {}",
            facts.gateway.service.subscription
        ))
    })
}

fn service_account(facts: &EntraFacts, request: &SetupRequest, mode: Mode) -> Result<String> {
    let present = facts
        .cluster
        .workload
        .as_ref()
        .map(|it| it.template.service_account.as_str());
    let is_federated = mode == Mode::WorkloadIdentity;
    match (&request.service_account, present) {
        (Some(given), _) => Ok(given.clone()),
        (None, Some("")) => Ok("default".to_owned()),
        (None, Some(present)) => Ok(present.to_owned()),
        (None, None) if is_federated => Err(Error::usage(
            "without a workload, the ServiceAccount of the future pods has to be given",
        )
        .hint("give it with --service-account NAME")),
        (None, None) => Ok(String::new()),
    }
}

fn secret(facts: &EntraFacts, request: &SetupRequest, mode: Mode) -> Result<String> {
    let workload = facts.cluster.workload.as_ref();
    match (&request.secret, workload) {
        (Some(given), _) => Ok(given.clone()),
        (None, Some(workload)) => Ok(workload.secret(mode, facts.client_id())),
        (None, None) if mode.is_stored() => Err(Error::usage(
            "without a workload, the Secret for the credential has to be given",
        )
        .hint("give it with --secret NAME")),
        (None, None) => Ok(String::new()),
    }
}

#[cfg(test)]
pub mod fixture;
#[cfg(test)]
mod tests;
