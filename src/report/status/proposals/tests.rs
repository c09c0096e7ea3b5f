use jiff::SignedDuration;

use super::*;
use crate::model::request::{ConnectionFlags, KubeConnection, SortBy};
use crate::model::{Credential, GatewayFacts, Presented, StalePods};
use crate::plan::fixture::{DAY, gateway, now};
use crate::report::status::TableOptions;

/// A gateway with a Secret, whose token expires in this time.
fn named(name: &str, secret: &str, left: SignedDuration) -> GatewayFacts {
    let mut facts = gateway();
    name.clone_into(&mut facts.workload.name);
    facts.secret = Some((secret.to_owned(), "value".to_owned()));
    if let Ok(Presented::Stored(stored)) = &mut facts.presented
        && let Credential::Token { claims, .. } = &mut stored.credential
    {
        claims.expires_at = now() + left;
        stored.marks.expires_at = Some(now() + left);
    }
    facts
}

fn report(gateways: Vec<GatewayFacts>) -> StatusReport {
    let kube = KubeConnection {
        context: Some("prod eu".to_owned()),
        ..KubeConnection::default()
    };
    let options = TableOptions {
        connection: ConnectionFlags::of(&kube),
        ..TableOptions::default()
    };
    StatusReport::new(gateways, Vec::new(), SortBy::Name, options, now())
}

/// The names and the command of each proposal.
fn offered(report: &StatusReport) -> Vec<(String, String)> {
    let proposals = report.proposals();
    let names = |proposal: &Proposal| {
        let names = proposal
            .gateways
            .iter()
            .map(|(_, workload, _)| workload.name.as_str());
        names.collect::<Vec<_>>().join(" ")
    };
    let command = |proposal: &Proposal| {
        proposal
            .command
            .as_ref()
            .map_or(String::new(), ToString::to_string)
    };
    proposals.iter().map(|it| (names(it), command(it))).collect()
}

const ROTATE: &str = "kubectl apim --context 'prod eu' rotate";

#[test]
fn all_that_are_not_healthy_are_offered_the_worst_first() {
    let mut gateways: Vec<GatewayFacts> = (0..7)
        .map(|at| named(&format!("due-{at}"), &format!("s{at}"), DAY * 10))
        .collect();
    gateways.push(named("fine", "fine", DAY * 29));
    gateways.push(named("worst", "worst", -DAY));
    let offered = offered(&report(gateways));
    assert_eq!(offered.len(), 8);
    assert_eq!(
        offered[0],
        (
            "worst".to_owned(),
            format!("{ROTATE} deployment.apps/worst -n shop")
        )
    );
    assert!(
        offered[1..].iter().all(|(name, _)| name.starts_with("due-")),
        "{offered:?}"
    );
}

#[test]
fn a_shared_secret_is_rotated_once_for_all_its_gateways() {
    let mut elsewhere = named("c", "shared", DAY * 10);
    elsewhere.namespace = "bank".to_owned();
    let report = report(vec![
        named("a", "shared", DAY * 10),
        named("b", "other", DAY * 10),
        named("c", "shared", DAY * 10),
        elsewhere,
    ]);
    let expected = [
        ("a c", "deployment.apps/a deployment.apps/c -n shop"),
        ("b", "deployment.apps/b -n shop"),
        ("c", "deployment.apps/c -n bank"),
    ]
    .map(|(names, command)| (names.to_owned(), format!("{ROTATE} {command}")));
    assert_eq!(offered(&report), expected);
    let about = &report.proposals()[0].about;
    assert!(
        about[0].starts_with("a is Due: ") && about[1].starts_with("c is Due: "),
        "{about:?}"
    );
}

#[test]
fn one_command_for_several_is_offered_once() {
    let suspended = |name: &str| {
        let mut facts = named(name, name, DAY * 29);
        if let Ok(cron_jobs) = &mut facts.cron_jobs {
            cron_jobs[0].suspended = true;
        }
        facts
    };
    let offered = offered(&report(vec![suspended("a"), suspended("b")]));
    assert_eq!(offered.len(), 1, "{offered:?}");
    assert_eq!(offered[0].0, "a b");
    assert!(
        offered[0]
            .1
            .starts_with("kubectl --context 'prod eu' patch cronjob "),
        "{offered:?}"
    );
}

#[test]
fn what_is_not_a_rotation_is_not_joined_by_its_secret() {
    let stale = |name: &str| {
        let mut facts = named(name, "shared", DAY * 29);
        facts.pods = Ok(StalePods {
            stale: vec![format!("{name}-1")],
            ..StalePods::default()
        });
        facts
    };
    let offered = offered(&report(vec![stale("a"), stale("b")]));
    let restart = "kubectl --context 'prod eu' rollout restart deployment.apps";
    let expected = ["a", "b"].map(|name| (name.to_owned(), format!("{restart}/{name} -n shop")));
    assert_eq!(offered, expected);
}

#[test]
fn the_end_names_what_is_fixed_and_what_is_left() {
    let before = report(vec![
        named("a", "a", -DAY),
        named("b", "b", -DAY),
        named("c", "c", -DAY),
        named("d", "d", -DAY),
        named("untouched", "e", -DAY),
    ]);
    let now = report(vec![
        named("a", "a", DAY * 29),
        named("b", "b", DAY * 10),
        named("c", "c", -DAY),
        named("untouched", "e", -DAY),
    ]);
    let proposals = before.proposals();
    let touched: Vec<&Proposal> = proposals.iter().take(4).collect();
    let outcomes = before.outcomes(&touched, &now);
    let outcomes: Vec<(&str, &str)> = outcomes
        .iter()
        .map(|(label, text)| (*label, text.split(": ").next().unwrap()))
        .collect();
    let expected = [
        ("fixed", "a is Healthy, was Expired"),
        ("left", "b is Due, was Expired"),
        ("left", "c is still Expired"),
        ("gone", "d is not found any more"),
    ];
    assert_eq!(outcomes, expected);
}
