use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::gateway_list::gateway_list;
use super::rotation::{OutcomeName, RotationReport, to_json};
use crate::error::Result;
use crate::model::in_words;
use crate::model::request::RotateFormat;
use crate::yaml::to_yaml;

impl RotationReport {
    /// The report as text, with a line feed at the end unless it is empty. It
    /// contains the time until the expiry, and the expiry in the time zone.
    pub fn render(&self, format: RotateFormat, now: Timestamp, zone: &TimeZone) -> Result<String> {
        match format {
            RotateFormat::Table => Ok(self.lines(now, zone)),
            RotateFormat::Wide => Ok(super::wide::table(self, now)),
            RotateFormat::Name => Ok(self.names()),
            RotateFormat::Gateways => Ok(gateway_list(std::slice::from_ref(self))),
            RotateFormat::Yaml => to_yaml(self),
            RotateFormat::Json => to_json(self),
        }
    }

    pub(super) fn lines(&self, now: Timestamp, zone: &TimeZone) -> String {
        let suffix = if self.dry_run { " (dry run)" } else { "" };
        let mut text = String::new();
        let mut line = |content: &str| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{content}{suffix}");
        };
        if let Some(outcome) = self.secret_line() {
            line(&outcome);
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

    fn secret_line(&self) -> Option<String> {
        let secret = self.secret.as_ref().map_or("", |secret| secret.name.as_str());
        let result = match self.outcome {
            OutcomeName::Rotated | OutcomeName::Planned | OutcomeName::Replaced => "rotated",
            OutcomeName::Completed if self.rotation_id.is_some() => {
                "rotated by an earlier run, completed now; no new token was minted"
            }
            OutcomeName::Owed if self.rotation_id.is_some() => "rotated (restart or proof is owed)",
            OutcomeName::PutBack => "put back",
            OutcomeName::Yielded => "holds the token of a concurrent rotation, which was faster",
            OutcomeName::NotDue => {
                let reason = self.reason.as_deref().unwrap_or_default();
                return Some(format!("secret/{secret} unchanged: {reason}"));
            }
            OutcomeName::Completed
            | OutcomeName::Owed
            | OutcomeName::Failed
            | OutcomeName::Refused
            | OutcomeName::Skipped
            | OutcomeName::NotBegun => return None,
        };
        Some(format!("secret/{secret} {result}"))
    }

    pub(super) fn names(&self) -> String {
        let written = matches!(
            self.outcome,
            OutcomeName::Rotated
                | OutcomeName::Replaced
                | OutcomeName::PutBack
                | OutcomeName::Planned
                | OutcomeName::Owed
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
