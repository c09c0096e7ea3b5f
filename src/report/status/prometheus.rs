//! The gateways as metrics, in the text format of Prometheus (prometheus.io,
//! "Exposition formats"). The gauges have no timestamps, because the textfile
//! collector and the Pushgateway refuse them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::entra::part_name;
use super::json::auth;
use super::rows::{Row, StatusReport};
use crate::model::{Fact, Unavailable};
use crate::plan::Verdict;
use crate::plan::entra::LinkState;

/// The name, the help and the value of a metric; `None` if a row has no value.
type Metric = (&'static str, &'static str, fn(&Row) -> Option<i64>);

const METRICS: [Metric; 5] = [
    (
        "apim_gateway_credential_expiry_timestamp_seconds",
        "Unix time when the credential expires; absent if unknown.",
        |row| Some(row.assessment.expiry?.expires.as_second()),
    ),
    (
        "apim_gateway_credential_rotated_timestamp_seconds",
        "Unix time when the credential was written; absent if unknown.",
        |row| Some(row.facts.secret_facts()?.written()?.as_second()),
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
    let rows = series(report);
    let mut text = String::new();
    // Writing to a String cannot fail.
    for (name, help, value) in METRICS {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
        for (labels, row) in &rows {
            if let Some(value) = value(row) {
                let _ = writeln!(text, "{name}{{{labels}}} {value}");
            }
        }
    }
    let name = "apim_gateway_verdict";
    let _ = writeln!(
        text,
        "# HELP {name} 1 for the verdict of the gateway, 0 for all other verdicts.\n# TYPE {name} gauge"
    );
    for (labels, row) in &rows {
        for verdict in Verdict::ALL {
            let value = u8::from(row.assessment.verdict == verdict);
            let _ = writeln!(text, "{name}{{{labels},verdict=\"{verdict:?}\"}} {value}");
        }
    }
    entra(&mut text, &rows);
    let name = "apim_gateways";
    let _ = writeln!(
        text,
        "# HELP {name} Number of gateways that were found.\n# TYPE {name} gauge\n{name} {}",
        rows.len()
    );
    let unread = unread(report);
    let name = "apim_status_unread";
    let _ = writeln!(
        text,
        "# HELP {name} Number of failed reads of a kind of object; the namespace is empty for all namespaces.\n# TYPE {name} gauge"
    );
    for ((kind, namespace), count) in &unread {
        let labels = labels(&[("kind", kind), ("namespace", namespace)]);
        let _ = writeln!(text, "{name}{{{labels}}} {count}");
    }
    let name = "apim_status_complete";
    let _ = writeln!(
        text,
        "# HELP {name} 1 if everything was read, 0 if gateways or facts about them may be missing.\n# TYPE {name} gauge\n{name} {}",
        u8::from(unread.is_empty())
    );
    let name = "apim_status_timestamp_seconds";
    let _ = writeln!(
        text,
        "# HELP {name} Unix time when the cluster was read.\n# TYPE {name} gauge\n{name} {}",
        report.now.as_second()
    );
    text
}

/// How the gateways sign in, and the parts of a sign-in by Entra. A part that could
/// not be read has no series.
fn entra(text: &mut String, rows: &BTreeMap<String, &Row>) {
    let name = "apim_gateway_auth";
    let _ = writeln!(
        text,
        "# HELP {name} 1 for how the gateway signs in.\n# TYPE {name} gauge"
    );
    for (labels, row) in rows {
        let _ = writeln!(text, "{name}{{{labels},auth=\"{}\"}} 1", auth(row.facts.auth));
    }
    let name = "apim_gateway_sign_in_part";
    let _ = writeln!(
        text,
        "# HELP {name} 1 if this part of a sign-in by Entra works, 0 if it is missing or wrong; absent if unknown.\n# TYPE {name} gauge"
    );
    for (labels, row) in rows {
        for link in &row.assessment.links {
            let value = match link.state {
                LinkState::Ok | LinkState::Wide(_) => 1,
                LinkState::Broken(_) => 0,
                LinkState::Unknown(_) => continue,
            };
            let _ = writeln!(
                text,
                "{name}{{{labels},part=\"{}\"}} {value}",
                part_name(link.part)
            );
        }
    }
}

/// The rows by their labels, which namespace, workload, container, Secret and key
/// make unique: readers refuse a file in which a series is twice.
fn series(report: &StatusReport) -> BTreeMap<String, &Row> {
    let mut series = BTreeMap::new();
    for row in &report.rows {
        let facts = &row.facts;
        let workload = facts.workload.to_string();
        let (secret, key) = match &facts.secret {
            Some((secret, key)) => (secret.as_str(), key.as_str()),
            None => ("", ""),
        };
        let labels = labels(&[
            ("namespace", &facts.namespace),
            ("workload", &workload),
            ("container", &facts.container),
            ("secret", secret),
            ("key", key),
            ("gateway", facts.gateway.as_deref().unwrap_or_default()),
            ("service", facts.service.as_deref().unwrap_or_default()),
        ]);
        series.entry(labels).or_insert(row);
    }
    series
}

/// How many reads failed, by kind and namespace.
fn unread(report: &StatusReport) -> BTreeMap<(&str, &str), usize> {
    fn failed<T>(fact: &Fact<T>) -> bool {
        fact.is_err()
    }
    fn forbidden<T>(fact: &Fact<T>) -> bool {
        matches!(fact, Err(Unavailable::Forbidden(_)))
    }
    let of_gaps = report
        .gaps
        .iter()
        .map(|gap| (gap.kind, gap.namespace.as_deref().unwrap_or_default()));
    let of_rows = report.rows.iter().flat_map(|row| {
        let facts = &row.facts;
        let kinds = [
            (
                "secrets",
                forbidden(&facts.presented)
                    || facts
                        .entra()
                        .is_some_and(|it| it.stored.as_ref().is_some_and(forbidden)),
            ),
            (
                "configmaps",
                forbidden(&facts.service) || forbidden(&facts.gateway),
            ),
            ("pods", failed(&facts.pods)),
            ("cronjobs", failed(&facts.cron_jobs)),
        ];
        let failed = kinds.into_iter().filter(|(_, failed)| *failed);
        failed.map(|(kind, _)| (kind, facts.namespace.as_str()))
    });
    let mut unread = BTreeMap::new();
    for place in of_gaps.chain(of_rows) {
        *unread.entry(place).or_default() += 1;
    }
    unread
}

fn labels(pairs: &[(&str, &str)]) -> String {
    let escaped = |value: &str| {
        value
            .replace('\\', r"\\")
            .replace('"', r#"\""#)
            .replace('\n', r"\n")
    };
    let label = |(name, value): &(&str, &str)| format!("{name}=\"{}\"", escaped(value));
    let labels: Vec<String> = pairs.iter().map(label).collect();
    labels.join(",")
}

#[cfg(test)]
mod tests;
