//! The settings of `install-cronjob`.

mod key;
mod pod;

use clap::ArgMatches;
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretSlice;

use super::azure;
use super::rotate::{checked_timeout, target_request};
use super::selection::named_workloads;
use super::typed::{Typed, check_name};
use crate::cli::{IdentityArgs, InstallCronjobArgs, PodAuth};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::manifest::cronjob::{
    CLIENT_SECRET_KEY, Installation, Instance, KeyOf, LONGEST_NAME, PodIdentity, PodOptions, Schedule, Task,
};
use crate::model::request::{DryRun, ObjectFormat, ProveMode, Selection, TargetRequest, WorkloadRequest};
use crate::model::{MAX_LIFE, WorkloadRef, in_words};
use crate::plan::{daily, keeps_alive};
use key::key_of;

/// What to install, as far as it was told.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct InstallSettings {
    /// What was said about the one target.
    pub target: TargetRequest,
    /// The workloads that were named.
    pub selection: Selection,
    /// Whether all gateways of the namespace are meant.
    pub all: bool,
    /// The name of everything.
    pub name: String,
    /// How the pods sign in.
    pub identity: PodIdentity,
    /// The client credential of a service principal, where a Secret is to be made of it.
    pub client_credential: Option<SecretSlice<u8>>,
    /// Whether a NetworkPolicy is wanted.
    pub network_policy: bool,
    /// Whether Secrets are written that something else owns.
    pub adopt: bool,
    /// Whether pods and their logs are read as proof.
    pub prove_logs: bool,
    /// Whether Events are written.
    pub events: bool,
    /// Whether the objects of the article are taken over.
    pub replace_legacy: bool,
    /// Whether a run is to follow.
    pub run_now: bool,
    /// What may be sent.
    pub dry_run: DryRun,
    /// Whether differences are shown.
    pub diff: bool,
    /// How objects are printed.
    pub output: ObjectFormat,
    schedule: Option<String>,
    time_zone: String,
    suspend: bool,
    if_expiring_within: SignedDuration,
    timeout: SignedDuration,
    cloud: Option<String>,
    pod: PodOptions,
}

/// What is to be rotated, as it was told or found.
#[derive(Debug, Default)]
pub struct Targets {
    /// The workloads, in order.
    pub workloads: Vec<WorkloadRef>,
    /// The Secrets, in order.
    pub secrets: Vec<String>,
    /// ConfigMaps that must be read.
    pub config_maps: Vec<String>,
    /// The instance, where there is one.
    pub instance: Option<Instance>,
    /// The gateway, where there is one.
    pub gateway: Option<String>,
    /// The cloud by the endpoint, unless it is Azure's global one.
    pub cloud: Option<String>,
}

impl InstallSettings {
    /// Checks the flags of `install-cronjob`; `now` is for the dates of a
    /// schedule.
    pub fn resolve(
        args: &InstallCronjobArgs,
        matches: &ArgMatches,
        environment: &Environment,
        now: Timestamp,
    ) -> Result<Self> {
        let typed = Typed { matches, environment };
        // The script's variables are `rotate`'s alone.
        let without_script = Typed {
            matches,
            environment: &Environment::default(),
        };
        let name = name(&args.name)?;
        checked_timeout(args.timeout)?;
        let within = args.if_expiring_within;
        if within >= MAX_LIFE || within <= SignedDuration::ZERO {
            return Err(Error::usage(format!(
                "--if-expiring-within {} makes no sense: a token lives for 30 days at most",
                in_words(within)
            )));
        }
        let schedule = args.schedule.as_deref().unwrap_or("@daily");
        keeps_alive(schedule, &args.time_zone, within, now)?;
        let whole = matches!(args.output, ObjectFormat::Json | ObjectFormat::Yaml);
        if args.diff && whole {
            return Err(Error::usage(
                "--diff prints differences, --output the objects; choose one",
            ));
        }
        if args.diff && args.dry_run == DryRun::Client {
            return Err(Error::usage("--dry-run=client looks at nothing to differ from")
                .hint("show the differences with --dry-run=server --diff"));
        }
        if args.run_now && args.output != ObjectFormat::Table {
            return Err(
                Error::usage("--run-now prints a log, which --output would make unreadable")
                    .hint("install it first, and then run it with the same command and --run-now"),
            );
        }
        let (identity, client_credential) = identity(&args.identity, &typed, &name)?;
        let cloud = azure::cloud_name(args.identity.cloud.as_ref())?;
        Ok(Self {
            target: target_request(&args.target, &without_script, false)?,
            selection: named_workloads(&args.target)?,
            all: args.all,
            name,
            identity,
            client_credential,
            network_policy: args.pod.network_policy,
            adopt: args.adopt,
            prove_logs: args.prove == ProveMode::Logs,
            events: args.events,
            replace_legacy: args.replace_legacy,
            run_now: args.run_now,
            dry_run: args.dry_run,
            diff: args.diff,
            output: args.output,
            schedule: args.schedule.clone(),
            time_zone: args.time_zone.clone(),
            suspend: args.suspend,
            if_expiring_within: within,
            timeout: args.timeout,
            cloud,
            pod: pod::options(&args.pod)?,
        })
    }

