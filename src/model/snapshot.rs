use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{
    AppMarks, Claims, Credential, Fact, KeySlot, Owner, PutBack, Recorded, RotationIds, Validity,
    WorkloadMarks, WorkloadRef,
};

/// How much later than `rotated-at` the write of a rotation can be: the time of
/// one request.
const LONGEST_WRITE: SignedDuration = SignedDuration::from_mins(1);

/// The facts about a gateway's credential and workloads that decisions are made
/// from. It holds no secret, so it may be logged and printed.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub namespace: String,
    /// The Secret with the credential.
    pub secret: SecretFacts,
    /// The workloads that use the Secret and are to be restarted.
    pub workloads: Vec<WorkloadFacts>,
}

/// The version of a Secret that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretVersion {
    pub name: String,
    /// Tells a Secret from a later one of the same name.
    pub uid: String,
    pub resource_version: String,
}

/// The facts about a Secret that holds a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretFacts {
    pub version: SecretVersion,
    /// The key of its data that holds the credential.
    pub key: String,
    pub created: Option<Timestamp>,
    /// Whether the API server refuses every change of it.
    pub immutable: bool,
    /// The tool or controller that also writes it and would undo a rotation.
    pub owner: Option<Owner>,
    /// The field manager that last wrote the key.
    pub last_writer: Option<String>,
    /// When it did.
    pub last_written: Option<Timestamp>,
    /// Whether that field manager is this program.
    pub written_by_us: bool,
    /// Whether the pods put the prefix of a token before it themselves.
    pub gets_prefix: bool,
    pub credential: Credential,
    /// The certificate that the key holds, if it holds one as PEM.
    pub certificate: Option<Fact<Validity>>,
    pub marks: SecretMarks,
}

/// The annotations of earlier rotations on the Secret, as they are. Only
/// [`SecretFacts::marks_hold`] shows whether they describe its credential.
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
    /// `apim-rotate/previous-ids`
    pub previous_ids: RotationIds,
    /// `apim-rotate/put-back`
    pub put_back: Option<PutBack>,
    /// Those of a credential of an Entra app.
    pub app: AppMarks,
}

impl SecretFacts {
    /// The public part of the token, if the Secret holds one.
    pub fn claims(&self) -> Option<&Claims> {
        match &self.credential {
            Credential::Token { claims, .. } => Some(claims),
            Credential::Unusable(_) => None,
        }
    }

    /// Whether our annotations describe the credential that is there. They stay
    /// the same when a person or the old script writes another credential, so
    /// each kind is recognised by something of its own: a token by the expiry
    /// that it contains.
    pub fn marks_hold(&self) -> bool {
        match &self.credential {
            Credential::Token { claims, .. } => self.marks.expires_at == Some(claims.expires_at),
            Credential::Unusable(_) => false,
        }
    }

    /// Whether our annotations describe the credential of an Entra app that is there:
    /// nothing else has written the key since.
    pub fn app_marks_hold(&self) -> bool {
        self.written_by_us && self.marks.app.kind.is_some()
    }

    /// How our annotations describe the credential, if they do.
    pub fn recorded(&self) -> Option<Recorded> {
        match &self.credential {
            Credential::Token { .. } if self.marks_hold() => Some(Recorded::Token {
                key_slot: self.marks.last_used_key?,
                previous_key_slot: self.marks.previous_key,
            }),
            Credential::Token { .. } | Credential::Unusable(_) => None,
        }
    }

    /// When the credential was written, if that is recorded anywhere.
    ///
    /// A rotation records when it sent its write, and the API server records when
    /// it stored it: pods that were created in between have the previous
    /// credential. A write of ours that is much later has put the credential
    /// back, and pods have had it since the rotation.
    pub fn written(&self) -> Option<Timestamp> {
        let Some(recorded) = self.marks.rotated_at.filter(|_| self.marks_hold()) else {
            return self.last_written;
        };
        let is_its_write = |stored: &Timestamp| {
            let after = stored.duration_since(recorded);
            self.written_by_us && !after.is_negative() && after <= LONGEST_WRITE
        };
        Some(self.last_written.filter(is_its_write).unwrap_or(recorded))
    }

    /// The id of the rotation that wrote the credential.
    pub fn rotation(&self) -> Option<&str> {
        self.marks.rotation_id.as_deref().filter(|_| self.marks_hold())
    }

    /// What is among the rotation ids of the pods that have the credential, if it was
    /// recorded: the id of a rotation, or that of the credential of an app.
    pub fn id_of_pods(&self) -> Option<String> {
        let of_app = self.marks.app.key_id.filter(|_| self.app_marks_hold());
        let of_token = self.rotation().map(str::to_owned);
        of_token.or_else(|| of_app.map(|id| id.to_string()))
    }

    /// The slot that signed the token, if that is recorded. The old script
    /// leaves only `last-used-key`. If an expiry is recorded too, it must be
    /// that of the token.
    pub fn slot(&self) -> Option<KeySlot> {
        let has_expiry = self.marks.expires_at.is_some();
        self.marks
            .last_used_key
            .filter(|_| !has_expiry || self.marks_hold())
    }
}

