//! One line of the plan, and what it does.

use std::collections::BTreeMap;
use std::fmt::Display;

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::holder::HandedOver;
use crate::error::{Error, Kind};
use crate::model::access::RoleDefinition;
use crate::model::directory::FederatedCredential;
use crate::model::entra::{Id, SettingValue, TemplateSettings};
use crate::model::{AzureRole, Fact, WorkloadRef};

/// What becomes of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum StepMark {
    Ok,
    Create,
    Change,
    /// It is not known, and tried.
    Unknown,
    /// It is missing, and this run may not or cannot make it.
    Missing,
}

impl StepMark {
    pub const fn sign(self) -> char {
        match self {
            Self::Ok => '=',
            Self::Create => '+',
            Self::Change => '~',
            Self::Unknown => '?',
            Self::Missing => '!',
        }
    }
}

/// The parts of a set-up. The names in JSON never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Part {
    Tenant,
    Lock,
    Tier,
    Identity,
    Gateway,
    Image,
    Issuer,
    Webhook,
    ValidatorRole,
    ReaderRole,
    ValidatorAssignment,
    App,
    ServicePrincipal,
    ReaderAssignment,
    Credential,
    ServiceAccount,
    Secret,
    Workload,
    Proof,
    UnusedCredential,
    PreviousCredential,
}

impl Part {
    /// In words, after "needs".
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Tenant => "one tenant",
            Self::Lock => "an instance without a lock",
            Self::Tier => "a tier with self-hosted gateways",
            Self::Identity => "the identity of the instance",
            Self::Gateway => "the gateway in API Management",
            Self::Image => "a newer image",
            Self::Issuer => "a public issuer",
            Self::Webhook => "the webhook",
            Self::ValidatorRole | Self::ReaderRole => "the role",
            Self::ValidatorAssignment | Self::ReaderAssignment => "the assignment of the role",
            Self::App => "the app",
            Self::ServicePrincipal => "the service principal",
            Self::Credential => "the credential",
            Self::ServiceAccount => "the ServiceAccount",
            Self::Secret => "the Secret",
            Self::Workload => "the workload",
            Self::Proof => "the proof by the pods",
            Self::UnusedCredential | Self::PreviousCredential => "the previous credential",
        }
    }

    /// Whether nobody can sign in without it.
    pub const fn makes_who_signs_in(self) -> bool {
        matches!(self, Self::App | Self::ServicePrincipal | Self::Credential)
    }

    /// What has to be there before this one can be made or makes sense. A credential
    /// that no Secret can hold would be lost, and new pods without rights in Azure
    /// would not be let in.
    pub const fn needs(self) -> &'static [Self] {
        match self {
            Self::ValidatorAssignment => &[Self::ValidatorRole, Self::Identity],
            Self::ServicePrincipal | Self::ServiceAccount => &[Self::App],
            Self::ReaderAssignment => &[Self::ReaderRole, Self::ServicePrincipal],
            Self::Credential => &[Self::App, Self::Secret],
            Self::Secret => &[Self::App, Self::Credential],
            Self::Workload => &[
                Self::Gateway,
                Self::ValidatorAssignment,
                Self::ReaderAssignment,
                Self::Credential,
                Self::ServiceAccount,
                Self::Secret,
            ],
            Self::Proof => &[Self::Workload],
            Self::PreviousCredential => &[Self::Credential, Self::Workload],
            _ => &[],
        }
    }
}

/// Leaves to others what needs a part that is missing.
pub(super) fn without_missing(mut steps: Vec<Step>) -> Vec<Step> {
    loop {
        let missing: Vec<(Part, bool)> = steps
            .iter()
            .filter(|step| step.mark == StepMark::Missing)
            .map(|step| (step.part, step.action.is_some()))
            .collect();
        let needed = |step: &Step| {
            let needs = step.part.needs();
            missing.iter().find(|(part, _)| needs.contains(part)).copied()
        };
        let next = steps
            .iter_mut()
            .filter(|step| step.to_apply().is_some())
            .find_map(|step| Some((needed(step)?, step)));
        let Some(((part, is_to_be_made), step)) = next else {
            return steps;
        };
        // What is refused may well be there.
        let state = if is_to_be_made {
            "which is missing"
        } else {
            "see there"
        };
        let why = format!("it needs {}, {state}", part.in_words());
        *step = step.clone().impossible(&why);
        step.waits_for = Some(part);
    }
}

/// What a step does. It holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// PATCH of `identity` alone, with every user-assigned identity.
    EnableIdentity {
        keep: Vec<String>,
    },
    /// An earlier change is awaited, and nothing is sent.
    AwaitIdentity,
    CreateGateway {
        location: String,
    },
    CreateRole {
        role: AzureRole,
        id: Uuid,
        name: String,
    },
    /// The role as it will be: only what it lacks is added.
    MendRole(RoleDefinition),
    Assign {
        role: AzureRole,
        definition: Uuid,
        principal: Id,
        /// An ARM id, with every name percent-encoded.
        scope: String,
    },
    CreateApp {
        display_name: String,
        unique_name: String,
    },
    CreateServicePrincipal {
        app: Id,
    },
    /// `remove` are those that no pod uses.
    AddSecret {
        name: String,
        expires: Timestamp,
        remove: Vec<Uuid>,
    },
    AddCertificate {
        name: String,
        expires: Timestamp,
        remove: Vec<Uuid>,
    },
    /// Records on the Secret which credential of the app it holds, once Entra accepts it.
    AdoptCredential {
        name: String,
        found: HandedOver,
    },
    /// Removes what no pod uses; the Secret holds another one.
    RemoveCredentials {
        remove: Vec<Uuid>,
    },
    AddFederated(FederatedCredential),
    ChangeFederated(FederatedCredential),
    WriteServiceAccount {
        name: String,
        annotations: BTreeMap<&'static str, SettingValue>,
    },
    /// Writes the credential of this run.
    WriteSecret {
        name: String,
        keys: &'static [&'static str],
    },
    ConfigureWorkload {
        workload: WorkloadRef,
        container: String,
        add: Box<TemplateSettings>,
    },
    /// Replaces the pods, which read their credential only when they start.
    RestartWorkload {
        workload: WorkloadRef,
        container: String,
    },
    /// Waits for the proof by pods that an earlier run has replaced.
    Prove {
        workload: WorkloadRef,
        container: String,
        /// The rotation id in their annotations.
        id: String,
    },
}

