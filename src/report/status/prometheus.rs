//! The gateways as metrics, in the text format of Prometheus (prometheus.io,
//! "Exposition formats"). The gauges have no timestamps, because the textfile
//! collector and the Pushgateway refuse them.

use std::fmt::Write as _;

use super::rows::{Row, StatusReport};
use crate::plan::Verdict;

/// The name, the help and the value of a metric; `None` if a row has no value.
type Metric = (&'static str, &'static str, fn(&Row) -> Option<i64>);

const METRICS: [Metric; 5] = [
    (
        "apim_gateway_credential_expiry_timestamp_seconds",
        "Unix time when the credential expires; absent if unknown.",
        |row| Some(row.facts.claims()?.expires_at.as_second()),
    ),
    (
        "apim_gateway_credential_rotated_timestamp_seconds",
        "Unix time when the credential was written; absent if unknown.",
        |row| Some(row.facts.stored()?.written()?.as_second()),
    ),
    (
        "apim_gateway_pods_wanted",
        "Desired number of pods of the workload.",
        |row| Some(row.facts.wanted.into()),
    ),
    (
        "apim_gateway_pods_ready",
        "Number of ready pods of the workload.",
        |row| Some(row.facts.ready.into()),
    ),
    (
        "apim_gateway_pods_stale",
        "Number of pods that run with an older credential than the Secret holds; absent if unknown.",
        |row| i64::try_from(row.facts.pods.as_ref().ok()?.stale.len()).ok(),
    ),
];

pub(super) fn metrics(report: &StatusReport) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    for (name, help, value) in METRICS {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
        for row in &report.rows {
            if let Some(value) = value(row) {
                let _ = writeln!(text, "{name}{{{}}} {value}", labels(row));
            }
        }
    }
    let name = "apim_gateway_verdict";
    let _ = writeln!(
        text,
        "# HELP {name} 1 for the verdict of the gateway, 0 for all other verdicts.\n# TYPE {name} gauge"
    );
    for row in &report.rows {
        for verdict in Verdict::ALL {
            let value = u8::from(row.assessment.verdict == verdict);
            let _ = writeln!(text, "{name}{{{},verdict=\"{verdict:?}\"}} {value}", labels(row));
        }
    }
    let name = "apim_status_timestamp_seconds";
    let _ = writeln!(
        text,
        "# HELP {name} Unix time when the cluster was read.\n# TYPE {name} gauge\n{name} {}",
        report.now.as_second()
    );
    text
}

fn labels(row: &Row) -> String {
    let facts = &row.facts;
    let workload = facts.workload.to_string();
    let pairs = [
        ("namespace", facts.namespace.as_str()),
        ("workload", &workload),
        ("container", &facts.container),
        ("gateway", facts.gateway.as_deref().unwrap_or_default()),
        ("service", facts.service.as_deref().unwrap_or_default()),
    ];
    let escaped = |value: &str| {
        value
            .replace('\\', r"\\")
            .replace('"', r#"\""#)
            .replace('\n', r"\n")
    };
    let label = |(name, value): (&str, &str)| format!("{name}=\"{}\"", escaped(value));
    pairs.map(label).join(",")
}
