//! The fleet: what it consists of, and that it stays as it was written.

use apim_sandbox::azure::Azure;
use apim_sandbox::control_plane::{ControlPlane, Options};
use apim_sandbox::fleet::{Fleet, Subscriptions};
use apim_sandbox::wait;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, Client, Resource, ResourceExt};
use serde_json::json;

use crate::fixture::{is_ready, is_running};

/// Four gateways in two services with two pods each, and what they live in.
struct Small {
    control_plane: ControlPlane,
    client: Client,
    azure: Azure,
    fleet: Fleet,
}

impl Small {
    async fn start() -> Self {
        let options = Options {
            controllers: false,
            ..Options::default()
        };
        let control_plane = ControlPlane::start(options).await.unwrap();
        let client = control_plane.client().unwrap();
        let azure = Azure::start().await.unwrap();
        let mut fleet = Fleet::new(client.clone(), 2, 2);
        // In two steps, as the first gateways must stay when others are added.
        for gateways in [1, 4] {
            fleet.grow(gateways, &azure, Subscriptions::One).await.unwrap();
        }
        Self {
            control_plane,
            client,
            azure,
            fleet,
        }
    }

    async fn all<K>(&self) -> Vec<K>
    where
        K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + serde::de::DeserializeOwned,
    {
        let api: Api<K> = Api::all(self.client.clone());
        api.list(&ListParams::default()).await.unwrap().items
    }

    /// The token of every Secret, in the order of their names.
    async fn tokens(&self) -> Vec<String> {
        let token = |secret: Secret| {
            let value = secret.data.unwrap().remove("value").unwrap().0;
            let value = String::from_utf8(value).unwrap();
            value.strip_prefix("GatewayKey ").unwrap().to_owned()
        };
        self.all::<Secret>().await.into_iter().map(token).collect()
    }
}

#[tokio::test]
async fn a_fleet_looks_rolled_out_without_any_controller() {
    let small = Small::start().await;
    assert!(!small.control_plane.runs_controllers());
    assert_eq!(
        (small.fleet.gateways(), small.fleet.services(), small.fleet.pods()),
        (4, 2, 8)
    );

    let deployments = small.all::<Deployment>().await;
    assert_eq!(deployments.len(), 4);
    assert!(deployments.iter().all(wait::is_rolled_out));
    let pods = small.all::<Pod>().await;
    assert_eq!(pods.len(), 8);
    for pod in &pods {
        assert!(is_running(pod) && is_ready(pod), "{pod:?}");
        assert!(pod.spec.as_ref().unwrap().node_name.is_some(), "{pod:?}");
        let owner = deployments
            .iter()
            .find(|deployment| deployment.namespace() == pod.namespace() && owns(deployment, pod))
            .unwrap();
        let selector = owner.spec.as_ref().unwrap().selector.match_labels.as_ref();
        for (name, value) in selector.unwrap() {
            assert_eq!(pod.labels().get(name), Some(value));
        }
    }

    let tokens = small.tokens().await;
    assert_eq!(tokens.len(), 4);
    assert!(tokens.iter().all(|token| small.azure.accepts(token)));
    small.control_plane.shutdown().await;
}

fn owns(deployment: &Deployment, pod: &Pod) -> bool {
    pod.owner_references()
        .iter()
        .any(|owner| owner.controller == Some(true) && Some(&owner.uid) == deployment.metadata.uid.as_ref())
}

#[tokio::test]
async fn a_redeployed_fleet_is_as_before_the_rotation() {
    let small = Small::start().await;
    assert_eq!(small.fleet.rotated().await.unwrap(), 0);
    let former = small.tokens().await;
    let marks = json!({ "apim-rotate/rotation-id": "6f1c" });
    let first = small.fleet.namespaces().next().unwrap();
    let deployments: Api<Deployment> = Api::namespaced(small.client.clone(), &first);
    let restart = json!({ "spec": { "template": { "metadata": { "annotations": marks } } } });
    deployments
        .patch("gw-00", &PatchParams::default(), &Patch::Merge(restart))
        .await
        .unwrap();
    let secrets: Api<Secret> = Api::namespaced(small.client.clone(), &first);
    let mark = json!({ "metadata": { "annotations": marks } });
    secrets
        .patch("gw-00-token", &PatchParams::default(), &Patch::Merge(mark))
        .await
        .unwrap();
    assert_eq!(small.fleet.rotated().await.unwrap(), 1);

    // In another Azure, where each service has a subscription of its own.
    let azure = Azure::start().await.unwrap();
    small
        .fleet
        .redeploy(&azure, Subscriptions::PerService)
        .await
        .unwrap();

    assert_eq!(small.fleet.rotated().await.unwrap(), 0);
    let deployments = small.all::<Deployment>().await;
    assert!(deployments.iter().all(wait::is_rolled_out));
    assert!(
        small
            .all::<Secret>()
            .await
            .iter()
            .all(|secret| secret.annotations().is_empty())
    );
    assert!(!former.iter().any(|token| azure.accepts(token)));
    assert!(small.tokens().await.iter().all(|token| azure.accepts(token)));
    assert_eq!(small.all::<Pod>().await.len(), 8);
    let mut subscriptions: Vec<_> = small
        .fleet
        .in_azure(Subscriptions::PerService)
        .map(|gateway| gateway.subscription)
        .collect();
    subscriptions.dedup();
    assert_eq!(subscriptions.len(), 2);
    small.control_plane.shutdown().await;
}
