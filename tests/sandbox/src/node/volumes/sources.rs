//! The files of a volume, from what it refers to.

use std::collections::BTreeMap;

use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{
    ConfigMap, DownwardAPIVolumeFile, KeyToPath, Pod, Secret, ServiceAccount, ServiceAccountTokenProjection,
    Volume, VolumeProjection,
};
use kube::api::PostParams;
use kube::{Api, ResourceExt};

use super::File;
use super::owner::{self, Owner};
use crate::node::Context;
use crate::node::environment::{ConfigError, Kind, field_of, not_found};

/// The kubelet's default mode of files.
const MODE: i32 = 0o644;

pub(super) struct Sources<'a> {
    pub(super) context: &'a Context,
    pub(super) pod: &'a Pod,
    pub(super) address: &'a str,
}

impl Sources<'_> {
    /// The files of a volume with the owners that the kubelet gives them.
    pub(super) async fn files(&self, volume: &Volume) -> Result<Vec<File>, ConfigError> {
        let mut files = self.unowned(volume).await?;
        owner::give_to_group(self.pod, &mut files);
        Ok(files)
    }

    async fn unowned(&self, volume: &Volume) -> Result<Vec<File>, ConfigError> {
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
            let (mode, owner) = owner::of_token(self.pod, mode.unwrap_or(MODE));
            let content = self.token(source).await?.into_bytes();
            return Ok(vec![File {
                path: source.path.clone(),
                content,
                mode,
                owner,
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
                owner: Owner::ROOT,
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
                owner: Owner::ROOT,
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
                    owner: Owner::ROOT,
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
