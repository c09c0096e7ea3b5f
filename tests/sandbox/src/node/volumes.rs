//! What the volumes of a pod hold, written as files that containers then mount.

mod owner;
mod sources;

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::{Container, Pod};
use kube::ResourceExt;

use self::owner::Owner;
use self::sources::Sources;
use super::Context;
use super::environment::ConfigError;

/// The directory of one pod, removed when dropped.
pub(crate) struct PodDirectory(PathBuf);

impl PodDirectory {
    /// Creates it in the node's directory, which only the owner may enter.
    pub(crate) fn create(node: &Path, uid: &str) -> io::Result<Self> {
        let path = node.join(uid);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&path)?;
        Ok(Self(path))
    }

    pub(crate) fn volume(&self, name: &str) -> PathBuf {
        self.0.join("volumes").join(name)
    }

    /// The directory of one instance of a container.
    pub(crate) fn container(&self, name: &str, restarts: u32) -> io::Result<PathBuf> {
        let path = self.0.join(format!("{name}.{restarts}"));
        fs::create_dir_all(&path)?;
        Ok(path)
    }
}

impl Drop for PodDirectory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// One file of a volume.
struct File {
    path: String,
    content: Vec<u8>,
    mode: i32,
    owner: Owner,
}

/// The files that the container of a gateway sees, which is no process and has no mounts.
pub(crate) struct Files<'a> {
    pub(crate) context: &'a Context,
    pub(crate) pod: &'a Pod,
    pub(crate) container: &'a Container,
    pub(crate) address: &'a str,
}

impl Files<'_> {
    /// The content of the file at `path`, or why the gateway cannot read it, in the words of .NET.
    pub(crate) async fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        let missing = || format!("Could not find file '{path}'.");
        let mounts = self.container.volume_mounts.iter().flatten();
        // A mount below another covers it.
        let (mount, rest) = mounts
            .filter_map(|mount| {
                let rest = path.strip_prefix(mount.mount_path.trim_end_matches('/'))?;
                (rest.is_empty() || rest.starts_with('/')).then_some((mount, rest))
            })
            .min_by_key(|(_, rest)| rest.len())
            .ok_or_else(missing)?;
        let place = format!("{}{rest}", mount.sub_path.as_deref().unwrap_or_default());
        let place = place.trim_start_matches('/');
        let mut volumes = self
            .pod
            .spec
            .iter()
            .flat_map(|spec| spec.volumes.iter().flatten());
        let volume = volumes
            .find(|volume| volume.name == mount.name)
            .ok_or_else(missing)?;
        let sources = Sources {
            context: self.context,
            pod: self.pod,
            address: self.address,
        };
        let files = sources.files(volume).await.map_err(|ConfigError(cause)| cause)?;
        let file = files
            .into_iter()
            .find(|file| file.path == place)
            .ok_or_else(missing)?;
        if !owner::may_read(self.pod, self.container, &file) {
            return Err(format!("Access to the path '{path}' is denied."));
        }
        Ok(file.content)
    }
}

/// Writes every volume of the pod. Tokens are not renewed: no pod of the sandbox outlives them.
pub(crate) async fn prepare(
    context: &Context,
    pod: &Pod,
    address: &str,
) -> Result<PodDirectory, ConfigError> {
    let directory = PodDirectory::create(&context.directory, &pod.uid().unwrap_or_default())
        .map_err(|error| ConfigError(format!("cannot create the pod's directory: {error}")))?;
    let sources = Sources {
        context,
        pod,
        address,
    };
    for volume in pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten()) {
        let failed = |cause: String| {
            ConfigError(format!(
                "MountVolume.SetUp failed for volume \"{}\" : {cause}",
                volume.name
            ))
        };
        let files = sources
            .files(volume)
            .await
            .map_err(|ConfigError(cause)| failed(cause))?;
        let path = directory.volume(&volume.name);
        write_files(&path, &files).map_err(|error| failed(error.to_string()))?;
    }
    Ok(directory)
}

fn write_files(directory: &Path, files: &[File]) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    for file in files {
        let path = directory.join(&file.path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)?
            .write_all(&file.content)?;
        let mode = u32::try_from(file.mode).unwrap_or(0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
    }
    Ok(())
}
