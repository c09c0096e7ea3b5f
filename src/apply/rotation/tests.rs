//! The order of the effects against a world that records them and can end
//! the run before or after any of them.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use secrecy::ExposeSecret;

use super::*;
use crate::cli::TalkArgs;
use crate::discover::facts::secret_facts;
use crate::model::KeyChoice;
use crate::model::annotation::{LAST_USED_KEY, ROTATION_ID};
use crate::plan::fixture::{DAY, now, policy, snapshot};
use crate::plan::{Need, Policy, need, rotation};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Before,
    After,
}

/// A cluster with one gateway, and an Azure that refuses tokens of some keys.
#[derive(Clone, Default)]
struct World {
    value: String,
    annotations: BTreeMap<String, String>,
    template: TemplateMarks,
    refuses: Vec<KeySlot>,
    minted: usize,
    /// The rotation id of each write and of each change of the template.
    writes: Vec<Option<String>>,
    restarts: Vec<Option<String>>,
    /// The effect at which the process dies.
    dies: Option<(usize, When)>,
    effects: usize,
    dead: bool,
}

impl World {
    /// A gateway whose token of the primary key lives for two more days.
    fn new() -> Self {
        Self {
            value: token(KeySlot::Primary, now() + DAY * 2, 0),
            annotations: BTreeMap::from([(LAST_USED_KEY.to_owned(), "primary".to_owned())]),
            ..Self::default()
        }
    }

    fn snapshot(&self) -> (Snapshot, PreviousCredential) {
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some("gw-token".to_owned()),
                uid: Some("u1".to_owned()),
                annotations: Some(self.annotations.clone()),
                ..ObjectMeta::default()
            },
            data: Some(BTreeMap::from([(
                "value".to_owned(),
                ByteString(self.value.clone().into_bytes()),
            )])),
            ..Secret::default()
        };
        let (facts, previous) = secret_facts(&secret, "value").unwrap();
        let mut snapshot = snapshot();
        snapshot.secret = facts;
        snapshot.workloads[0].marks = self.template.clone();
        (snapshot, previous)
    }

    /// What `rotate` does: decide and apply. `None` when nothing was to be done.
    async fn rotate(&mut self, policy: &Policy, id: &str) -> Option<Outcome> {
        let (snapshot, previous) = self.snapshot();
        let need = need(&snapshot, policy, now());
        let gateway = GatewayId::parse(
            "/subscriptions/s/resourceGroups/rg/providers/Microsoft.ApiManagement/service/svc/gateways/gw",
        );
        let plan = rotation(&snapshot, policy, gateway.unwrap(), now(), id.to_owned());
        let run = Rotation {
            effects: self,
            plan: &plan,
            snapshot: &snapshot,
            previous: &previous,
            replacement_id: format!("{id}-replacement"),
            output: &Output::new(&TalkArgs::default()),
        };
        match need {
            Need::Nothing(_) => None,
            Need::Mint => Some(run.run().await),
            Need::Completion(unfinished) => Some(run.complete(&unfinished).await),
        }
    }

    /// Passes into an effect, unless the process is dead or dies here.
    fn enter(&mut self) -> Result<()> {
        self.effects += 1;
        self.dead |= self.dies == Some((self.effects, When::Before));
        self.alive()
    }

    /// Passes out of it again.
    fn leave(&mut self) -> Result<()> {
        self.dead |= self.dies == Some((self.effects, When::After));
        self.alive()
    }

    fn alive(&self) -> Result<()> {
        if self.dead {
            Err(Error::failed("the process is dead"))
        } else {
            Ok(())
        }
    }

    fn slot_of_value(&self) -> KeySlot {
        if self.value.ends_with('p') {
            KeySlot::Primary
        } else {
            KeySlot::Secondary
        }
    }
}

/// A token whose signature ends in its key's initial.
fn token(slot: KeySlot, expires_at: Timestamp, serial: usize) -> String {
    let stamp = expires_at.strftime("%Y%m%d%H%M");
    format!(
        "GatewayKey gw&{stamp}&c2lnbmF0dXJl{serial}{}",
        &slot.as_str()[..1]
    )
}

impl Effects for World {
    async fn mint(&mut self, _: &GatewayId, slot: KeySlot, expires_at: Timestamp) -> Result<Token> {
        self.enter()?;
        self.minted += 1;
        let token = Token::parse(&token(slot, expires_at, self.minted)).unwrap();
        self.leave()?;
        Ok(token)
    }

