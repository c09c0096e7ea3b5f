//! The rotation of one gateway.

use std::sync::Arc;

use jiff::SignedDuration;
use tokio::time::Instant;
use uuid::Uuid;

use super::steps::print_plan;
use crate::apply::{RealEffects, Rotation, finish_put_back};
use crate::azure::Arm;
use crate::cluster::Cluster;
use crate::commands::Context;
use crate::commands::mint_right::may_mint;
use crate::commands::sign_in::Preparation;
use crate::discover::directory::{Directory, Lookup, move_in_words};
use crate::discover::evidence::Named;
use crate::discover::{self, TargetFacts};
use crate::error::{Error, Result};
use crate::model::request::{DryRun, ProveMode, TargetRequest};
use crate::model::{GatewayId, KeySlot, PutBack, WorkloadRef, in_words};
use crate::output::Output;
use crate::plan::{self, Mint, Need, Outcome, OutcomeKind, Plan};
use crate::report::RotationReport;
use crate::settings::RotateSettings;

/// The life of a token that only shows that minting works.
const CHECK_LIFE: SignedDuration = SignedDuration::from_mins(10);

/// The rotation of a gateway that needs one.
pub(super) struct Run<'a> {
    pub(super) settings: &'a RotateSettings,
    /// The request that finds the same Secret again.
    pub(super) target: &'a TargetRequest,
    pub(super) cluster: &'a Cluster,
    pub(super) azure: &'a Azure,
    pub(super) found: &'a TargetFacts,
    pub(super) output: &'a Output,
    pub(super) context: &'a Context,
    pub(super) deadline: Instant,
}

/// ARM and its directory of gateways.
pub(super) struct Azure {
    pub(super) arm: Arm,
    pub(super) preparation: Preparation,
    pub(super) directory: Arc<Directory>,
}

/// A gateway by name, and by its id if it was already looked up in Azure.
pub(super) struct Target<'a> {
    pub(super) named: &'a Named,
    pub(super) id: Option<GatewayId>,
}

