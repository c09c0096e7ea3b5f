//! `entra setup`: finds what is there, plans what is missing, asks, applies and
//! proves.

mod print;

use std::pin::pin;
use std::time::Duration;

use clap::ArgMatches;
use jiff::Timestamp;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::apply::entra::{Setup, SetupOutcome};
use crate::azure::{Arm, Graph};
use crate::cli::entra::EntraSetupArgs;
use crate::cluster::Cluster;
use crate::commands::confirm::{confirm, has_terminal};
use crate::commands::sign_in::{Preparation, SigningIn, sign_in, signing_in};
use crate::commands::{Context, connect_until};
use crate::discover;
use crate::discover::directory::Directory;
use crate::discover::entra::{SetupTarget, Sources};
use crate::error::{Error, Kind, Result};
use crate::model::entra::facts::EntraFacts;
use crate::model::entra::{AppRequest, Mode};
use crate::model::request::{CloudRequest, DryRun, KubeConnection, OutputFormat, ProveMode};
use crate::model::{Cloud, CloudName, GatewayId, cleaned, one_line};
use crate::output::Output;
use crate::plan::entra::{
    Action, SetupPlan, SetupProof, Step, StepMark, StepOutcome, exit_code, planned_exit_code, refusal,
};
use crate::report::entra::{Applied, SetupReport, Values, changed_objects, client_id, plan_lines};
use crate::settings::entra_setup::{EntraSetupSettings, Print};
use crate::yaml::to_yaml;

/// Runs `entra setup`; returns the exit code.
pub(super) async fn run(
    args: &EntraSetupArgs,
    matches: &ArgMatches,
    kube: &KubeConnection,
    context: &Context,
) -> Result<u8> {
    let settings = EntraSetupSettings::resolve(args, matches, &context.environment, has_terminal())?;
    let output = &context.output;
    for warning in &settings.warnings {
        output.warning(warning);
    }
    let deadline = Instant::now() + settings.timeout;
    let cluster = connect_until(deadline, kube, context).await?;
    let ahead = SigningIn::start(&settings.azure, deadline);
    let target = discover::entra::target(&cluster, &settings.target).await?;
    output.step(
        "cluster",
        &format!(
            "{}, namespace {}  [{}]",
            cluster.origin, cluster.namespace, cluster.set_by
        ),
    );
    for warning in &target.warnings {
        output.warning(warning);
    }
    let azure = Azure::connect(&settings, &target, ahead, deadline, output).await?;
    let gateway = azure.locate(&target).await?;
    let run = Run {
        settings: &settings,
        cluster: &cluster,
        azure: &azure,
        target: &target,
        gateway: &gateway,
        context,
        deadline,
    };
    Box::pin(run.execute()).await
}

/// The clients of Azure, and the sign-in that both share.
struct Azure {
    arm: Arm,
    graph: Graph,
    preparation: Preparation,
    /// The first connection to Graph, beside the sign-in, which Graph's own access token
    /// waits for.
    _connecting: JoinSet<()>,
}

impl Azure {
    /// Shows where requests will go, and then signs in.
    async fn connect(
        settings: &EntraSetupSettings,
        target: &SetupTarget,
        ahead: Option<SigningIn>,
        deadline: Instant,
        output: &Output,
    ) -> Result<Self> {
        let known = match settings.azure.cloud.as_ref().map(|cloud| &cloud.value) {
            None => Some(target.named.cloud.unwrap_or(CloudName::Public)),
            Some(CloudRequest::Known(name)) => Some(*name),
            Some(CloudRequest::ResourceManager(_)) => None,
        };
        if let (Some(given), Some(found)) = (known, target.named.cloud)
            && given != found
        {
            return Err(Error::usage(format!(
                "the endpoint of the gateway is in the cloud {}, not in {}",
                found.as_str(),
                given.as_str()
            ))
            .hint("leave --cloud and AZURE_CLOUD out, or correct config.service.endpoint"));
        }
        let (arm, preparation) = if let Some(name) = known {
            show(&Cloud::known(name), settings, output);
            let service = &target.named.service.value;
            let host = format!("https://{service}.configuration.{}", name.suffix());
            output.step("gateway's", &format!("configuration at {host}"));
            signing_in(ahead, &settings.azure, target.named.cloud, deadline).await?
        } else {
            // Only its metadata is read, without signing in.
            let arm = sign_in(&settings.azure, None, deadline, false).await?;
            show(arm.cloud(), settings, output);
            let preparation = Preparation::start(&arm);
            (arm, preparation)
        };
        let mut connecting = JoinSet::new();
        if let Some(address) = settings.graph_url.clone().or(arm.cloud().graph.clone()) {
            let arm = arm.clone();
            connecting.spawn(async move { arm.connect_to(&address).await });
        }
        let graph = Graph::beside(&arm, settings.graph_url.as_deref()).await?;
        Ok(Self {
            arm,
            graph,
            preparation,
            _connecting: connecting,
        })
    }

