//! What the volumes of a pod hold, written as files that containers then mount.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{
    ConfigMap, DownwardAPIVolumeFile, KeyToPath, Pod, Secret, ServiceAccount, ServiceAccountTokenProjection,
    Volume, VolumeProjection,
};
use kube::api::PostParams;
use kube::{Api, ResourceExt};

use super::Context;
use super::environment::{ConfigError, Kind, field_of, not_found};

/// The kubelet's default mode of files.
const MODE: i32 = 0o644;

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

struct Sources<'a> {
    context: &'a Context,
    pod: &'a Pod,
    address: &'a str,
}

impl Sources<'_> {
    async fn files(&self, volume: &Volume) -> Result<Vec<File>, ConfigError> {
        if let Some(source) = &volume.secret {
            let name = source.secret_name.as_deref().unwrap_or_default();
            let selection = Selection::new(source.items.as_deref(), source.optional, source.default_mode);
            return self.object(Kind::Secret, name, &selection).await;
        }
        if let Some(source) = &volume.config_map {
            let selection = Selection::new(source.items.as_deref(), source.optional, source.default_mode);
            return self.object(Kind::ConfigMap, &source.name, &selection).await;
        }
        if let Some(source) = &volume.downward_api {
            return self.downward(source.items.as_deref(), source.default_mode);
        }
        if let Some(source) = &volume.projected {
            let mut files = Vec::new();
            for projection in source.sources.iter().flatten() {
                files.extend(self.projection(projection, source.default_mode).await?);
            }
            return Ok(files);
        }
        if volume.empty_dir.is_some() {
            return Ok(Vec::new());
        }
        Err(ConfigError("the sandbox has no volumes of this type".to_owned()))
    }

    async fn projection(
        &self,
        projection: &VolumeProjection,
        mode: Option<i32>,
    ) -> Result<Vec<File>, ConfigError> {
        if let Some(source) = &projection.service_account_token {
            let content = self.token(source).await?;
            return Ok(vec![File {
                path: source.path.clone(),
                content: content.into_bytes(),
                mode: mode.unwrap_or(MODE),
            }]);
        }
        if let Some(source) = &projection.secret {
            let selection = Selection::new(source.items.as_deref(), source.optional, mode);
            return self.object(Kind::Secret, &source.name, &selection).await;
        }
        if let Some(source) = &projection.config_map {
            let selection = Selection::new(source.items.as_deref(), source.optional, mode);
            return self.object(Kind::ConfigMap, &source.name, &selection).await;
        }
        if let Some(source) = &projection.downward_api {
            return self.downward(source.items.as_deref(), mode);
        }
        Err(ConfigError(
            "the sandbox has no projections of this type".to_owned(),
        ))
    }

    /// A token of the pod's service account, bound to the pod as the kubelet binds it.
    async fn token(&self, source: &ServiceAccountTokenProjection) -> Result<String, ConfigError> {
        let account = self
            .pod
            .spec
            .as_ref()
            .and_then(|spec| spec.service_account_name.as_deref())
            .unwrap_or("default");
        let request = TokenRequest {
            spec: TokenRequestSpec {
                audiences: source.audience.iter().cloned().collect(),
                expiration_seconds: source.expiration_seconds,
                bound_object_ref: Some(BoundObjectReference {
                    api_version: Some("v1".to_owned()),
                    kind: Some("Pod".to_owned()),
                    name: self.pod.metadata.name.clone(),
                    uid: self.pod.uid(),
                }),
            },
            ..TokenRequest::default()
        };
        let accounts: Api<ServiceAccount> = Api::namespaced(self.context.client.clone(), &self.namespace());
        let _permit = self.context.requests.acquire().await;
        let answer = accounts
            .create_token_request(account, &PostParams::default(), &request)
            .await
            .map_err(|error| ConfigError(format!("failed to fetch token: {error}")))?;
        Ok(answer.status.map(|status| status.token).unwrap_or_default())
    }

    async fn object(
        &self,
        kind: Kind,
        name: &str,
        selection: &Selection<'_>,
    ) -> Result<Vec<File>, ConfigError> {
        let data = self
            .data(kind, name)
            .await
            .map_err(|error| ConfigError(error.to_string()))?;
        match data {
            Some(data) => selection.of(&data, name),
            None if selection.optional => Ok(Vec::new()),
            None => Err(not_found(kind, name)),
        }
    }

    async fn data(&self, kind: Kind, name: &str) -> kube::Result<Option<BTreeMap<String, Vec<u8>>>> {
        let (client, namespace) = (self.context.client.clone(), self.namespace());
        let _permit = self.context.requests.acquire().await;
        Ok(match kind {
            Kind::Secret => {
                let secret = Api::<Secret>::namespaced(client, &namespace)
                    .get_opt(name)
                    .await?;
                secret.map(|secret| {
                    let data = secret.data.unwrap_or_default().into_iter();
                    data.map(|(key, value)| (key, value.0)).collect()
                })
            }
            Kind::ConfigMap => {
                let map = Api::<ConfigMap>::namespaced(client, &namespace)
                    .get_opt(name)
                    .await?;
                map.map(|map| {
                    let text = map.data.unwrap_or_default().into_iter();
                    let binary = map.binary_data.unwrap_or_default().into_iter();
                    text.map(|(key, value)| (key, value.into_bytes()))
                        .chain(binary.map(|(key, value)| (key, value.0)))
                        .collect()
                })
            }
        })
    }

    fn downward(
        &self,
        items: Option<&[DownwardAPIVolumeFile]>,
        mode: Option<i32>,
    ) -> Result<Vec<File>, ConfigError> {
        let files = items.unwrap_or_default().iter().map(|item| {
            let path = item
                .field_ref
                .as_ref()
                .map_or("", |field| field.field_path.as_str());
            let value = field_of(self.pod, path, self.address);
            let value = value.ok_or_else(|| ConfigError(format!("unsupported fieldPath: {path}")))?;
            Ok(File {
                path: item.path.clone(),
                content: value.into_bytes(),
                mode: item.mode.or(mode).unwrap_or(MODE),
            })
        });
        files.collect()
    }

    fn namespace(&self) -> String {
        self.pod.namespace().unwrap_or_default()
    }
}

/// Which keys of an object become files, and of what name.
struct Selection<'a> {
    items: Option<&'a [KeyToPath]>,
    optional: bool,
    mode: i32,
}

impl<'a> Selection<'a> {
    fn new(items: Option<&'a [KeyToPath]>, optional: Option<bool>, mode: Option<i32>) -> Self {
        Self {
            items: items.filter(|items| !items.is_empty()),
            optional: optional == Some(true),
            mode: mode.unwrap_or(MODE),
        }
    }

    fn of(&self, data: &BTreeMap<String, Vec<u8>>, name: &str) -> Result<Vec<File>, ConfigError> {
        let Some(items) = self.items else {
            let files = data.iter().map(|(key, content)| File {
                path: key.clone(),
                content: content.clone(),
                mode: self.mode,
            });
            return Ok(files.collect());
        };
        let mut files = Vec::new();
        for item in items {
            match data.get(&item.key) {
                Some(content) => files.push(File {
                    path: item.path.clone(),
                    content: content.clone(),
                    mode: item.mode.unwrap_or(self.mode),
                }),
                None if self.optional => {}
                None => {
                    return Err(ConfigError(format!(
                        "references non-existent key: {} of {name}",
                        item.key
                    )));
                }
            }
        }
        Ok(files)
    }
}
