use super::*;
use crate::model::{Presented, StalePods, Unavailable, WorkloadKind};
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
    assert_eq!((words[0][1], *words[0].last().unwrap()), ("c", "new"), "{last}");
    assert!(words[1].ends_with(&["Deleted", "deleted"]), "{last}");
}

#[test]
fn time_alone_changes_a_verdict() {
    let mut watch = watch(StatusFormat::Table);
    update(&mut watch, &[named("a")]);
    assert_eq!(watch.update_verdicts(now() + DAY).unwrap(), "");
    let due = now() + DAY * 15;
    assert!(watch.next_change(now()).is_some_and(|at| at <= due));
    let text = plain(&watch.update_verdicts(due).unwrap());
    assert!(text.ends_with("Due       verdict Healthy -> Due\n"), "{text}");
}

#[test]
fn a_row_says_when_it_was_printed_and_what_has_changed() {
    let mut watch = watch(StatusFormat::Table);
    let first = update(&mut watch, &[named("a")]);
    let words: Vec<Vec<&str>> = first
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!((words[0][0], words[0][8]), ("TIME", "CHANGE"), "{first}");
    assert_eq!(
        (words[1][0], words[1][8]),
        ("2027-01-15T08:00:00Z", "<none>"),
        "{first}"
    );

    let mut changed = named("a");
    changed.pods = Ok(StalePods {
        stale: vec!["a-1".to_owned()],
        ..StalePods::default()
    });
    changed.image = "gateway:3".to_owned();
    let row = update(&mut watch, &[changed.clone()]);
    assert!(
        row.ends_with("   verdict Healthy -> StalePods, stale 0 -> 1, image gateway:2 -> gateway:3\n"),
        "{row}"
    );
    // Another pod, and a CronJob that is gone.
    if let Ok(pods) = &mut changed.pods {
        pods.stale = vec!["a-2".to_owned()];
    }
    changed.cron_jobs = Ok(Vec::new());
    let row = update(&mut watch, &[changed.clone()]);
    assert!(
        row.ends_with("   stale a-1 -> a-2, cronjob apim-rotate -> <none>, unprotected <none> -> yes\n"),
        "{row}"
    );
}

#[test]
fn whatever_is_printed_again_has_a_reason() {
    let changes: [fn(&mut GatewayFacts); 5] = [
        |facts| facts.service = Err(Unavailable::Unknown("nothing names it".to_owned())),
        |facts| facts.cron_jobs = Err(Unavailable::Forbidden("no".to_owned())),
        |facts| facts.secret = Some(("other".to_owned(), "value".to_owned())),
        |facts| facts.wanted = 3,
        |facts| {
            if let Ok(cron_jobs) = &mut facts.cron_jobs {
                cron_jobs[0].last_run = Some(now());
            }
        },
    ];
    for change in changes {
        let mut watch = watch(StatusFormat::Table);
        let mut facts = named("a");
        update(&mut watch, &[facts.clone()]);
        change(&mut facts);
        let row = update(&mut watch, &[facts]);
        assert!(row.contains(" -> "), "{row}");
    }
}

/// The screen after a change, and whether each line fits.
fn screen(watch: &WatchReport, size: (usize, usize)) -> String {
    let text = plain(&watch.screen(now(), size));
    let (height, width) = size;
    assert!(text.lines().count() < height, "{size:?}\n{text}");
    for line in text.lines() {
        assert!(line.chars().count() <= width, "{size:?}\n{text}");
    }
    text
}

#[test]
fn a_terminal_shows_all_gateways_and_the_latest_changes() {
    let mut watch = watch(StatusFormat::Table);
    let mut gateways: Vec<GatewayFacts> = ["a", "b", "c"].into_iter().map(named).collect();
    update(&mut watch, &gateways);
    let first = screen(&watch, (24, 80));
    assert_eq!(first.lines().count(), 4, "{first}");
    assert!(first.starts_with("NAME ") && !first.contains("CHANGE"), "{first}");
    for ready in 0..8 {
        gateways[1].ready = ready;
        update(&mut watch, &gateways);
    }
    gateways.remove(0);
    update(&mut watch, &gateways);
    let later = screen(&watch, (24, 80));
    let lines: Vec<&str> = later.lines().collect();
    assert_eq!(lines.len(), 3 + 1 + MAX_SHOWN, "{later}");
    assert_eq!(
        &lines[3..6],
        ["", "08:00:00Z  a  deleted", "08:00:00Z  b  ready 6 -> 7"],
        "{later}"
    );
    // However small it is.
    for size in [(24, 20), (5, 20), (4, 80), (3, 1), (2, 2)] {
        screen(&watch, size);
    }
    assert!(screen(&watch, (4, 80)).contains("more rows"));
}
