//! The CronJobs that run this program or the script that it replaces, and
//! which gateways they rotate.

use std::ffi::OsString;

use clap::Parser;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Container;
use serde::Deserialize;

use super::survey::{scopes, unavailable};
use crate::cli::{Cli, Command, DryRun};
use crate::cluster::Cluster;
use crate::cluster::list::{List, Meta, Scope};
use crate::environment::Environment;
use crate::error::Result;
use crate::model::{CronJobFacts, Unavailable, WorkloadKind, WorkloadRef};
use crate::script;

/// What the image, the command or an argument of such a CronJob holds.
const PROGRAMS: [&str; 2] = ["kubectl-apim", script::LINK];

/// What the script cannot do without. Its users have images of their own, whose
/// names tell nothing.
const SCRIPT_VARIABLES: [&str; 3] = ["APIM_INSTANCE", "APIM_GATEWAY", "TOKEN_SECRET"];

/// A CronJob, cut to what is used.
#[derive(Deserialize)]
struct Object {
    metadata: Meta,
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    schedule: String,
    time_zone: Option<String>,
    #[serde(default)]
    suspend: bool,
    job_template: JobTemplate,
}

#[derive(Deserialize)]
struct JobTemplate {
    spec: JobSpec,
}

#[derive(Deserialize)]
struct JobSpec {
    template: PodTemplate,
}

#[derive(Deserialize)]
struct PodTemplate {
    spec: Pods,
}

#[derive(Deserialize)]
struct Pods {
    #[serde(default)]
    containers: Vec<Container>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    active: Vec<serde::de::IgnoredAny>,
    last_schedule_time: Option<Timestamp>,
    last_successful_time: Option<Timestamp>,
}

/// A CronJob that rotates, and what it was told to.
#[derive(Clone, Debug)]
pub(super) struct Rotator {
    pub(super) facts: CronJobFacts,
    told: CommandLine,
}

/// The gateways that a command line means; what is not said is open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct CommandLine {
    /// By labels, which only the API server can match.
    by_labels: bool,
    everywhere: bool,
    namespace: Option<String>,
    workloads: Vec<String>,
    secret: Option<String>,
}

impl Rotator {
    /// The same from a whole object.
    pub(super) fn of_whole(object: serde_json::Value) -> Option<Self> {
        Self::of(serde_json::from_value(object).ok()?)
    }

    /// The workloads that it names by kind and name.
    pub(super) fn workloads(&self) -> Vec<WorkloadRef> {
        let reference = |word: &String| {
            let (kind, name) = word.split_once('/')?;
            Some(WorkloadRef {
                kind: WorkloadKind::parse(kind)?,
                name: name.to_owned(),
            })
        };
        self.told.workloads.iter().filter_map(reference).collect()
    }

    fn of(object: Object) -> Option<Self> {
        let containers = object.spec.job_template.spec.template.spec.containers;
        let told = containers.iter().find_map(told)?;
        Some(Self {
            facts: CronJobFacts {
                namespace: object.metadata.namespace,
                name: object.metadata.name,
                schedule: object.spec.schedule,
                time_zone: object.spec.time_zone,
                suspended: object.spec.suspend,
                last_run: object.status.last_schedule_time,
                last_success: object.status.last_successful_time,
                running: !object.status.active.is_empty(),
            },
            told,
        })
    }

    /// Whether it rotates a gateway.
    pub(super) fn serves(&self, namespace: &str, workload: &WorkloadRef, secret: Option<&str>) -> bool {
        let CommandLine {
            by_labels,
            everywhere,
            namespace: told,
            workloads,
            secret: told_secret,
        } = &self.told;
        let here = told.as_ref().unwrap_or(&self.facts.namespace);
        // What may be meant or not is better taken for unprotected.
        !by_labels
            && (*everywhere || here == namespace)
            && (workloads.is_empty() || workloads.iter().any(|word| names(word, workload)))
            && told_secret.as_deref().is_none_or(|told| Some(told) == secret)
    }
}

/// Whether a word of a command line means a workload.
fn names(word: &str, workload: &WorkloadRef) -> bool {
    match word.split_once('/') {
        Some((kind, name)) => WorkloadKind::parse(kind) == Some(workload.kind) && name == workload.name,
        None => word == workload.name,
    }
}

