//! The source of the cluster, the user and the namespace, in kubectl's order:
//! `--kubeconfig`, `KUBECONFIG`, `~/.kube/config`, the service account of the
//! pod, `--server` alone.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use wildmatch::WildMatch;

use super::inputs::ConnectInputs;
use super::kubeconfig::{Cluster, Context, Kubeconfig, User, find as named};
use crate::error::{Error, Result};
use crate::model::request::KubeConnection;

/// The directory of every pod's service account.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// The connection before the flags are applied.
#[derive(Debug, Default)]
pub(super) struct Source {
    pub(super) cluster: Cluster,
    pub(super) user: User,
    /// Empty if nothing sets one.
    pub(super) namespace: String,
    /// In words.
    pub(super) origin: String,
    /// The flag, the variable or the place that set the cluster.
    pub(super) set_by: &'static str,
    /// The context, if it alone names the cluster.
    pub(super) context: Option<String>,
    /// A file with the certificates of the authority that may be replaced.
    pub(super) root_cert_file: Option<PathBuf>,
}

/// The names in the kubeconfig.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct KubeconfigNames {
    pub contexts: Vec<String>,
    pub clusters: Vec<String>,
    pub users: Vec<String>,
}

/// All names in the kubeconfig, without any request.
pub fn kubeconfig_names(args: &KubeConnection, environment: ConnectInputs<'_>) -> Result<KubeconfigNames> {
    let merged = Files::read(args, environment, home(environment).as_deref())?.merged;
    Ok(KubeconfigNames {
        contexts: merged.contexts.into_iter().map(|it| it.name).collect(),
        clusters: merged.clusters.into_iter().map(|it| it.name).collect(),
        users: merged.users.into_iter().map(|it| it.name).collect(),
    })
}

fn home(environment: ConnectInputs<'_>) -> Option<PathBuf> {
    let mut names = ["HOME", "USERPROFILE"].iter();
    names
        .find_map(|name| environment.variable(name))
        .map(PathBuf::from)
}

pub(super) fn find(args: &KubeConnection, environment: ConnectInputs<'_>) -> Result<Source> {
    let home = home(environment);
    let files = Files::read(args, environment, home.as_deref())?;
    if !files.is_empty() {
        return files.select(args, home.as_deref());
    }
    for (flag, name) in [
        ("--context", &args.context),
        ("--cluster", &args.cluster),
        ("--user", &args.user),
    ] {
        if let Some(name) = name {
            let tried = files.tried(home.as_deref());
            return Err(Error::usage(format!(
                "{flag} {name} is given, but there is no kubeconfig ({tried})"
            )));
        }
    }
    if let Some(source) = in_cluster(environment, Path::new(SERVICE_ACCOUNT))? {
        return Ok(source);
    }
    if let Some(server) = &args.server {
        return Ok(Source {
            origin: format!("server {server}"),
            set_by: "--server",
            ..Source::default()
        });
    }
    Err(Error::failed(format!(
        "no Kubernetes cluster is configured: there is no kubeconfig ({}), this is not a pod \
         (KUBERNETES_SERVICE_HOST is not set), and --server is not given",
        files.tried(home.as_deref())
    ))
    .hint("set a kubeconfig with --kubeconfig or KUBECONFIG, or fetch one (for AKS: az aks get-credentials)"))
}

/// The contexts of the kubeconfig that match the patterns, each once. A pattern
/// is a name, or a glob with `*` and `?`.
pub fn contexts(
    args: &KubeConnection,
    environment: ConnectInputs<'_>,
    patterns: &[String],
) -> Result<Vec<String>> {
    let home = home(environment);
    let files = Files::read(args, environment, home.as_deref())?;
    let known: Vec<&str> = files
        .merged
        .contexts
        .iter()
        .map(|context| context.name.as_str())
        .collect();
    if known.is_empty() {
        let reason = if files.is_empty() {
            files.tried(home.as_deref())
        } else {
            "the kubeconfig has none".to_owned()
        };
        return Err(
            Error::usage(format!("--contexts is given, but there is no context ({reason})"))
                .hint("set a kubeconfig with --kubeconfig or KUBECONFIG"),
        );
    }
    let mut found: Vec<String> = Vec::new();
    for pattern in patterns {
        let glob = WildMatch::new(pattern);
        let mut matching = known.iter().filter(|name| glob.matches(name)).peekable();
        if matching.peek().is_none() {
            return Err(Error::usage(format!(
                "--contexts {pattern} matches no context of the kubeconfig"
            ))
            .hint(format!("the contexts are: {}", known.join(", "))));
        }
        for name in matching {
            if !found.iter().any(|known| known == name) {
                found.push((*name).to_owned());
            }
        }
    }
    Ok(found)
}

