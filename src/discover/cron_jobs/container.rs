//! What a container runs, by its image, its command and its variables.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::program::{has_all_parameters, mentions_a_program, resolved};
use super::shell::Variables;
use crate::cluster::lean::{Element, at_most};
use crate::model::request::{Invocation, UNKNOWN};
use crate::model::{PROGRAM, SCRIPT, expansion};

/// How many words of a command line are read, one for each workload of a fleet,
/// and how many variables. A line with more is not understood.
const MOST: usize = 2048;

/// The longest command line that is parsed, with its variables, in bytes.
const LONGEST: usize = 32 * 1024;

/// A container, cut to what it runs.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Container {
    image: Option<String>,
    #[serde(deserialize_with = "at_most::<_, _, MOST>")]
    command: Vec<Word>,
    #[serde(deserialize_with = "at_most::<_, _, MOST>")]
    args: Vec<Word>,
    #[serde(deserialize_with = "at_most::<_, _, MOST>")]
    env: Vec<Variable>,
    env_from: Option<Vec<IgnoredAny>>,
    restart_policy: Option<String>,
}

impl Container {
    /// Whether it is an init container that runs beside the others: it ends with
    /// them, whatever it has done.
    pub(super) fn is_sidecar(&self) -> bool {
        self.restart_policy.as_deref() == Some("Always")
    }
}

/// A word as it is: the line breaks of a shell's script matter.
#[derive(Deserialize)]
struct Word(Option<String>);

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Variable {
    name: Option<String>,
    value: Option<String>,
    value_from: Option<ValueFrom>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ValueFrom {
    field_ref: Option<FieldRef>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct FieldRef {
    field_path: Option<String>,
}

impl Element for Container {}

impl Element for Word {}

impl Element for Variable {}

/// The programs that a container runs, in order: none if it runs something else,
/// or the reason why it is not certain.
pub(super) fn invocations(container: &Container, namespace: &str) -> Result<Vec<Invocation>, String> {
    let word = |Word(word): &Word| word.clone().unwrap_or_default();
    let mut command: Vec<String> = container.command.iter().map(word).collect();
    let args: Vec<String> = container.args.iter().map(word).collect();
    let texts = container.env.iter().flat_map(|variable| &variable.value);
    let length: usize = command.iter().chain(&args).chain(texts).map(String::len).sum();
    let is_long = [command.len(), args.len(), container.env.len()].contains(&MOST) || length > LONGEST;

    let variables = variables(&container.env, namespace);
    if command.is_empty() {
        let image = container.image.as_deref().unwrap_or_default();
        command.extend(entrypoint(image, &variables));
    }
    let is_entrypoint_known = !command.is_empty();
    let line: Vec<String> = command
        .iter()
        .chain(&args)
        .map(|word| expanded(word, &variables))
        .collect();
    let is_mentioned = mentions_a_program(&line.join(" "), &variables);
    if is_long {
        return if is_mentioned {
            Err("its command line is too long".to_owned())
        } else {
            Ok(Vec::new())
        };
    }
    let found = if is_entrypoint_known {
        resolved(&line, &variables)?
    } else {
        Vec::new()
    };
    if found.is_empty() && is_mentioned {
        return Err("it is not certain that its command runs the program".to_owned());
    }
    let imports = container
        .env_from
        .as_ref()
        .is_some_and(|imports| !imports.is_empty());
    if imports && !found.is_empty() {
        return Err("which variables its envFrom sets is not known".to_owned());
    }
    Ok(found)
}

/// What an image starts when the container gives no command.
fn entrypoint(image: &str, variables: &Variables) -> Option<String> {
    match repository(image) {
        PROGRAM => Some(SCRIPT.to_owned()),
        SCRIPT => Some(format!("{SCRIPT}.sh")),
        _ => has_all_parameters(variables).then(|| format!("{SCRIPT}.sh")),
    }
}

/// The last part of the name of an image, without tag and digest.
fn repository(image: &str) -> &str {
    let name = image.split('@').next().unwrap_or_default();
    let last = name.rsplit('/').next().unwrap_or_default();
    last.split(':').next().unwrap_or_default()
}

/// The variables of a container as its program sees them.
fn variables(env: &[Variable], namespace: &str) -> Variables {
    let mut variables = Variables::new();
    for variable in env {
        let value = match (&variable.value, &variable.value_from) {
            (_, Some(from)) => {
                let field = from
                    .field_ref
                    .as_ref()
                    .and_then(|field| field.field_path.as_deref());
                if field == Some("metadata.namespace") {
                    namespace.to_owned()
                } else {
                    UNKNOWN.to_owned()
                }
            }
            (Some(text), None) => expanded(text, &variables),
            (None, None) => String::new(),
        };
        variables.insert(variable.name.clone().unwrap_or_default(), value);
    }
    variables
}

/// A text as the kubelet expands it.
fn expanded(text: &str, variables: &Variables) -> String {
    expansion::expanded(text, |name| variables.get(name).map(String::as_str))
}
