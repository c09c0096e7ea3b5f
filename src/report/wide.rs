//! The result as one row, with what the lines leave out.

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use jiff::Timestamp;

use super::RotationReport;
use crate::model::in_words;

const UNKNOWN: &str = "<unknown>";
const NONE: &str = "<none>";

/// A borderless table with kubectl's upper-case heads.
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
            in_words(left)
        }
    });
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header([
        "SECRET",
        "KEY",
        "WORKLOADS",
        "GATEWAY",
        "SERVICE",
        "SLOT",
        "EXPIRES-IN",
        "OUTCOME",
    ]);
    table.add_row([
        report.secret.name.clone(),
        report.secret.key.clone(),
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
    ]);
    // The cells are padded on both sides; kubectl's begin at the margin.
    let lines: Vec<String> = table.lines().map(|line| line.trim().to_owned()).collect();
    lines.join("\n") + "\n"
}
