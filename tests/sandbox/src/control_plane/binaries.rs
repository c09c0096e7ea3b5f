//! Finding or building the binaries of the control plane, and what is built of the
//! same Go module beside it.

use std::env;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::directory;
use crate::progress::say;

/// A program of the Go module beside this crate.
pub(super) struct Program {
    pub(super) name: &'static str,
    /// Its package, and the one file of it, in the folder of the module.
    pub(super) package: &'static str,
    pub(super) source: &'static str,
    /// What is said while it is built.
    pub(super) building: &'static str,
}

/// All components in one file.
const CONTROL_PLANE: Program = Program {
    name: "control-plane",
    package: ".",
    source: "main.go",
    building: "building the Kubernetes control plane (first time: about 8 minutes on 2 cores)",
};

/// Runs a component of `KUBEBUILDER_ASSETS`, which knows nothing of its
/// parent, and does for it what main.go does for our own build: kills it as
/// soon as standard input closes and removes the directory if one is given.
const WATCHER: &str = r#"
exec 3<&0
"$@" 3<&- </dev/null &
child=$!
{
  cat <&3 >/dev/null
  kill -KILL "$child"
  case ${APIM_SANDBOX_DIR-} in
    /*/sandbox/*-????????) rm -rf "$APIM_SANDBOX_DIR" || rm -rf "$APIM_SANDBOX_DIR" ;;
  esac
} 2>/dev/null &
exec 3<&-
wait "$child"
"#;

/// Where the components come from.
pub(crate) enum Binaries {
    /// Our own build: all components in one file.
    Combined(PathBuf),
    /// A directory with one file a component, as envtest lays it out.
    Assets(PathBuf),
}

impl Binaries {
    /// Takes `KUBEBUILDER_ASSETS` where it is set and otherwise our own build,
    /// which is made if need be.
    pub(crate) fn find(target: &Path) -> Result<Self> {
        match assets() {
            Some(directory) => Self::assets(directory),
            None => build(target, &CONTROL_PLANE).map(Self::Combined),
        }
    }

    fn assets(directory: PathBuf) -> Result<Self> {
        for component in ["etcd", "kube-apiserver"] {
            if !directory.join(component).is_file() {
                bail!(
                    "KUBEBUILDER_ASSETS is {}, which holds no {component}",
                    directory.display()
                );
            }
        }
        Ok(Self::Assets(directory))
    }

    /// Whether `component` can be run: envtest's archives hold only etcd and
    /// kube-apiserver.
    pub(crate) fn has(&self, component: &str) -> bool {
        match self {
            Self::Combined(_) => true,
            Self::Assets(directory) => directory.join(component).is_file(),
        }
    }

    /// The command that runs `component` for as long as its standard input is open.
    pub(crate) fn command(&self, component: &str) -> Command {
        match self {
            Self::Combined(binary) => {
                let mut command = Command::new(binary);
                command.arg(component).env("APIM_SANDBOX_PARENT", "stdin");
                command
            }
            Self::Assets(directory) => {
                let mut command = Command::new("sh");
                command
                    .args(["-c", WATCHER, component])
                    .arg(directory.join(component));
                command
            }
        }
    }
}

/// `KUBEBUILDER_ASSETS`, where it is set.
pub(super) fn assets() -> Option<PathBuf> {
    let directory = env::var_os("KUBEBUILDER_ASSETS").filter(|directory| !directory.is_empty());
    directory.map(PathBuf::from)
}

/// Builds a program of the Go module unless the binary of exactly these sources is
/// there already.
pub(super) fn build(target: &Path, program: &Program) -> Result<PathBuf> {
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("control-plane");
    let output = target.join("control-plane");
    fs::create_dir_all(&output).with_context(|| format!("creating {}", output.display()))?;
    let binary = output.join(format!("{}-{}", program.name, digest(&module, program)?));
    if binary.is_file() {
        return Ok(binary);
    }
    let building = output.join(".lock");
    let _building = if let Some(lock) = directory::try_lock(&building)? {
        lock
    } else {
        say("waiting for another process that is building the Kubernetes control plane");
        directory::lock(&building)?
    };
    // Another process may have built it in the meantime.
    if binary.is_file() {
        return Ok(binary);
    }

    let go = go_command()?;
    say(program.building);
    let unfinished = output.join("unfinished");
    let status = Command::new(go)
        .args(["build", "-trimpath", "-ldflags", &linker_flags(&module)?, "-o"])
        .args([unfinished.as_path(), Path::new(program.package)])
        .current_dir(&module)
        .env("CGO_ENABLED", "0")
        .stdin(Stdio::null())
        // Go's output is progress too, and standard output is for the caller's data.
        .stdout(Stdio::null())
        .status()
        .context("running go build")?;
    if !status.success() {
        bail!("go build in {} failed: {status}", module.display());
    }
    remove_older_builds(&output, program)?;
    fs::rename(&unfinished, &binary).with_context(|| format!("naming {}", binary.display()))?;
    Ok(binary)
}

fn digest(module: &Path, program: &Program) -> Result<String> {
    use std::fmt::Write;

    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    for source in [program.source, "go.mod", "go.sum"] {
        let path = module.join(source);
        context.update(&fs::read(&path).with_context(|| format!("reading {}", path.display()))?);
    }
    Ok(context.finish().as_ref()[..6]
        .iter()
        .fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        }))
}

pub(super) fn go_command() -> Result<&'static str> {
    match Command::new("go").arg("version").stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => Ok("go"),
        Ok(output) => bail!(
            "go version failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        ),
        Err(error) if error.kind() == ErrorKind::NotFound => bail!(
            "the sandbox runs a real Kubernetes control plane and found none: either put Go (https://go.dev/dl) \
             on the PATH, so that it can build one, or set KUBEBUILDER_ASSETS to a directory that holds etcd, \
             kube-apiserver, kube-controller-manager and kube-scheduler"
        ),
        Err(error) => Err(error).context("running go version"),
    }
}

/// A component reports v0.0.0 unless the linker sets the version.
fn linker_flags(module: &Path) -> Result<String> {
    let go_mod = fs::read_to_string(module.join("go.mod"))?;
    let version = go_mod
        .lines()
        .filter_map(|line| {
            line.trim()
                .trim_start_matches("require ")
                .strip_prefix("k8s.io/kubernetes ")
        })
        .find_map(|rest| rest.split_whitespace().next())
        .context("go.mod requires no k8s.io/kubernetes")?;
    Ok(format!(
        "-s -w -X k8s.io/component-base/version.gitVersion={version} \
         -X k8s.io/client-go/pkg/version.gitVersion={version}"
    ))
}

/// A build may be more than 100 MB, and a running one survives its removal.
fn remove_older_builds(output: &Path, program: &Program) -> Result<()> {
    let older = format!("{}-", program.name);
    for entry in fs::read_dir(output)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(&older) {
            fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))?;
        }
    }
    Ok(())
}
