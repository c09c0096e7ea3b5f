mod mark;
mod proof;
mod write;

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use tokio::time::Instant;

use super::{Effects, Marked, Proof, Write};
use crate::cluster::last_applied::{LastApplied, scrub_last_applied};
use crate::cluster::workload::Workload;
use crate::cluster::{Cluster, explain};
use crate::discover::TargetFacts;
use crate::discover::directory::{Lookup, move_in_words};
use crate::discover::facts::{PreviousCredential, secret_facts};
use crate::error::{Kind, Result};
use crate::interrupt::Interrupt;
use crate::model::annotation::LAST_APPLIED;
use crate::model::request::ProveMode;
use crate::model::{
    Minted, PutBack, SecretChange, SecretFacts, WorkloadFacts, WorkloadMarks, WorkloadRef, WorkloadVersion,
};
use crate::output::Output;
use crate::plan::{Marking, Mint, PUT_BACK_TIME};

/// The effects of one rotation on the cluster and on Azure.
pub struct RealEffects<'a> {
    cluster: &'a Cluster,
    azure: Lookup<'a>,
    output: &'a Output,
    interrupt: &'a Interrupt,
    secret: SecretFacts,
    previous: PreviousCredential,
    workloads: BTreeMap<WorkloadRef, WorkloadState>,
    prove: ProveMode,
    proof_ends: Instant,
    deadline: Instant,
}

/// The state of a workload after the last read or write.
struct WorkloadState {
    version: WorkloadVersion,
    marks: WorkloadMarks,
    /// Whether a pod was ready before the rotation.
    was_ready: bool,
    /// The containers that run the gateway; `None` if that is unknown.
    gateways: Option<Vec<String>>,
}

impl<'a> RealEffects<'a> {
    /// The effects on a target, to end by the deadline.
    pub fn new(
        cluster: &'a Cluster,
        azure: Lookup<'a>,
        output: &'a Output,
        interrupt: &'a Interrupt,
        target: &TargetFacts,
        prove: ProveMode,
        deadline: Instant,
    ) -> Self {
        let snapshot = &target.snapshot;
        let state = |facts: &WorkloadFacts| {
            let state = WorkloadState {
                version: facts.version.clone(),
                marks: facts.marks.clone(),
                was_ready: facts.ready > 0,
                gateways: target.gateway_containers(&facts.version.workload),
            };
            (facts.version.workload.clone(), state)
        };
        Self {
            cluster,
            azure,
            output,
            interrupt,
            secret: snapshot.secret.clone(),
            previous: target.previous.clone(),
            workloads: snapshot.workloads.iter().map(state).collect(),
            prove,
            proof_ends: deadline - PUT_BACK_TIME,
            deadline,
        }
    }

    /// Sends both writes to the API server as dry runs, so that it checks
    /// rights, quotas and webhooks before a token is minted. Returns warnings
    /// about checks that it could not make.
    pub async fn rehearse(
        &self,
        change: &SecretChange,
        restart: &Marking,
        workloads: &[WorkloadRef],
    ) -> Result<Vec<String>> {
        let mut warnings = Vec::new();
        let change = self.without_copy(change);
        let name = &self.secret.version.name;
        if let Err(error) = self
            .cluster
            .change_secret(&self.secret.version, &change, true)
            .await
        {
            warnings.extend(rehearsal_failed(
                error,
                &format!("rehearsing the write of secret/{name}"),
            )?);
        }
        for workload in workloads {
            let Some(state) = self.workloads.get(workload) else {
                continue;
            };
            let Some(marks) = restart.change(workload, &state.marks) else {
                continue;
            };
            let rehearsal = self
                .cluster
                .mark_workload(&state.version, &state.marks, &marks, true);
            if let Err(error) = rehearsal.await {
                warnings.extend(rehearsal_failed(
                    error,
                    &format!("rehearsing the restart of {workload}"),
                )?);
            }
        }
        Ok(warnings)
    }

