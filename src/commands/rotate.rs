//! `rotate`: discover, decide, apply, report.

use std::collections::BTreeMap;

use clap::ArgMatches;
use jiff::tz::TimeZone;
use tokio::time::Instant;
use uuid::Uuid;

use super::{Context, connect};
use crate::apply::{Live, Outcome, Rotation, Verdict};
use crate::azure::{self, Arm};
use crate::cli::kube::KubeArgs;
use crate::cli::{DryRun, ProveMode, RotateArgs};
use crate::cluster::Cluster;
use crate::cluster::secret::SecretChange;
use crate::discover::evidence::Named;
use crate::discover::{self, Found};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::model::annotation::ROTATION_ID;
use crate::model::{Cloud, CloudName, GatewayId, Source, Sourced, WorkloadRef, in_words};
use crate::output::Output;
use crate::plan::{self, Need, Plan};
use crate::report::RotationReport;
use crate::settings::{AzureSettings, CloudAsk, RotateSettings, script_namespace};

/// Runs `rotate`; returns the exit code.
pub(super) async fn run(
    args: &RotateArgs,
    matches: &ArgMatches,
    kube: &KubeArgs,
    context: &Context,
) -> Result<u8> {
    let settings = RotateSettings::resolve(args, matches, &context.environment, context.as_script)?;
    let output = &context.output;
    for warning in &settings.warnings {
        output.warning(warning);
    }

    if settings.fleet.is_some() {
        return Err(Error::usage("one gateway a run: name it, as deployment/NAME"));
    }
    let deadline = Instant::now() + settings.timeout;
    let mut kube = kube.clone();
    if kube.namespace.is_none() {
        kube.namespace = script_namespace(&context.environment);
    }
    let cluster = connect(&kube, context).await?.until(deadline);
    let mut found = discover::target(&cluster, &settings.target).await?;
    let mut sources = tell_target(&found, &cluster, output);
    let mut warnings = plan::preflight(&found.snapshot, &settings.policy)?;

    let report = match plan::need(&found.snapshot, &settings.policy, cluster.now()) {
        Need::Nothing(reason) => RotationReport::not_due(&found.snapshot, reason),
        need => {
            let named = found.gateway(&cluster, &settings.target).await?;
            tell_gateway(&named, output, &mut sources);
            let arm = sign_in(&settings.azure, &named, deadline).await?;
            let run = Run {
                settings: &settings,
                cluster: &cluster,
                arm: &arm,
                found: &found,
                context,
                deadline,
            };
            match need {
                Need::Completion(unfinished) => run.complete(&named, &unfinished).await?,
                _ => run.mint(&named, &mut warnings).await?,
            }
        }
    };
    for warning in &warnings {
        output.warning(warning);
    }
    let report = report.with(sources, warnings);
    let told =
        output.data(&report.render(settings.output, cluster.now(), &local_zone(&context.environment))?);
    match told {
        // The exit code is of what was done, which nobody must take for undone.
        Err(error) if context.wrote.is_set() => output.warning(&error.to_string()),
        told => told?,
    }
    Ok(report.exit_code())
}

/// A run whose target is known and that has something to do.
struct Run<'a> {
    settings: &'a RotateSettings,
    cluster: &'a Cluster,
    arm: &'a Arm,
    found: &'a Found,
    context: &'a Context,
    deadline: Instant,
}