    /// Whether the cloud was told, and is not to be taken from the endpoint.
    pub fn has_cloud(&self) -> bool {
        self.cloud.is_some()
    }

    /// The targets where all was told, so that nothing need be asked.
    pub fn told(&self) -> Option<Targets> {
        let WorkloadRequest::Exact(workload) = &self.target.workload.as_ref()?.value else {
            return None;
        };
        if self.all || self.selection.names.len() > 1 {
            return None;
        }
        let value =
            |told: &Option<crate::model::Sourced<String>>| told.as_ref().map(|told| told.value.clone());
        Some(Targets {
            workloads: vec![workload.clone()],
            secrets: vec![value(&self.target.secret)?],
            config_maps: Vec::new(),
            instance: Some(Instance {
                name: value(&self.target.service)?,
                resource_group: value(&self.target.resource_group),
                subscription: value(&self.target.subscription),
            }),
            gateway: Some(value(&self.target.gateway)?),
            cloud: None,
        })
    }

    /// What is to be installed in a namespace.
    pub fn installation(&self, namespace: &str, targets: Targets) -> Installation {
        let cron = self.schedule.clone();
        Installation {
            namespace: namespace.to_owned(),
            name: self.name.clone(),
            schedule: Schedule {
                cron: cron.unwrap_or_else(|| daily(namespace, &self.name)),
                time_zone: self.time_zone.clone(),
                suspend: self.suspend,
            },
            task: Task {
                workloads: targets.workloads,
                secrets: targets.secrets,
                config_maps: targets.config_maps,
                instance: targets.instance,
                gateway: targets.gateway,
                cloud: self.cloud.clone().or(targets.cloud),
                if_expiring_within: self.if_expiring_within,
                timeout: self.timeout,
                adopt: self.adopt,
                prove_logs: self.prove_logs,
                events: self.events,
            },
            identity: self.identity.clone(),
            pod: self.pod.clone(),
        }
    }
}

fn name(name: &str) -> Result<String> {
    check_name(name).map_err(|why| Error::usage(format!("--name: {why}")))?;
    if name.len() > LONGEST_NAME {
        return Err(Error::usage(format!(
            "--name {name} has {} letters, and a CronJob's name may have {LONGEST_NAME}, because its Jobs add to it",
            name.len()
        )));
    }
    Ok(name.to_owned())
}

fn identity(
    args: &IdentityArgs,
    typed: &Typed<'_>,
    name: &str,
) -> Result<(PodIdentity, Option<SecretSlice<u8>>)> {
    let client_id = args.client_id.clone().filter(|id| !id.is_empty());
    let tenant = typed.text("tenant", args.tenant.as_ref(), &["AZURE_TENANT_ID"]);
    let tenant = tenant.map(|tenant| tenant.value);
    let has_secret = args.client_secret_file.is_some() || args.existing_secret.is_some();
    let auth = args.auth.ok_or_else(|| {
        Error::usage("--auth is missing: how the pods are to sign in to Azure")
            .hint("--auth workload-identity --client-id ID needs no stored secret; a cluster with an OIDC issuer can do it")
            .hint("or --auth managed-identity, or --auth service-principal")
    })?;
    if has_secret && auth != PodAuth::ServicePrincipal {
        return Err(Error::usage(
            "--client-secret-file and --existing-secret are for --auth service-principal",
        ));
    }
    let lacks = |flag: &str| {
        let method = typed.flag_or_its_variable("auth");
        Error::usage(format!("{method} {} also needs {flag}", method_name(auth)))
    };
    match auth {
        PodAuth::WorkloadIdentity => {
            let identity = PodIdentity::Workload {
                client_id: client_id.ok_or_else(|| lacks("--client-id"))?,
                tenant,
            };
            Ok((identity, None))
        }
        PodAuth::ManagedIdentity => Ok((PodIdentity::Managed { client_id }, None)),
        PodAuth::ServicePrincipal => {
            let client_id = client_id.ok_or_else(|| lacks("--client-id"))?;
            let tenant = tenant.ok_or_else(|| lacks("--tenant"))?;
            let (credential, stored) = match (&args.client_secret_file, &args.existing_secret) {
                (Some(file), _) => {
                    let source = typed.flag_or_its_variable("client-secret-file");
                    let ours = KeyOf {
                        name: name.to_owned(),
                        key: CLIENT_SECRET_KEY.to_owned(),
                    };
                    (ours, Some(azure::secret_to_store(file, &source)?))
                }
                (None, Some(existing)) => (key_of("existing-secret", existing, CLIENT_SECRET_KEY)?, None),
                (None, None) => return Err(lacks("--client-secret-file or --existing-secret")),
            };
            let identity = PodIdentity::ServicePrincipal {
                client_id,
                tenant,
                credential,
            };
            Ok((identity, stored))
        }
    }
}

fn method_name(auth: PodAuth) -> &'static str {
    match auth {
        PodAuth::WorkloadIdentity => "workload-identity",
        PodAuth::ManagedIdentity => "managed-identity",
        PodAuth::ServicePrincipal => "service-principal",
    }
}

#[cfg(test)]
mod tests;
