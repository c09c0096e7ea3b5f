//! A result that fits into a pod's termination message.

use jiff::Timestamp;
use serde::Serialize;

use super::fleet::{Counts, FleetReport};
use super::rotation::{ErrorLine, OutcomeName, RotationReport, SecretKey};
use crate::error::Error;
use crate::model::{GatewayId, one_line, shortened};

/// The longest message that Kubernetes keeps, in bytes.
const LIMIT: usize = 4096;

/// The longest text of an error, in bytes. It is halved until the message fits.
const LONGEST_TEXT: usize = 1024;

/// The errors of a fleet that the message contains at most.
const MAX_ERRORS: usize = 5;

/// The result of a run, for users who see the pod but not its log. The fields
/// are those of `-o json`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TerminationMessage {
    api_version: &'static str,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<OutcomeName>,
    exit_code: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    counts: Option<Counts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<SecretKey>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway: Option<GatewayId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rotation_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorLine>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<ErrorLine>,
}

impl TerminationMessage {
    /// For a run that failed before it had a result.
    pub fn of_error(error: &Error) -> Self {
        Self {
            error: Some(ErrorLine::of(error)),
            ..Self::bare("Error")
        }
    }

    /// For a run with one gateway.
    pub fn of(report: &RotationReport) -> Self {
        let mut error = report.error.clone();
        if let Some(error) = &mut error {
            error.hints.truncate(1);
        }
        Self {
            outcome: Some(report.outcome),
            namespace: Some(report.namespace.clone()),
            secret: report.secret.clone(),
            gateway: report.gateway.clone(),
            expires_at: report.expires_at,
            rotation_id: report.rotation_id.clone(),
            error,
            ..Self::bare(report.kind)
        }
    }

    /// For a run with many gateways.
    pub fn of_fleet(report: &FleetReport) -> Self {
        let mut errors: Vec<ErrorLine> = report
            .errors()
            .iter()
            .take(MAX_ERRORS)
            .map(ErrorLine::of)
            .collect();
        for error in &mut errors {
            error.hints.truncate(1);
        }
        Self {
            counts: Some(report.counts.clone()),
            errors,
            ..Self::bare(report.kind)
        }
    }

    fn bare(kind: &'static str) -> Self {
        Self {
            api_version: "kubectl-apim/v1",
            kind,
            outcome: None,
            exit_code: 0,
            counts: None,
            namespace: None,
            secret: None,
            gateway: None,
            expires_at: None,
            rotation_id: None,
            error: None,
            errors: Vec::new(),
        }
    }

    /// Compact JSON, short enough for Kubernetes to keep all of it, with the
    /// exit code of the process.
    pub fn into_json(mut self, exit_code: u8) -> String {
        self.exit_code = exit_code;
        let mut longest = LONGEST_TEXT;
        loop {
            self.shorten(longest);
            let text = serde_json::to_string(&self).expect("texts and numbers are valid JSON");
            if text.len() <= LIMIT || longest == 0 {
                return text;
            }
            longest /= 2;
        }
    }

    fn shorten(&mut self, longest: usize) {
        for line in self.error.iter_mut().chain(&mut self.errors) {
            for text in std::iter::once(&mut line.message).chain(&mut line.hints) {
                *text = shortened(&one_line(text), longest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::rotation::tests::rotated;
    use super::*;
    use crate::error::Kind;
    use crate::plan::fixture::snapshot;

    #[test]
    fn one_rotation() {
        insta::assert_snapshot!(TerminationMessage::of(&rotated()).into_json(0), @r#"{"apiVersion":"kubectl-apim/v1","kind":"Rotation","outcome":"Rotated","exitCode":0,"namespace":"apim","secret":{"name":"gw-token","key":"value"},"gateway":"/subscriptions/s/resourceGroups/rg/providers/Microsoft.ApiManagement/service/svc/gateways/gw","expiresAt":"2027-02-14T07:50:00Z","rotationId":"r1"}"#);
    }

    #[test]
    fn an_early_error_has_all_its_hints_and_the_exit_code_of_the_process() {
        let error = Error::refused("no\nway").hint("first").hint("second");
        insta::assert_snapshot!(TerminationMessage::of_error(&error).into_json(1), @r#"{"apiVersion":"kubectl-apim/v1","kind":"Error","exitCode":1,"error":{"message":"no way","hints":["first","second"]}}"#);
    }

    #[test]
    fn a_fleet_has_counts_and_its_first_errors() {
        let items = (0..9).map(|number| {
            let error = Error::new(Kind::Failed, format!("failure {number}"))
                .hint("one")
                .hint("two");
            RotationReport::stopped(&snapshot(), &error)
        });
        let report = FleetReport::new(items.collect(), false);
        insta::assert_snapshot!(TerminationMessage::of_fleet(&report).into_json(6), @r#"{"apiVersion":"kubectl-apim/v1","kind":"RotationList","exitCode":6,"counts":{"rotated":0,"notDue":0,"skipped":0,"refused":0,"failed":9,"notBegun":0},"errors":[{"message":"apim/secret/gw-token: failure 0","hints":["one"]},{"message":"apim/secret/gw-token: failure 1","hints":["one"]},{"message":"apim/secret/gw-token: failure 2","hints":["one"]},{"message":"apim/secret/gw-token: failure 3","hints":["one"]},{"message":"apim/secret/gw-token: failure 4","hints":["one"]}]}"#);
    }

    #[test]
    fn no_message_exceeds_the_limit() {
        // Each quote takes two bytes of JSON, each letter two of UTF-8.
        let long = "\"ü".repeat(3000);
        let error = Error::failed(long.clone()).hint(long.clone()).hint(long.clone());
        let text = TerminationMessage::of_error(&error).into_json(1);
        assert!(text.len() <= LIMIT && text.len() > LIMIT / 4, "{}", text.len());
        let items = (0..9).map(|number| {
            let error = Error::failed(format!("{number} {long}")).hint(long.clone());
            RotationReport::stopped(&snapshot(), &error)
        });
        let text = TerminationMessage::of_fleet(&FleetReport::new(items.collect(), false)).into_json(6);
        assert!(text.len() <= LIMIT && text.len() > LIMIT / 4, "{}", text.len());
    }
}
