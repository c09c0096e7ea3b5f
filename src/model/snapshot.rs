use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

use super::{Claims, KeySlot, TokenError, WorkloadRef};

/// Everything about a gateway's credential and workloads that a decision is
/// made from. It holds no secret and may be logged and printed.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The namespace.
    pub namespace: String,
    /// The Secret with the credential.
    pub secret: SecretFacts,
    /// The workloads that use it and are to be restarted.
    pub workloads: Vec<WorkloadFacts>,
}

/// Which version of a Secret was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretVersion {
    /// The name.
    pub name: String,
    /// The object's uid: a new object of the same name is another one.
    pub uid: String,
    /// The version.
    pub resource_version: String,
}

/// The facts about the Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretFacts {
    /// The version that was read.
    pub version: SecretVersion,
    /// The key of its data that holds the credential.
    pub key: String,
    /// When the object was created.
    pub created: Option<Timestamp>,
    /// Whether it refuses every change.
    pub immutable: bool,
    /// Who else writes it and would undo a rotation.
    pub owner: Option<String>,
    /// Who wrote the key last, by managed fields; named when a conflict stops
    /// us.
    pub last_writer: Option<String>,
    /// When that was.
    pub last_written: Option<Timestamp>,
    /// What the credential is.
    pub credential: Credential,
    /// What our annotations say.
    pub marks: SecretMarks,
}

/// A credential, as far as it can be told in clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// A gateway token.
    Token {
        /// What it says in clear.
        claims: Claims,
        /// Whether it has the prefix `GatewayKey `.
        prefixed: bool,
    },
    /// Something else, or nothing.
    Unusable(TokenError),
}

/// The annotations of earlier rotations on the Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretMarks {
    /// `last-used-key`
    pub last_used_key: Option<KeySlot>,
    /// `apim-rotate/rotation-id`
    pub rotation_id: Option<String>,
    /// `apim-rotate/previous-key`
    pub previous_key: Option<KeySlot>,
    /// `apim-rotate/expires-at`
    pub expires_at: Option<Timestamp>,
    /// `apim-rotate/rotated-at`
    pub rotated_at: Option<Timestamp>,
    /// `apim-rotate/gateway`
    pub gateway: Option<String>,
    /// `apim-rotate/restart-by-other`
    pub restart_by_other: bool,
}

impl SecretFacts {
    /// The token's clear part, when there is a token.
    pub fn claims(&self) -> Option<&Claims> {
        match &self.credential {
            Credential::Token { claims, .. } => Some(claims),
            Credential::Unusable(_) => None,
        }
    }

    /// Whether our annotations are about this very credential: its own stamp
    /// equals the one recorded. A person, or the old script, who wrote another
    /// token in between left the annotations behind.
    pub fn marks_hold(&self) -> bool {
        self.marks.expires_at.is_some()
            && self.claims().map(|claims| claims.expires_at) == self.marks.expires_at
    }

    /// When the credential was written, as far as anything says so.
    pub fn written(&self) -> Option<Timestamp> {
        let recorded = self.marks.rotated_at.filter(|_| self.marks_hold());
        recorded.or(self.last_written)
    }

    /// The rotation that wrote the credential.
    pub fn rotation(&self) -> Option<&str> {
        self.marks.rotation_id.as_deref().filter(|_| self.marks_hold())
    }

    /// The slot that signed the credential, as far as anything says so. The
    /// script leaves only `last-used-key`; where we recorded an expiry too, it
    /// must be this credential's.
    pub fn slot(&self) -> Option<KeySlot> {
        let recorded = self.marks.expires_at.is_some();
        self.marks
            .last_used_key
            .filter(|_| !recorded || self.marks_hold())
    }
}

/// Which version of a workload was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkloadVersion {
    /// Kind and name.
    pub workload: WorkloadRef,
    /// The object's uid.
    pub uid: String,
    /// The version.
    pub resource_version: String,
}

/// The two annotations of a pod template that a rotation sets; `None` where
/// there is none, or is to be none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TemplateMarks {
    /// `apim-rotate/rotation-id`
    pub rotation_id: Option<String>,
    /// `kubectl.kubernetes.io/restartedAt`
    pub restarted_at: Option<String>,
}

/// How a workload replaces its pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replacement {
    /// New ones start before old ones end.
    Rolling,
    /// Old ones end first, for the reason given.
    Interrupting(&'static str),
    /// Some or all only when somebody deletes them, for the reason given.
    ByHand(String),
}

/// How far the newest revision of a workload is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rollout {
    /// Every wanted pod is of the newest revision and ready, and no other is
    /// left.
    Complete,
    /// What it is waiting for, in words.
    Waiting(String),
    /// Its controller is done, and so many pods of older revisions are left
    /// for somebody to delete.
    LeftByHand(i32),
}

/// The facts about one workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkloadFacts {
    /// The version that was read.
    pub version: WorkloadVersion,
    /// Whether its rollout is paused.
    pub paused: bool,
    /// How it replaces its pods.
    pub replacement: Replacement,
    /// How many pods it wants.
    pub wanted: i32,
    /// How many pods were ready when it was read.
    pub ready: i32,
    /// How far its newest revision is.
    pub rollout: Rollout,
    /// The template's annotations.
    pub marks: TemplateMarks,
    /// Whether a pod runs with an older credential than the Secret holds;
    /// `None` where that was not looked for, or could not be seen.
    pub stale_pods: Option<bool>,
}

/// Where a value of this run came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "from", content = "name")]
pub enum Source {
    /// A flag, by its long name.
    Flag(String),
    /// An environment variable.
    Variable(String),
    /// An annotation of the Secret.
    Annotation(String),
    /// Found in the cluster or in Azure; where, in words.
    Discovery(String),
    /// Nothing said otherwise.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => write!(f, "--{name}"),
            Self::Variable(name) => write!(f, "variable {name}"),
            Self::Annotation(name) => write!(f, "annotation {name}"),
            Self::Discovery(place) => f.write_str(place),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A value and where it came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sourced<T> {
    /// The value.
    pub value: T,
    /// Who said so.
    pub source: Source,
}

impl<T> Sourced<T> {
    /// A value and its source.
    pub fn new(value: T, source: Source) -> Self {
        Self { value, source }
    }
}
