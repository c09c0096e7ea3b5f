use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::model::request::OutputFormat;
use crate::model::{GatewayId, KeySlot, Snapshot, Sourced, WorkloadKind, WorkloadRef, in_words};
use crate::plan::{Mint, Outcome, OutcomeKind, Plan};
use crate::yaml::to_yaml;

/// The result of one `rotate`, as `-o json` and `-o yaml` print it. Fields are
/// added to a version, never changed; what is unknown is left out.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RotationReport {
    pub(super) api_version: &'static str,
    pub(super) kind: &'static str,
    pub(super) outcome: Ending,
    pub(super) exit_code: u8,
    pub(super) dry_run: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) context: Option<String>,
    pub(super) namespace: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) secret: Option<SecretKey>,
    pub(super) workloads: Vec<WorkloadLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) gateway: Option<GatewayId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key_slot: Option<KeySlot>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) previous_key_slot: Option<KeySlot>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) expires_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rotated_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rotation_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) proof: Option<String>,
    /// Who named what: a flag, a variable, an annotation or discovery.
    pub(super) sources: BTreeMap<&'static str, Sourced<String>>,
    pub(super) warnings: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<ErrorLine>,
}

/// How a run ended, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) enum Ending {
    Rotated,
    Completed,
    NotDue,
    Planned,
    PutBack,
    Replaced,
    Yielded,
    Owed,
    Failed,
    /// Of a fleet: refused before anything was minted.
    Refused,
    /// Of a fleet: it has no token.
    Skipped,
    /// Of a fleet: others failed before its turn came.
    NotBegun,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct SecretKey {
    pub(super) name: String,
    pub(super) key: String,
}

#[derive(Debug, Serialize)]
pub(super) struct WorkloadLine {
    pub(super) kind: WorkloadKind,
    pub(super) name: String,
    pub(super) restarted: bool,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct ErrorLine {
    pub(super) message: String,
    pub(super) hints: Vec<String>,
}

impl RotationReport {
    pub(super) fn new(snapshot: &Snapshot, ending: Ending) -> Self {
        let secret = &snapshot.secret;
        let workloads = snapshot
            .workloads
            .iter()
            .map(|facts| WorkloadLine::of(&facts.version.workload));
        Self {
            secret: Some(SecretKey {
                name: secret.version.name.clone(),
                key: secret.key.clone(),
            }),
            ..Self::bare(&snapshot.namespace, workloads.collect(), ending)
        }
    }

    pub(super) fn bare(namespace: &str, workloads: Vec<WorkloadLine>, ending: Ending) -> Self {
        Self {
            api_version: "kubectl-apim/v1",
            kind: "Rotation",
            outcome: ending,
            exit_code: 0,
            dry_run: false,
            reason: None,
            context: None,
            namespace: namespace.to_owned(),
            secret: None,
            workloads,
            gateway: None,
            key_slot: None,
            previous_key_slot: None,
            expires_at: None,
            rotated_at: None,
            rotation_id: None,
            proof: None,
            sources: BTreeMap::new(),
            warnings: Vec::new(),
            error: None,
        }
    }

    /// Nothing was to be done, for the reason given.
    pub fn not_due(snapshot: &Snapshot, reason: String) -> Self {
        let secret = &snapshot.secret;
        let recorded = secret.marks.gateway.as_deref().filter(|_| secret.marks_hold());
        Self {
            reason: Some(reason),
            gateway: recorded.and_then(|id| GatewayId::parse(id).ok()),
            key_slot: secret.slot(),
            expires_at: secret.claims().map(|claims| claims.expires_at),
            ..Self::new(snapshot, Ending::NotDue)
        }
    }

    /// What a dry run would have done.
    pub fn planned(snapshot: &Snapshot, plan: &Plan) -> Self {
        let Mint::Token(token) = &plan.mint;
        let mut report = Self {
            dry_run: true,
            gateway: Some(token.gateway.clone()),
            key_slot: Some(token.key_slot),
            previous_key_slot: token.previous_key_slot,
            expires_at: Some(token.expires_at),
            ..Self::new(snapshot, Ending::Planned)
        };
        for line in &mut report.workloads {
            line.restarted = plan.workloads.iter().any(|workload| line.is(workload));
        }
        report
    }

    /// What a run did.
    pub fn done(snapshot: &Snapshot, plan: &Plan, outcome: &Outcome) -> Self {
        let ending = match outcome.kind {
            OutcomeKind::Rotated => Ending::Rotated,
            OutcomeKind::Completed => Ending::Completed,
            OutcomeKind::PutBack => Ending::PutBack,
            OutcomeKind::Replaced => Ending::Replaced,
            OutcomeKind::Yielded => Ending::Yielded,
            OutcomeKind::Owed => Ending::Owed,
            OutcomeKind::Failed => Ending::Failed,
        };
        let record = outcome.record.as_ref();
        let Mint::Token(planned) = &plan.mint;
        let written = record.map(|record| {
            let Mint::Token(token) = &record.mint;
            token
        });
        let mut report = Self {
            exit_code: outcome.error.as_ref().map_or(0, |error| error.kind().exit_code()),
            gateway: Some(planned.gateway.clone()),
            key_slot: written.map(|token| token.key_slot),
            previous_key_slot: written.and(planned.previous_key_slot),
            expires_at: written.map(|token| token.expires_at),
            rotated_at: record.map(|record| record.rotated_at),
            rotation_id: record.map(|record| record.rotation_id.clone()),
            proof: outcome.proof.clone(),
            error: outcome.error.as_ref().map(ErrorLine::of),
            ..Self::new(snapshot, ending)
        };
        for line in &mut report.workloads {
            line.restarted = outcome.restarted.iter().any(|workload| line.is(workload));
        }
        report
    }

