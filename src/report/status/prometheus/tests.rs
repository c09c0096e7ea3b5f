use std::collections::BTreeSet;

use super::*;
use crate::model::request::SortBy;
use crate::model::{Gap, GatewayFacts};
use crate::plan::fixture::{gateway, now};
use crate::report::status::TableOptions;

fn printed(gateways: Vec<GatewayFacts>, gaps: Vec<Gap>) -> String {
    metrics(&StatusReport::new(
        gateways,
        gaps,
        SortBy::Name,
        TableOptions::default(),
        now(),
    ))
}

fn series_of(text: &str) -> Vec<&str> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.rsplit_once(' ').unwrap().0).collect()
}

#[test]
fn no_two_rows_have_the_same_series() {
    let with = |container: &str, secret: &str, key: &str| {
        let mut facts = gateway();
        facts.container = container.to_owned();
        facts.secret = Some((secret.to_owned(), key.to_owned()));
        facts
    };
    let rows = vec![
        with("", "one", "value"),
        with("", "two", "value"),
        with("", "two", "other"),
        with("second", "two", "other"),
        with("", "two", "a\",secret=\"one"),
        with("", "two", "a\\"),
    ];
    let text = printed(rows, Vec::new());
    let series = series_of(&text);
    let unique: BTreeSet<&str> = series.iter().copied().collect();
    assert_eq!(series.len(), unique.len(), "{text}");
    let verdicts = series
        .iter()
        .filter(|series| series.starts_with("apim_gateway_verdict"));
    assert_eq!(verdicts.count(), 6 * Verdict::ALL.len());
    let twice = printed(vec![gateway(), gateway()], Vec::new());
    assert_eq!(
        series_of(&twice),
        series_of(&printed(vec![gateway()], Vec::new()))
    );
}

#[test]
fn what_could_not_be_read_is_a_gauge() {
    let text = printed(vec![gateway()], Vec::new());
    assert!(
        text.contains("\napim_status_complete 1\n") && !text.contains("apim_status_unread{"),
        "{text}"
    );
    let gap = |namespace: Option<&str>| Gap {
        kind: "daemonsets",
        namespace: namespace.map(str::to_owned),
        why: "not allowed".to_owned(),
    };
    let mut unseen = gateway();
    unseen.cron_jobs = Err(Unavailable::Forbidden("cronjobs".to_owned()));
    let text = printed(
        vec![unseen],
        vec![gap(None), gap(Some("shop")), gap(Some("shop"))],
    );
    for line in [
        "apim_status_complete 0",
        "apim_status_unread{kind=\"cronjobs\",namespace=\"shop\"} 1",
        "apim_status_unread{kind=\"daemonsets\",namespace=\"\"} 1",
        "apim_status_unread{kind=\"daemonsets\",namespace=\"shop\"} 2",
    ] {
        assert!(text.lines().any(|found| found == line), "no {line} in {text}");
    }
}
