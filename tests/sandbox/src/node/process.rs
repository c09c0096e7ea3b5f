//! A container as a process, in namespaces of its own.
//!
//! Two small scripts do what takes the rights of root in a namespace: `supervise.sh` creates the
//! namespaces and waits, and `root.sh`, followed by what this container needs, mounts a root and
//! becomes the container. Nothing of it can outlive the sandbox: the supervisor kills its whole
//! process group when the pipe on its standard input ends, and the kernel ends that with whoever
//! holds the other side.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use k8s_openapi::api::core::v1::{Container, Pod};
use kube::ResourceExt;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::environment::Environment;
use super::image;
use super::logs::ContainerLog;
use super::stop::Stop;
use super::volumes::PodDirectory;

const SUPERVISE: &str = include_str!("process/supervise.sh");
const ROOT: &str = include_str!("process/root.sh");

/// What the container runtime sets where neither pod nor image does.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The default path of a container's termination message.
const TERMINATION_LOG: &str = "/dev/termination-log";
const LONGEST_MESSAGE: usize = 4096;

/// How much of the log replaces a missing termination message.
const FALLBACK_LINES: usize = 80;
const FALLBACK_LENGTH: usize = 2048;

/// The parts of a process.
pub(crate) struct Spec<'a> {
    pub(crate) pod: &'a Pod,
    pub(crate) container: &'a Container,
    pub(crate) environment: &'a Environment,
    pub(crate) binary: &'a Path,
    pub(crate) files: &'a PodDirectory,
    pub(crate) restarts: u32,
}

/// A container that runs.
pub(crate) struct Process {
    /// Dropping this ends the supervisor.
    control: ChildStdin,
    supervisor: Child,
    output: BufReader<ChildStdout>,
    /// The container's process as this process sees it.
    id: String,
    directory: PathBuf,
}

/// How a container has ended.
pub(crate) struct End {
    pub(crate) exit_code: i32,
    pub(crate) message: String,
}

impl End {
    /// The end of a container that leaves no message.
    pub(crate) fn silent(exit_code: i32) -> Self {
        Self {
            exit_code,
            message: String::new(),
        }
    }
}

impl Spec<'_> {
    /// Starts the process, or returns why it cannot be started.
    pub(crate) async fn start(&self) -> io::Result<Process> {
        let directory = self.files.container(&self.container.name, self.restarts)?;
        fs::write(directory.join("termination-log"), "")?;
        fs::write(directory.join("supervise.sh"), SUPERVISE)?;
        fs::write(directory.join("container.sh"), self.script(&directory))?;
        let mut supervisor = Command::new("sh")
            .arg(directory.join("supervise.sh"))
            .arg(&directory)
            .env_clear()
            .env("PATH", PATH)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        let (Some(control), Some(output)) = (supervisor.stdin.take(), supervisor.stdout.take()) else {
            return Err(io::Error::other("a process without pipes"));
        };
        let mut output = BufReader::new(output);
        let mut problems = String::new();
        while let Some(line) = next_line(&mut output).await? {
            if let Some(id) = line.strip_prefix("started ") {
                return Ok(Process {
                    control,
                    supervisor,
                    id: id.to_owned(),
                    output,
                    directory,
                });
            }
            let _ = writeln!(problems, "{line}");
        }
        let status = supervisor.wait().await?;
        Err(io::Error::other(format!(
            "no namespaces or mounts for it ({status}): {problems}"
        )))
    }

    /// The script that becomes the container.
    fn script(&self, directory: &Path) -> String {
        let mut script = ROOT.to_owned();
        let mut volume = |source: &Path, target: &str, mode: &str| {
            let source = quoted(&source.display().to_string());
            let _ = writeln!(script, "volume {source} {} {mode}", quoted(target));
        };
        volume(self.binary, "/kubectl-apim", "program");
        let mut mounts: Vec<_> = self.container.volume_mounts.iter().flatten().collect();
        // A mount point below another must be created in that one.
        mounts.sort_by(|a, b| a.mount_path.cmp(&b.mount_path));
        for mount in mounts {
            let mut source = self.files.volume(&mount.name);
            if let Some(path) = &mount.sub_path {
                source.push(path);
            }
            let writable = mount.read_only != Some(true) && self.is_empty_dir(&mount.name);
            volume(
                &source,
                mount.mount_path.trim_end_matches('/'),
                if writable { "rw" } else { "data" },
            );
        }
        volume(
            &directory.join("termination-log"),
            self.container
                .termination_message_path
                .as_deref()
                .unwrap_or(TERMINATION_LOG),
            "rw",
        );

        let work = self
            .container
            .working_dir
            .as_deref()
            .filter(|path| !path.is_empty())
            .unwrap_or("/");
        let _ = writeln!(script, "ln -s kubectl-apim \"$root/apim-shg-rotate\"");
        let _ = writeln!(script, "mkdir -p \"$root\"{}", quoted(work));
        let context = self.container.security_context.as_ref();
        if context.and_then(|context| context.read_only_root_filesystem) == Some(true) {
            script.push_str("mount -o remount,ro \"$root\"\n");
        }
        // The first field of this file is the process as the host counts it, until here this shell.
        script.push_str("read -r id _ </proc/self/stat\necho \"started $id\"\n");
        // A shell would drop the variables whose names have dots.
        let _ = write!(
            script,
            "exec chroot \"$root\" /usr/bin/env -i -C {}",
            quoted(work)
        );
        for (name, value) in self.variables() {
            let _ = write!(script, " {}", quoted(&format!("{name}={value}")));
        }
        for word in image::command_line(self.container, self.environment) {
            let _ = write!(script, " {}", quoted(&word));
        }
        script.push('\n');
        script
    }

    fn variables(&self) -> Environment {
        let spec = self.pod.spec.as_ref();
        let host = spec.and_then(|spec| spec.hostname.clone());
        let runtime = [
            ("HOME", "/".to_owned()),
            ("HOSTNAME", host.unwrap_or_else(|| self.pod.name_any())),
            ("PATH", PATH.to_owned()),
        ];
        let mut variables = Environment::from(runtime.map(|(name, value)| (name.to_owned(), value)));
        variables.extend(self.environment.clone());
        variables
    }

    fn is_empty_dir(&self, name: &str) -> bool {
        let mut volumes = self
            .pod
            .spec
            .iter()
            .flat_map(|spec| spec.volumes.iter().flatten());
        volumes.any(|volume| volume.name == name && volume.empty_dir.is_some())
    }
}

