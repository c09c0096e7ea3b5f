use jiff::{SignedDuration, Timestamp};
use serde::{Serialize, Serializer};

use super::{
    Blocked, Claims, CloudName, EntraSignIn, Fact, GatewayId, Replacement, SecretFacts, TemplateMarks,
    WorkloadRef,
};

/// Objects that could not be read, so that gateways may be missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The resource in plural, such as `daemonsets`.
    pub kind: &'static str,
    /// `None` for all namespaces.
    pub namespace: Option<String>,
    /// As a sentence. Those of ConfigMaps name the workload.
    pub why: String,
}

impl Gap {
    /// The gaps as warnings. Of ConfigMaps there may be hundreds.
    pub fn warnings(gaps: &[Self]) -> Vec<String> {
        let (settings, others): (Vec<&Self>, Vec<&Self>) =
            gaps.iter().partition(|gap| gap.kind == "configmaps");
        let mut warnings: Vec<String> = others.into_iter().map(|gap| gap.why.clone()).collect();
        if let Some(first) = settings.first() {
            warnings.push(format!(
                "settings that would show a gateway could not be read, of {} workloads; {}",
                settings.len(),
                first.why
            ));
        }
        warnings
    }
}

/// How a gateway signs in to Azure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Auth {
    Token,
    /// A client secret of an Entra app.
    AppSecret,
    /// A certificate of an Entra app.
    Certificate,
    /// A federated identity.
    WorkloadIdentity,
    /// The settings are unreadable or do not contain it.
    Unknown,
}

impl Auth {
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

/// The credential that a gateway presents to Azure, as seen in the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presented {
    /// A credential in a Secret.
    Stored(Box<SecretFacts>),
    /// A token in plain text, outside of any Secret.
    Inline {
        claims: Claims,
        /// The object or setting that contains it, for sentences.
        location: String,
    },
    /// A sign-in by Entra.
    Entra(Box<EntraSignIn>),
}

/// The pods that run with an older credential than the Secret holds, or without the identity
/// that the `ServiceAccount` names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StalePods {
    /// Names of pods.
    pub stale: Vec<String>,
    /// Names of pods whose credential could be either one.
    pub unsure: Vec<String>,
    /// How many of the stale ones have no identity at all, of a workload identity.
    pub unidentified: usize,
    /// Whether one of them is of an earlier template, which asked for no identity or for another
    /// one.
    pub is_earlier: bool,
}

/// A CronJob that rotates a gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CronJobFacts {
    pub namespace: String,
    pub name: String,
    /// Five fields or a macro.
    pub schedule: String,
    /// Without one, the controller manager uses its own, which is nearly always
    /// UTC.
    pub time_zone: Option<String>,
    pub suspended: bool,
    /// By the API server's clock.
    pub created: Option<Timestamp>,
    /// The last change of its spec.
    pub changed: Option<Timestamp>,
    /// The time by the schedule of the last Job that was started.
    pub last_run: Option<Timestamp>,
    /// The last success of a Job.
    pub last_success: Option<Timestamp>,
    /// Whether a Job is running now.
    pub running: bool,
    /// The longest time before its expiry at which a run rotates the token.
    pub window: SignedDuration,
}

impl CronJobFacts {
    /// The result of the last Job. It follows from the times of the CronJob, so
    /// that no Job has to be read.
    pub fn last_result(&self) -> Option<JobResult> {
        let last_run = self.last_run?;
        Some(if self.running {
            JobResult::Running
        } else if self.last_success.is_some_and(|success| success >= last_run) {
            JobResult::Succeeded
        } else {
            JobResult::Failed
        })
    }
}

/// How a Job of a CronJob ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum JobResult {
    Running,
    Succeeded,
    Failed,
}

