use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use secrecy::ExposeSecret;

use crate::apply::{Effects, Marked, Proof, Refusal, Rotation, Write, finish_put_back};
use crate::discover::facts::{PreviousCredential, secret_facts};
use crate::error::{Error, Result};
use crate::model::annotation::{LAST_USED_KEY, PUT_BACK, ROTATED_AT, ROTATION_ID};
use crate::model::{
    KeySlot, Minted, PutBack, SecretChange, SecretData, Snapshot, Token, WorkloadKind, WorkloadMarks,
    WorkloadRef,
};
use crate::output::{Output, OutputSettings};
use crate::plan::fixture::{DAY, gateway_id, now, snapshot};
use crate::plan::{Marking, Mint, Need, Outcome, Policy, completion, need, rotation};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    Before,
    After,
}

/// A cluster with one gateway, and an Azure that refuses tokens of some keys.
#[derive(Clone, Default)]
pub(super) struct World {
    pub(super) data: BTreeMap<String, String>,
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) marks: WorkloadMarks,
    pub(super) refuses: Vec<KeySlot>,
    /// Whether Azure answers with a token that was not requested.
    pub(super) answers_wrong: bool,
    pub(super) minted: usize,
    /// The rotation id of each write and of each change of the template.
    pub(super) writes: Vec<Option<String>>,
    pub(super) restarts: Vec<Option<String>>,
    /// The Secret that another rotation writes before the write of that number.
    pub(super) overtaken: Option<(usize, Box<World>)>,
    /// The Secret that another rotation writes while this one is proved.
    pub(super) replaced_in_proof: Option<Box<World>>,
    /// The effect at which the process dies.
    pub(super) dies: Option<(usize, When)>,
    pub(super) effects: usize,
    pub(super) dead: bool,
}

impl World {
    /// A gateway whose token of the primary key is valid for two more days.
    pub(super) fn new() -> Self {
        Self::with_token(now() + DAY * 2)
    }

    pub(super) fn with_token(expires_at: Timestamp) -> Self {
        Self {
            data: BTreeMap::from([("value".to_owned(), token(KeySlot::Primary, expires_at, 0))]),
            annotations: BTreeMap::from([(LAST_USED_KEY.to_owned(), "primary".to_owned())]),
            ..Self::default()
        }
    }

    /// The same with a made-up credential that needs two keys of the Secret, as
    /// a certificate and its password do.
    pub(super) fn with_two_keys() -> Self {
        let mut world = Self::new();
        world.data.insert(PASSWORD.to_owned(), password(0));
        world
    }

    fn has_two_keys(&self) -> bool {
        self.data.contains_key(PASSWORD)
    }

