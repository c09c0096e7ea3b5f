//! The settings of `install-cronjob`.

mod key;
mod pod;

use std::collections::{BTreeMap, BTreeSet};

use clap::ArgMatches;
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretSlice;
use uuid::Uuid;

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
use crate::manifest::ownership::Purpose;
use crate::model::request::{
    CloudRequest, DryRun, ObjectFormat, ProveMode, Selection, TargetRequest, WorkloadRequest,
};
use crate::model::{CloudName, MAX_LIFE, Sourced, WorkloadRef, in_words};
use crate::plan::{daily, keeps_alive};
use key::key_of;

/// What to install, as far as it was given.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct InstallSettings {
    /// The gateway, if there is one.
    pub target: TargetRequest,
    /// The workloads, if several were named.
    pub selection: Selection,
    /// Whether to rotate all gateways of the namespace.
    pub all: bool,
    /// The name of every object.
    pub name: String,
    /// How the pods sign in to Azure.
    pub identity: PodIdentity,
    /// The client credential of a service principal, if it is to be stored in a
    /// Secret.
    pub client_credential: Option<SecretSlice<u8>>,
    /// The TCP ports that a NetworkPolicy allows for `--network-policy-port`; `None`
    /// without a NetworkPolicy.
    pub network_policy: Option<BTreeSet<u16>>,
    /// Whether to add policies that limit what the account can change.
    pub admission_policy: bool,
    /// Whether to write Secrets that another tool owns.
    pub adopt: bool,
    /// Whether the logs of new pods are part of the proof.
    pub prove_logs: bool,
    pub events: bool,
    /// Whether to replace legacy objects, which run the script.
    pub replace_legacy: bool,
    /// Whether to run the CronJob once after the installation.
    pub run_now: bool,
    pub dry_run: DryRun,
    pub diff: bool,
    pub output: ObjectFormat,
    schedule: Option<String>,
    time_zone: String,
    suspend: bool,
    if_expiring_within: SignedDuration,
    timeout: SignedDuration,
    cloud: Option<CloudRequest>,
    /// The version of API Management's API, unless it is the default.
    pub api_version: Option<String>,
    pod: PodOptions,
}

/// What to rotate, given or discovered.
#[derive(Debug, Default)]
pub struct Targets {
    /// In order.
    pub workloads: Vec<WorkloadRef>,
    /// In order.
    pub secrets: Vec<String>,
    /// The key of the credential in each Secret, as far as it was discovered.
    pub keys: BTreeMap<String, String>,
    /// The ConfigMaps that a run must read.
    pub config_maps: Vec<String>,
    /// The instance, if all gateways have the same.
    pub instance: Option<Instance>,
    /// The gateway, if it is only one.
    pub gateway: Option<String>,
    /// The cloud of the endpoint, if its domain tells.
    pub cloud: Option<CloudName>,
}

impl InstallSettings {
    /// Whether the output says what becomes of each object, and not what is wanted: a diff
    /// needs what the API server makes of it.
    pub fn compares(&self) -> bool {
        !self.diff && matches!(self.output, ObjectFormat::Table | ObjectFormat::Name)
    }

    /// Checks the flags of `install-cronjob`. The schedule is checked from `now`
    /// on.
    pub fn resolve(
        args: &InstallCronjobArgs,
        matches: &ArgMatches,
        environment: &Environment,
        now: Timestamp,
    ) -> Result<Self> {
        let typed = Typed { matches, environment };
        // Only `rotate` reads the script's variables.
        let without_script = Typed {
            matches,
            environment: &Environment::default(),
        };
        let name = name(&args.name)?;
        checked_timeout(args.timeout)?;
        let within = args.if_expiring_within;
        if within >= MAX_LIFE || within <= SignedDuration::ZERO {
            return Err(Error::usage(format!(
                "--if-expiring-within {} is out of range: a token is valid for 30 days at most",
                in_words(within)
            )));
        }
        let schedule = args.schedule.as_deref().unwrap_or("@daily");
        keeps_alive(schedule, &args.time_zone, within, now)?;
        refuse_contradictions(args)?;
        let (identity, client_credential) = identity(&args.identity, &typed, &name)?;
        let cloud = azure::cloud_of_pods(args.identity.cloud.as_ref())?;
        Ok(Self {
            target: target_request(&args.target, &without_script, false)?,
            selection: named_workloads(&args.target)?,
            all: args.all,
            name,
            identity,
            client_credential,
            network_policy: args
                .pod
                .network_policy
                .then(|| args.pod.network_policy_port.iter().copied().collect()),
            admission_policy: args.admission_policy,
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
            api_version: args.identity.api_version.clone(),
            pod: pod::options(&args.pod)?,
        })
    }

