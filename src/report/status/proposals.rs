//! What `status --fix` offers, and what became of it.

use std::collections::{BTreeMap, BTreeSet};

use super::rows::{Row, StatusReport};
use crate::model::{PrintedCommand, WorkloadRef};
use crate::plan::{Verdict, rotate_command, rotates};

/// A command, and the gateways that it fixes.
pub struct Proposal {
    gateways: Vec<Key>,
    /// Each gateway with its verdict and the reason.
    pub about: Vec<String>,
    /// `None` if no one command fixes the gateway: the reason has what does.
    pub command: Option<PrintedCommand>,
}

/// A namespace, a workload and its container.
type Key = (String, WorkloadRef, String);

impl StatusReport {
    /// What fixes the gateways that are not healthy, the worst first. A command that fixes
    /// several is offered once, and so is the rotation of a Secret that several share.
    pub fn proposals(&self) -> Vec<Proposal> {
        let broken = |row: &&Row| row.assessment.verdict != Verdict::Healthy;
        let mut rows: Vec<&Row> = self.rows.iter().filter(broken).collect();
        rows.sort_by_key(|row| row.assessment.verdict);
        let mut groups: Vec<Vec<&Row>> = Vec::new();
        let mut known = BTreeMap::new();
        for row in rows {
            let group = shared_fix(row).map(|fix| *known.entry(fix).or_insert(groups.len()));
            match group.and_then(|at| groups.get_mut(at)) {
                Some(group) => group.push(row),
                None => groups.push(vec![row]),
            }
        }
        groups.iter().map(|rows| self.proposal(rows)).collect()
    }

    fn proposal(&self, rows: &[&Row]) -> Proposal {
        let command = match rows {
            [first, _, ..] if rotates(&first.facts, &first.assessment) => {
                let mut workloads: Vec<&WorkloadRef> = Vec::new();
                for row in rows {
                    if !workloads.contains(&&row.facts.workload) {
                        workloads.push(&row.facts.workload);
                    }
                }
                Some(rotate_command(&first.facts, &workloads))
            }
            [first, ..] => first.assessment.fix.clone(),
            [] => None,
        };
        Proposal {
            gateways: rows.iter().map(|row| key(row)).collect(),
            about: rows
                .iter()
                .map(|row| {
                    let (verdict, reason) = (row.assessment.verdict, &row.assessment.reason);
                    format!("{} is {verdict:?}: {reason}", self.place(row))
                })
                .collect(),
            command: command.map(|command| self.options.connection.in_command(&command)),
        }
    }

    /// A label and a line for each gateway of these proposals, by what it is now.
    pub fn outcomes(&self, proposals: &[&Proposal], now: &Self) -> Vec<(&'static str, String)> {
        let touched: BTreeSet<&Key> = proposals.iter().flat_map(|it| &it.gateways).collect();
        let rows_now: BTreeMap<Key, &Row> = now.rows.iter().map(|row| (key(row), row)).collect();
        let outcome = |row: &Row| {
            let (name, was) = (self.place(row), row.assessment.verdict);
            let Some(row) = rows_now.get(&key(row)) else {
                return ("gone", format!("{name} is not found any more"));
            };
            let (is, reason) = (row.assessment.verdict, &row.assessment.reason);
            match is {
                Verdict::Healthy => ("fixed", format!("{name} is {is:?}, was {was:?}")),
                _ if is == was => ("left", format!("{name} is still {is:?}: {reason}")),
                _ => ("left", format!("{name} is {is:?}, was {was:?}: {reason}")),
            }
        };
        let rows = self.rows.iter().filter(|row| touched.contains(&key(row)));
        rows.map(outcome).collect()
    }

    /// The name of a gateway, with its namespace if there are several.
    fn place(&self, row: &Row) -> String {
        if self.options.with_namespace {
            format!("{} in {}", self.name(row), row.facts.namespace)
        } else {
            self.name(row)
        }
    }
}

/// What gateways with one fix have in common: the Secret that is rotated, or the command.
fn shared_fix(row: &Row) -> Option<Vec<String>> {
    let fix = row.assessment.fix_text()?;
    match &row.facts.secret {
        Some((secret, key)) if rotates(&row.facts, &row.assessment) => {
            Some(vec![row.facts.namespace.clone(), secret.clone(), key.clone()])
        }
        _ => Some(vec![fix]),
    }
}

fn key(row: &Row) -> Key {
    let facts = &row.facts;
    (
        facts.namespace.clone(),
        facts.workload.clone(),
        facts.container.clone(),
    )
}

#[cfg(test)]
mod tests;
