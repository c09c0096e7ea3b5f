//! What a run has to say on stdout, as text. Nothing is printed here and no
//! clock is read.

pub mod status;
mod table;
mod wide;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::apply::{Outcome, Verdict};
use crate::cli::OutputFormat;
use crate::error::{Error, Result};
use crate::model::{GatewayId, KeySlot, Snapshot, Sourced, WorkloadKind, WorkloadRef, in_words};
use crate::plan::Plan;
use crate::yaml::to_yaml;

/// The result of one `rotate`, as `-o json` and `-o yaml` print it. Fields are
/// added to a version, never changed; what is unknown is left out.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RotationReport {
    api_version: &'static str,
    kind: &'static str,
    outcome: Ending,
    exit_code: u8,
    dry_run: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    namespace: String,
    secret: SecretKey,
    workloads: Vec<WorkloadLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway: Option<GatewayId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_slot: Option<KeySlot>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_key_slot: Option<KeySlot>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rotated_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rotation_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    proof: Option<String>,
    /// Who named what: a flag, a variable, an annotation or discovery.
    sources: BTreeMap<&'static str, Sourced<String>>,
    warnings: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorLine>,
}

/// How a run ended, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
enum Ending {
    Rotated,
    Completed,
    NotDue,
    Planned,
    PutBack,
    Replaced,
    Yielded,
    Owed,
    Failed,
}

#[derive(Debug, Serialize)]
struct SecretKey {
    name: String,
    key: String,
}

#[derive(Debug, Serialize)]
struct WorkloadLine {
    kind: WorkloadKind,
    name: String,
    restarted: bool,
}

#[derive(Debug, Serialize)]
struct ErrorLine {
    message: String,
    hints: Vec<String>,
}

