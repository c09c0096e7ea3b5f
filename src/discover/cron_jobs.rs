//! The CronJobs that run this program, or the script that it replaces, and the
//! gateways that they rotate.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;

use super::read::{scopes, unread};
use crate::cluster::Cluster;
use crate::cluster::lean::{Element, at_most, few, text};
use crate::cluster::list::{List, Meta};
use crate::error::Result;
use crate::model::request::{ReadCommandLine, RotateRequest, Scope, WorkloadRequest};
use crate::model::{CronJobFacts, PROGRAM, SCRIPT, Unavailable, WorkloadRef, cleaned};

/// What the script cannot run without. Its users have images of their own, whose
/// names are not known.
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

#[derive(Default, Deserialize)]
#[serde(default)]
struct Pods {
    #[serde(deserialize_with = "few")]
    containers: Vec<Container>,
}

/// How many words of a command line are read: one may name each workload of a
/// fleet.
const MOST_WORDS: usize = 2048;

/// The longest command line that is parsed, in bytes.
const LONGEST_LINE: usize = 32 * 1024;

/// A container, cut to what it runs.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Container {
    #[serde(deserialize_with = "text")]
    image: String,
    #[serde(deserialize_with = "at_most::<_, _, MOST_WORDS>")]
    command: Vec<Word>,
    #[serde(deserialize_with = "at_most::<_, _, MOST_WORDS>")]
    args: Vec<Word>,
    #[serde(deserialize_with = "few")]
    env: Vec<Variable>,
}

#[derive(Deserialize)]
struct Word(#[serde(deserialize_with = "text")] String);

#[derive(Default, Deserialize)]
#[serde(default)]
struct Variable {
    #[serde(deserialize_with = "text")]
    name: String,
    value: Option<Word>,
}

impl Element for Container {}

impl Element for Word {}

impl Element for Variable {}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    active: Vec<serde::de::IgnoredAny>,
    last_schedule_time: Option<Timestamp>,
    last_successful_time: Option<Timestamp>,
}

/// A CronJob that rotates gateways.
#[derive(Clone, Debug)]
pub(super) struct Rotator {
    pub(super) facts: CronJobFacts,
    pub(super) request: RotateRequest,
}

impl Rotator {
    /// Reads it from the JSON of a CronJob.
    pub(super) fn of_json(json: &str, read: ReadCommandLine) -> Option<Self> {
        Self::of(serde_json::from_str(json).ok()?, read)
    }

    /// The workloads that it names by kind and name.
    pub(super) fn workloads(&self) -> Vec<WorkloadRef> {
        let names = self.request.selection.names.iter();
        let exact = names.filter_map(|name| match &name.value {
            WorkloadRequest::Exact(workload) => Some(workload.clone()),
            WorkloadRequest::ByName(_) => None,
        });
        exact.collect()
    }

    fn of(object: Object, read: ReadCommandLine) -> Option<Self> {
        let containers = object.spec.job_template.spec.template.spec.containers;
        let request = containers.iter().find_map(|container| request(container, read))?;
        Some(Self {
            facts: CronJobFacts {
                namespace: object.metadata.namespace,
                name: object.metadata.name,
                schedule: cleaned(&object.spec.schedule),
                time_zone: object.spec.time_zone.as_deref().map(cleaned),
                suspended: object.spec.suspend,
                last_run: object.status.last_schedule_time,
                last_success: object.status.last_successful_time,
                running: !object.status.active.is_empty(),
            },
            request,
        })
    }

    /// Whether it rotates a gateway. With labels, which only the API server can
    /// match, a gateway counts as unprotected.
    pub(super) fn serves(&self, namespace: &str, workload: &WorkloadRef, secret: Option<&str>) -> bool {
        let RotateRequest {
            namespace: requested,
            selection,
            secret: requested_secret,
            ..
        } = &self.request;
        let here = requested.as_ref().unwrap_or(&self.facts.namespace);
        let names = &selection.names;
        selection.labels.is_none()
            && (selection.everywhere || here == namespace)
            && (names.is_empty() || names.iter().any(|name| name.value.matches(workload)))
            && requested_secret
                .as_deref()
                .is_none_or(|requested| Some(requested) == secret)
    }
}

/// What a container rotates; `None` for one that runs something else.
fn request(container: &Container, read: ReadCommandLine) -> Option<RotateRequest> {
    let words = container.command.iter().chain(&container.args);
    let words: Vec<String> = words.map(|Word(word)| word.clone()).collect();
    let is_ours = |text: &str| [PROGRAM, SCRIPT].iter().any(|program| text.contains(program));
    let has = |name: &&str| {
        let mut variables = container.env.iter();
        variables.any(|variable| variable.name == *name)
    };
    let runs_it = is_ours(&container.image)
        || words.iter().any(|word| is_ours(word))
        || SCRIPT_VARIABLES.iter().all(has);
    if !runs_it {
        return None;
    }
    let text = |variable: &Variable| variable.value.as_ref().map(|Word(value)| value.clone());
    let variables: BTreeMap<String, String> = container
        .env
        .iter()
        .filter_map(|variable| Some((variable.name.clone(), text(variable)?)))
        .collect();
    let length = |texts: &mut dyn Iterator<Item = &String>| texts.map(String::len).sum::<usize>();
    if length(&mut words.iter()) + length(&mut variables.values()) > LONGEST_LINE {
        // Like a line that does not parse, it may rotate anything.
        return Some(RotateRequest::default());
    }
    read(&words, &variables)
}