    /// The ARM id of the gateway, which may not exist yet.
    async fn locate(&self, target: &SetupTarget) -> Result<GatewayId> {
        if let Some(id) = target.named.id() {
            return Ok(id);
        }
        self.preparation.finished().await?;
        Directory::default().place(&self.arm, &target.named).await
    }
}

/// Shows the hosts that requests are sent to.
fn show(cloud: &Cloud, settings: &EntraSetupSettings, output: &Output) {
    let graph = settings.graph_url.as_deref().or(cloud.graph.as_deref());
    output.step(
        "cloud",
        &format!(
            "sign-in at {}, ARM at {}, Graph at {}",
            cloud.authority,
            cloud.resource_manager,
            graph.unwrap_or("an unknown address"),
        ),
    );
}

/// Longer than Azure takes to answer what is asked for at once.
const LONG: Duration = Duration::from_secs(8);

/// One set-up.
struct Run<'a> {
    settings: &'a EntraSetupSettings,
    cluster: &'a Cluster,
    azure: &'a Azure,
    target: &'a SetupTarget,
    gateway: &'a GatewayId,
    context: &'a Context,
    deadline: Instant,
}

impl Run<'_> {
    async fn execute(&self) -> Result<u8> {
        let output = &self.context.output;
        let request = &self.settings.request;
        let sources = Sources {
            cluster: self.cluster,
            arm: &self.azure.arm,
            graph: &self.azure.graph,
        };
        let counts_use = self.settings.print == Some(Print::AzUndo);
        let facts = discover::entra::facts(&sources, self.target, self.gateway, request, counts_use);
        let (signed_in, facts) = tokio::join!(self.azure.preparation.finished(), self.noting_delay(facts));
        signed_in?;
        let facts = facts?;
        output.step("signed in", &self.azure.arm.describe().await);
        output.step("gateway", &facts.gateway.to_string());
        if self.settings.print == Some(Print::AzUndo) {
            return self.print_undo(&facts);
        }
        let plan = crate::plan::entra::setup(&facts, request, self.now())?;
        match self.settings.print {
            Some(Print::Az) => self.print_script(&facts, &plan),
            Some(Print::Bicep) => self.print_bicep(&facts, &plan),
            _ => self.carry_out(&facts, &plan).await,
        }
    }

    /// Awaits the facts, and says why that takes long.
    async fn noting_delay<T>(&self, facts: impl Future<Output = T>) -> T {
        let mut facts = pin!(facts);
        if let Ok(facts) = timeout(LONG, &mut facts).await {
            return facts;
        }
        let why = "for Azure's answers, which may not show yet what was made a moment ago";
        self.context.output.step("waiting", why);
        facts.await
    }

    /// Azure's time, by which credentials expire.
    fn now(&self) -> Timestamp {
        self.azure.arm.now().unwrap_or_else(|| self.cluster.now())
    }

    /// Shows the plan, asks, applies and reports.
    async fn carry_out(&self, facts: &EntraFacts, plan: &SetupPlan) -> Result<u8> {
        let output = &self.context.output;
        if self.is_for_people() {
            output.data(&plan_lines(plan, &self.context.connection))?;
        }
        let planned = planned_exit_code(&plan.steps);
        let refused = refusal(&plan.steps);
        // Azure is asked whether it accepts what is there.
        let is_done = plan.is_settled() && !self.settings.wait;
        if refused.is_some() || self.settings.dry_run != DryRun::None || is_done {
            self.report(facts, plan, None, (refused.is_some(), planned))?;
            return refused.map_or(Ok(planned), Err);
        }
        if !self.settings.request.yes && !plan.is_settled() {
            confirm(&self.question(facts, plan), output).await?;
        }
        let outcome = Setup {
            cluster: self.cluster,
            arm: &self.azure.arm,
            graph: &self.azure.graph,
            facts,
            plan,
            output,
            interrupt: &self.context.interrupt,
            wait: self.settings.wait,
            prove: ProveMode::Logs,
            deadline: self.deadline,
        }
        .run()
        .await;
        let code = exit_code(&plan.steps, &outcome.outcomes, &outcome.proof);
        match self.report(facts, plan, Some(&outcome), (false, code)) {
            // The exit code must not suggest that nothing was done.
            Err(error) if self.context.interrupt.setup_written.get() => {
                output.warning(&error.to_string());
                output.hint("run the same command again; it shows what is there");
                Ok(if code == 0 { Kind::Owed.exit_code() } else { code })
            }
            reported => reported.map(|()| code),
        }
    }

    fn is_for_people(&self) -> bool {
        matches!(self.settings.output, OutputFormat::Table | OutputFormat::Wide)
    }

    /// The question names everything that decides where rights are granted.
    fn question(&self, facts: &EntraFacts, plan: &SetupPlan) -> String {
        let namespace = &self.cluster.namespace;
        let place = match &self.target.workload {
            Some(workload) => format!("{} in namespace {namespace}", workload.short()),
            None => format!("namespace {namespace}"),
        };
        let app = match &self.settings.request.app {
            AppRequest::Create(name) => format!("app {}", one_line(name)),
            AppRequest::Existing(id) => format!("app {id}"),
        };
        let issuer = match &facts.issuer {
            Ok(issuer) if plan.mode == Mode::WorkloadIdentity => {
                format!(", issuer {}", cleaned(&issuer.name))
            }
            _ => String::new(),
        };
        format!(
            "Set up {place} of {}, instance {}, {app}{issuer}?",
            self.cluster.in_words(),
            cleaned(&self.gateway.service.name)
        )
    }

    /// Prints the result: for people what is left to them, else everything.
    fn report(
        &self,
        facts: &EntraFacts,
        plan: &SetupPlan,
        done: Option<&SetupOutcome>,
        (is_refused, code): (bool, u8),
    ) -> Result<()> {
        let output = &self.context.output;
        let dry_run = self.settings.dry_run != DryRun::None;
        let outcomes = done.map_or(&[][..], |done| done.outcomes.as_slice());
        let tenant = facts.tenant.to_string();
        let endpoint = facts.cloud.map(|cloud| {
            format!(
                "https://{}.configuration.{}",
                facts.gateway.service.name,
                cloud.suffix()
            )
        });
        let values = Values {
            plan,
            gateway: &facts.gateway,
            tenant: &tenant,
            endpoint: endpoint.as_deref(),
            client_id: client_id(plan, outcomes),
        };
        let applied = done.map(|done| Applied {
            outcomes: &done.outcomes,
            proof: &done.proof,
        });
        match self.settings.output {
            OutputFormat::Table | OutputFormat::Wide => {
                if plan.workload_is_left_to_others() && !is_refused {
                    output.data(&values.text_for_people()?)?;
                }
                self.close(plan, done, is_refused);
                Ok(())
            }
            OutputFormat::Json => {
                let value =
                    SetupReport::new(&values, applied, dry_run, code).into_value(&self.context.connection);
                output.data(&format!("{value:#}\n"))
            }
            OutputFormat::Yaml => output.data(&to_yaml(
                &SetupReport::new(&values, applied, dry_run, code).into_value(&self.context.connection),
            )?),
            OutputFormat::Name if is_refused => Ok(()),
            OutputFormat::Name => output.data(&changed_objects(plan, done.map(|_| outcomes))),
        }
    }

    /// The last lines for people: what became of the steps, and what is left.
    fn close(&self, plan: &SetupPlan, done: Option<&SetupOutcome>, is_refused: bool) {
        let output = &self.context.output;
        let is_left = |step: &Step| step.left_to_others().is_some_and(is_in_azure);
        // No script makes what a part that is refused is needed for.
        let is_refused_part = |part| {
            let mut steps = plan.steps.iter();
            steps.any(|step| step.part == part && step.mark == StepMark::Missing && step.action.is_none())
        };
        let mut steps = plan.steps.iter();
        let can_be_printed = |step: &Step| is_left(step) && !step.waits_for.is_some_and(is_refused_part);
        if !is_refused && steps.any(can_be_printed) {
            output.hint(
                "print what is left to others in Azure as a script: add --print-az to the same command",
            );
        }
        let Some(done) = done else { return };
        for (step, outcome) in plan.steps.iter().zip(&done.outcomes) {
            match outcome {
                StepOutcome::Forbidden(why) | StepOutcome::Failed(why) | StepOutcome::Unknown(why) => {
                    output.warning(&format!("{}: {why}", step.text));
                }
                StepOutcome::NotReached => output.warning(&format!("not reached: {}", step.text)),
                StepOutcome::Untouched | StepOutcome::Done(_) => {}
            }
        }
        let is_cut_off = |it: &StepOutcome| {
            matches!(
                it,
                StepOutcome::Failed(_) | StepOutcome::Unknown(_) | StepOutcome::NotReached
            )
        };
        if done.outcomes.iter().any(is_cut_off) && !matches!(done.proof, SetupProof::Owed(_)) {
            output.hint("run the same command again; it shows what is there, and does the rest");
        }
        match &done.proof {
            SetupProof::Proved | SetupProof::NotNeeded | SetupProof::Unseen(_) => {}
            SetupProof::Owed(why) => {
                output.warning(&format!("the proof is owed: {why}"));
                output.hint("run the same command again; it resumes");
            }
            SetupProof::Refused(why) => {
                output.warning(&format!("Azure refused the gateway: {why}"));
            }
            SetupProof::Forbidden { why, hint } => {
                output.warning(&format!("the gateway may not sign in: {why}"));
                output.hint(hint);
            }
        }
    }
}

/// Whether a script for the Azure CLI can do it.
const fn is_in_azure(action: &Action) -> bool {
    !matches!(
        action,
        Action::AwaitIdentity
            | Action::WriteServiceAccount { .. }
            | Action::WriteSecret { .. }
            | Action::AdoptCredential { .. }
            | Action::RemoveCredentials { .. }
            | Action::ConfigureWorkload { .. }
            | Action::RestartWorkload { .. }
            | Action::Prove { .. }
    )
}
