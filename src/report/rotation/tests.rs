//! One result in each format.

use jiff::tz::TimeZone;

use super::*;
use crate::model::request::RotateFormat;
use crate::plan::Record;
use crate::plan::fixture::{DAY, now, plan, snapshot};
use crate::yaml::from_yaml;

pub fn rotated() -> RotationReport {
    let plan = plan();
    let record = Record {
        rotation_id: "r1".to_owned(),
        mint: plan.mint.clone(),
        rotated_at: now(),
    };
    let outcome = Outcome {
        restarted: plan.workloads.clone(),
        proof: Some("2 new pods are ready".to_owned()),
        ..Outcome::of(OutcomeKind::Rotated, record)
    };
    RotationReport::done(&snapshot(), &plan, &outcome)
}

fn render(report: &RotationReport, format: RotateFormat) -> String {
    report.render(format, now(), &TimeZone::UTC).unwrap()
}

#[test]
fn a_rotation_as_text() {
    insta::assert_snapshot!(render(&rotated(), RotateFormat::Table), @r"
    secret/gw-token rotated
    deployment.apps/gw restarted
    key slot: primary
    expires: 2027-02-14 07:50 UTC (in 29 days 23 hours)
    ");
}

#[test]
fn a_rotation_as_a_wide_table() {
    insta::assert_snapshot!(render(&rotated(), RotateFormat::Wide), @r"
    SECRET     KEY     WORKLOADS            GATEWAY   SERVICE   SLOT      EXPIRES-IN   OUTCOME
    gw-token   value   deployment.apps/gw   gw        svc       primary   29d          Rotated
    ");
}

#[test]
fn a_rotation_as_names_and_json() {
    insta::assert_snapshot!(render(&rotated(), RotateFormat::Name), @r"
    secret/gw-token
    deployment.apps/gw
    ");
    insta::assert_snapshot!(render(&rotated(), RotateFormat::Json), @r#"
    {
      "apiVersion": "kubectl-apim/v1",
      "kind": "Rotation",
      "outcome": "Rotated",
      "exitCode": 0,
      "dryRun": false,
      "namespace": "apim",
      "secret": {
        "name": "gw-token",
        "key": "value"
      },
      "workloads": [
        {
          "kind": "Deployment",
          "name": "gw",
          "restarted": true
        }
      ],
      "gateway": "/subscriptions/s/resourceGroups/rg/providers/Microsoft.ApiManagement/service/svc/gateways/gw",
      "keySlot": "primary",
      "expiresAt": "2027-02-14T07:50:00Z",
      "rotatedAt": "2027-01-15T08:00:00Z",
      "rotationId": "r1",
      "proof": "2 new pods are ready",
      "sources": {},
      "warnings": []
    }
    "#);
}

#[test]
fn yaml_and_json_are_equal() {
    let yaml = from_yaml(render(&rotated(), RotateFormat::Yaml).as_bytes()).unwrap();
    let json: serde_json::Value = serde_json::from_str(&render(&rotated(), RotateFormat::Json)).unwrap();
    assert_eq!(yaml, json);
}

#[test]
fn a_plan_and_nothing_due() {
    insta::assert_snapshot!(render(&RotationReport::planned(&snapshot(), &plan()), RotateFormat::Table), @r"
    secret/gw-token rotated (dry run)
    deployment.apps/gw restarted (dry run)
    key slot: primary (dry run)
    expires: 2027-02-14 07:50 UTC (in 29 days 23 hours) (dry run)
    ");
    let not_due = RotationReport::not_due(&snapshot(), "the token is fresh".to_owned());
    insta::assert_snapshot!(render(&not_due, RotateFormat::Table), @r"
    secret/gw-token unchanged: the token is fresh
    expires: 2027-02-14 08:00 UTC (in 30 days)
    ");
    assert_eq!(render(&not_due, RotateFormat::Name), "");
    assert_eq!(DAY * 30, not_due.expires_at.unwrap().duration_since(now()));
}
