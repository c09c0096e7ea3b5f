use super::*;
use crate::model::request::SortBy;
use crate::model::{Owner, Presented, StalePods, Unavailable};
use crate::plan::fixture::{DAY, entra_gateway, gateway, now};
use crate::report::status::TableOptions;

/// The width of a terminal that nobody has made wider.
const USUAL: usize = 80;

fn lines(gateways: Vec<GatewayFacts>) -> Vec<String> {
    on_terminal(gateways, None)
}

fn on_terminal(gateways: Vec<GatewayFacts>, width: Option<usize>) -> Vec<String> {
    let report = StatusReport::new(gateways, Vec::new(), SortBy::Name, TableOptions::default(), now());
    let text = anstream::adapter::strip_str(&table(&report, Columns::Usual, width)).to_string();
    text.lines().map(str::to_owned).collect()
}

fn expiring(left: SignedDuration) -> GatewayFacts {
    let mut facts = gateway();
    if let Ok(Presented::Stored(stored)) = &mut facts.presented {
        stored.marks.expires_at = Some(now() + left);
        if let crate::model::Credential::Token { claims, .. } = &mut stored.credential {
            claims.expires_at = now() + left;
        }
    }
    facts
}

/// Those of the gallery, and others with the longest cells.
fn gallery() -> Vec<GatewayFacts> {
    let mut reverted = expiring(DAY * 25);
    if let Ok(Presented::Stored(stored)) = &mut reverted.presented {
        stored.owner = Some(Owner {
            name: "Helm release payments".to_owned(),
            instead: "change it there".to_owned(),
        });
        stored.marks.last_used_key = None;
    }
    let mut stale = gateway();
    stale.pods = Ok(StalePods {
        stale: vec!["returns-1".to_owned()],
        ..StalePods::default()
    });
    let mut unknown = gateway();
    unknown.presented = Err(Unavailable::Unknown("there is no token".to_owned()));
    unknown.wanted = 10;
    vec![
        unknown,
        expiring(-DAY * 3),
        expiring(-(DAY * 8 - SignedDuration::from_mins(1))),
        entra_gateway(Auth::AppSecret),
        expiring(DAY * 30 - SignedDuration::from_mins(1)),
        reverted,
        stale,
        entra_gateway(Auth::WorkloadIdentity),
        expiring(DAY * 12),
        expiring(DAY * 8 - SignedDuration::from_mins(1)),
    ]
}

#[test]
fn a_row_of_an_ordinary_name_fits_into_the_usual_terminal() {
    let mut gateways = gallery();
    for facts in &mut gateways {
        facts.workload.name = "orders-gateway".to_owned();
    }
    gateways.retain(|facts| facts.auth == Auth::Token);
    let all = gateways.len();
    let lines = lines(gateways);
    assert_eq!(lines.len(), all + 1);
    for line in &lines {
        assert!(line.chars().count() <= USUAL, "{}: {line}", line.chars().count());
    }
}

#[test]
fn a_terminal_that_is_too_narrow_does_without_the_way_to_sign_in() {
    let mut gateways = gallery();
    for facts in &mut gateways {
        facts.workload.name = "orders-gateway-eu-01".to_owned();
    }
    for (width, has_auth) in [(None, true), (Some(200), true), (Some(USUAL), false)] {
        let lines = on_terminal(gateways.clone(), width);
        assert_eq!(lines[0].contains("AUTH"), has_auth, "{width:?}: {lines:#?}");
        let widest = lines.iter().map(|line| line.chars().count()).max().unwrap();
        assert!(width.is_none_or(|width| widest <= width), "{width:?}: {lines:#?}");
    }
}

#[test]
fn times_are_written_as_kubectl_writes_them() {
    let lines = lines(gallery());
    let times: Vec<&str> = lines
        .iter()
        .skip(1)
        .map(|line| {
            line.split("   ")
                .filter(|cell| !cell.is_empty())
                .nth(2)
                .unwrap()
                .trim()
        })
        .collect();
    assert_eq!(
        times,
        [
            "<unknown>",
            "3d ago",
            "7d23h ago",
            "150d",
            "29d",
            "25d",
            "30d",
            "never",
            "12d",
            "7d23h"
        ],
        "{lines:#?}"
    );
}
