mod account;
mod adoption;
mod arrival;
mod azure;
mod cluster;
mod credential;
mod pods;
mod rehearsal;
mod stuck;

use jiff::Timestamp;
use secrecy::SecretSlice;
use serde_json::Value;
use tokio::time::Instant;
use uuid::Uuid;

use super::effects::{Arrived, Failure, Ids, Known, SetupEffects, Undone};
use super::order::{Order, SetupOutcome};
use crate::apply::Proof;
use crate::azure::{Arm, GatewayProof, Graph, NewCertificate};
use crate::cluster::{Cluster, explain};
use crate::discover::entra::stored_facts;
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::model::entra::facts::{AppKind, EntraFacts};
use crate::model::request::ProveMode;
use crate::model::{TemplateMarks, WorkloadRef, known};
use crate::output::Output;
use crate::plan::entra::{Action, SetupPlan, Usage, stays};

/// A set-up that is applied.
pub struct Setup<'a> {
    pub cluster: &'a Cluster,
    pub arm: &'a Arm,
    pub graph: &'a Graph,
    pub plan: &'a SetupPlan,
    pub facts: &'a EntraFacts,
    pub output: &'a Output,
    pub interrupt: &'a Interrupt,
    /// Whether to wait for the proof by pods.
    pub wait: bool,
    pub prove: ProveMode,
    pub deadline: Instant,
}

impl Setup<'_> {
    /// Carries out the plan, and ends by the deadline.
    pub async fn run(self) -> SetupOutcome {
        let (plan, facts, output, wait) = (self.plan, self.facts, self.output, self.wait);
        let mut effects = RealSetup::new(&self);
        Order::new(&mut effects, (plan, facts), output, wait).run().await
    }
}

/// The effects of a set-up on Azure and on the cluster.
struct RealSetup<'a> {
    cluster: Cluster,
    arm: Arm,
    graph: Graph,
    plan: &'a SetupPlan,
    facts: &'a EntraFacts,
    output: &'a Output,
    interrupt: &'a Interrupt,
    wait: bool,
    prove: ProveMode,
    deadline: Instant,
    /// The object id of the app registration.
    application: Option<Uuid>,
    /// The Secret as this run has read or written it last.
    secret: Option<k8s_openapi::api::core::v1::Secret>,
    credential: Option<NewCredential>,
    /// When the newest assignment of a role was made, or a role or the identity changed,
    /// by Azure's clock.
    newest_assignment: Option<Timestamp>,
    /// Whether the configuration endpoint has served the gateway.
    is_served: bool,
    replaced: Option<Replaced>,
}

/// A credential of the app that this run has made. Its secret part is only here and,
/// in time, in the Secret.
struct NewCredential {
    key_id: Uuid,
    expires: Timestamp,
    /// In the form in which the Secret holds it.
    data: Vec<(&'static str, SecretSlice<u8>)>,
    proof: GatewayProof,
    /// What the app has of it, if it is a certificate.
    certificate: Option<NewCertificate>,
}

/// A change of a workload that this run has made.
struct Replaced {
    workload: WorkloadRef,
    container: String,
    /// The workload as it was.
    before: Value,
    /// The same after the change.
    after: Value,
    action: Action,
    client_id: Uuid,
    /// The annotations of the new pods.
    marks: TemplateMarks,
    id: String,
    written: Timestamp,
}

impl<'a> RealSetup<'a> {
    fn new(setup: &Setup<'a>) -> Self {
        let app = known(&setup.facts.app);
        let application = app.and_then(|app| match &app.kind {
            AppKind::Application(app) => Some(app.id),
            AppKind::Identity(..) => None,
        });
        Self {
            cluster: setup.cluster.clone().until(setup.deadline),
            arm: setup.arm.until(setup.deadline),
            graph: setup.graph.until(setup.deadline),
            plan: setup.plan,
            facts: setup.facts,
            output: setup.output,
            interrupt: setup.interrupt,
            wait: setup.wait,
            prove: setup.prove,
            deadline: setup.deadline,
            application,
            secret: None,
            credential: None,
            newest_assignment: None,
            is_served: false,
            replaced: None,
        }
    }

    /// Azure's time; before its first answer, that of the API server.
    fn azure_now(&self) -> Timestamp {
        self.arm.now().unwrap_or_else(|| self.cluster.now())
    }
}

impl SetupEffects for RealSetup<'_> {
    async fn rehearse(&mut self, steps: &[(usize, &Action)]) -> Result<(), (usize, Failure)> {
        for (at, action) in steps {
            self.rehearse_one(action)
                .await
                .map_err(|failure| (*at, failure))?;
        }
        Ok(())
    }

    async fn carry_out(&mut self, action: &Action, known: &Known) -> Result<Ids, Failure> {
        self.interrupt.setup_written.set(true);
        match action {
            Action::AddSecret { name, expires, .. } => self.add_secret(name, *expires).await,
            Action::AddCertificate { name, expires, .. } => self.add_certificate(name, *expires).await,
            Action::WriteSecret { name, .. } => Box::pin(self.write_secret(name, known)).await,
            Action::AdoptCredential { name, found } => Box::pin(self.adopt(name, found, known)).await,
            Action::WriteServiceAccount { name, annotations } => {
                self.write_account(name, annotations, known).await
            }
            Action::ConfigureWorkload {
                workload, container, ..
            }
            | Action::RestartWorkload { workload, container } => {
                Box::pin(self.replace_pods(workload, container, action, known)).await
            }
            // The order removes credentials by itself.
            Action::Prove { .. } | Action::RemoveCredentials { .. } => Ok(Ids::new()),
            azure => Box::pin(self.in_azure(azure, known)).await,
        }
    }

    async fn remove(&mut self, credentials: &[Uuid]) -> Result<()> {
        let workload = self.facts.cluster.workload.as_ref();
        let pods = self.cluster.running_pods(workload.map(|it| &it.workload)).await;
        let pods = pods.map_err(|error| explain(error, "listing the pods of the namespace"))?;
        // Since the plan was made, a pod may have started with one, and this run may have
        // written another one.
        let written = self.secret.as_ref().map(stored_facts);
        let planned = known(&self.facts.cluster.secret);
        let usage = Usage {
            app: known(&self.facts.app),
            secret: &self.plan.secret,
            stored: written.as_ref().or(planned),
        };
        let user = |id: &Uuid| usage.user_of(&pods, *id);
        let (kept, free): (Vec<Uuid>, Vec<Uuid>) = credentials.iter().partition(|id| user(id).is_some());
        self.remove_credentials(&free).await?;
        match kept.first().and_then(|id| Some(stays(*id, user(id)?))) {
            Some(why) => Err(Error::failed(why)),
            None => Ok(()),
        }
    }

    async fn arrival(&mut self, known: &Known, is_new: bool) -> Arrived {
        Box::pin(self.arrive(known, is_new)).await
    }

    async fn prove(&mut self, earlier: Option<&Action>) -> Proof {
        Box::pin(self.proof(earlier)).await
    }

    async fn record(&mut self, earlier: Option<&Action>, is_proved: bool) -> Result<()> {
        self.record_end(earlier, is_proved).await
    }

    async fn put_back(&mut self) -> Result<Undone> {
        Box::pin(self.undo()).await
    }
}
