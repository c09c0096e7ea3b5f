//! What one gateway needs is done.

use std::sync::Arc;

use tokio::time::Instant;
use uuid::Uuid;

use super::tell::tell_plan;
use crate::apply::{RealEffects, Rotation};
use crate::azure::Arm;
use crate::cluster::Cluster;
use crate::commands::Context;
use crate::discover::directory::Directory;
use crate::discover::evidence::Named;
use crate::discover::{self, TargetFacts};
use crate::error::{Error, Result};
use crate::model::request::{DryRun, ProveMode, TargetRequest};
use crate::model::{GatewayId, WorkloadRef, in_words};
use crate::output::Output;
use crate::plan::{self, Need, Outcome, OutcomeKind, Plan};
use crate::report::RotationReport;
use crate::settings::RotateSettings;

/// A run whose target is known and that has something to do.
pub(super) struct Run<'a> {
    pub(super) settings: &'a RotateSettings,
    /// How to find the target again.
    pub(super) target: &'a TargetRequest,
    pub(super) cluster: &'a Cluster,
    pub(super) azure: &'a Azure,
    pub(super) found: &'a TargetFacts,
    /// Where to tell of each step.
    pub(super) output: &'a Output,
    pub(super) context: &'a Context,
    pub(super) deadline: Instant,
}

/// ARM, and what was learnt from it.
#[derive(Clone)]
pub(super) struct Azure {
    pub(super) arm: Arm,
    pub(super) directory: Arc<Directory>,
}

/// A gateway that has a name: the evidence for it and, where Azure was asked
/// already, the whole id.
pub(super) struct Target<'a> {
    pub(super) named: &'a Named,
    pub(super) id: Option<GatewayId>,
}

impl Run<'_> {
    /// Mints, or completes what an earlier run has begun; what the user should
    /// know goes to `warnings`.
    pub(super) async fn meet(
        &self,
        need: &Need,
        target: &Target<'_>,
        warnings: &mut Vec<String>,
    ) -> Result<RotationReport> {
        match need {
            Need::Completion(unfinished) => self.complete(target, unfinished).await,
            _ => self.mint(target, warnings).await,
        }
    }

    async fn mint(&self, target: &Target<'_>, warnings: &mut Vec<String>) -> Result<RotationReport> {
        let snapshot = &self.found.snapshot;
        let effects = self.effects();
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
        // Azure and the API server are asked side by side.
        let rehearsal = async {
            if self.settings.dry_run == DryRun::Client {
                return Ok(Vec::new());
            }
            let change = plan::dry_run_change(&snapshot.secret, &rotation_id);
            effects.rehearse(&change, &restarts).await
        };
        let (gateway, rehearsed) = tokio::join!(self.gateway_in_azure(target), rehearsal);
        let gateway = gateway?;
        warnings.extend(rehearsed?);
        let arm_now = self.azure.arm.now().unwrap_or_else(|| self.cluster.now());
        let plan = plan::rotation(snapshot, &self.settings.policy, gateway, arm_now, rotation_id);
        self.output.step("signed in", &self.azure.arm.describe().await);
        tell_plan(&plan, self.output);
        if self.settings.dry_run != DryRun::None {
            return Ok(RotationReport::planned(snapshot, &plan));
        }
        let outcome = self.carry_out(&plan, async |rotation| rotation.run().await).await;
        if outcome.kind == OutcomeKind::Yielded
            && let Some(report) = self.complete_for_the_winner(target).await?
        {
            return Ok(report);
        }
        Ok(RotationReport::done(snapshot, &plan, &outcome))
    }

    /// The rotation that was faster may have died since: what it owes is done,
    /// which is nothing where it is alive and does the same. It must be of the
    /// same gateway: nobody has consented to another.
    async fn complete_for_the_winner(&self, target: &Target<'_>) -> Result<Option<RotationReport>> {
        self.output
            .step("yielded", "another rotation was faster; its token stays");
        let mut found = discover::target(self.cluster, self.target).await?;
        let Some(unfinished) = plan::unfinished(&found.snapshot, self.cluster.now()) else {
            return Ok(None);
        };
        let named = found.gateway(self.cluster, self.target).await?;
        if let (Some(meant), Some(now)) = (&target.id, named.id())
            && !now.same_as(meant)
        {
            return Err(Error::refused(format!(
                "secret/{} was rewritten meanwhile, and names the gateway {now}; {meant} was to be rotated",
                found.snapshot.secret.version.name
            ))
            .hint("somebody may have forged what names the gateway; find out who wrote the Secret"));
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
            &format!("a rotation of {} ago is {owed}; completing it", in_words(age)),
        );
        let gateway = target.id.clone().or_else(|| target.named.id()).ok_or_else(|| {
            Error::failed("the unfinished rotation did not record its gateway")
                .hint("mint a new token, with --force")
        })?;
        let plan = plan::completion(snapshot, &self.settings.policy, gateway, unfinished);
        if self.settings.dry_run != DryRun::None {
            return Ok(RotationReport::planned(snapshot, &plan));
        }
        let outcome = self
            .carry_out(&plan, async |rotation| rotation.complete(unfinished).await)
            .await;
        Ok(RotationReport::done(snapshot, &plan, &outcome))
    }

    async fn carry_out<'p>(
        &'p self,
        plan: &'p Plan,
        run: impl AsyncFnOnce(Rotation<'_, RealEffects<'p>>) -> Outcome,
    ) -> Outcome {
        let mut effects = self.effects();
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

    fn effects(&self) -> RealEffects<'_> {
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
            &self.azure.arm,
            self.output,
            &self.context.interrupt,
            self.found,
            prove,
            self.deadline,
        )
    }

    async fn gateway_in_azure(&self, target: &Target<'_>) -> Result<GatewayId> {
        match &target.id {
            Some(id) => Ok(id.clone()),
            None => self.azure.directory.gateway(&self.azure.arm, target.named).await,
        }
    }
}