    /// The cloud of the CronJob's runs: the given one, that of the endpoint at
    /// the time of the installation, or the public one. Runs never take it from
    /// the cluster, where anyone who can write a gateway's settings could change
    /// which hosts get the credential.
    pub fn cloud_of_runs(&self, endpoint: Option<CloudName>) -> CloudRequest {
        self.cloud
            .clone()
            .unwrap_or(CloudRequest::Known(endpoint.unwrap_or(CloudName::Public)))
    }

    /// The cloud of several gateways, which is not that of their endpoints.
    pub fn cloud_of_fleet(&self) -> CloudRequest {
        self.cloud_of_runs(None)
    }

    /// The targets, if everything was given and nothing needs to be read.
    pub fn given(&self) -> Option<Targets> {
        let WorkloadRequest::Exact(workload) = &self.target.workload.as_ref()?.value else {
            return None;
        };
        // The policies need the key, which is not given.
        if self.all || self.selection.names.len() > 1 || self.admission_policy {
            return None;
        }
        let value = |given: &Option<Sourced<String>>| given.as_ref().map(|given| given.value.clone());
        Some(Targets {
            workloads: vec![workload.clone()],
            secrets: vec![value(&self.target.secret)?],
            keys: BTreeMap::new(),
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

    /// The installation in a namespace.
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
                cloud: self.cloud_of_runs(targets.cloud),
                api_version: self.api_version.clone(),
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

/// Refuses outputs that exclude each other.
fn refuse_contradictions(args: &InstallCronjobArgs) -> Result<()> {
    let whole = matches!(args.output, ObjectFormat::Json | ObjectFormat::Yaml);
    if args.diff && whole {
        return Err(Error::usage(
            "--diff prints differences, --output the objects; choose one",
        ));
    }
    if args.diff && args.dry_run == DryRun::Client {
        return Err(Error::usage("--dry-run=client reads nothing to compare with")
            .hint("show the differences with --dry-run=server --diff"));
    }
    if args.run_now && args.output != ObjectFormat::Table {
        return Err(
            Error::usage("--run-now prints a log, which does not fit into --output")
                .hint("install first, then run the same command with --run-now instead of --output"),
        );
    }
    Ok(())
}

fn name(name: &str) -> Result<String> {
    check_name(name).map_err(|why| Error::usage(format!("--name: {why}")))?;
    if name.len() > LONGEST_NAME {
        return Err(Error::usage(format!(
            "--name {name} has {} characters; the name of a CronJob can have at most {LONGEST_NAME}",
            name.len()
        )));
    }
    if let Some(suffix) = Purpose::reserved_suffix(name) {
        return Err(Error::usage(format!(
            "--name {name} ends with {suffix}, like the objects that render-rbac prints"
        ))
        .hint("choose a name with another ending"));
    }
    Ok(name.to_owned())
}

fn identity(
    args: &IdentityArgs,
    typed: &Typed<'_>,
    name: &str,
) -> Result<(PodIdentity, Option<SecretSlice<u8>>)> {
    let client_id = client_id(args, typed)?;
    let tenant = typed.text("tenant", args.tenant.as_ref(), &["AZURE_TENANT_ID"]);
    let tenant = tenant.map(|tenant| word("--tenant", &tenant.value)).transpose()?;
    let has_secret = args.client_secret_file.is_some() || args.existing_secret.is_some();
    let auth = args.auth.ok_or_else(|| {
        Error::usage("--auth is missing: choose how the pods sign in to Azure")
            .hint("--auth workload-identity --client-id ID stores no secret; it needs a cluster with an OIDC issuer")
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

/// A placeholder of an example is not taken for one.
fn client_id(args: &IdentityArgs, typed: &Typed<'_>) -> Result<Option<String>> {
    let given = args.client_id.as_deref();
    let given = given.map(|id| word("--client-id", id)).transpose()?;
    let given = given.filter(|id| !id.is_empty());
    if let Some(id) = given.as_ref().filter(|id| Uuid::parse_str(id).is_err()) {
        return Err(Error::usage(format!(
            "invalid {} `{id}`: a client ID is a GUID",
            typed.flag_or_its_variable("client-id")
        ))
        .hint("the app or the managed identity has it: az ad sp list --display-name NAME --query [].appId -o tsv"));
    }
    Ok(given)
}

/// An id as it was pasted, without the space around it.
fn word(flag: &str, text: &str) -> Result<String> {
    let text = text.trim();
    if text.contains(char::is_whitespace) {
        return Err(Error::usage(format!(
            "{flag} contains a space, so it is not an ID"
        )));
    }
    Ok(text.to_owned())
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