    async fn write_secret(&mut self, change: &SecretChange) -> Result<Write> {
        self.enter()?;
        change.credential.expose_secret().clone_into(&mut self.value);
        for (name, value) in &change.annotations {
            match value {
                Some(value) => self.annotations.insert(name.clone(), value.clone()),
                None => self.annotations.remove(name),
            };
        }
        self.writes.push(self.annotations.get(ROTATION_ID).cloned());
        self.leave()?;
        Ok(Write::Done)
    }

    async fn restart(&mut self, _: &WorkloadRef, marks: &TemplateMarks, id: Option<&str>) -> Result<()> {
        self.enter()?;
        assert_eq!(self.annotations.get(ROTATION_ID).map(String::as_str), id);
        if self.template != *marks {
            self.template = marks.clone();
            self.restarts.push(marks.rotation_id.clone());
        }
        self.leave()
    }

    async fn prove(&mut self, workloads: &[WorkloadRef], _: &str) -> Proof {
        assert_eq!(
            workloads,
            [WorkloadRef {
                kind: WorkloadKind::Deployment,
                name: "gw".to_owned()
            }]
        );
        if self.enter().is_err() {
            return Proof::Undecided("the process is dead".to_owned());
        }
        if self.refuses.contains(&self.slot_of_value()) {
            Proof::Refused(Refusal {
                evidence: "pod gw-1 logs a refusal".to_owned(),
                pod: Some("gw-1".to_owned()),
            })
        } else {
            Proof::Proved("1 new pod is ready".to_owned())
        }
    }

    fn now(&self) -> Timestamp {
        now()
    }
}

fn code(outcome: &Outcome) -> u8 {
    outcome.error.as_ref().map_or(0, |error| error.kind().exit_code())
}

#[tokio::test]
async fn a_rotation_writes_once_restarts_once_and_is_proved() {
    let mut world = World::new();
    let outcome = world.rotate(&policy(), "r1").await.unwrap();
    assert_eq!((outcome.verdict, code(&outcome)), (Verdict::Rotated, 0));
    assert_eq!(outcome.proof.as_deref(), Some("1 new pod is ready"));
    assert_eq!((world.minted, world.effects), (1, 4));
    assert_eq!(world.writes, [Some("r1".to_owned())]);
    assert_eq!(world.restarts, [Some("r1".to_owned())]);
    assert_eq!(
        world.template.restarted_at,
        world.annotations.get("apim-rotate/rotated-at").cloned()
    );
}

#[tokio::test]
async fn a_crash_at_any_effect_and_one_rerun_end_as_an_uninterrupted_run() {
    let mut calm = World::new();
    calm.rotate(&policy(), "r1").await.unwrap();
    for dies_at in 1..=calm.effects {
        for when in [When::Before, When::After] {
            let mut world = World {
                dies: Some((dies_at, when)),
                ..World::new()
            };
            world.rotate(&policy(), "r1").await.unwrap();
            (world.dies, world.dead) = (None, false);
            // The default policy mints when nothing is left unfinished, which
            // is right for a person; a schedule only finishes.
            let schedule = Policy {
                if_expiring_within: Some(DAY * 15),
                ..policy()
            };
            if let Some(outcome) = world.rotate(&schedule, "r2").await {
                assert_eq!(code(&outcome), 0, "died {when:?} effect {dies_at}");
            }
            assert_eq!(world.slot_of_value(), calm.slot_of_value());
            assert_eq!(
                world.annotations.get(ROTATION_ID),
                world.template.rotation_id.as_ref(),
                "died {when:?} {dies_at}"
            );
            assert_eq!(world.writes.len(), 1, "died {when:?} effect {dies_at}");
            assert_eq!(world.restarts.len(), 1, "died {when:?} effect {dies_at}");
        }
    }
}

#[tokio::test]
async fn a_refused_token_gives_way_to_the_former_one_of_the_other_key() {
    let mut world = World {
        refuses: vec![KeySlot::Secondary],
        ..World::new()
    };
    let before = world.clone();
    let policy = Policy {
        key: KeyChoice::Rotate,
        ..policy()
    };
    let outcome = world.rotate(&policy, "r1").await.unwrap();
    assert_eq!((outcome.verdict, code(&outcome)), (Verdict::PutBack, 5));
    assert_eq!(world.value, before.value);
    assert_eq!(world.annotations, before.annotations);
    assert_eq!(world.template, before.template);
    assert_eq!(world.minted, 1);
}