/// What a container was told to rotate; `None` for one that runs something
/// else.
fn told(container: &Container) -> Option<CommandLine> {
    let words: Vec<&str> = [&container.command, &container.args]
        .into_iter()
        .flatten()
        .flatten()
        .map(String::as_str)
        .collect();
    let image = container.image.as_deref().unwrap_or_default();
    let ours = |text: &&str| PROGRAMS.iter().any(|program| text.contains(program));
    let has = |name: &&str| {
        let mut variables = container.env.iter().flatten();
        variables.any(|variable| variable.name == *name)
    };
    if !(ours(&image) || words.iter().any(ours) || SCRIPT_VARIABLES.iter().all(has)) {
        return None;
    }
    let variables = container
        .env
        .iter()
        .flatten()
        .filter_map(|variable| Some((variable.name.clone(), variable.value.clone()?)));
    let environment: Environment = variables.collect();
    let get = |names: &[&str]| {
        let found = names.iter().find_map(|name| environment.get(name));
        found.map(str::to_owned)
    };
    let mut told = typed(&words, &environment)?;
    told.namespace = told.namespace.or_else(|| get(&["NAMESPACE"]));
    told.secret = told
        .secret
        .or_else(|| get(&["KUBECTL_APIM_TOKEN_SECRET", "TOKEN_SECRET"]));
    if told.workloads.is_empty() {
        told.workloads
            .extend(get(&["KUBECTL_APIM_K8S_OBJECT", "K8S_OBJECT"]));
    }
    Some(told)
}

/// What stands on the command line, by the parsers that will read it there;
/// `None` where it rotates nothing. One that is not understood may rotate
/// anything.
fn typed(words: &[&str], environment: &Environment) -> Option<CommandLine> {
    // The words before the program's own are those of a shell or of kubectl.
    let own = words
        .iter()
        .rposition(|word| PROGRAMS.iter().any(|program| word.ends_with(program)));
    let (program, words) = match own {
        Some(at) => (words[at], &words[at + 1..]),
        None => ("kubectl-apim", words),
    };
    let mut line: Vec<OsString> = vec![program.into()];
    line.extend(words.iter().map(OsString::from));
    let is_script = program.ends_with(script::LINK) || words.first().is_none_or(|word| word.starts_with('-'));
    if is_script {
        let Ok(translated) = script::translate(&line, environment) else {
            return Some(CommandLine::default());
        };
        line = translated;
    }
    let Ok(Cli { command, kube, .. }) = Cli::try_parse_from(line) else {
        return Some(CommandLine::default());
    };
    let Some(Command::Rotate(args)) = command else {
        return None;
    };
    if args.dry_run != DryRun::None {
        return None;
    }
    let mut workloads = args.target.target;
    if let [kind, names @ ..] = workloads.as_slice()
        && WorkloadKind::parse(kind).is_some()
        && !names.is_empty()
    {
        workloads = names.iter().map(|name| format!("{kind}/{name}")).collect();
    }
    workloads.extend(args.target.k8s_object);
    Some(CommandLine {
        by_labels: args.fleet.select.selector.is_some(),
        everywhere: args.fleet.select.all_namespaces,
        namespace: kube.namespace,
        workloads,
        secret: args.target.token_secret,
    })
}

