//! The result of one rotation as a table, with more details than the text.

use jiff::Timestamp;

use super::rotation::RotationReport;
use super::table::{Severity, cell, render};
use crate::model::human_duration;

const UNKNOWN: &str = "<unknown>";
const NONE: &str = "<none>";

pub(super) fn table(report: &RotationReport, now: Timestamp) -> String {
    let or_unknown = |text: Option<String>| text.unwrap_or_else(|| UNKNOWN.to_owned());
    let workloads: Vec<String> = report
        .workloads
        .iter()
        .map(|line| line.reference().to_string())
        .collect();
    let expires_in = report.expires_at.map(|expires_at| {
        let left = expires_at.duration_since(now);
        if left.is_negative() {
            "expired".to_owned()
        } else {
            human_duration(left)
        }
    });
    let headers = [
        "SECRET",
        "KEY",
        "WORKLOADS",
        "GATEWAY",
        "SERVICE",
        "SLOT",
        "EXPIRES-IN",
        "OUTCOME",
    ];
    let row = [
        or_unknown(report.secret.as_ref().map(|secret| secret.name.clone())),
        or_unknown(report.secret.as_ref().map(|secret| secret.key.clone())),
        if workloads.is_empty() {
            NONE.to_owned()
        } else {
            workloads.join(",")
        },
        or_unknown(report.gateway.as_ref().map(|gateway| gateway.name.clone())),
        or_unknown(
            report
                .gateway
                .as_ref()
                .map(|gateway| gateway.service.name.clone()),
        ),
        or_unknown(report.key_slot.map(|slot| slot.to_string())),
        or_unknown(expires_in),
        format!("{:?}", report.outcome),
    ];
    let row = row.iter().map(|text| cell(text, Severity::None)).collect();
    render(Some(&headers), vec![row], &mut Vec::new())
}