impl Run<'_> {
    async fn mint(&self, named: &Named, warnings: &mut Vec<String>) -> Result<RotationReport> {
        let snapshot = &self.found.snapshot;
        let live = self.effects();
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
            live.rehearse(&rehearsal(&snapshot.secret.key, &rotation_id), &restarts)
                .await
        };
        let (gateway, rehearsed) = tokio::join!(self.gateway_in_azure(named), rehearsal);
        let gateway = gateway?;
        warnings.extend(rehearsed?);
        let arm_now = self.arm.now().unwrap_or_else(|| self.cluster.now());
        let plan = plan::rotation(snapshot, &self.settings.policy, gateway, arm_now, rotation_id);
        let output = &self.context.output;
        output.step("signed in", &self.arm.describe().await);
        tell_plan(&plan, output);
        if self.settings.dry_run != DryRun::None {
            return Ok(RotationReport::planned(snapshot, &plan));
        }
        let outcome = self.carry_out(&plan, async |rotation| rotation.run().await).await;
        if outcome.verdict == Verdict::Yielded
            && let Some(report) = self.complete_for_the_winner().await?
        {
            return Ok(report);
        }
        Ok(RotationReport::done(snapshot, &plan, &outcome))
    }

    /// The rotation that was faster may have died since: what it owes is done,
    /// which is nothing where it is alive and does the same.
    async fn complete_for_the_winner(&self) -> Result<Option<RotationReport>> {
        self.context
            .output
            .step("yielded", "another rotation was faster; its token stays");
        let mut found = discover::target(self.cluster, &self.settings.target).await?;
        let Some(unfinished) = plan::unfinished(&found.snapshot, self.cluster.now()) else {
            return Ok(None);
        };
        let named = found.gateway(self.cluster, &self.settings.target).await?;
        let run = Run {
            found: &found,
            ..*self
        };
        run.complete(&named, &unfinished).await.map(Some)
    }

    async fn complete(&self, named: &Named, unfinished: &plan::Unfinished) -> Result<RotationReport> {
        let snapshot = &self.found.snapshot;
        let age = self.cluster.now().duration_since(unfinished.rotated_at);
        let owed = if unfinished.restarts.is_empty() {
            "still rolling out"
        } else {
            "written, but not restarted"
        };
        self.context.output.step(
            "unfinished",
            &format!("a rotation of {} ago is {owed}; completing it", in_words(age)),
        );
        let gateway = named.id().ok_or_else(|| {
            Error::failed("the unfinished rotation did not record its gateway")
                .hint("mint a new token, with --force")
        })?;
        let plan = Plan {
            rotation_id: unfinished.rotation_id.clone(),
            key_slot: unfinished.key_slot,
            previous_key_slot: snapshot.secret.marks.previous_key,
            expires_at: unfinished.expires_at,
            ..plan::rotation(
                snapshot,
                &self.settings.policy,
                gateway,
                self.cluster.now(),
                String::new(),
            )
        };
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
        run: impl AsyncFnOnce(Rotation<'_, Live<'p>>) -> Outcome,
    ) -> Outcome {
        let mut live = self.effects();
        let outcome = run(Rotation {
            effects: &mut live,
            plan,
            snapshot: &self.found.snapshot,
            former: &self.found.former,
            replacement_id: Uuid::new_v4().to_string(),
            output: &self.context.output,
        })
        .await;
        if let Some(error) = &outcome.error {
            self.context.output.error(error);
        }
        outcome
    }

    fn effects(&self) -> Live<'_> {
        let in_pod = self.context.environment.get("KUBERNETES_SERVICE_HOST").is_some();
        let prove = self.settings.prove.unwrap_or(if in_pod {
            ProveMode::Rollout
        } else {
            ProveMode::Logs
        });
        Live::new(
            self.cluster,
            self.arm,
            &self.context.output,
            &self.context.wrote,
            self.found,
            prove,
            self.deadline,
        )
    }

    /// Completes the gateway's id and sees that the gateway exists.
    async fn gateway_in_azure(&self, named: &Named) -> Result<GatewayId> {
        let id = discover::in_azure(self.arm, named).await?;
        self.arm.gateway(&id).await?;
        Ok(id)
    }
}

