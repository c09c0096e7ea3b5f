//! Hundreds of gateways as they look once they are rolled out, with their pods.
//!
//! A fleet is written into a control plane without controllers: what these,
//! the scheduler and the node would add is written beforehand, and stays so.
//! The time of a run is then the program's and the API server's, and the same
//! in every run.

use anyhow::{Context, Result};
use futures::stream::{self, StreamExt, TryStreamExt};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, PodTemplateSpec, Secret, ServiceAccount};
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::azure::{Azure, Gateway, Slot};
use crate::manifests::GatewayManifest;
use crate::node;

/// Gateways that are written at once.
const IN_FLIGHT: usize = 32;

/// How long the tokens of a fleet are valid.
const LIFETIME: SignedDuration = SignedDuration::from_hours(6 * 24);

/// The template's hash, which distinguishes the pods of different templates.
const TEMPLATE_HASH: &str = "7c9f5d8b64";

/// The annotation with which the plugin marks the template of a workload that it restarts.
const ROTATION_ID: &str = "apim-rotate/rotation-id";

/// The subscriptions that the services of a fleet are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subscriptions {
    /// All in one, whose token buckets they share.
    One,
    /// Each in one of its own.
    PerService,
}

/// Gateways with one namespace for each API Management service.
pub struct Fleet {
    client: Client,
    per_service: usize,
    replicas: u32,
    gateways: usize,
}

impl Fleet {
    /// A fleet without gateways yet, with the number of gateways per service and
    /// of pods per gateway.
    pub fn new(client: Client, per_service: usize, replicas: u32) -> Self {
        Self {
            client,
            per_service,
            replicas,
            gateways: 0,
        }
    }

    /// How many gateways there are.
    pub fn gateways(&self) -> usize {
        self.gateways
    }

    /// How many pods they have.
    pub fn pods(&self) -> usize {
        self.gateways * usize::try_from(self.replicas).unwrap_or(usize::MAX)
    }

    /// How many services they are in, and so how many namespaces.
    pub fn services(&self) -> usize {
        self.gateways.div_ceil(self.per_service)
    }

    /// The namespaces that they are in.
    pub fn namespaces(&self) -> impl Iterator<Item = String> {
        (0..self.services()).map(namespace)
    }

    /// The gateways as Azure knows them.
    pub fn in_azure(&self, subscriptions: Subscriptions) -> impl Iterator<Item = Gateway> {
        (0..self.gateways).map(move |index| self.gateway(index, subscriptions))
    }

    /// Adds gateways until there are this many, in the cluster and in Azure.
    pub async fn grow(&mut self, gateways: usize, azure: &Azure, subscriptions: Subscriptions) -> Result<()> {
        let (present, services) = (self.gateways, self.services());
        self.gateways = gateways.max(present);
        for service in services..self.services() {
            self.create_namespace(&namespace(service)).await?;
        }
        self.for_each(present, async |index| {
            self.create(index, azure, subscriptions).await
        })
        .await
    }

    /// Writes Secret and Deployment of every gateway again, as if none had ever
    /// been rotated, and adds the gateways to an emulator that may be another.
    pub async fn redeploy(&self, azure: &Azure, subscriptions: Subscriptions) -> Result<()> {
        self.for_each(0, async |index| self.replace(index, azure, subscriptions).await)
            .await
    }

    /// How many gateways have been restarted by a rotation, which is its last step.
    pub async fn rotated(&self) -> Result<usize> {
        let deployments: Api<Deployment> = Api::all(self.client.clone());
        let deployments = deployments.list(&ListParams::default()).await?;
        let is_marked = |deployment: &&Deployment| {
            template(deployment)
                .and_then(|template| template.metadata.as_ref()?.annotations.as_ref())
                .is_some_and(|annotations| annotations.contains_key(ROTATION_ID))
        };
        Ok(deployments.iter().filter(is_marked).count())
    }

    /// Does something for every gateway from `first` on, for some at once.
    async fn for_each(&self, first: usize, write: impl AsyncFn(usize) -> Result<()>) -> Result<()> {
        let writes = stream::iter(first..self.gateways).map(|index| {
            let written = write(index);
            async move {
                written
                    .await
                    .with_context(|| format!("writing gateway {index} of the fleet"))
            }
        });
        writes.buffer_unordered(IN_FLIGHT).try_collect().await
    }

    fn gateway(&self, index: usize, subscriptions: Subscriptions) -> Gateway {
        let service = index / self.per_service;
        let subscription = match subscriptions {
            Subscriptions::One => 0,
            Subscriptions::PerService => service + 1,
        };
        Gateway::new(
            &format!("5ba0c0de-0000-4000-9000-{subscription:012}"),
            "rg-apim",
            &format!("contoso-{service:02}"),
            &format!("gw-{:02}", index % self.per_service),
        )
    }

    /// The objects of a gateway, with a new token.
    fn manifest(&self, index: usize, azure: &Azure, subscriptions: Subscriptions) -> GatewayManifest {
        let gateway = self.gateway(index, subscriptions);
        azure.add_gateway(&gateway);
        let token = azure.mint(&gateway, Slot::Primary, azure.now() + LIFETIME);
        let endpoint = format!("https://{}.configuration.azure-api.net", gateway.service);
        GatewayManifest::portal(&gateway.name, &endpoint, &format!("GatewayKey {token}"))
            .replicas(self.replicas)
    }