/// The CronJobs that rotate gateways in these namespaces, or in all of them
/// where that is where to look.
pub(super) async fn rotators(
    cluster: &Cluster,
    scope: &Scope,
    namespaces: &[&str],
) -> Result<Result<Vec<Rotator>, Unavailable>> {
    // A CronJob for many namespaces may stand in any.
    let places = match scope {
        Scope::Everywhere => vec![Scope::Everywhere],
        Scope::Namespace(_) => scopes(scope, namespaces.iter().copied()),
    };
    let mut found = Vec::new();
    for place in &places {
        match cluster
            .list(List::of("/apis/batch/v1", "cronjobs"), place, Rotator::of)
            .await
        {
            Ok(list) => found.extend(list),
            Err(error) => {
                return Ok(Err(unavailable(
                    error,
                    &format!("listing the CronJobs of {place}"),
                )?));
            }
        }
    }
    Ok(Ok(found))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn told_by(container: Value) -> Option<CommandLine> {
        let mut container = container;
        container["name"] = json!("rotate");
        told(&serde_json::from_value(container).unwrap())
    }

    fn workloads(words: &[&str]) -> CommandLine {
        CommandLine {
            workloads: words.iter().map(|word| (*word).to_owned()).collect(),
            ..CommandLine::default()
        }
    }

    #[test]
    fn the_command_line_says_which_gateways_are_meant() {
        let ours = |args: Value| told_by(json!({"image": "ghcr.io/x/kubectl-apim:1", "args": args})).unwrap();
        assert_eq!(ours(json!(["rotate"])), CommandLine::default());
        assert_eq!(
            ours(json!(["rotate", "deploy/a", "b"])),
            workloads(&["deploy/a", "b"])
        );
        assert_eq!(
            ours(json!(["rotate", "deploy", "a", "b"])),
            workloads(&["deploy/a", "deploy/b"])
        );
        assert!(ours(json!(["rotate", "-A", "--yes"])).everywhere);
        let by_command = json!({"image": "mirror/tools:3",
            "command": ["/usr/local/bin/kubectl-apim", "rotate", "-n", "shop", "-t", "s"]});
        let told = told_by(by_command).unwrap();
        assert_eq!(
            (told.namespace.as_deref(), told.secret.as_deref()),
            (Some("shop"), Some("s"))
        );
    }

    #[test]
    fn the_scripts_variables_and_options_count() {
        let told = told_by(json!({"image": "docker.io/x/apim-shg-rotate:latest", "env": [
            {"name": "K8S_OBJECT", "value": "deployment/gw"}, {"name": "TOKEN_SECRET", "value": "gw-token"}]}));
        let told = told.unwrap();
        assert_eq!(told.workloads, ["deployment/gw"]);
        assert_eq!(told.secret.as_deref(), Some("gw-token"));
        let typed = told_by(
            json!({"image": "x", "command": ["apim-shg-rotate", "-s", "1", "-r", "2", "-a", "3",
            "-g", "4", "-t", "other", "-o", "deployment/gw"]}),
        )
        .unwrap();
        assert_eq!(
            (typed.workloads, typed.secret),
            (vec!["deployment/gw".to_owned()], Some("other".to_owned()))
        );
    }

    #[test]
    fn the_script_is_known_by_its_variables_whatever_its_image() {
        let variable = |name: &str, value: &str| json!({"name": name, "value": value});
        let mut env = vec![
            variable("APIM_INSTANCE", "contoso"),
            variable("APIM_GATEWAY", "orders"),
            variable("TOKEN_SECRET", "gw-token"),
            variable("K8S_OBJECT", "deployment/gw"),
        ];
        let told = told_by(json!({"image": "qbqalex/rotate4shg:latest", "env": env})).unwrap();
        assert_eq!(told.workloads, ["deployment/gw"]);
        assert_eq!(told.secret.as_deref(), Some("gw-token"));
        env.remove(0);
        assert_eq!(told_by(json!({"image": "busybox", "env": env})), None);
    }

    #[test]
    fn our_variables_count_and_those_of_others_do_not() {
        let told = |prefix: &str| {
            let variable =
                |name: &str, value: &str| json!({"name": format!("{prefix}{name}"), "value": value});
            told_by(json!({"image": "ghcr.io/x/kubectl-apim:1", "args": ["rotate"], "env": [
                variable("TOKEN_SECRET", "s"), variable("K8S_OBJECT", "deploy/gw"), variable("NAMESPACE", "bank")]}))
            .unwrap()
        };
        let ours = told("KUBECTL_APIM_");
        assert_eq!((ours.secret.as_deref(), ours.namespace), (Some("s"), None));
        assert_eq!(ours.workloads, ["deploy/gw"]);
        assert_eq!(told("APIM_"), CommandLine::default());
    }

    #[test]
    fn what_runs_something_else_rotates_nothing() {
        let ours = |args: Value| told_by(json!({"image": "ghcr.io/x/kubectl-apim:1", "args": args}));
        let busybox = json!({"image": "busybox", "args": ["rotate", "logs"]});
        assert_eq!(told_by(busybox), None);
        assert_eq!(ours(json!(["status", "-A", "--fail-within", "10d"])), None);
        assert_eq!(ours(json!(["rotate", "--dry-run"])), None);
        // Of a newer version, perhaps.
        assert_eq!(
            ours(json!(["rotate", "--no-such-flag"])),
            Some(CommandLine::default())
        );
        assert!(
            ours(json!(["rotate", "-A", "-l", "team=blue"]))
                .unwrap()
                .by_labels
        );
    }

    #[test]
    fn a_rotator_serves_what_it_was_told() {
        let rotator = |told: CommandLine| {
            let object = json!({"metadata": {"namespace": "shop", "name": "r"}, "spec": {"schedule": "@daily",
                "jobTemplate": {"spec": {"template": {"spec": {"containers": [
                    {"name": "c", "image": "kubectl-apim"}]}}}}}});
            let mut rotator = Rotator::of(serde_json::from_value(object).unwrap()).unwrap();
            rotator.told = told;
            rotator
        };
        let gw = WorkloadRef {
            kind: WorkloadKind::Deployment,
            name: "gw".to_owned(),
        };
        let serves =
            |told: CommandLine, namespace: &str| rotator(told).serves(namespace, &gw, Some("gw-token"));
        assert!(serves(CommandLine::default(), "shop") && !serves(CommandLine::default(), "bank"));
        assert!(serves(workloads(&["gw"]), "shop") && serves(workloads(&["deployments.apps/gw"]), "shop"));
        assert!(!serves(workloads(&["sts/gw"]), "shop") && !serves(workloads(&["other"]), "shop"));
        let everywhere = CommandLine {
            everywhere: true,
            ..CommandLine::default()
        };
        assert!(serves(everywhere, "bank"));
        let other_secret = CommandLine {
            secret: Some("other".to_owned()),
            ..CommandLine::default()
        };
        assert!(!serves(other_secret, "shop"));
    }
}
