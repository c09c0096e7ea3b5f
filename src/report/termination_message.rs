//! A result cut to what fits into a pod's termination message.

use jiff::Timestamp;
use serde::Serialize;

use super::fleet::{Counts, FleetReport};
use super::rotation::{Ending, ErrorLine, RotationReport, SecretKey};
use crate::error::Error;
use crate::model::{GatewayId, one_line, shortened};

/// What Kubernetes keeps of a message, in bytes.
const LIMIT: usize = 4096;

/// The longest text of an error at first; less where that is still too much.
const LONGEST_TEXT: usize = 1024;

/// How many errors of a fleet are told.
const FEW: usize = 5;

/// What a run came to, for whoever sees the pod and not its log. The fields
/// mean what they mean in `-o json`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TerminationMessage {
    api_version: &'static str,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<Ending>,
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
    /// Those of a run that ended before it had a result.
    pub fn of_error(error: &Error) -> Self {
        Self {
            error: Some(ErrorLine::of(error)),
            ..Self::bare("Error")
        }
    }

    /// Those of a run for one gateway.
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

    /// Those of a run for many.
    pub fn of_fleet(report: &FleetReport) -> Self {
        let mut errors: Vec<ErrorLine> = report.errors().iter().take(FEW).map(ErrorLine::of).collect();
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

    /// As compact JSON, short enough to be kept whole, with the exit code that
    /// the process really ends with.
    pub fn into_json(mut self, exit_code: u8) -> String {
        self.exit_code = exit_code;
        let mut longest = LONGEST_TEXT;
        loop {
            self.shorten(longest);
            let text = serde_json::to_string(&self).expect("texts and numbers are JSON");
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
    fn one_rotation_in_one_line() {
        insta::assert_snapshot!(TerminationMessage::of(&rotated()).into_json(0), @r#"{"apiVersion":"kubectl-apim/v1","kind":"Rotation","outcome":"Rotated","exitCode":0,"namespace":"apim","secret":{"name":"gw-token","key":"value"},"gateway":"/subscriptions/s/resourceGroups/rg/providers/Microsoft.ApiManagement/service/svc/gateways/gw","expiresAt":"2027-02-14T07:50:00Z","rotationId":"r1"}"#);
    }

    #[test]
    fn an_early_error_has_all_its_hints_and_the_code_of_the_process() {
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
    fn no_message_is_longer_than_what_is_kept() {
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
