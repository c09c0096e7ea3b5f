use super::*;
use crate::model::{Presented, WorkloadKind};
use crate::plan::fixture::{DAY, gateway, now};

fn named(name: &str) -> GatewayFacts {
    let mut facts = gateway();
    name.clone_into(&mut facts.workload.name);
    facts
}

fn stream(format: StatusFormat) -> Stream {
    Stream::new(format, SortBy::Name, Layout::default())
}

/// A text without its colours.
fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

/// What a look at everything shows.
fn look(stream: &mut Stream, found: &[GatewayFacts]) -> String {
    plain(&stream.update(None, found.to_vec(), now()).unwrap())
}

#[test]
fn a_gateway_is_shown_again_when_it_has_changed() {
    let mut stream = stream(StatusFormat::Name);
    let (a, mut b) = (named("a"), named("b"));
    assert_eq!(
        look(&mut stream, &[a.clone(), b.clone()]),
        "deployment.apps/a\ndeployment.apps/b\n"
    );
    assert_eq!(look(&mut stream, &[a.clone(), b.clone()]), "");
    b.ready = 1;
    assert_eq!(look(&mut stream, &[a.clone(), b]), "deployment.apps/b\n");
    assert_eq!(look(&mut stream, &[a]), "deployment.apps/b\n");
    assert!(stream.has_gateway_in("shop") && !stream.has_gateway_in("bank"));
    assert!(stream.has_cron_job_in("shop"));
    assert_eq!(look(&mut stream, &[]), "deployment.apps/a\n");
    assert!(stream.is_empty());
}

#[test]
fn versions_and_the_passing_of_time_are_no_news() {
    let mut stream = stream(StatusFormat::Json);
    let mut facts = named("a");
    assert!(look(&mut stream, &[facts.clone()]).contains("\"expiresInSeconds\":2592000"));
    if let Ok(Presented::Stored(stored)) = &mut facts.presented {
        stored.version.resource_version = "later".to_owned();
    }
    assert_eq!(stream.update(None, vec![facts], now() + DAY).unwrap(), "");
}

#[test]
fn what_is_gone_is_told_from_what_was_not_looked_at() {
    let mut stream = stream(StatusFormat::Json);
    let (here, mut there) = (named("a"), named("a"));
    "bank".clone_into(&mut there.namespace);
    assert_eq!(look(&mut stream, &[there, here]).lines().count(), 2);
    let shop = BTreeSet::from(["shop".to_owned()]);
    let gone = stream.update(Some(&shop), Vec::new(), now()).unwrap();
    let gone: serde_json::Value = serde_json::from_str(&gone).unwrap();
    assert_eq!(
        (&gone["deleted"], &gone["namespace"]),
        (&true.into(), &"shop".into())
    );
    assert!(stream.has_gateway_in("bank"));
}

#[test]
fn two_containers_of_one_workload_are_two_gateways() {
    let mut stream = stream(StatusFormat::Name);
    let mut second = named("a");
    second.image = "gateway:3".to_owned();
    assert_eq!(
        look(&mut stream, &[named("a"), second.clone()]).lines().count(),
        2
    );
    assert_eq!(look(&mut stream, &[named("a"), second]), "");
}

#[test]
fn rows_align_with_the_table_that_they_follow() {
    let mut stream = stream(StatusFormat::Table);
    let long = named("a-gateway-of-a-long-name");
    let first = look(&mut stream, &[long.clone(), named("b")]);
    let mut changed = named("b");
    changed.ready = 0;
    let row = look(&mut stream, &[long, changed]);
    assert_eq!(row.lines().count(), 1);
    let column = |text: &str| text.lines().last().unwrap().find("Healthy");
    assert_eq!(column(&first), column(&row));
    let mut other_kind = named("c");
    other_kind.workload.kind = WorkloadKind::DaemonSet;
    let last = look(&mut stream, &[other_kind]);
    let words: Vec<Vec<&str>> = last
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(words[0][0], "c", "{last}");
    assert!(words[1].ends_with(&["Deleted"]), "{last}");
}

#[test]
fn time_alone_changes_a_verdict() {
    let mut stream = stream(StatusFormat::Table);
    look(&mut stream, &[named("a")]);
    assert_eq!(stream.update_verdicts(now() + DAY).unwrap(), "");
    let due = now() + DAY * 15;
    assert!(stream.next_change(now()).is_some_and(|at| at <= due));
    assert!(plain(&stream.update_verdicts(due).unwrap()).ends_with("Due\n"));
}
