//! The effects on the real cluster and the real Azure.

mod proof;

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use secrecy::ExposeSecret;
use tokio::time::Instant;

use super::{Effects, Proof, Write};
use crate::azure::Arm;
use crate::cli::ProveMode;
use crate::cluster::secret::{LastApplied, SecretChange, scrub_last_applied};
use crate::cluster::workload::Workload;
use crate::cluster::{Cluster, explain};
use crate::discover::TargetFacts;
use crate::discover::facts::{PreviousCredential, secret_facts};
use crate::error::{Error, Kind, Result};
use crate::interrupt::Interrupt;
use crate::model::annotation::{LAST_APPLIED, ROTATION_ID};
use crate::model::{
    GatewayId, KeySlot, SecretFacts, TemplateMarks, Token, WorkloadFacts, WorkloadRef, WorkloadVersion,
};
use crate::output::Output;
use crate::plan::{AfterWrite, after_write};
use crate::settings::PUT_BACK_TIME;

/// How often a write that met a conflict, or may not have arrived, is made
/// again with the same token.
const ATTEMPTS: usize = 4;

/// The live effects of one rotation.
pub struct Live<'a> {
    cluster: &'a Cluster,
    arm: &'a Arm,
    output: &'a Output,
    interrupt: &'a Interrupt,
    secret: SecretFacts,
    previous: PreviousCredential,
    workloads: BTreeMap<WorkloadRef, Known>,
    prove: ProveMode,
    proof_ends: Instant,
    deadline: Instant,
}

/// What is known of a workload between its writes.
struct Known {
    version: WorkloadVersion,
    was_ready: bool,
}

impl<'a> Live<'a> {
    /// Effects on what was found, to end by the deadline.
    pub fn new(
        cluster: &'a Cluster,
        arm: &'a Arm,
        output: &'a Output,
        interrupt: &'a Interrupt,
        found: &TargetFacts,
        prove: ProveMode,
        deadline: Instant,
    ) -> Self {
        let snapshot = &found.snapshot;
        let known = |facts: &WorkloadFacts| {
            let known = Known {
                version: facts.version.clone(),
                was_ready: facts.ready > 0,
            };
            (facts.version.workload.clone(), known)
        };
        Self {
            cluster,
            arm,
            output,
            interrupt,
            secret: snapshot.secret.clone(),
            previous: found.previous.clone(),
            workloads: snapshot.workloads.iter().map(known).collect(),
            prove,
            proof_ends: deadline - PUT_BACK_TIME,
            deadline,
        }
    }

    /// Rehearses both writes on the API server, which then has had its say
    /// about rights, quotas and webhooks before a token is minted. Returns
    /// warnings where it could not be asked.
    pub async fn rehearse(&self, change: &SecretChange, workloads: &[WorkloadRef]) -> Result<Vec<String>> {
        let mut warnings = Vec::new();
        let change = self.complete(change);
        let name = &self.secret.version.name;
        if let Err(error) = self
            .cluster
            .change_secret(&self.secret.version, &change, true)
            .await
        {
            warnings.extend(Self::rehearsal_failed(error, &format!("writing secret/{name}"))?);
        }
        let marks = TemplateMarks {
            rotation_id: change.annotations.get(ROTATION_ID).cloned().flatten(),
            restarted_at: Some("1970-01-01T00:00:00Z".to_owned()),
        };
        for workload in workloads {
            let Some(known) = self.workloads.get(workload) else {
                continue;
            };
            if let Err(error) = self.cluster.mark_template(&known.version, &marks, true).await {
                warnings.extend(Self::rehearsal_failed(error, &format!("restarting {workload}"))?);
            }
        }
        Ok(warnings)
    }

    /// An admission webhook that cannot do dry runs answers 400: that says
    /// nothing about the real write.
    fn rehearsal_failed(error: kube::Error, doing: &str) -> Result<Option<String>> {
        match &error {
            kube::Error::Api(status) if status.code == 400 && status.message.contains("dry run") => {
                Ok(Some(format!("could not rehearse {doing}: {}", status.message)))
            }
            // A concurrent change is met by the compare-and-swap of the write.
            kube::Error::Api(status) if status.code == 409 => Ok(None),
            kube::Error::Api(status) if matches!(status.code, 403 | 422) => {
                Err(explain(error, doing).with_kind(Kind::Refused))
            }
            _ => Err(explain(error, doing)),
        }
    }

    /// The change with the copy of the credential in `last-applied` cut out.
    fn complete(&self, change: &SecretChange) -> SecretChange {
        let mut change = change.clone();
        let scrubbed = match scrub_last_applied(&self.previous.annotations, &change.key) {
            LastApplied::Clean => return change,
            LastApplied::Cut(text) => Some(text),
            LastApplied::Remove => None,
        };
        change.annotations.insert(LAST_APPLIED.to_owned(), scrubbed);
        change
    }

    fn take(&mut self, secret: &Secret) -> Result<()> {
        (self.secret, self.previous) = secret_facts(secret, &self.secret.key)?;
        Ok(())
    }

    async fn read_secret(&self) -> Result<Secret> {
        let name = &self.secret.version.name;
        self.cluster
            .secret(name)
            .await
            .map_err(|error| explain(error, &format!("reading secret/{name} back")))
    }

