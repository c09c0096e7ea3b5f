//! The flags and arguments whose values are names in the cluster or in the
//! kubeconfig. Which names there are is asked of a source that is handed in.

use std::ffi::{OsStr, OsString};
use std::sync::Arc;

use clap::{Arg, ArgMatches, Command, FromArgMatches};
use clap_complete::CompletionCandidate;
use clap_complete::engine::ArgValueCompleter;

use crate::cli::KubeArgs;
use crate::cli::root::unfinished;
use crate::model::WorkloadKind;

/// Names that only the kubeconfig or the cluster knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    Contexts,
    Clusters,
    Users,
    Namespaces,
    PriorityClasses,
    /// Secrets that may hold a credential.
    Secrets,
    /// Secrets that an image can be pulled with.
    PullSecrets,
    ServiceAccounts,
    ConfigMaps,
    /// CronJobs that `install-cronjob` has made.
    CronJobs,
    /// Workloads of one kind or of all that run a gateway, as `deployment/NAME`.
    Gateways(Option<WorkloadKind>),
}

impl Wanted {
    fn is_in_a_cluster(self) -> bool {
        !matches!(self, Self::Contexts | Self::Clusters | Self::Users)
    }

    fn is_in_a_namespace(self) -> bool {
        self.is_in_a_cluster() && !matches!(self, Self::Namespaces | Self::PriorityClasses)
    }
}

/// Returns the names that are wanted, or none of them if they cannot be read.
pub type Names = Arc<dyn Fn(Wanted, KubeArgs) -> Vec<String> + Send + Sync>;

/// The names that an argument of a command takes.
fn wanted(command: &str, arg: &Arg) -> Option<Wanted> {
    Some(match (command, arg.get_id().as_str()) {
        (_, "context" | "contexts") => Wanted::Contexts,
        (_, "cluster") => Wanted::Clusters,
        (_, "user") => Wanted::Users,
        (_, "namespace") => Wanted::Namespaces,
        (_, "priority_class") => Wanted::PriorityClasses,
        (_, "token_secret" | "secret" | "existing_secret") => Wanted::Secrets,
        (_, "image_pull_secret") => Wanted::PullSecrets,
        (_, "service_account") => Wanted::ServiceAccounts,
        (_, "ca_configmap") => Wanted::ConfigMaps,
        ("install-cronjob" | "uninstall-cronjob", "name") => Wanted::CronJobs,
        (_, "target" | "k8s_object") => Wanted::Gateways(None),
        _ => return None,
    })
}

/// The command with a completer for each argument that takes such names. The
/// line ends with the word that is being completed.
pub(super) fn with_names(command: Command, line: &[OsString], names: &Names) -> Command {
    let line: Arc<[OsString]> = line.into();
    added(command, &line, names)
}

fn added(command: Command, line: &Arc<[OsString]>, names: &Names) -> Command {
    let name = command.get_name().to_owned();
    let command = command.mut_args(|arg| {
        let Some(wanted) = wanted(&name, &arg) else {
            return arg;
        };
        let is_positional = arg.is_positional();
        let (line, names) = (line.clone(), names.clone());
        arg.add(ArgValueCompleter::new(move |word: &OsStr| {
            let found = candidates(wanted, is_positional, word, &line, &names).unwrap_or_default();
            found
                .into_iter()
                .map(CompletionCandidate::new)
                .collect::<Vec<_>>()
        }))
    });
    command.mut_subcommands(|subcommand| added(subcommand, line, names))
}

/// The names that begin as the word does; `None` where none can be told.
fn candidates(
    wanted: Wanted,
    is_positional: bool,
    word: &OsStr,
    line: &[OsString],
    names: &Names,
) -> Option<Vec<String>> {
    let word = word.to_str()?;
    let matches = unfinished(line)?;
    let kube = KubeArgs::from_arg_matches(&matches).ok()?;
    let typed = Typed::of(&matches);
    // Of several clusters or namespaces, none is the one that is meant.
    if wanted.is_in_a_cluster() && typed.several_clusters
        || wanted.is_in_a_namespace() && typed.all_namespaces
    {
        return None;
    }
    let mut found = match wanted {
        Wanted::Gateways(_) => {
            let before = typed.targets.split_last().map(|(_, before)| before);
            let before = before.filter(|_| is_positional).unwrap_or_default();
            let form = Form::of(word, before, is_positional)?;
            let mut found = form.write(&names(Wanted::Gateways(form.kind()), kube));
            found.retain(|name| !before.contains(name));
            found
        }
        other => names(other, kube),
    };
    // A line break would begin another candidate.
    found.retain(|name| name.starts_with(word) && !name.contains(char::is_control));
    Some(found)
}

/// What a line says besides the connection.
struct Typed {
    several_clusters: bool,
    all_namespaces: bool,
    /// The workloads, the one that is being completed among them.
    targets: Vec<String>,
}

impl Typed {
    fn of(matches: &ArgMatches) -> Self {
        let mut of_command = matches;
        while let Some((_, inner)) = of_command.subcommand() {
            of_command = inner;
        }
        let texts = |id| {
            let values = of_command.try_get_many::<String>(id).ok().flatten();
            values.into_iter().flatten().cloned()
        };
        let is_set = |id| matches!(of_command.try_get_one::<bool>(id), Ok(Some(true)));
        Self {
            several_clusters: texts("contexts").next().is_some(),
            all_namespaces: is_set("all_namespaces"),
            targets: texts("target").collect(),
        }
    }
}

/// How a workload is being typed.
#[derive(Debug, PartialEq, Eq)]
enum Form<'a> {
    /// Its name, after its type as a word of its own.
    Name(WorkloadKind),
    /// Its name, after its type and a slash.
    Typed(WorkloadKind, &'a str),
    /// Its type, or also its name.
    Any { bare: bool },
}

impl<'a> Form<'a> {
    /// `None` with a type that runs no gateway.
    fn of(word: &'a str, before: &[String], is_positional: bool) -> Option<Self> {
        if let Some(kind) = before.first().and_then(|first| WorkloadKind::parse(first)) {
            return Some(Self::Name(kind));
        }
        Some(match word.split_once('/') {
            Some((typed, _)) => Self::Typed(WorkloadKind::parse(typed)?, typed),
            // Each gateway is offered once as long as nothing is typed.
            None => Self::Any {
                bare: is_positional && !word.is_empty(),
            },
        })
    }

    fn kind(&self) -> Option<WorkloadKind> {
        match self {
            Self::Name(kind) | Self::Typed(kind, _) => Some(*kind),
            Self::Any { .. } => None,
        }
    }

    /// The gateways, given as `deployment/NAME`, in this form.
    fn write(&self, gateways: &[String]) -> Vec<String> {
        let named = gateways.iter().filter_map(|gateway| gateway.split_once('/'));
        match self {
            Self::Name(_) => named.map(|(_, name)| name.to_owned()).collect(),
            Self::Typed(_, typed) => named.map(|(_, name)| format!("{typed}/{name}")).collect(),
            Self::Any { bare } => {
                let alone = named.filter(|_| *bare).map(|(_, name)| name.to_owned());
                gateways.iter().cloned().chain(alone).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests;