/// The kubeconfig files, merged: the first to define something wins.
struct Files {
    merged: Kubeconfig,
    read: Vec<(PathBuf, Vec<String>)>,
    missing: Vec<PathBuf>,
    /// What named the files.
    set_by: &'static str,
}

impl Files {
    fn read(args: &KubeConnection, environment: ConnectInputs<'_>, home: Option<&Path>) -> Result<Self> {
        let listed: Vec<PathBuf> = environment
            .variable("KUBECONFIG")
            .map(|list| std::env::split_paths(&list).collect())
            .unwrap_or_default();
        let listed = listed.into_iter().filter(|path| !path.as_os_str().is_empty());
        let (mut paths, mut set_by): (Vec<PathBuf>, _) = match &args.kubeconfig {
            Some(path) => (vec![path.clone()], "--kubeconfig"),
            None => (listed.collect(), "KUBECONFIG"),
        };
        if paths.is_empty() {
            paths.extend(home.map(|home| home.join(".kube").join("config")));
            set_by = "default kubeconfig";
        }
        let mut files = Self {
            merged: Kubeconfig::default(),
            read: Vec::new(),
            missing: Vec::new(),
            set_by,
        };
        for path in paths {
            match Kubeconfig::read(&path) {
                Ok(next) => files.add(path, next?),
                Err(error) if error.kind() == ErrorKind::NotFound && args.kubeconfig.is_none() => {
                    files.missing.push(path);
                }
                Err(error) => {
                    let path = path.display();
                    return Err(Error::failed(format!(
                        "the kubeconfig {path} cannot be read: {error}"
                    )));
                }
            }
        }
        Ok(files)
    }

    fn add(&mut self, path: PathBuf, next: Kubeconfig) {
        let contexts = next.contexts.iter().map(|context| context.name.clone());
        self.read.push((path, contexts.collect()));
        self.merged.merge(next);
    }

    /// As in kubectl, an empty kubeconfig counts as none.
    fn is_empty(&self) -> bool {
        self.merged.contexts.is_empty() && self.merged.clusters.is_empty()
    }

    fn tried(&self, home: Option<&Path>) -> String {
        let missing = self
            .missing
            .iter()
            .map(|path| format!("no {}", short(path, home)));
        let empty = self
            .read
            .iter()
            .map(|(path, _)| format!("{} is empty", short(path, home)));
        let tried: Vec<String> = missing.chain(empty).collect();
        if tried.is_empty() {
            "neither KUBECONFIG nor HOME is set".to_owned()
        } else {
            tried.join(", ")
        }
    }

    fn select(&self, args: &KubeConnection, home: Option<&Path>) -> Result<Source> {
        let (context, mut origin) = self.context(args, home)?;
        let (name, context) = context.unzip();
        let context_cluster = context.as_ref().map(|context| &context.cluster);
        let cluster = match args
            .cluster
            .as_ref()
            .or(context_cluster)
            .filter(|name| !name.is_empty())
        {
            Some(name) => self.cluster(name, args.server.is_some() && args.cluster.is_none())?,
            None => Cluster::default(),
        };
        let context_user = context.as_ref().map(|context| &context.user);
        let user = match args.user.as_ref().or(context_user) {
            Some(name) => self.user(name, args.user.is_some())?,
            None => User::default(),
        };
        if let Some(name) = &args.cluster {
            origin = format!("{origin}, cluster {name}");
        }
        if let Some(server) = &args.server {
            origin = format!("{origin}, server {server}");
        }
        Ok(Source {
            cluster,
            user,
            namespace: context.map(|context| context.namespace).unwrap_or_default(),
            origin,
            set_by: self.set_by(args),
            context: name.filter(|_| args.cluster.is_none() && args.server.is_none()),
            root_cert_file: None,
        })
    }