    /// Whether the keys of the Secret belong to one credential.
    pub(super) fn is_whole(&self) -> bool {
        let Some(password) = self.data.get(PASSWORD) else {
            return true;
        };
        let serial = password.trim_start_matches(PASSWORD);
        let value = &self.data["value"];
        value[..value.len() - 1].ends_with(&format!("l{serial}"))
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
                ByteString(self.data["value"].clone().into_bytes()),
            )])),
            ..Secret::default()
        };
        let (facts, mut previous) = secret_facts(&secret, "value").unwrap();
        if self.has_two_keys() {
            previous.data = pair(&self.data["value"], &self.data[PASSWORD]);
        }
        let mut snapshot = snapshot();
        snapshot.secret = facts;
        snapshot.workloads[0].marks = self.marks.clone();
        (snapshot, previous)
    }

    /// What `rotate` does: decide and apply. `None` when nothing was to be done.
    pub(super) async fn rotate(&mut self, policy: &Policy, id: &str) -> Option<Outcome> {
        let (snapshot, previous) = self.snapshot();
        let need = need(&snapshot, policy, now());
        let plan = match &need {
            Need::Completion(unfinished) => completion(&snapshot, policy, gateway_id(), unfinished),
            _ => rotation(&snapshot, policy, gateway_id(), now(), id.to_owned()),
        };
        let output = Output::new(OutputSettings::default());
        if let Need::PutBack(put_back) = &need {
            return Some(finish_put_back(self, &snapshot, put_back, &output).await);
        }
        let run = Rotation {
            effects: self,
            plan: &plan,
            snapshot: &snapshot,
            previous: &previous,
            replacement_id: format!("{id}-replacement"),
            output: &output,
        };
        match need {
            Need::Nothing(_) | Need::PutBack(_) => None,
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

    pub(super) fn slot_of_value(&self) -> KeySlot {
        if self.data["value"].ends_with('p') {
            KeySlot::Primary
        } else {
            KeySlot::Secondary
        }
    }
}

/// The second key of the made-up credential.
const PASSWORD: &str = "password";

fn password(serial: usize) -> String {
    format!("{PASSWORD}{serial}")
}

fn pair(value: &str, password: &str) -> SecretData {
    SecretData::from([("value", value.into()), (PASSWORD, password.into())])
}

/// A token whose signature ends in the initial of its key.
fn token(slot: KeySlot, expires_at: Timestamp, serial: usize) -> String {
    let stamp = expires_at.strftime("%Y%m%d%H%M");
    format!(
        "GatewayKey gw&{stamp}&c2lnbmF0dXJl{serial}{}",
        &slot.as_str()[..1]
    )
}

impl Effects for World {
    async fn mint(&mut self, mint: &mut Mint) -> Result<Minted> {
        self.enter()?;
        self.minted += 1;
        let Mint::Token(wanted) = mint;
        let expires_at = if self.answers_wrong {
            wanted.expires_at - DAY
        } else {
            wanted.expires_at
        };
        let text = token(wanted.key_slot, expires_at, self.minted);
        let mut minted = wanted.minted(&Token::parse(&text).unwrap());
        if self.has_two_keys() {
            minted.data = pair(&text, &password(self.minted));
        }
        self.leave()?;
        Ok(minted)
    }

    async fn write_secret(&mut self, change: &SecretChange) -> Result<Write> {
        self.enter()?;
        if let Some((_, other)) = self.overtaken.take_if(|(at, _)| *at == self.writes.len()) {
            (self.data, self.annotations, self.marks) = (other.data, other.annotations, other.marks);
            return Ok(Write::Yielded);
        }
        let keys: Vec<&str> = change.data.keys().collect();
        assert_eq!(
            keys,
            self.data.keys().collect::<Vec<_>>(),
            "one write has all keys"
        );
        for (key, value) in change.data.iter() {
            self.data.insert(key.to_owned(), value.expose_secret().to_owned());
        }
        for (name, value) in &change.annotations {
            match value {
                Some(value) => self.annotations.insert(name.clone(), value.clone()),
                None => self.annotations.remove(name),
            };
        }
        if change.stamps_time {
            self.annotations.insert(ROTATED_AT.to_owned(), now().to_string());
        }
        self.writes.push(self.annotations.get(ROTATION_ID).cloned());
        self.leave()?;
        Ok(Write::Done {
            rotated_at: self.annotations.get(ROTATED_AT).map(|time| time.parse().unwrap()),
        })
    }

    async fn mark(&mut self, workload: &WorkloadRef, marking: &Marking) -> Result<Marked> {
        self.enter()?;
        match marking {
            Marking::Restart { rotation, .. } => {
                assert_eq!(self.annotations.get(ROTATION_ID), Some(&rotation.id));
            }
            Marking::Restore(put_back) => {
                assert_eq!(self.annotations.get(PUT_BACK), Some(&put_back.to_annotation()));
            }
            Marking::Proved(_) | Marking::GivenUp(_) => {}
        }
        let Some(marks) = marking.change(workload, &self.marks) else {
            self.leave()?;
            return Ok(Marked::Unchanged);
        };
        if marks.template != self.marks.template {
            let id = marks.template.rotation_ids.annotation();
            self.restarts.push(id.map(str::to_owned));
        }
        self.marks = marks;
        self.leave()?;
        Ok(Marked::Changed)
    }

    async fn forget_put_back(&mut self, put_back: &PutBack, restored: &[WorkloadRef]) -> Result<()> {
        self.enter()?;
        assert_eq!(put_back.without(restored).workloads, []);
        self.annotations.remove(PUT_BACK);
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

    async fn still_holds(&mut self) -> Write {
        if let Some(other) = self.replaced_in_proof.take() {
            (self.data, self.annotations, self.marks) = (other.data, other.annotations, other.marks);
            return Write::Yielded;
        }
        Write::Done { rotated_at: None }
    }

    fn now(&self) -> Timestamp {
        now()
    }

    async fn minting_time(&mut self, _: &Mint) -> Timestamp {
        now()
    }
}