#[tokio::test]
async fn a_refused_token_of_the_same_key_is_replaced_by_one_of_the_other() {
    let mut world = World {
        refuses: vec![KeySlot::Primary],
        ..World::new()
    };
    let outcome = world.rotate(&policy(), "r1").await.unwrap();
    assert_eq!((outcome.verdict, code(&outcome)), (Verdict::Replaced, 5));
    assert_eq!(world.slot_of_value(), KeySlot::Secondary);
    assert_eq!(
        world.writes,
        [Some("r1".to_owned()), Some("r1-replacement".to_owned())]
    );
    assert_eq!(world.restarts, world.writes);
    assert_eq!(world.annotations[LAST_USED_KEY], "secondary");
}

#[tokio::test]
async fn an_expired_former_token_is_not_put_back() {
    let mut world = World {
        refuses: vec![KeySlot::Secondary],
        ..World::new()
    };
    world.value = token(KeySlot::Primary, now() - DAY, 0);
    let policy = Policy {
        key: KeyChoice::Rotate,
        ..policy()
    };
    let outcome = world.rotate(&policy, "r1").await.unwrap();
    assert_eq!(outcome.verdict, Verdict::Replaced);
    assert_eq!(world.slot_of_value(), KeySlot::Primary);
    assert_eq!(world.minted, 2);
}

#[tokio::test]
async fn when_both_keys_are_refused_the_proof_stays_owed() {
    let mut world = World {
        refuses: vec![KeySlot::Primary, KeySlot::Secondary],
        ..World::new()
    };
    let outcome = world.rotate(&policy(), "r1").await.unwrap();
    assert_eq!((outcome.verdict, code(&outcome)), (Verdict::Owed, 3));
    assert_eq!(world.minted, 2);
}

#[tokio::test]
async fn a_completed_rotation_that_is_refused_is_replaced() {
    let mut world = World {
        dies: Some((3, When::Before)),
        ..World::new()
    };
    world.rotate(&policy(), "r1").await.unwrap();
    (world.dies, world.dead, world.refuses) = (None, false, vec![KeySlot::Primary]);
    let outcome = world.rotate(&policy(), "r2").await.unwrap();
    assert_eq!((outcome.verdict, code(&outcome)), (Verdict::Replaced, 5));
    assert_eq!(world.slot_of_value(), KeySlot::Secondary);
}

#[tokio::test]
async fn asked_for_omissions_end_well() {
    use crate::plan::FollowUp;
    let mut world = World::new();
    let outcome = world
        .rotate(
            &Policy {
                follow_up: FollowUp::Restart,
                ..policy()
            },
            "r1",
        )
        .await
        .unwrap();
    assert_eq!((code(&outcome), world.effects), (0, 3));

    let mut world = World::new();
    let outcome = world
        .rotate(
            &Policy {
                follow_up: FollowUp::Nothing,
                ..policy()
            },
            "r1",
        )
        .await
        .unwrap();
    assert_eq!((code(&outcome), world.effects, world.restarts.len()), (0, 2, 0));
    assert!(
        world
            .rotate(
                &Policy {
                    if_expiring_within: Some(DAY),
                    ..policy()
                },
                "r2"
            )
            .await
            .is_none()
    );
}

/// What ARM answers is checked before it is written.
#[test]
fn a_token_of_another_gateway_or_expiry_is_dropped() {
    let (snapshot, _) = World::new().snapshot();
    let gateway = GatewayId::parse(
        "/subscriptions/s/resourceGroups/rg/providers/Microsoft.ApiManagement/service/svc/gateways/gw",
    );
    let plan = rotation(&snapshot, &policy(), gateway.unwrap(), now(), "r1".to_owned());
    let good = Claims {
        gateway: "GW".to_owned(),
        expires_at: plan.expires_at,
    };
    assert!(verify(&plan, &good).is_ok());
    assert!(
        verify(
            &plan,
            &Claims {
                gateway: "other".to_owned(),
                ..good.clone()
            }
        )
        .is_err()
    );
    assert!(
        verify(
            &plan,
            &Claims {
                expires_at: good.expires_at - DAY,
                ..good
            }
        )
        .is_err()
    );
}