    fn set_by(&self, args: &KubeConnection) -> &'static str {
        if args.server.is_some() {
            "--server"
        } else if args.cluster.is_some() {
            "--cluster"
        } else if args.context.is_some() {
            "--context"
        } else {
            self.set_by
        }
    }

    /// The context with its name, and its source in words.
    fn context(
        &self,
        args: &KubeConnection,
        home: Option<&Path>,
    ) -> Result<(Option<(String, Context)>, String)> {
        let current = Some(&self.merged.current_context).filter(|name| !name.is_empty());
        let Some(name) = args.context.as_ref().or(current) else {
            let files: Vec<String> = self.read.iter().map(|(path, _)| short(path, home)).collect();
            let files = files.join(", ");
            if args.server.is_some() || args.cluster.is_some() {
                return Ok((None, files));
            }
            return Err(Error::usage(format!("{files} has no current context"))
                .hint(format!("choose one with --context: {}", self.context_names())));
        };
        let Some(context) = named(&self.merged.contexts, name) else {
            return Err(Error::usage(format!("the kubeconfig has no context {name}"))
                .hint(format!("choose one of: {}", self.context_names())));
        };
        let file = self.read.iter().find(|(_, contexts)| contexts.contains(name));
        let file = file.map(|(path, _)| short(path, home)).unwrap_or_default();
        Ok((
            Some((name.clone(), context.clone())),
            format!("context {name} of {file}"),
        ))
    }

    fn context_names(&self) -> String {
        let names: Vec<&str> = self
            .merged
            .contexts
            .iter()
            .map(|context| context.name.as_str())
            .collect();
        if names.is_empty() {
            "it has none".to_owned()
        } else {
            names.join(", ")
        }
    }

    fn cluster(&self, name: &str, optional: bool) -> Result<Cluster> {
        match named(&self.merged.clusters, name) {
            Some(cluster) => Ok(cluster.clone()),
            None if optional => Ok(Cluster::default()),
            None => Err(Error::usage(format!("the kubeconfig has no cluster {name}"))),
        }
    }

    /// A context may name a user that no file defines; kubectl then continues
    /// without credentials. A user set by flag must exist.
    fn user(&self, name: &str, required: bool) -> Result<User> {
        match named(&self.merged.users, name) {
            Some(user) => Ok(user.clone()),
            None if required => Err(Error::usage(format!("the kubeconfig has no user {name}"))),
            None => Ok(User::default()),
        }
    }
}

fn short(path: &Path, home: Option<&Path>) -> String {
    match home.and_then(|home| path.strip_prefix(home).ok()) {
        Some(rest) => format!("~/{}", rest.display()),
        None => path.display().to_string(),
    }
}

/// The service account of the pod, if this process runs in one. Token and
/// authority stay files, which the client reads again.
fn in_cluster(environment: ConnectInputs<'_>, directory: &Path) -> Result<Option<Source>> {
    let host = environment.variable("KUBERNETES_SERVICE_HOST");
    let port = environment.variable("KUBERNETES_SERVICE_PORT");
    let (Some(host), Some(port)) = (host, port) else {
        return Ok(None);
    };
    let token = directory.join("token");
    if !token.is_file() {
        return Err(Error::failed(format!(
            "this pod has no service account token: there is no {}",
            token.display()
        ))
        .hint("set automountServiceAccountToken: true, or set a kubeconfig with --kubeconfig"));
    }
    let host = if host.contains(':') {
        format!("[{host}]")
    } else {
        host
    };
    let authority = directory.join("ca.crt");
    let namespace = std::fs::read_to_string(directory.join("namespace")).ok();
    Ok(Some(Source {
        cluster: Cluster {
            server: format!("https://{host}:{port}"),
            ..Cluster::default()
        },
        user: User {
            token_file: token.to_string_lossy().into_owned(),
            ..User::default()
        },
        namespace: namespace.unwrap_or_default().trim().to_owned(),
        origin: "service account of this pod".to_owned(),
        set_by: "in-cluster",
        context: None,
        root_cert_file: Some(authority),
    }))
}

#[cfg(test)]
mod tests;