/// The facts about a gateway in Azure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AzureFacts {
    pub exists: bool,
    /// Free text, entered by the gateway's creator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// The APIs that are assigned to it. Listing them needs a separate right.
    #[serde(skip_serializing_if = "Result::is_err", serialize_with = "known")]
    pub apis: Fact<Vec<String>>,
    /// The pricing tier of the instance.
    pub tier: String,
    /// The oldest API version that the instance accepts, if it is limited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_api_version: Option<String>,
}

/// Serializes an available fact; `skip_serializing_if` omits the others.
fn known<T: Serialize, S: Serializer>(fact: &Fact<T>, serializer: S) -> Result<S::Ok, S::Error> {
    fact.as_ref().ok().serialize(serializer)
}

/// The facts about one gateway. They come from the cluster, except for `azure`.
#[derive(Clone, Debug)]
pub struct GatewayFacts {
    pub namespace: String,
    pub workload: WorkloadRef,
    pub container: String,
    pub image: String,
    pub auth: Auth,
    /// The name of the Secret and the key that the pod spec refers to.
    pub secret: Option<(String, String)>,
    pub presented: Fact<Presented>,
    /// Whether the settings that new pods need are there and show that it is a
    /// gateway.
    pub settings: Fact<()>,
    /// The gateway's id in API Management.
    pub gateway: Fact<String>,
    /// The name of the API Management instance.
    pub service: Fact<String>,
    /// The configuration endpoint as it is set, and where; `None` if that is not known.
    pub endpoint: Option<(String, String)>,
    /// The cloud of the configuration endpoint's domain.
    pub cloud: Option<CloudName>,
    /// The ARM id that the last rotation recorded.
    pub recorded: Option<GatewayId>,
    /// The desired number of pods.
    pub wanted: i32,
    /// The number of ready pods.
    pub ready: i32,
    pub pods: Fact<StalePods>,
    pub replacement: Replacement,
    /// The ordinal below which the pods of a `StatefulSet` keep their template; 0 for others.
    pub partition: i32,
    /// Why its controller has not replaced all pods yet that it replaces by itself.
    pub still_replaces: Option<String>,
    /// Whether the API server refuses new pods of the workload.
    pub blocked: Option<Blocked>,
    /// The annotations of the pod template.
    pub marks: TemplateMarks,
    /// The CronJobs that rotate the gateway, in time or not.
    pub cron_jobs: Fact<Vec<CronJobFacts>>,
    /// Why a CronJob that may be meant for it does not count, as a sentence.
    pub not_counted: Option<String>,
    /// `None` if Azure was not asked.
    pub azure: Option<Fact<AzureFacts>>,
}

impl GatewayFacts {
    /// The facts about the Secret, if there is one and it was read.
    pub fn stored(&self) -> Option<&SecretFacts> {
        match &self.presented {
            Ok(Presented::Stored(facts)) => Some(facts),
            _ => None,
        }
    }

    /// How it signs in by Entra, if it does.
    pub fn entra(&self) -> Option<&EntraSignIn> {
        match &self.presented {
            Ok(Presented::Entra(sign_in)) => Some(sign_in),
            _ => None,
        }
    }

    /// The Secret with its credential, of whatever kind, if there is one and it was
    /// read.
    pub fn secret_facts(&self) -> Option<&SecretFacts> {
        self.stored().or_else(|| self.entra()?.secret())
    }

    /// The same, while its pods can be compared with it: what others have put there for an
    /// app shows nothing of the pods.
    pub fn comparable_secret(&self) -> Option<&SecretFacts> {
        self.stored().or_else(|| self.entra()?.recorded())
    }

    /// Whether its pods are compared with what new ones would get.
    pub fn compares_pods(&self) -> bool {
        self.auth == Auth::WorkloadIdentity || self.comparable_secret().is_some()
    }

    /// The claims of the token, if there is one and it was read.
    pub fn claims(&self) -> Option<&Claims> {
        match &self.presented {
            Ok(Presented::Stored(facts)) => facts.claims(),
            Ok(Presented::Inline { claims, .. }) => Some(claims),
            _ => None,
        }
    }
}