    /// The change, extended so that `last-applied-configuration` holds no copy
    /// of the credential.
    fn without_copy(&self, change: &SecretChange) -> SecretChange {
        let keys: Vec<&str> = change.data.keys().collect();
        let scrubbed = match scrub_last_applied(&self.previous.annotations, &keys) {
            LastApplied::Clean => return change.clone(),
            LastApplied::Cut(text) => Some(text),
            LastApplied::Remove => None,
        };
        let mut change = change.clone();
        change.annotations.insert(LAST_APPLIED.to_owned(), scrubbed);
        change
    }

    /// Replaces the facts about the Secret by those of a newer version.
    fn update(&mut self, secret: &Secret) -> Result<()> {
        let gets_prefix = self.secret.gets_prefix;
        (self.secret, self.previous) = secret_facts(secret, &self.secret.key)?;
        self.secret.gets_prefix = gets_prefix;
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

/// The error of a dry run, or a warning if the dry run shows nothing about the
/// real write.
fn rehearsal_failed(error: kube::Error, doing: &str) -> Result<Option<String>> {
    match &error {
        // An admission webhook that does not support dry runs answers 400.
        kube::Error::Api(status) if status.code == 400 && status.message.contains("dry run") => {
            Ok(Some(format!("{doing} failed: {}", status.message)))
        }
        // The real write handles a concurrent change.
        kube::Error::Api(status) if status.code == 409 => Ok(None),
        kube::Error::Api(status) if matches!(status.code, 403 | 422) => {
            Err(explain(error, doing).with_kind(Kind::Refused))
        }
        _ => Err(explain(error, doing)),
    }
}

impl Effects for RealEffects<'_> {
    async fn mint(&mut self, mint: &mut Mint) -> Result<Minted> {
        let Mint::Token(wanted) = mint;
        let Lookup {
            arm,
            directory,
            named,
        } = self.azure;
        let waiting = self.output.waiting();
        waiting.on("Azure mints a token");
        let minted = arm
            .generate_token(&wanted.gateway, wanted.key_slot, wanted.expires_at)
            .await;
        let token = match (minted, named) {
            (Err(error), Some(named)) if error.is_of_place() => {
                let moved = directory.moved(arm, named, &wanted.gateway, error.into()).await?;
                let text = move_in_words(&wanted.gateway.service, &moved.service);
                self.output.step("moved", &text);
                wanted.gateway = moved;
                arm.generate_token(&wanted.gateway, wanted.key_slot, wanted.expires_at)
                    .await?
            }
            (minted, _) => minted?,
        };
        Ok(wanted.minted(&token))
    }

    async fn write_secret(&mut self, change: &SecretChange) -> Result<Write> {
        self.write_with_retries(change).await
    }

    async fn mark(&mut self, workload: &WorkloadRef, marking: &Marking) -> Result<Marked> {
        self.mark_with_retries(workload, marking).await
    }

    async fn forget_put_back(&mut self, put_back: &PutBack, restored: &[WorkloadRef]) -> Result<()> {
        self.forget_with_retries(put_back, restored).await
    }

    async fn prove(&mut self, workloads: &[WorkloadRef], id: &str) -> Proof {
        let proof = self.proof(workloads, id).await;
        if matches!(proof, Proof::Refused(_)) {
            // From now on the time that was kept for putting back may be used.
            self.proof_ends = self.deadline;
        }
        proof
    }

    async fn still_holds(&mut self) -> Write {
        self.compare_with_stored().await
    }

    fn now(&self) -> Timestamp {
        self.cluster.now()
    }

    async fn minting_time(&mut self, mint: &Mint) -> Timestamp {
        let Mint::Token(token) = mint;
        let arm = self.azure.arm;
        if arm.now().is_none() {
            // The answer sets the clock. Without one, the token cannot be minted
            // either, which is reported there.
            let answer = arm.gateway(&token.gateway).await;
            tracing::debug!("read the gateway for ARM's time: {}", answer.is_ok());
        }
        arm.now().unwrap_or_else(|| self.cluster.now())
    }
}