async fn sign_in(settings: &AzureSettings, named: &Named, deadline: Instant) -> Result<Arm> {
    let options = azure::Options {
        cloud: Cloud::known(named.cloud.unwrap_or(CloudName::Public)),
        identity: settings.identity.clone(),
        extra_ca: settings.ca_file.clone(),
        api_version: settings.api_version.clone(),
        deadline,
        burst: false,
    };
    let options = match settings.cloud.as_ref().map(|cloud| &cloud.value) {
        None => options,
        Some(CloudAsk::Known(name)) => azure::Options {
            cloud: Cloud::known(*name),
            ..options
        },
        Some(CloudAsk::ResourceManager(url)) => {
            let http = azure::http_client(options.extra_ca.as_deref())?;
            azure::Options {
                cloud: azure::endpoints(&http, url, deadline).await?,
                ..options
            }
        }
    };
    Ok(Arm::new(options)?)
}

/// The zone of the machine. `TimeZone::system` looks up the zone's name first,
/// for which it reads every folder of the time zone database.
fn local_zone(environment: &Environment) -> TimeZone {
    let told = environment.get("TZ").is_some();
    let file = if told {
        None
    } else {
        std::fs::read("/etc/localtime").ok()
    };
    let zone = file.and_then(|rules| TimeZone::tzif("Local", &rules).ok());
    zone.unwrap_or_else(TimeZone::system)
}

/// Dummies of the right form, for the API server to check before a token is
/// minted.
fn rehearsal(key: &str, rotation_id: &str) -> SecretChange {
    SecretChange {
        key: key.to_owned(),
        credential: "GatewayKey dry-run".into(),
        annotations: BTreeMap::from([(ROTATION_ID.to_owned(), Some(rotation_id.to_owned()))]),
    }
}

type Sources = BTreeMap<&'static str, Sourced<String>>;

fn tell_target(found: &Found, cluster: &Cluster, output: &Output) -> Sources {
    let snapshot = &found.snapshot;
    let secret = &snapshot.secret;
    output.step(
        "cluster",
        &format!("namespace {} of {}", cluster.namespace, cluster.origin),
    );
    for facts in &snapshot.workloads {
        output.step(
            "workload",
            &format!("{}  [{}]", facts.version.workload, found.workload_source),
        );
    }
    let name = format!("secret/{}, key {}", secret.version.name, secret.key);
    let state = match secret.claims() {
        None => "holds no token yet".to_owned(),
        Some(claims) => {
            let left = claims.expires_at.duration_since(cluster.now());
            if left.is_negative() {
                format!("its token expired {} ago", in_words(left))
            } else {
                format!("its token expires in {}", in_words(left))
            }
        }
    };
    output.step(
        "credential",
        &format!("{name}: {state}  [{}]", found.secret_source),
    );
    let workloads: Vec<String> = snapshot
        .workloads
        .iter()
        .map(|facts| facts.version.workload.to_string())
        .collect();
    BTreeMap::from([
        (
            "workloads",
            Sourced::new(workloads.join(", "), found.workload_source.clone()),
        ),
        (
            "secret",
            Sourced::new(secret.version.name.clone(), found.secret_source.clone()),
        ),
    ])
}

fn tell_gateway(named: &Named, output: &Output, sources: &mut Sources) {
    let Named { gateway, service, .. } = named;
    output.step("gateway", &format!("{}  [{}]", gateway.value, gateway.source));
    output.step("instance", &format!("{}  [{}]", service.value, service.source));
    sources.insert("gateway", gateway.clone());
    sources.insert("service", service.clone());
    let azure = || Sourced::new(String::new(), Source::Discovery("Azure".to_owned()));
    sources.insert("subscription", named.subscription.clone().unwrap_or_else(azure));
    sources.insert(
        "resourceGroup",
        named.resource_group.clone().unwrap_or_else(azure),
    );
}

fn tell_plan(plan: &Plan, output: &Output) {
    let service = &plan.gateway.service;
    output.step(
        "azure",
        &format!(
            "resource group {} in subscription {}",
            service.resource_group, service.subscription
        ),
    );
    let before = match plan.previous_key_slot {
        Some(slot) if slot == plan.key_slot => "as before".to_owned(),
        Some(slot) => format!("after {slot}"),
        None => "the one before is unknown".to_owned(),
    };
    output.step("key slot", &format!("{} ({before})", plan.key_slot));
}