impl Process {
    /// Lets the container run to its end, or to that of its pod: then it is asked to terminate, and
    /// killed when its time is over.
    pub(crate) async fn run(self, log: &ContainerLog, container: &Container, stop: &Stop) -> io::Result<End> {
        let Self {
            mut control,
            mut supervisor,
            mut output,
            id,
            directory,
        } = self;
        let running = async {
            while let Some(line) = next_line(&mut output).await? {
                log.write(line);
            }
            supervisor.wait().await
        };
        let stopping = async move {
            let grace = stop.wait().await;
            // An error means that the supervisor has ended.
            let _ = control.write_all(format!("TERM {id}\n").as_bytes()).await;
            tokio::time::sleep(grace).await;
            drop(control);
            std::future::pending::<Infallible>().await
        };
        let status = tokio::select! {
            status = running => status?,
            never = stopping => match never {},
        };
        let killed = || 128 + status.signal().unwrap_or_default();
        let exit_code = status.code().unwrap_or_else(killed);
        let mut message = left_message(&directory)?;
        let policy = container.termination_message_policy.as_deref();
        if message.is_empty() && exit_code != 0 && policy == Some("FallbackToLogsOnError") {
            message = end_of(log);
        }
        Ok(End { exit_code, message })
    }
}

/// What the container has written to its termination log.
fn left_message(directory: &Path) -> io::Result<String> {
    let mut message = fs::read(directory.join("termination-log"))?;
    message.truncate(LONGEST_MESSAGE);
    Ok(String::from_utf8_lossy(&message).into_owned())
}

fn end_of(log: &ContainerLog) -> String {
    let lines = log.lines(false).unwrap_or_default();
    let last = &lines[lines.len().saturating_sub(FALLBACK_LINES)..];
    let mut text = String::new();
    for line in last {
        let _ = writeln!(text, "{}", line.text);
    }
    let start = text.len().saturating_sub(FALLBACK_LENGTH);
    text[text.ceil_char_boundary(start)..].to_owned()
}

/// The next line of the output, in which whatever is not UTF-8 is replaced.
async fn next_line(output: &mut BufReader<ChildStdout>) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    if output.read_until(b'\n', &mut line).await? == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    Ok(Some(String::from_utf8_lossy(&line).into_owned()))
}

/// A word that the shell takes literally.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}