/// The version of a workload that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkloadVersion {
    pub workload: WorkloadRef,
    pub uid: String,
    pub resource_version: String,
}

/// How a workload replaces its pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replacement {
    /// New pods start before old ones end.
    Rolling,
    /// Old pods end first, for the reason given.
    Interrupting(&'static str),
    /// Some or all pods stay until they are deleted by hand, for the reason
    /// given.
    ByHand(String),
}

/// The progress of a workload's newest revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rollout {
    /// Every wanted pod is of the newest revision and ready, and no older pod
    /// is left.
    Complete,
    /// It is not complete, for the reason given.
    Waiting(String),
    /// The controller is done, and this number of older pods has to be deleted
    /// by hand.
    LeftByHand(i32),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkloadFacts {
    pub version: WorkloadVersion,
    /// Whether its rollout is paused.
    pub paused: bool,
    pub replacement: Replacement,
    /// The ordinal below which the pods of a `StatefulSet` keep their template; 0 for others.
    pub partition: i32,
    /// The number of pods that it wants.
    pub wanted: i32,
    /// The number of pods that were ready when it was read.
    pub ready: i32,
    pub rollout: Rollout,
    /// Why its controller has not replaced all pods yet that it replaces by itself.
    pub still_replaces: Option<String>,
    /// Whether the API server refuses its new pods.
    pub blocked: Option<Blocked>,
    pub marks: WorkloadMarks,
    /// The one who may take away the annotations of a restart.
    pub owner: Option<String>,
    /// Whether a pod runs with an older credential than the Secret holds;
    /// `None` if nobody looked, or the pods cannot be seen.
    pub stale_pods: Option<bool>,
}

/// A rollout whose new pods the API server refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// The API server's reason.
    pub reason: String,
    pub since: Option<Timestamp>,
}

/// Where a value of this run comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "from", content = "name")]
pub enum Source {
    /// A flag, by its long name.
    Flag(String),
    /// An environment variable.
    Variable(String),
    /// An annotation of the Secret.
    Annotation(String),
    /// A place in the cluster or in Azure, in words.
    Discovery(String),
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

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sourced<T> {
    pub value: T,
    pub source: Source,
}

impl<T> Sourced<T> {
    pub fn new(value: T, source: Source) -> Self {
        Self { value, source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TokenError;

    /// A Secret with a token that expires at second 60.
    fn facts() -> SecretFacts {
        SecretFacts {
            version: SecretVersion {
                name: "gw-token".to_owned(),
                uid: "u1".to_owned(),
                resource_version: "7".to_owned(),
            },
            key: "value".to_owned(),
            created: None,
            immutable: false,
            owner: None,
            last_writer: None,
            last_written: None,
            written_by_us: false,
            gets_prefix: false,
            credential: Credential::Token {
                claims: Claims {
                    gateway: "gw".to_owned(),
                    expires_at: Timestamp::from_second(60).unwrap(),
                },
                prefixed: true,
            },
            certificate: None,
            marks: SecretMarks::default(),
        }
    }

    #[test]
    fn the_marks_of_a_token_hold_while_its_expiry_is_the_recorded_one() {
        let recorded = Recorded::Token {
            key_slot: KeySlot::Secondary,
            previous_key_slot: None,
        };
        for (expiry, unusable, holds, slot) in [
            (None, None, false, Some(KeySlot::Secondary)),
            (Some(60), None, true, Some(KeySlot::Secondary)),
            (Some(120), None, false, None),
            (Some(60), Some(TokenError::Empty), false, None),
            (None, Some(TokenError::NotAToken), false, Some(KeySlot::Secondary)),
        ] {
            let mut facts = facts();
            facts.marks.last_used_key = Some(KeySlot::Secondary);
            facts.marks.expires_at = expiry.map(|second| Timestamp::from_second(second).unwrap());
            facts.marks.rotation_id = Some("r1".to_owned());
            if let Some(error) = unusable {
                facts.credential = Credential::Unusable(error);
            }
            let given = format!("{expiry:?} {unusable:?}");
            assert_eq!(facts.marks_hold(), holds, "{given}");
            assert_eq!(facts.rotation(), holds.then_some("r1"), "{given}");
            assert_eq!(facts.recorded(), holds.then_some(recorded), "{given}");
            assert_eq!(facts.slot(), slot, "{given}");
        }
    }

    #[test]
    fn the_api_servers_time_of_our_write_counts() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut facts = facts();
        facts.marks.expires_at = Some(at(60));
        for (rotated, stored, by_us, written) in [
            (None, None, false, None),
            (None, Some(7), false, Some(7)),
            (Some(5), None, false, Some(5)),
            // Something else only touched the key: the credential is the same.
            (Some(5), Some(7), false, Some(5)),
            (Some(5), Some(7), true, Some(7)),
            (Some(5), Some(4), true, Some(5)),
            // It was put back.
            (Some(5), Some(500), true, Some(5)),
        ] {
            facts.marks.rotated_at = rotated.map(at);
            facts.last_written = stored.map(at);
            facts.written_by_us = by_us;
            assert_eq!(facts.written(), written.map(at), "{rotated:?} {stored:?} {by_us}");
        }
    }
}