/// The CronJobs that rotate gateways in these namespaces, or in all if that is
/// the scope.
pub(super) async fn rotators(
    cluster: &Cluster,
    scope: &Scope,
    namespaces: &[&str],
    read: ReadCommandLine,
) -> Result<Result<Vec<Rotator>, Unavailable>> {
    // A CronJob for many namespaces may be in any.
    let places = match scope {
        Scope::Everywhere => vec![Scope::Everywhere],
        Scope::Namespace(_) => scopes(scope, namespaces.iter().copied()),
    };
    let mut found = Vec::new();
    for place in &places {
        match cluster
            .list(List::of("/apis/batch/v1", "cronjobs"), place, |object| {
                Rotator::of(object, read)
            })
            .await
        {
            Ok(list) => found.extend(list),
            Err(error) => {
                let doing = format!("listing the CronJobs of {place}");
                return Ok(Err(unread(error, &doing)?.reason));
            }
        }
    }
    Ok(Ok(found))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::model::{Source, Sourced, WorkloadKind};

    /// Shows what a container runs by a request for a Secret of that name.
    fn read(words: &[String], variables: &BTreeMap<String, String>) -> Option<RotateRequest> {
        let secret = variables.get("TOKEN_SECRET").cloned();
        (words != ["status"]).then(|| RotateRequest {
            secret: secret.or_else(|| Some(words.join(" "))),
            ..RotateRequest::default()
        })
    }

    fn secret_of(mut container: Value) -> Option<String> {
        container["name"] = json!("rotate");
        request(&serde_json::from_value(container).unwrap(), read)?.secret
    }

    #[test]
    fn command_and_arguments_are_read_of_what_runs_this_program() {
        let ours = |args: Value| secret_of(json!({"image": "ghcr.io/x/kubectl-apim:1", "args": args}));
        assert_eq!(ours(json!(["rotate", "-A"])).as_deref(), Some("rotate -A"));
        assert_eq!(ours(json!(["status"])), None);
        let by_command =
            json!({"image": "mirror/tools:3", "command": ["/bin/kubectl-apim"], "args": ["rotate"]});
        assert_eq!(secret_of(by_command).as_deref(), Some("/bin/kubectl-apim rotate"));
        assert_eq!(
            secret_of(json!({"image": "busybox", "args": ["rotate", "logs"]})),
            None
        );
    }

    #[test]
    fn the_script_is_known_by_its_variables_whatever_its_image() {
        let variable = |name: &str, value: &str| json!({"name": name, "value": value});
        let mut env = vec![
            variable("APIM_INSTANCE", "contoso"),
            variable("APIM_GATEWAY", "orders"),
            variable("TOKEN_SECRET", "gw-token"),
        ];
        let of = |env: &[Value]| secret_of(json!({"image": "qbqalex/rotate4shg:latest", "env": env}));
        assert_eq!(of(&env).as_deref(), Some("gw-token"));
        env.remove(0);
        assert_eq!(of(&env), None);
    }

    #[test]
    fn a_rotator_serves_what_it_selects() {
        let gw = WorkloadRef {
            kind: WorkloadKind::Deployment,
            name: "gw".to_owned(),
        };
        let serves = |request: RotateRequest, namespace: &str| {
            let object = json!({"metadata": {"namespace": "shop", "name": "r"}, "spec": {"schedule": "@daily",
                "jobTemplate": {"spec": {"template": {"spec": {"containers": [
                    {"name": "c", "image": "kubectl-apim"}]}}}}}});
            let mut rotator = Rotator::of_json(&object.to_string(), read).unwrap();
            rotator.request = request;
            rotator.serves(namespace, &gw, Some("gw-token"))
        };
        let named = |name: WorkloadRequest| {
            let mut request = RotateRequest::default();
            let source = Source::Discovery("command line".to_owned());
            request.selection.names.push(Sourced::new(name, source));
            request
        };
        let by_name = |name: &str| named(WorkloadRequest::ByName(name.to_owned()));
        let exact = |kind| {
            let name = "gw".to_owned();
            named(WorkloadRequest::Exact(WorkloadRef { kind, name }))
        };
        assert!(serves(RotateRequest::default(), "shop") && !serves(RotateRequest::default(), "bank"));
        assert!(serves(by_name("gw"), "shop") && serves(exact(WorkloadKind::Deployment), "shop"));
        assert!(!serves(by_name("other"), "shop") && !serves(exact(WorkloadKind::StatefulSet), "shop"));
        let mut everywhere = RotateRequest::default();
        everywhere.selection.everywhere = true;
        assert!(serves(everywhere.clone(), "bank"));
        everywhere.selection.labels = Some("team=blue".to_owned());
        assert!(!serves(everywhere, "bank"));
        let other_secret = RotateRequest {
            secret: Some("other".to_owned()),
            ..RotateRequest::default()
        };
        assert!(!serves(other_secret, "shop"));
    }
}