impl RotationReport {
    fn new(snapshot: &Snapshot, ending: Ending) -> Self {
        let secret = &snapshot.secret;
        let line = |workload: &WorkloadRef| WorkloadLine {
            kind: workload.kind,
            name: workload.name.clone(),
            restarted: false,
        };
        Self {
            api_version: "kubectl-apim/v1",
            kind: "Rotation",
            outcome: ending,
            exit_code: 0,
            dry_run: false,
            reason: None,
            namespace: snapshot.namespace.clone(),
            secret: SecretKey {
                name: secret.version.name.clone(),
                key: secret.key.clone(),
            },
            workloads: snapshot
                .workloads
                .iter()
                .map(|facts| line(&facts.version.workload))
                .collect(),
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
        Self {
            reason: Some(reason),
            key_slot: secret.slot(),
            expires_at: secret.claims().map(|claims| claims.expires_at),
            ..Self::new(snapshot, Ending::NotDue)
        }
    }

    /// What a dry run would have done.
    pub fn planned(snapshot: &Snapshot, plan: &Plan) -> Self {
        let mut report = Self {
            dry_run: true,
            gateway: Some(plan.gateway.clone()),
            key_slot: Some(plan.key_slot),
            previous_key_slot: plan.previous_key_slot,
            expires_at: Some(plan.expires_at),
            ..Self::new(snapshot, Ending::Planned)
        };
        for line in &mut report.workloads {
            line.restarted = plan.workloads.iter().any(|workload| line.is(workload));
        }
        report
    }

    /// What a run did.
    pub fn done(snapshot: &Snapshot, plan: &Plan, outcome: &Outcome) -> Self {
        let ending = match outcome.verdict {
            Verdict::Rotated => Ending::Rotated,
            Verdict::Completed => Ending::Completed,
            Verdict::PutBack => Ending::PutBack,
            Verdict::Replaced => Ending::Replaced,
            Verdict::Yielded => Ending::Yielded,
            Verdict::Owed => Ending::Owed,
            Verdict::Failed => Ending::Failed,
        };
        let record = outcome.record.as_ref();
        let mut report = Self {
            exit_code: outcome.error.as_ref().map_or(0, |error| error.kind().exit_code()),
            gateway: Some(plan.gateway.clone()),
            key_slot: record.map(|record| record.key_slot),
            previous_key_slot: record.and(plan.previous_key_slot),
            expires_at: record.map(|record| record.expires_at),
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

    /// The exit code that the run ends with.
    pub fn exit_code(&self) -> u8 {
        self.exit_code
    }

    /// The report as text, ending in a line feed unless it is empty. `now` and
    /// `zone` are for the expiry in words and in local time.
    pub fn render(&self, format: OutputFormat, now: Timestamp, zone: &TimeZone) -> Result<String> {
        match format {
            OutputFormat::Table => Ok(self.lines(now, zone)),
            OutputFormat::Wide => Ok(wide::table(self, now)),
            OutputFormat::Name => Ok(self.names()),
            OutputFormat::Yaml => to_yaml(self),
            OutputFormat::Json => to_json(self),
        }
    }

    fn lines(&self, now: Timestamp, zone: &TimeZone) -> String {
        let secret = &self.secret.name;
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
            Ending::Completed | Ending::Owed | Ending::Failed => {}
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

    fn names(&self) -> String {
        let written = matches!(
            self.outcome,
            Ending::Rotated | Ending::Replaced | Ending::PutBack | Ending::Planned | Ending::Owed
        );
        let secret = written.then(|| format!("secret/{}\n", self.secret.name));
        let restarted = self.workloads.iter().filter(|line| line.restarted);
        secret
            .into_iter()
            .chain(restarted.map(|line| format!("{}\n", line.reference())))
            .collect()
    }
}

/// A value as indented JSON, ending in a line feed.
fn to_json<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string_pretty(value)
        .map(|text| text + "\n")
        .map_err(|error| Error::failed(format!("cannot write JSON: {error}")).caused_by(error))
}

impl WorkloadLine {
    fn is(&self, workload: &WorkloadRef) -> bool {
        self.kind == workload.kind && self.name == workload.name
    }

    fn reference(&self) -> WorkloadRef {
        WorkloadRef {
            kind: self.kind,
            name: self.name.clone(),
        }
    }
}

impl ErrorLine {
    fn of(error: &Error) -> Self {
        Self {
            message: error.to_string(),
            hints: error.hints().to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply::Record;
    use crate::plan::fixture::{DAY, now, policy, snapshot};
    use crate::plan::rotation;
    use crate::yaml::from_yaml;

    fn plan() -> Plan {
        let gateway = GatewayId::parse(
            "/subscriptions/s/resourceGroups/rg/providers/Microsoft.ApiManagement/service/svc/gateways/gw",
        );
        rotation(&snapshot(), &policy(), gateway.unwrap(), now(), "r1".to_owned())
    }

    fn rotated() -> RotationReport {
        let plan = plan();
        let record = Record {
            rotation_id: "r1".to_owned(),
            key_slot: KeySlot::Primary,
            expires_at: plan.expires_at,
            rotated_at: now(),
        };
        let outcome = Outcome {
            verdict: Verdict::Rotated,
            record: Some(record),
            restarted: plan.workloads.clone(),
            proof: Some("2 new pods are ready".to_owned()),
            error: None,
        };
        RotationReport::done(&snapshot(), &plan, &outcome)
    }

    fn render(report: &RotationReport, format: OutputFormat) -> String {
        report.render(format, now(), &TimeZone::UTC).unwrap()
    }

    #[test]
    fn a_rotation_for_people() {
        insta::assert_snapshot!(render(&rotated(), OutputFormat::Table), @r"
        secret/gw-token rotated
        deployment.apps/gw restarted
        key slot: primary
        expires: 2027-02-14 07:50 UTC (in 29 days 23 hours)
        ");
    }

    #[test]
    fn a_rotation_in_one_row() {
        insta::assert_snapshot!(render(&rotated(), OutputFormat::Wide), @r"
        SECRET     KEY     WORKLOADS            GATEWAY   SERVICE   SLOT      EXPIRES-IN         OUTCOME
        gw-token   value   deployment.apps/gw   gw        svc       primary   29 days 23 hours   Rotated
        ");
    }

    #[test]
    fn a_rotation_for_scripts() {
        insta::assert_snapshot!(render(&rotated(), OutputFormat::Name), @r"
        secret/gw-token
        deployment.apps/gw
        ");
        insta::assert_snapshot!(render(&rotated(), OutputFormat::Json), @r#"
        {
          "apiVersion": "kubectl-apim/v1",
          "kind": "Rotation",
          "outcome": "Rotated",
          "exitCode": 0,
          "dryRun": false,
          "namespace": "apim",
          "secret": {
            "name": "gw-token",
            "key": "value"
          },
          "workloads": [
            {
              "kind": "Deployment",
              "name": "gw",
              "restarted": true
            }
          ],
          "gateway": "/subscriptions/s/resourceGroups/rg/providers/Microsoft.ApiManagement/service/svc/gateways/gw",
          "keySlot": "primary",
          "expiresAt": "2027-02-14T07:50:00Z",
          "rotatedAt": "2027-01-15T08:00:00Z",
          "rotationId": "r1",
          "proof": "2 new pods are ready",
          "sources": {},
          "warnings": []
        }
        "#);
    }

    #[test]
    fn yaml_says_the_same_as_json() {
        let yaml: serde_json::Value = from_yaml(render(&rotated(), OutputFormat::Yaml).as_bytes()).unwrap();
        let json: serde_json::Value = serde_json::from_str(&render(&rotated(), OutputFormat::Json)).unwrap();
        assert_eq!(yaml, json);
    }

    #[test]
    fn a_plan_and_nothing_due() {
        insta::assert_snapshot!(render(&RotationReport::planned(&snapshot(), &plan()), OutputFormat::Table), @r"
        secret/gw-token rotated (dry run)
        deployment.apps/gw restarted (dry run)
        key slot: primary (dry run)
        expires: 2027-02-14 07:50 UTC (in 29 days 23 hours) (dry run)
        ");
        let not_due = RotationReport::not_due(&snapshot(), "the token is fresh".to_owned());
        insta::assert_snapshot!(render(&not_due, OutputFormat::Table), @r"
        secret/gw-token unchanged: the token is fresh
        expires: 2027-02-14 08:00 UTC (in 30 days)
        ");
        assert_eq!(render(&not_due, OutputFormat::Name), "");
        assert_eq!(DAY * 30, not_due.expires_at.unwrap().duration_since(now()));
    }
}