    /// No controller creates the account that every pod must have.
    async fn create_namespace(&self, name: &str) -> Result<()> {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let namespace = serde_json::from_value(json!({ "metadata": { "name": name } }))?;
        namespaces.create(&kubectl(), &namespace).await?;
        let account = json!({ "metadata": { "name": "default" } });
        let _: ServiceAccount = self.created(name, account).await?;
        Ok(())
    }

    async fn create(&self, index: usize, azure: &Azure, subscriptions: Subscriptions) -> Result<()> {
        let manifest = self.manifest(index, azure, subscriptions);
        let namespace = namespace(index / self.per_service);
        let _: Secret = self.created(&namespace, manifest.secret()).await?;
        let config_map = manifest.config_map().context("the portal writes a ConfigMap")?;
        let _: ConfigMap = self.created(&namespace, config_map).await?;
        let deployment: Deployment = self.created(&namespace, manifest.deployment()).await?;
        self.settle(&deployment).await?;
        for ordinal in 0..self.replicas {
            self.create_pod(&deployment, ordinal).await?;
        }
        Ok(())
    }

    async fn replace(&self, index: usize, azure: &Azure, subscriptions: Subscriptions) -> Result<()> {
        let manifest = self.manifest(index, azure, subscriptions);
        let namespace = namespace(index / self.per_service);
        let secret = serde_json::from_value(manifest.secret())?;
        self.api::<Secret>(&namespace)
            .replace(&manifest.secret_name(), &kubectl(), &secret)
            .await?;
        let deployment = serde_json::from_value(manifest.deployment())?;
        let deployment = self
            .api::<Deployment>(&namespace)
            .replace(&manifest.workload_name(), &kubectl(), &deployment)
            .await?;
        self.settle(&deployment).await
    }

    /// Reports a Deployment as rolled out.
    async fn settle(&self, deployment: &Deployment) -> Result<()> {
        let now = Timestamp::now();
        let conditions = [
            ("Available", "MinimumReplicasAvailable"),
            ("Progressing", "NewReplicaSetAvailable"),
        ]
        .map(|(kind, reason)| {
            json!({
                "type": kind, "status": "True", "reason": reason,
                "lastUpdateTime": now, "lastTransitionTime": now,
            })
        });
        let status = json!({ "status": {
            "observedGeneration": deployment.metadata.generation,
            "replicas": self.replicas,
            "updatedReplicas": self.replicas,
            "readyReplicas": self.replicas,
            "availableReplicas": self.replicas,
            "conditions": conditions,
        }});
        self.api::<Deployment>(&deployment.namespace().unwrap_or_default())
            .patch_status(
                &deployment.name_any(),
                &PatchParams::default(),
                &Patch::Merge(status),
            )
            .await?;
        Ok(())
    }

    /// Creates a pod that runs and is ready on some node. The Deployment owns
    /// it itself: the `ReplicaSet` between them would say nothing more.
    async fn create_pod(&self, deployment: &Deployment, ordinal: u32) -> Result<()> {
        let owner = deployment
            .controller_owner_ref(&())
            .context("a Deployment without a uid")?;
        let template = template(deployment).context("a Deployment without a template")?;
        let mut pod = Pod {
            metadata: template.metadata.clone().unwrap_or_default(),
            spec: template.spec.clone(),
            status: None,
        };
        pod.metadata.generate_name = Some(format!("{}-{TEMPLATE_HASH}-", deployment.name_any()));
        pod.metadata.owner_references = Some(vec![owner]);
        pod.labels_mut()
            .insert("pod-template-hash".to_owned(), TEMPLATE_HASH.to_owned());
        let spec = pod.spec.get_or_insert_default();
        spec.node_name = Some(format!("node-{ordinal}"));

        let pods = self.api::<Pod>(&deployment.namespace().unwrap_or_default());
        let pod = pods.create(&kubectl(), &pod).await?;
        let spec = pod.spec.as_ref().context("a pod without a spec")?;
        let status = node::running(&pod, spec, format!("10.128.0.{ordinal}"));
        pods.patch_status(
            &pod.name_any(),
            &PatchParams::default(),
            &Patch::Strategic(status),
        )
        .await?;
        Ok(())
    }

    async fn created<K>(&self, namespace: &str, object: Value) -> Result<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
        K: Clone + std::fmt::Debug + DeserializeOwned + Serialize,
    {
        let object: K = serde_json::from_value(object)?;
        Ok(self.api(namespace).create(&kubectl(), &object).await?)
    }

    fn api<K>(&self, namespace: &str) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), namespace)
    }
}

fn namespace(service: usize) -> String {
    format!("fleet-{service:02}")
}

fn template(deployment: &Deployment) -> Option<&PodTemplateSpec> {
    deployment.spec.as_ref().map(|spec| &spec.template)
}

/// Writes as people do.
fn kubectl() -> PostParams {
    PostParams {
        field_manager: Some("kubectl".to_owned()),
        ..PostParams::default()
    }
}