impl Run<'_> {
    /// Mints a token, or completes the unfinished rotation of an earlier run.
    pub(super) async fn execute(
        &self,
        need: &Need,
        target: &Target<'_>,
        warnings: &mut Vec<String>,
    ) -> Result<RotationReport> {
        match need {
            Need::Completion(unfinished) => self.complete(target, unfinished).await,
            Need::PutBack(put_back) => Ok(Box::pin(self.finish_put_back(target, put_back)).await),
            Need::Mint => self.mint(target, warnings).await,
            Need::Nothing(reason) => self.check(target, reason).await,
        }
    }

    async fn mint(&self, target: &Target<'_>, warnings: &mut Vec<String>) -> Result<RotationReport> {
        let snapshot = &self.found.snapshot;
        let effects = self.effects(target);
        let rotation_id = Uuid::new_v4().to_string();
        let restarts: Vec<WorkloadRef> = if self.settings.policy.restarts() {
            snapshot
                .workloads
                .iter()
                .map(|facts| facts.version.workload.clone())
                .collect()
        } else {
            Vec::new()
        };
        // Azure and the API server are queried concurrently.
        let rehearsal = async {
            if self.settings.dry_run == DryRun::Client {
                return Ok(Vec::new());
            }
            let change = plan::dry_run_change(&snapshot.secret, &rotation_id);
            let restart = plan::dry_run_restart(&self.settings.policy, &rotation_id);
            effects.rehearse(&change, &restart, &restarts).await
        };
        let (gateway, rehearsed) = tokio::join!(self.gateway_in_azure(target), rehearsal);
        let gateway = gateway?;
        warnings.extend(rehearsed?);
        let arm_now = self.azure.arm.now().unwrap_or_else(|| self.cluster.now());
        let plan = plan::rotation(snapshot, &self.settings.policy, gateway, arm_now, rotation_id);
        self.output.step("signed in", &self.azure.arm.describe().await);
        print_plan(&plan, target.named, self.output);
        if self.settings.dry_run != DryRun::None {
            let Mint::Token(token) = &plan.mint;
            let gateway = &token.gateway;
            tokio::try_join!(self.prove_right(gateway), self.refuse_locked(gateway))?;
            return Ok(RotationReport::planned(snapshot, &plan));
        }
        let outcome = self
            .apply(target, &plan, async |rotation| rotation.run().await)
            .await;
        if outcome.kind == OutcomeKind::Yielded
            && let Some(report) = self.complete_concurrent(target).await?
        {
            return Ok(report);
        }
        Ok(RotationReport::done(snapshot, &plan, &outcome))
    }

    /// Refuses what Azure would refuse: a `ReadOnly` lock lets a gateway be read, and
    /// no token be minted. Without the right to list locks, nothing is known.
    async fn refuse_locked(&self, gateway: &GatewayId) -> Result<()> {
        let Azure { arm, directory, .. } = self.azure;
        let locks = directory.write_locks(arm, gateway).await;
        let Some(lock) = locks.first() else {
            return Ok(());
        };
        Err(Error::refused(format!(
            "the ReadOnly lock `{lock}` at or above {gateway} lets Azure mint no token"
        ))
        .hint(format!(
            "remove it for the time of the run, or replace it by a CanNotDelete lock: az lock list --subscription {}",
            gateway.service.subscription
        )))
    }

    /// Checks that the gateway can be rotated once it is due.
    async fn check(&self, target: &Target<'_>, reason: &str) -> Result<RotationReport> {
        let Azure {
            arm,
            preparation,
            directory,
        } = self.azure;
        let waiting = self.output.waiting();
        waiting.on("Azure");
        preparation.finished().await?;
        let gateway = match &target.id {
            Some(id) => id.clone(),
            None => directory.gateway(arm, target.named).await?.id,
        };
        self.output.step("signed in", &arm.describe().await);
        self.prove_right(&gateway).await?;
        Ok(RotationReport::not_due(&self.found.snapshot, reason.to_owned()))
    }

    /// Refuses an identity that may not mint. Where Azure does not show that, a token of a
    /// short life does, unless nothing may be minted.
    async fn prove_right(&self, gateway: &GatewayId) -> Result<()> {
        let Azure { arm, directory, .. } = self.azure;
        let proved = if may_mint(arm, directory, gateway).await? {
            "the identity may mint tokens of this gateway"
        } else if self.settings.dry_run == DryRun::None {
            let slot = self.found.snapshot.secret.slot().unwrap_or(KeySlot::Primary);
            let now = arm.now().unwrap_or_else(|| self.cluster.now());
            arm.generate_token(gateway, slot, now + CHECK_LIFE).await?;
            "Azure has minted a token that lives for 10 minutes and was not stored"
        } else {
            self.output.warning(
                "whether the identity may mint tokens is unknown: Azure does not show its permissions",
            );
            return Ok(());
        };
        self.output.step("checked", proved);
        Ok(())
    }

    /// Completes the concurrent rotation that was faster, in case its run has
    /// ended in between. If it is still running, both do the same. It must be
    /// for the same gateway, because the user has confirmed no other.
    async fn complete_concurrent(&self, target: &Target<'_>) -> Result<Option<RotationReport>> {
        self.output
            .step("yielded", "a concurrent rotation was faster; its token is kept");
        if !self.settings.policy.restarts() {
            return Ok(None);
        }
        let mut found = discover::target(self.cluster, self.target).await?;
        if let Some(put_back) = plan::owed_put_back(&found.snapshot) {
            let run = Run {
                found: &found,
                ..*self
            };
            return Ok(Some(Box::pin(run.finish_put_back(target, &put_back)).await));
        }
        let Some(unfinished) = plan::unfinished(&found.snapshot, self.cluster.now()) else {
            return Ok(None);
        };
        let named = found.gateway(self.cluster, self.target).await?;
        if let (Some(requested), Some(found_id)) = (&target.id, named.id())
            && !found_id.same_as(requested)
        {
            let secret = &found.snapshot.secret.version.name;
            return Err(Error::refused(format!(
                "secret/{secret} was rewritten during the rotation of {requested} and now belongs to gateway {found_id}"
            ))
            .hint(format!(
                "the Secret may be forged; find out who wrote it: kubectl -n {} get secret {secret} --show-managed-fields \
                 -o jsonpath='{{.metadata.managedFields[*].manager}}'",
                found.snapshot.namespace
            )));
        }
        let run = Run {
            found: &found,
            ..*self
        };
        let target = Target {
            named: &named,
            id: target.id.clone(),
        };
        run.complete(&target, &unfinished).await.map(Some)
    }

    async fn complete(&self, target: &Target<'_>, unfinished: &plan::Unfinished) -> Result<RotationReport> {
        let snapshot = &self.found.snapshot;
        let age = self.cluster.now().duration_since(unfinished.rotated_at);
        let owed = if unfinished.restarts.is_empty() {
            "still rolling out"
        } else {
            "written, but not restarted"
        };
        self.output.step(
            "unfinished",
            &format!(
                "the rotation started {} ago is {owed}; completing it, without a new token",
                in_words(age)
            ),
        );
        let gateway = target.id.clone().or_else(|| target.named.id()).ok_or_else(|| {
            Error::failed("the unfinished rotation did not record its gateway")
                .hint("to mint a new token instead, add --force")
        })?;
        let plan = plan::completion(snapshot, &self.settings.policy, gateway, unfinished);
        if self.settings.dry_run != DryRun::None {
            return Ok(RotationReport::planned(snapshot, &plan));
        }
        self.context.interrupt.completing.set(true);
        let outcome = self
            .apply(target, &plan, async |rotation| {
                rotation.complete(unfinished).await
            })
            .await;
        Ok(RotationReport::done(snapshot, &plan, &outcome))
    }

    /// Does the rest of putting a refused credential back.
    async fn finish_put_back(&self, target: &Target<'_>, put_back: &PutBack) -> RotationReport {
        let snapshot = &self.found.snapshot;
        self.output.step(
            "unfinished",
            "an earlier run put a refused credential back, but did not restore every workload; completing that, without \
             a new token",
        );
        if self.settings.dry_run != DryRun::None {
            let gateway = target.id.clone().or_else(|| target.named.id());
            return RotationReport::planned_put_back(snapshot, gateway);
        }
        self.context.interrupt.completing.set(true);
        let outcome = finish_put_back(&mut self.effects(target), snapshot, put_back, self.output).await;
        if let Some(error) = &outcome.error {
            self.output.error(error);
        }
        RotationReport::finished_put_back(snapshot, &outcome)
    }

    async fn apply<'p>(
        &'p self,
        target: &'p Target<'p>,
        plan: &'p Plan,
        run: impl AsyncFnOnce(Rotation<'_, RealEffects<'p>>) -> Outcome,
    ) -> Outcome {
        let mut effects = self.effects(target);
        let outcome = run(Rotation {
            effects: &mut effects,
            plan,
            snapshot: &self.found.snapshot,
            previous: &self.found.previous,
            replacement_id: Uuid::new_v4().to_string(),
            output: self.output,
        })
        .await;
        if let Some(error) = &outcome.error {
            self.output.error(error);
        }
        outcome
    }

    fn effects<'t>(&'t self, target: &'t Target<'t>) -> RealEffects<'t> {
        let prove = self
            .settings
            .prove
            .unwrap_or(if self.context.environment.in_pod() {
                ProveMode::Rollout
            } else {
                ProveMode::Logs
            });
        RealEffects::new(
            self.cluster,
            Lookup {
                arm: &self.azure.arm,
                directory: &self.azure.directory,
                named: target.id.is_none().then_some(target.named),
            },
            self.output,
            &self.context.interrupt,
            self.found,
            prove,
            self.deadline,
        )
    }

    async fn gateway_in_azure(&self, target: &Target<'_>) -> Result<GatewayId> {
        if let Some(id) = &target.id {
            return Ok(id.clone());
        }
        let Azure {
            arm,
            preparation,
            directory,
        } = self.azure;
        let waiting = self.output.waiting();
        waiting.on("Azure");
        preparation.finished().await?;
        if let Some(id) = target.named.id()
            && self.settings.dry_run == DryRun::None
            && arm.now().is_some()
        {
            // The mint checks it.
            return Ok(id);
        }
        let found = directory.gateway(arm, target.named).await?;
        if let Some(from) = found.moved_from {
            let text = move_in_words(&from.service, &found.id.service);
            self.output.step("moved", &text);
        }
        Ok(found.id)
    }
}
