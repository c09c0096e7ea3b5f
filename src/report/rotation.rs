use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::model::request::ConnectionFlags;
use crate::model::{GatewayId, KeySlot, Snapshot, Sourced, WorkloadKind, WorkloadRef};
use crate::plan::{Mint, Outcome, OutcomeKind, Plan};

/// The reason in the report of a run that did the rest of an earlier one.
const NOTHING_MINTED: &str = "an earlier run was completed; no new token was minted";

/// The result of the rotation of one gateway, and the output of `-o json` and
/// `-o yaml`. A version gets new fields, but never changes existing ones.
/// Unknown values are omitted.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RotationReport {
    pub(super) api_version: &'static str,
    pub(super) kind: &'static str,
    pub(super) outcome: OutcomeName,
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
    /// The source of each setting: a flag, a variable, an annotation or discovery.
    pub(super) sources: BTreeMap<&'static str, Sourced<String>>,
    pub(super) warnings: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<ErrorLine>,
    /// The workloads that run the gateway, among all that use its Secret.
    #[serde(skip)]
    pub(super) gateways: Vec<WorkloadRef>,
    /// The names of the gateway in Azure, which errors may contain.
    #[serde(skip)]
    pub(super) names: Vec<String>,
    /// Whether the token replaces another one of this run, which Azure refused.
    #[serde(skip)]
    pub(super) is_replacement: bool,
}

/// The outcome in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) enum OutcomeName {
    Rotated,
    Completed,
    NotDue,
    Planned,
    PutBack,
    Replaced,
    Yielded,
    Owed,
    Failed,
    /// Only in a fleet: refused before a token was minted.
    Refused,
    /// Only in a fleet: the gateway has no token.
    Skipped,
    /// Only in a fleet: others failed before.
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
    pub(super) fn new(snapshot: &Snapshot, outcome_name: OutcomeName) -> Self {
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
            ..Self::bare(&snapshot.namespace, workloads.collect(), outcome_name)
        }
    }

    pub(super) fn bare(namespace: &str, workloads: Vec<WorkloadLine>, outcome_name: OutcomeName) -> Self {
        Self {
            api_version: "kubectl-apim/v1",
            kind: "Rotation",
            outcome: outcome_name,
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
            gateways: Vec::new(),
            names: Vec::new(),
            is_replacement: false,
        }
    }

    /// No rotation was due.
    pub fn not_due(snapshot: &Snapshot, reason: String) -> Self {
        let secret = &snapshot.secret;
        let recorded = secret.marks.gateway.as_deref().filter(|_| secret.marks_hold());
        Self {
            reason: Some(reason),
            gateway: recorded.and_then(|id| GatewayId::parse(id).ok()),
            key_slot: secret.slot(),
            expires_at: secret.claims().map(|claims| claims.expires_at),
            ..Self::new(snapshot, OutcomeName::NotDue)
        }
    }

    /// The plan of a dry run.
    pub fn planned(snapshot: &Snapshot, plan: &Plan) -> Self {
        let Mint::Token(token) = &plan.mint;
        let mut report = Self {
            dry_run: true,
            gateway: Some(token.gateway.clone()),
            key_slot: Some(token.key_slot),
            previous_key_slot: token.previous_key_slot,
            expires_at: Some(token.expires_at),
            ..Self::new(snapshot, OutcomeName::Planned)
        };
        for line in &mut report.workloads {
            line.restarted = plan.workloads.iter().any(|workload| line.is(workload));
        }
        report
    }

    /// What a dry run shows of the rest of putting a refused credential back.
    pub fn planned_put_back(snapshot: &Snapshot, gateway: Option<GatewayId>) -> Self {
        let mut report = Self {
            dry_run: true,
            reason: Some(NOTHING_MINTED.to_owned()),
            gateway,
            ..Self::new(snapshot, OutcomeName::Planned)
        };
        for line in &mut report.workloads {
            line.restarted = true;
        }
        report
    }

    /// The outcome of a run that did the rest of putting a refused credential
    /// back.
    pub fn finished_put_back(snapshot: &Snapshot, outcome: &Outcome) -> Self {
        let outcome_name = match outcome.kind {
            OutcomeKind::PutBack => OutcomeName::PutBack,
            _ => OutcomeName::Owed,
        };
        let mut report = Self {
            exit_code: outcome.error.as_ref().map_or(0, |error| error.kind().exit_code()),
            reason: Some(NOTHING_MINTED.to_owned()),
            error: outcome.error.as_ref().map(ErrorLine::of),
            ..Self::new(snapshot, outcome_name)
        };
        for line in &mut report.workloads {
            line.restarted = outcome.restarted.iter().any(|workload| line.is(workload));
        }
        report
    }

    /// The outcome of a run.
    pub fn done(snapshot: &Snapshot, plan: &Plan, outcome: &Outcome) -> Self {
        let outcome_name = match outcome.kind {
            OutcomeKind::Rotated => OutcomeName::Rotated,
            OutcomeKind::Completed => OutcomeName::Completed,
            OutcomeKind::PutBack => OutcomeName::PutBack,
            OutcomeKind::Replaced => OutcomeName::Replaced,
            OutcomeKind::Yielded => OutcomeName::Yielded,
            OutcomeKind::Owed => OutcomeName::Owed,
            OutcomeKind::Failed => OutcomeName::Failed,
        };
        let record = outcome.record.as_ref();
        let Mint::Token(planned) = &plan.mint;
        let written = record.map(|record| {
            let Mint::Token(token) = &record.mint;
            token
        });
        let is_completion = outcome.kind == OutcomeKind::Completed;
        let mut report = Self {
            exit_code: outcome.error.as_ref().map_or(0, |error| error.kind().exit_code()),
            gateway: Some(written.unwrap_or(planned).gateway.clone()),
            reason: is_completion.then(|| NOTHING_MINTED.to_owned()),
            key_slot: written.map(|token| token.key_slot),
            previous_key_slot: written.and(planned.previous_key_slot),
            expires_at: written.map(|token| token.expires_at),
            rotated_at: record.map(|record| record.rotated_at),
            rotation_id: record.map(|record| record.rotation_id.clone()),
            proof: outcome.proof.clone(),
            error: outcome.error.as_ref().map(ErrorLine::of),
            is_replacement: outcome.is_replacement,
            ..Self::new(snapshot, outcome_name)
        };
        for line in &mut report.workloads {
            line.restarted = outcome.restarted.iter().any(|workload| line.is(workload));
        }
        report
    }

    /// Sets the workloads that run the gateway.
    #[must_use]
    pub fn run_by(mut self, gateways: Vec<WorkloadRef>) -> Self {
        self.gateways = gateways;
        self
    }

    /// Adds the sources of the settings, and the warnings.
    #[must_use]
    pub fn with(mut self, sources: BTreeMap<&'static str, Sourced<String>>, warnings: Vec<String>) -> Self {
        self.sources = sources;
        self.warnings = warnings;
        self
    }

    /// Completes the commands in its texts with what they need to reach the same cluster.
    #[must_use]
    pub fn reaching(mut self, connection: &ConnectionFlags) -> Self {
        let connection = match &self.context {
            Some(context) => &connection.in_context(context),
            None => connection,
        };
        let complete = |text: &mut String| *text = connection.completed(text).into_owned();
        self.warnings.iter_mut().for_each(complete);
        if let Some(error) = &mut self.error {
            complete(&mut error.message);
            error.hints.iter_mut().for_each(complete);
        }
        self
    }

    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    pub fn exit_code(&self) -> u8 {
        self.exit_code
    }
}

/// Indented JSON with a line feed at the end.
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
