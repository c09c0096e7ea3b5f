//! Prints the steps of a rotation: each value with its source.

use std::collections::BTreeMap;

use crate::cluster::Cluster;
use crate::discover::TargetFacts;
use crate::discover::evidence::Named;
use crate::model::{ServiceId, Source, Sourced, in_words};
use crate::output::Output;
use crate::plan::{Mint, Plan};

/// The values of a run with their sources, for the report.
pub(super) type Sources = BTreeMap<&'static str, Sourced<String>>;

/// `namespace_set_by` is the flag or the variable that set the namespace.
pub(super) fn print_target(
    found: &TargetFacts,
    cluster: &Cluster,
    namespace_set_by: Option<&str>,
    output: &Output,
) -> Sources {
    let snapshot = &found.snapshot;
    let secret = &snapshot.secret;
    let sources: Vec<&str> = namespace_set_by.into_iter().chain([cluster.set_by]).collect();
    output.step(
        "cluster",
        &format!(
            "namespace {} of {}  [{}]",
            cluster.namespace,
            cluster.origin,
            sources.join(", ")
        ),
    );
    for facts in &snapshot.workloads {
        output.step(
            "workload",
            &format!("{}  [{}]", facts.version.workload, found.workload_source),
        );
    }
    let name = format!("secret/{}, key {}", secret.version.name, secret.key);
    let state = match secret.claims() {
        None => "no token yet".to_owned(),
        Some(claims) => {
            let left = claims.expires_at.duration_since(cluster.now());
            if left.is_negative() {
                format!("its token expired {} ago", in_words(left))
            } else {
                format!("its token expires in {}", in_words(left))
            }
        }
    };
    output.step(
        "credential",
        &format!("{name}: {state}  [{}]", found.secret_source),
    );
    let workloads: Vec<String> = snapshot
        .workloads
        .iter()
        .map(|facts| facts.version.workload.to_string())
        .collect();
    BTreeMap::from([
        (
            "workloads",
            Sourced::new(workloads.join(", "), found.workload_source.clone()),
        ),
        (
            "secret",
            Sourced::new(secret.version.name.clone(), found.secret_source.clone()),
        ),
    ])
}

pub(super) fn print_gateway(named: &Named, output: &Output, sources: &mut Sources) {
    let Named { gateway, service, .. } = named;
    output.step("gateway", &format!("{}  [{}]", gateway.value, gateway.source));
    output.step("instance", &format!("{}  [{}]", service.value, service.source));
    sources.insert("gateway", gateway.clone());
    sources.insert("service", service.clone());
    let azure = || Sourced::new(String::new(), Source::Discovery("Azure".to_owned()));
    sources.insert("subscription", named.subscription.clone().unwrap_or_else(azure));
    sources.insert(
        "resourceGroup",
        named.resource_group.clone().unwrap_or_else(azure),
    );
}

pub(super) fn print_plan(plan: &Plan, named: &Named, output: &Output) {
    let Mint::Token(token) = &plan.mint;
    let service = &token.gateway.service;
    output.step(
        "azure",
        &format!(
            "resource group {} in subscription {}  [{}]",
            service.resource_group,
            service.subscription,
            location_source(named, service)
        ),
    );
    let before = match token.previous_key_slot {
        Some(slot) if slot == token.key_slot => "same as before".to_owned(),
        Some(slot) => format!("previously {slot}"),
        None => "previous slot unknown".to_owned(),
    };
    output.step("key slot", &format!("{} ({before})", token.key_slot));
}

/// Where the location of an instance comes from.
fn location_source(named: &Named, service: &ServiceId) -> String {
    let parts = [
        (&named.resource_group, &service.resource_group),
        (&named.subscription, &service.subscription),
    ];
    let mut sources = Vec::new();
    for (part, found) in parts {
        let known = part
            .as_ref()
            .filter(|part| part.value.eq_ignore_ascii_case(found));
        let source = known.map_or_else(|| "Azure".to_owned(), |part| part.source.to_string());
        if !sources.contains(&source) {
            sources.push(source);
        }
    }
    sources.join(", ")
}
