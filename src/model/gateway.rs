use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::{Claims, CloudName, GatewayId, Replacement, SecretFacts, TemplateMarks, WorkloadRef};

/// A part of what there is to know, or why it could not be read. A row
/// outlives a part that is missing.
pub type Part<T> = Result<T, Unavailable>;

/// Why a part is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unavailable {
    /// This user may not read it: the API server's answer.
    Forbidden(String),
    /// It cannot be told, for the reason given.
    Unknown(String),
}

impl Unavailable {
    /// What a cell says in the place of the value.
    pub fn cell(&self) -> &'static str {
        match self {
            Self::Forbidden(_) => "<forbidden>",
            Self::Unknown(_) => "<unknown>",
        }
    }

    /// Why, in words.
    pub fn why(&self) -> &str {
        match self {
            Self::Forbidden(why) | Self::Unknown(why) => why,
        }
    }
}

/// How a gateway signs in to Azure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Auth {
    /// A gateway token.
    Token,
    /// A client secret of an Entra app.
    AppSecret,
    /// A certificate of an Entra app.
    Certificate,
    /// A federated identity.
    WorkloadIdentity,
    /// Its settings do not say, or could not be read.
    Unknown,
}

impl Auth {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::AppSecret => "app-secret",
            Self::Certificate => "certificate",
            Self::WorkloadIdentity => "workload-identity",
            Self::Unknown => "<unknown>",
        }
    }
}

/// What a gateway presents to Azure, as far as the cluster shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presented {
    /// What a Secret holds.
    Stored(Box<SecretFacts>),
    /// A token that stands in clear, in the place named.
    Inline {
        /// What it says.
        claims: Claims,
        /// Where it stands.
        place: String,
    },
    /// An identity of Entra, of which the cluster knows no expiry.
    Entra,
}

/// The pods that run with an older credential than the Secret holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StalePods {
    /// Their names.
    pub stale: Vec<String>,
    /// The names of those of which it cannot be told.
    pub unsure: Vec<String>,
}

/// A CronJob that rotates a gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CronJobFacts {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its schedule, five fields or a macro.
    pub schedule: String,
    /// The zone of its schedule; the controller manager's, which is nearly
    /// always UTC, when it has none.
    pub time_zone: Option<String>,
    /// Whether it starts nothing at present.
    pub suspended: bool,
    /// When it last started a Job.
    pub last_run: Option<Timestamp>,
    /// When a Job of it last succeeded.
    pub last_success: Option<Timestamp>,
    /// Whether a Job of it is running.
    pub running: bool,
}

/// What Azure says about a gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AzureFacts {
    /// Whether API Management has it.
    pub exists: bool,
    /// Its location, in the words of whoever made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// The APIs that are assigned to it, which takes a right of its own to
    /// read.
    #[serde(skip_serializing_if = "Result::is_err", serialize_with = "known")]
    pub apis: Part<Vec<String>>,
    /// The tier of its instance.
    pub tier: String,
    /// The oldest API version that the instance answers, where it sets one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_api_version: Option<String>,
}

/// A part that is known; one that is not is to be left out.
fn known<T: Serialize, S: Serializer>(part: &Part<T>, serializer: S) -> Result<S::Ok, S::Error> {
    part.as_ref().ok().serialize(serializer)
}

/// What the cluster shows of one gateway.
#[derive(Clone, Debug)]
pub struct GatewayFacts {
    /// The namespace.
    pub namespace: String,
    /// The workload that runs it.
    pub workload: WorkloadRef,
    /// The container.
    pub container: String,
    /// Its image.
    pub image: String,
    /// How it signs in.
    pub auth: Auth,
    /// The Secret and the key that its pod spec points at.
    pub secret: Option<(String, String)>,
    /// The credential.
    pub presented: Part<Presented>,
    /// The gateway's id in API Management, where anything names it.
    pub gateway: Part<String>,
    /// The API Management instance, where anything names it.
    pub service: Part<String>,
    /// The cloud that the configuration endpoint's domain belongs to.
    pub cloud: Option<CloudName>,
    /// The ARM id that the last rotation recorded.
    pub recorded: Option<GatewayId>,
    /// How many pods are wanted.
    pub wanted: i32,
    /// How many are ready.
    pub ready: i32,
    /// The pods with an older credential.
    pub pods: Part<StalePods>,
    /// How the workload replaces its pods.
    pub replacement: Replacement,
    /// The annotations of its pod template.
    pub marks: TemplateMarks,
    /// The CronJob that rotates it.
    pub cron_job: Part<Option<CronJobFacts>>,
    /// What Azure says, where it was asked.
    pub azure: Option<Part<AzureFacts>>,
}

impl GatewayFacts {
    /// The facts about the Secret, where there is one and it could be read.
    pub fn stored(&self) -> Option<&SecretFacts> {
        match &self.presented {
            Ok(Presented::Stored(facts)) => Some(facts),
            _ => None,
        }
    }

    /// What the token says in clear.
    pub fn claims(&self) -> Option<&Claims> {
        match &self.presented {
            Ok(Presented::Stored(facts)) => facts.claims(),
            Ok(Presented::Inline { claims, .. }) => Some(claims),
            _ => None,
        }
    }
}