    /// Adds who named what, and what the user should know.
    #[must_use]
    pub fn with(mut self, sources: BTreeMap<&'static str, Sourced<String>>, warnings: Vec<String>) -> Self {
        self.sources = sources;
        self.warnings = warnings;
        self
    }

    /// Where the gateway is.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The exit code that the run ends with.
    pub fn exit_code(&self) -> u8 {
        self.exit_code
    }

    /// The report as text, ending in a line feed unless it is empty. `now` and
    /// `zone` are for the expiry in words and in local time.
    pub fn render(&self, format: OutputFormat, now: Timestamp, zone: &TimeZone) -> Result<String> {
        match format {
            OutputFormat::Table => Ok(self.lines(now, zone)),
            OutputFormat::Wide => Ok(super::wide::table(self, now)),
            OutputFormat::Name => Ok(self.names()),
            OutputFormat::Yaml => to_yaml(self),
            OutputFormat::Json => to_json(self),
        }
    }

    pub(super) fn lines(&self, now: Timestamp, zone: &TimeZone) -> String {
        let secret = self.secret.as_ref().map_or("", |secret| secret.name.as_str());
        let suffix = if self.dry_run { " (dry run)" } else { "" };
        let mut text = String::new();
        let mut line = |content: &str| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{content}{suffix}");
        };
        match self.outcome {
            Ending::Rotated | Ending::Planned | Ending::Replaced => line(&format!("secret/{secret} rotated")),
            Ending::Completed | Ending::Owed if self.rotation_id.is_some() => {
                line(&format!(
                    "secret/{secret} rotated (restart or proof was outstanding)"
                ));
            }
            Ending::PutBack => line(&format!("secret/{secret} put back")),
            Ending::NotDue => {
                line(&format!(
                    "secret/{secret} unchanged: {}",
                    self.reason.as_deref().unwrap_or_default()
                ));
            }
            Ending::Yielded => line(&format!("secret/{secret} unchanged: another rotation was faster")),
            Ending::Completed
            | Ending::Owed
            | Ending::Failed
            | Ending::Refused
            | Ending::Skipped
            | Ending::NotBegun => {}
        }
        for workload in self.workloads.iter().filter(|line| line.restarted) {
            line(&format!("{} restarted", workload.reference()));
        }
        if let Some(slot) = self.key_slot {
            line(&format!("key slot: {slot}"));
        }
        if let Some(expires_at) = self.expires_at {
            let left = expires_at.duration_since(now);
            let words = if left.is_negative() {
                format!("{} ago", in_words(left))
            } else {
                format!("in {}", in_words(left))
            };
            let local = expires_at
                .to_zoned(zone.clone())
                .strftime("%Y-%m-%d %H:%M %Z")
                .to_string();
            line(&format!("expires: {local} ({words})"));
        }
        text
    }

    pub(super) fn names(&self) -> String {
        let written = matches!(
            self.outcome,
            Ending::Rotated | Ending::Replaced | Ending::PutBack | Ending::Planned | Ending::Owed
        );
        let secret = self.secret.as_ref().filter(|_| written);
        let secret = secret.map(|secret| format!("secret/{}\n", secret.name));
        let restarted = self.workloads.iter().filter(|line| line.restarted);
        secret
            .into_iter()
            .chain(restarted.map(|line| format!("{}\n", line.reference())))
            .collect()
    }
}

/// A value as indented JSON, ending in a line feed.
pub(super) fn to_json<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string_pretty(value)
        .map(|text| text + "\n")
        .map_err(|error| Error::failed(format!("cannot write JSON: {error}")).caused_by(error))
}

impl WorkloadLine {
    pub(super) fn of(workload: &WorkloadRef) -> Self {
        Self {
            kind: workload.kind,
            name: workload.name.clone(),
            restarted: false,
        }
    }

    pub(super) fn is(&self, workload: &WorkloadRef) -> bool {
        self.kind == workload.kind && self.name == workload.name
    }

    pub(super) fn reference(&self) -> WorkloadRef {
        WorkloadRef {
            kind: self.kind,
            name: self.name.clone(),
        }
    }
}

impl ErrorLine {
    pub(super) fn of(error: &Error) -> Self {
        Self {
            message: error.to_string(),
            hints: error.hints().to_vec(),
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
