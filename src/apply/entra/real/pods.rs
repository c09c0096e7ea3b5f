use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use super::super::effects::{Failure, Ids, Known, Undone};
use super::cluster::{may_be_sent_again, refused};
use super::{RealSetup, Replaced};
use crate::apply::Proof;
use crate::apply::prover::{LogCounts, ProvedWorkload, Prover};
use crate::cluster::explain;
use crate::cluster::template_change::{TemplateChange, fingerprint};
use crate::cluster::workload::marks_of;
use crate::discover::entra::stored_facts;
use crate::error::{Error, Result};
use crate::model::annotation::{GIVEN_UP, PROVED};
use crate::model::entra::TemplateSettings;
use crate::model::entra::facts::AppFacts;
use crate::model::{RotationIds, WorkloadMarks, WorkloadRef, WorkloadVersion, known};
use crate::plan::entra::{ASSIGNMENT_TIME, Action, marks_of_new_pods, replacement_id, replacement_ids};
use crate::plan::{PUT_BACK_TIME, whole_seconds};

/// What a restart adds.
static NOTHING: TemplateSettings = TemplateSettings {
    settings: BTreeMap::new(),
    service_account: String::new(),
    labels: BTreeMap::new(),
    mount: None,
    fs_group: None,
};

impl RealSetup<'_> {
    /// Changes the pod template, by which the pods are replaced. A rollout changes its
    /// workload several times a second, so a conflict is tried again until the deadline.
    pub(super) async fn replace_pods(
        &mut self,
        workload: &WorkloadRef,
        container: &str,
        action: &Action,
        known: &Known,
    ) -> Result<Ids, Failure> {
        if self.plan.mode.is_stored() {
            // The pods are marked with the id of the credential that they start with.
            let name = self.plan.secret.clone();
            self.check_secret(&name).await?;
        } else if let Some(app) = known.app {
            self.check_account(app).await?;
        }
        let (before, version) = self.read_workload(workload).await.map_err(Failure::Failed)?;
        self.is_as_planned(workload, &before)?;
        let marks = marks_of(&before);
        let written = whole_seconds(self.cluster.now());
        let id = replacement_id(Uuid::new_v4());
        let own = replacement_ids(self.credential_id().as_deref(), &id);
        let mut replaced = Replaced {
            workload: workload.clone(),
            container: container.to_owned(),
            action: action.clone(),
            client_id: Self::client_id(known)?,
            marks: marks_of_new_pods(&marks.template, &own, self.credentials_of_app(), written),
            id,
            written,
            after: Value::Null,
            before,
        };
        replaced.after = self.send(&replaced, version, &own).await?;
        let id = replaced.id.clone();
        self.replaced = Some(replaced);
        // The proof sees to it otherwise.
        if !self.wait
            && let Some(left) = self.free(workload, |ids| !ids.contains(&id)).await
        {
            self.output.warning(&left);
        }
        Ok(Ids::new())
    }

    /// Sends the change until it is known what became of it, and returns the workload as
    /// it is then. `own` are the ids of the new pods, which nobody waits for without a proof.
    async fn send(
        &self,
        replaced: &Replaced,
        mut version: WorkloadVersion,
        own: &RotationIds,
    ) -> Result<Value, Failure> {
        let workload = &replaced.workload;
        let mut patch = replaced.change().patch(&replaced.before);
        let mut given_up = marks_of(&replaced.before).given_up;
        let mut backoff = self.cluster.backoff();
        loop {
            if !self.wait {
                let all = given_up.with(own, &RotationIds::default());
                patch["metadata"] = json!({"annotations": {GIVEN_UP: all}});
            }
            let error = match self.cluster.change_template(&version, &patch, false).await {
                Ok(after) => return Ok(after),
                Err(error) => error,
            };
            if !may_be_sent_again(&error) || !backoff.wait(Duration::ZERO).await {
                return Err(refused(error, &format!("changing {workload}")));
            }
            let (now, newer) = self.read_workload(workload).await.map_err(Failure::Unknown)?;
            if marks_of(&now).template.rotation_ids.contains(&replaced.id) {
                // An attempt without an answer has taken effect.
                return Ok(now);
            }
            if now["spec"]["template"] != replaced.before["spec"]["template"] {
                return Err(changed_meanwhile(workload));
            }
            // Another run may have added to it.
            given_up = marks_of(&now).given_up;
            version = newer;
        }
    }

    /// Stops if the pod template is another one than that of the plan.
    pub(super) fn is_as_planned(&self, workload: &WorkloadRef, now: &Value) -> Result<(), Failure> {
        let planned = self.facts.cluster.workload.as_ref();
        match planned.filter(|it| it.fingerprint != fingerprint(&now["spec"]["template"])) {
            Some(_) => Err(changed_meanwhile(workload)),
            None => Ok(()),
        }
    }

    /// The id in Entra of the credential that new pods have: it shows later whether pods
    /// were started with the one that the Secret holds. `None` if no annotation of the
    /// Secret records it; then only the times show that.
    fn credential_id(&self) -> Option<String> {
        if !self.plan.mode.is_stored() {
            return None;
        }
        let stored = match &self.secret {
            Some(secret) => stored_facts(secret).credential,
            None => self.facts.cluster.secret.as_ref().ok()?.as_ref()?.credential,
        };
        stored.map(|id| id.to_string())
    }

    fn credentials_of_app(&self) -> impl Iterator<Item = Uuid> {
        let app = known(&self.facts.app);
        let all = app.into_iter().flat_map(AppFacts::credentials);
        all.map(|it| it.key_id)
    }

    pub(super) async fn read_workload(&self, workload: &WorkloadRef) -> Result<(Value, WorkloadVersion)> {
        let read = self.cluster.whole_workload(workload).await;
        let whole = read.map_err(|error| explain(error, &format!("reading {workload}")))?;
        let text = |field: &str| whole["metadata"][field].as_str().unwrap_or_default().to_owned();
        let version = WorkloadVersion {
            workload: workload.clone(),
            uid: text("uid"),
            resource_version: text("resourceVersion"),
        };
        Ok((whole, version))
    }

    /// Waits for the proof by new pods.
    pub(super) async fn proof(&mut self, earlier: Option<&Action>) -> Proof {
        let (workload, container, id, before, written) = match (&self.replaced, earlier) {
            (Some(it), _) => {
                let before = Some(it.before.clone());
                (&it.workload, &it.container, &it.id, before, it.written)
            }
            (
                None,
                Some(Action::Prove {
                    workload,
                    container,
                    id,
                }),
            ) => (workload, container, id, None, self.cluster.now()),
            _ => return Proof::Undecided("no pods were replaced".to_owned()),
        };
        if let Some(left) = self.free(workload, |ids| !ids.contains(id)).await {
            return Proof::Undecided(left);
        }
        let ready = before.and_then(|before| {
            let status = &before["status"];
            status
                .get("readyReplicas")
                .or(status.get("numberReady"))?
                .as_i64()
        });
        let workloads = [ProvedWorkload {
            workload: workload.clone(),
            was_ready: ready.is_some_and(|ready| ready > 0),
            gateways: Some(vec![container.clone()]),
            was_proved: false,
        }];
        let prover = Prover {
            cluster: &self.cluster,
            output: self.output,
            workloads: &workloads,
            id,
            written,
            mode: self.prove,
            noun: "credential",
            log_counts: self.log_counts(),
            of_template: true,
            ends: self.deadline - PUT_BACK_TIME,
        };
        prover.prove().await
    }

    /// Before the configuration endpoint has served the gateway, its refusal shows
    /// nothing until the newest assignment has had time to work.
    fn log_counts(&self) -> LogCounts {
        if self.is_served {
            return LogCounts::Always;
        }
        let age = self
            .newest_assignment
            .map(|made| self.azure_now().duration_since(made));
        let left = ASSIGNMENT_TIME - age.unwrap_or_default();
        LogCounts::From(Instant::now() + Duration::try_from(left).unwrap_or_default())
    }

    /// Records on the workload how the wait for its pods ended. Other rotations record theirs in
    /// the same annotations.
    pub(super) async fn record_end(&self, earlier: Option<&Action>, is_proved: bool) -> Result<()> {
        let (workload, id) = match (&self.replaced, earlier) {
            (Some(it), _) => (&it.workload, it.id.as_str()),
            (None, Some(Action::Prove { workload, id, .. })) => (workload, id.as_str()),
            _ => return Ok(()),
        };
        let mut backoff = self.cluster.backoff();
        loop {
            let (whole, version) = self.read_workload(workload).await?;
            let annotations = self.end(&marks_of(&whole), id, is_proved);
            let Err(error) = self.cluster.annotate_workload(&version, &annotations).await else {
                return Ok(());
            };
            if !may_be_sent_again(&error) || !backoff.wait(Duration::ZERO).await {
                return Err(explain(error, &format!("annotating {workload}")));
            }
        }
    }

    /// The annotations of a workload that record how the wait for its pods ended.
    fn end(&self, marks: &WorkloadMarks, id: &str, is_proved: bool) -> Value {
        let on_template = &marks.template.rotation_ids;
        let own = replacement_ids(self.credential_id().as_deref(), id).among(on_template);
        if !is_proved {
            return json!({GIVEN_UP: marks.given_up.with(&own, &RotationIds::default())});
        }
        // Only what is still on the template has to be known.
        let proved = marks.proved.among(on_template);
        json!({
            PROVED: proved.with(&own, &RotationIds::default()),
            GIVEN_UP: marks.given_up.without(&own),
        })
    }

    /// Gives the fields that this run has set the values that they had.
    pub(super) async fn undo(&mut self) -> Result<Undone> {
        let Some(replaced) = &self.replaced else {
            return Ok(Undone::ByEarlierRun);
        };
        let workload = &replaced.workload;
        let mut kept = Vec::new();
        let mut backoff = self.cluster.backoff();
        loop {
            let (now, version) = self.read_workload(workload).await?;
            if !marks_of(&now).template.rotation_ids.contains(&replaced.id) {
                // It was put back by an attempt without an answer, or by somebody else.
                break;
            }
            let patch;
            (patch, kept) = replaced.change().undo(&replaced.before, &replaced.after, &now);
            let sent = self.cluster.change_template(&version, &patch, false).await;
            let Err(error) = sent else {
                break;
            };
            if !may_be_sent_again(&error) || !backoff.wait(Duration::ZERO).await {
                return Err(explain(error, &format!("putting {workload} back")));
            }
        }
        let left = self.free(workload, |ids| ids.contains(&replaced.id)).await;
        Ok(Undone::Done { kept, left })
    }
}

/// The same command makes a plan of what is there now.
fn changed_meanwhile(workload: &WorkloadRef) -> Failure {
    let error = Error::failed(format!(
        "the pod template of {workload} has changed since it was read, and that stays"
    ));
    Failure::Changed(error.hint("run the same command again; it makes a new plan"))
}

impl Replaced {
    fn change(&self) -> TemplateChange<'_> {
        TemplateChange {
            container: &self.container,
            add: added(&self.action),
            client_id: self.client_id,
            marks: &self.marks,
        }
    }
}

/// What an action adds to the pod template; nothing for a restart.
fn added(action: &Action) -> &TemplateSettings {
    match action {
        Action::ConfigureWorkload { add, .. } => add,
        _ => &NOTHING,
    }
}