    async fn read_workload(&self, workload: &WorkloadRef) -> Result<Workload> {
        self.cluster
            .workload(workload)
            .await
            .map_err(|error| explain(error, &format!("reading {workload}")))
    }
}

impl Effects for Live<'_> {
    async fn mint(&mut self, gateway: &GatewayId, slot: KeySlot, expires_at: Timestamp) -> Result<Token> {
        Ok(self.arm.generate_token(gateway, slot, expires_at).await?)
    }

    async fn write_secret(&mut self, change: &SecretChange) -> Result<Write> {
        let before = self.secret.clone();
        let value_before = self.previous.credential.clone();
        let id = change.annotations.get(ROTATION_ID).cloned().flatten();
        let name = &before.version.name;
        let doing = format!("writing secret/{name}");
        let mut attempts = ATTEMPTS;
        loop {
            attempts -= 1;
            let change = self.complete(change);
            self.interrupt.credential_written.set(true);
            let error = match self
                .cluster
                .change_secret(&self.secret.version, &change, false)
                .await
            {
                Ok(secret) => {
                    self.take(&secret)?;
                    return Ok(Write::Done);
                }
                Err(error) => error,
            };
            let Some(trouble) = Trouble::of(&error) else {
                return Err(explain(error, &doing));
            };
            let now = match self.read_secret().await {
                Ok(now) => now,
                Err(unread) => {
                    return Err(explain(error, &doing).with_kind(Kind::Unknown).hint(format!(
                        "the write may have taken effect, and reading it back failed: {unread}; look at the \
                         annotation {ROTATION_ID} of secret/{name}"
                    )));
                }
            };
            self.take(&now)?;
            let value = self.previous.credential.expose_secret();
            let is_written =
                value == change.credential.expose_secret() && self.secret.marks.rotation_id == id;
            let is_as_before = value == value_before.expose_secret();
            match after_write(&before, &self.secret, is_written, is_as_before) {
                AfterWrite::Written => return Ok(Write::Done),
                AfterWrite::OtherRotation => return Ok(Write::Yielded),
                AfterWrite::ChangedByOther(writer) => {
                    let writer = writer.unwrap_or_else(|| "something else".to_owned());
                    return Err(Error::failed(format!(
                        "secret/{name} was changed by {writer} while it was being rotated; the change stays and the new \
                         token was dropped"
                    )));
                }
                AfterWrite::Untouched if trouble == Trouble::Invalid || attempts == 0 => {
                    return Err(explain(error, &doing));
                }
                AfterWrite::Untouched => {}
            }
        }
    }

    async fn restart(
        &mut self,
        workload: &WorkloadRef,
        marks: &TemplateMarks,
        id: Option<&str>,
    ) -> Result<()> {
        let doing = format!("restarting {workload}");
        let mut attempts = ATTEMPTS;
        loop {
            attempts -= 1;
            let Some(known) = self.workloads.get(workload) else {
                return Ok(());
            };
            let error = match self.cluster.mark_template(&known.version, marks, false).await {
                Ok(live) => {
                    let version = live.version(workload);
                    self.workloads
                        .entry(workload.clone())
                        .and_modify(|known| known.version = version);
                    return Ok(());
                }
                Err(error) => error,
            };
            let Some(trouble) = Trouble::of(&error) else {
                return Err(explain(error, &doing));
            };
            let live = self.read_workload(workload).await?;
            if live.marks() == *marks {
                return Ok(());
            }
            let version = live.version(workload);
            if attempts == 0 || trouble == Trouble::Invalid && version == known.version {
                return Err(explain(error, &doing));
            }
            if version.uid != known.version.uid {
                return Err(Error::failed(format!(
                    "{workload} was deleted and made anew meanwhile"
                )));
            }
            self.workloads
                .entry(workload.clone())
                .and_modify(|known| known.version = version);
            let secret = self.read_secret().await?;
            self.take(&secret)?;
            if self.secret.marks.rotation_id.as_deref() != id {
                return Err(Error::failed(format!(
                    "another rotation has replaced the token meanwhile; {workload} is left to it"
                )));
            }
        }
    }

    async fn prove(&mut self, workloads: &[WorkloadRef], id: &str) -> Proof {
        let proof = self.proof(workloads, id).await;
        if matches!(proof, Proof::Refused(_)) {
            // The time that was kept for putting back is spent on it.
            self.proof_ends = self.deadline;
        }
        proof
    }

    fn now(&self) -> Timestamp {
        self.cluster.now()
    }
}

/// The errors after which a write must be read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    /// The object is of another version.
    Conflict,
    /// The object is another one, or does not take the value.
    Invalid,
    /// It may or may not have taken effect.
    Ambiguous,
}

impl Trouble {
    fn of(error: &kube::Error) -> Option<Self> {
        match error {
            kube::Error::Api(status) => match status.code {
                409 => Some(Self::Conflict),
                422 => Some(Self::Invalid),
                408 | 429 | 500.. => Some(Self::Ambiguous),
                _ => None,
            },
            kube::Error::Auth(_) | kube::Error::BuildRequest(_) | kube::Error::HttpError(_) => None,
            _ => Some(Self::Ambiguous),
        }
    }
}