impl Action {
    /// Whether it replaces pods, so that Azure has to be ready for the new ones.
    pub const fn replaces_pods(&self) -> bool {
        matches!(
            self,
            Self::ConfigureWorkload { .. } | Self::RestartWorkload { .. }
        )
    }

    /// The workload whose pods it replaces or waits for.
    pub const fn workload(&self) -> Option<&WorkloadRef> {
        match self {
            Self::ConfigureWorkload { workload, .. }
            | Self::RestartWorkload { workload, .. }
            | Self::Prove { workload, .. } => Some(workload),
            _ => None,
        }
    }
}

/// One line of the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub part: Part,
    pub mark: StepMark,
    pub text: String,
    /// What to know before consenting.
    pub notes: Vec<String>,
    /// The next steps for the user.
    pub hints: Vec<String>,
    /// What the step does, or what somebody else has to do if it is missing.
    pub action: Option<Action>,
    /// Whether only the sign-in of the gateway tries it: the action is for those who may
    /// read what is there.
    pub by_sign_in: bool,
    /// The missing part that it needs, if nothing else keeps it from being done.
    pub waits_for: Option<Part>,
    /// Set if nothing is written because of it.
    pub stops: Option<Kind>,
    /// The ids of what is there.
    pub ids: BTreeMap<&'static str, String>,
}

impl Step {
    fn new(part: Part, mark: StepMark, text: impl Into<String>) -> Self {
        Self {
            part,
            mark,
            text: text.into(),
            notes: Vec::new(),
            hints: Vec::new(),
            action: None,
            by_sign_in: false,
            waits_for: None,
            stops: None,
            ids: BTreeMap::new(),
        }
    }

    pub(super) fn ok(part: Part, text: impl Into<String>) -> Self {
        Self::new(part, StepMark::Ok, text)
    }

    pub(super) fn create(part: Part, text: impl Into<String>, action: Action) -> Self {
        Self::new(part, StepMark::Create, text).doing(action)
    }

    pub(super) fn change(part: Part, text: impl Into<String>, action: Action) -> Self {
        Self::new(part, StepMark::Change, text).doing(action)
    }

    pub(super) fn unknown(part: Part, text: impl Into<String>) -> Self {
        Self::new(part, StepMark::Unknown, text)
    }

    /// Not known, and tried by the sign-in of the gateway.
    pub(super) fn by_sign_in(part: Part, text: impl Into<String>) -> Self {
        let mut step = Self::new(part, StepMark::Unknown, text);
        step.by_sign_in = true;
        step
    }

    /// Missing, while the rest goes on.
    pub(super) fn missing(part: Part, text: impl Into<String>) -> Self {
        Self::new(part, StepMark::Missing, text)
    }

    /// Missing, so that nothing is written.
    pub(super) fn stop(part: Part, text: impl Into<String>) -> Self {
        let mut step = Self::new(part, StepMark::Missing, text);
        step.stops = Some(Kind::Refused);
        step
    }

    #[must_use]
    pub(super) fn doing(mut self, action: Action) -> Self {
        self.action = Some(action);
        self
    }

    #[must_use]
    pub(super) fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    #[must_use]
    pub(super) fn notes(mut self, notes: impl IntoIterator<Item = String>) -> Self {
        self.notes.extend(notes);
        self
    }

    #[must_use]
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    #[must_use]
    pub(super) fn id(mut self, name: &'static str, id: &impl Display) -> Self {
        self.ids.insert(name, id.to_string());
        self
    }

    /// The same step, missing if the user certainly may not do it.
    #[must_use]
    pub(super) fn permitted(self, right: &Fact<bool>, may_not: &str) -> Self {
        if self.action.is_some() && *right == Ok(false) {
            self.impossible(&format!("you may not {may_not}"))
        } else {
            self
        }
    }

    /// The same step, left to somebody else.
    #[must_use]
    pub(super) fn impossible(mut self, why: &str) -> Self {
        self.mark = StepMark::Missing;
        self.text = format!("{}: {why}", self.text);
        self
    }

    /// What this run does for the step.
    pub fn to_apply(&self) -> Option<&Action> {
        let is_left = self.mark == StepMark::Missing || self.by_sign_in;
        self.action.as_ref().filter(|_| !is_left)
    }

    /// What somebody else has to do.
    pub fn left_to_others(&self) -> Option<&Action> {
        self.action.as_ref().filter(|_| self.mark == StepMark::Missing)
    }
}

/// Why nothing may be written, by the first step that stops the run.
pub fn refusal(steps: &[Step]) -> Option<Error> {
    let (step, kind) = steps.iter().find_map(|step| Some((step, step.stops?)))?;
    let hints = step.hints.iter();
    Some(hints.fold(Error::new(kind, step.text.clone()), |error, hint| {
        error.hint(hint)
    }))
}
