use super::*;
use crate::model::{Presented, WorkloadKind};
use crate::plan::fixture::{DAY, gateway, now};

fn named(name: &str) -> GatewayFacts {
    let mut facts = gateway();
    name.clone_into(&mut facts.workload.name);
    // It goes on succeeding while these tests move the time.
    if let Ok(cron_jobs) = &mut facts.cron_jobs {
        cron_jobs[0].last_success = Some(now() + DAY * 15);
    }
    facts
}

fn watch(format: StatusFormat) -> WatchReport {
    WatchReport::new(format, SortBy::Name, TableOptions::default())
}

/// The text without colours.
fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

/// The text after all namespaces were read.
fn update(watch: &mut WatchReport, gateways: &[GatewayFacts]) -> String {
    plain(&watch.update(None, gateways.to_vec(), now()).unwrap())
}

#[test]
fn a_gateway_is_printed_again_when_it_has_changed() {
    let mut watch = watch(StatusFormat::Name);
    let (a, mut b) = (named("a"), named("b"));
    assert_eq!(
        update(&mut watch, &[a.clone(), b.clone()]),
        "deployment.apps/a\ndeployment.apps/b\n"
    );
    assert_eq!(update(&mut watch, &[a.clone(), b.clone()]), "");
    b.ready = 1;
    assert_eq!(update(&mut watch, &[a.clone(), b]), "deployment.apps/b\n");
    assert_eq!(update(&mut watch, &[a]), "deployment.apps/b\n");
    assert!(watch.has_gateway_in("shop") && !watch.has_gateway_in("bank"));
    assert!(watch.has_cron_job_in("shop"));
    assert_eq!(update(&mut watch, &[]), "deployment.apps/a\n");
    assert!(watch.is_empty());
}

#[test]
fn a_new_version_or_a_later_time_is_not_a_change() {
    let mut watch = watch(StatusFormat::Json);
    let mut facts = named("a");
    assert!(update(&mut watch, &[facts.clone()]).contains("\"expiresInSeconds\":2592000"));
    if let Ok(Presented::Stored(stored)) = &mut facts.presented {
        stored.version.resource_version = "later".to_owned();
    }
    assert_eq!(watch.update(None, vec![facts], now() + DAY).unwrap(), "");
}

#[test]
fn only_a_gateway_of_a_namespace_that_was_read_can_be_gone() {
    let mut watch = watch(StatusFormat::Json);
    let (here, mut there) = (named("a"), named("a"));
    "bank".clone_into(&mut there.namespace);
    assert_eq!(update(&mut watch, &[there, here]).lines().count(), 2);
    let shop = BTreeSet::from(["shop".to_owned()]);
    let gone = watch.update(Some(&shop), Vec::new(), now()).unwrap();
    let gone: serde_json::Value = serde_json::from_str(&gone).unwrap();
    assert_eq!(
        (&gone["deleted"], &gone["namespace"]),
        (&true.into(), &"shop".into())
    );
    assert!(watch.has_gateway_in("bank"));
}

#[test]
fn two_containers_of_one_workload_are_two_gateways() {
    let mut watch = watch(StatusFormat::Name);
    let mut second = named("a");
    second.image = "gateway:3".to_owned();
    assert_eq!(
        update(&mut watch, &[named("a"), second.clone()]).lines().count(),
        2
    );
    assert_eq!(update(&mut watch, &[named("a"), second]), "");
}

#[test]
fn rows_align_with_the_table_that_they_follow() {
    let mut watch = watch(StatusFormat::Table);
    let long = named("a-gateway-of-a-long-name");
    let first = update(&mut watch, &[long.clone(), named("b")]);
    let mut changed = named("b");
    changed.ready = 0;
    let row = update(&mut watch, &[long, changed]);
    assert_eq!(row.lines().count(), 1);
    let column = |text: &str| text.lines().last().unwrap().find("Healthy");
    assert_eq!(column(&first), column(&row));
    let mut other_kind = named("c");
    other_kind.workload.kind = WorkloadKind::DaemonSet;
    let last = update(&mut watch, &[other_kind]);
    let words: Vec<Vec<&str>> = last
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(words[0][0], "c", "{last}");
    assert!(words[1].ends_with(&["Deleted"]), "{last}");
}

#[test]
fn time_alone_changes_a_verdict() {
    let mut watch = watch(StatusFormat::Table);
    update(&mut watch, &[named("a")]);
    assert_eq!(watch.update_verdicts(now() + DAY).unwrap(), "");
    let due = now() + DAY * 15;
    assert!(watch.next_change(now()).is_some_and(|at| at <= due));
    assert!(plain(&watch.update_verdicts(due).unwrap()).ends_with("Due\n"));
}
