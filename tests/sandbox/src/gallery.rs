//! A gateway for every verdict of `status`, side by side in one namespace.

use std::time::Duration;

use anyhow::{Context, Result};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::CronJob;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::azure::{Azure, Gateway, Slot};
use crate::manifests::{EntraManifest, GatewayManifest, apply};
use crate::wait;

/// The gateways by name, each with its verdict and the team in its label `team`.
pub const GATEWAYS: [(&str, &str, &str); 14] = [
    ("basket", "Blocked", "shop"),
    ("billing", "RestartOwed", "finance"),
    ("catalog", "Unknown", "finance"),
    ("checkout", "Expired", "shop"),
    ("invoices", "Unknown", "finance"),
    ("loyalty", "CannotSignIn", "finance"),
    ("orders", "Healthy", "shop"),
    ("payments", "WillBeReverted", "finance"),
    ("pricing", "Expiring", "finance"),
    ("returns", "StalePods", "shop"),
    ("reviews", "ChangedByOther", "shop"),
    ("search", "Healthy", "shop"),
    ("shipping", "Due", "shop"),
    ("wishlist", "Unprotected", "finance"),
];

/// For how many days the tokens are valid that need nothing but that.
const TOKENS: [(&str, i64); 6] = [
    ("catalog", 20),
    ("checkout", -3),
    ("orders", 30),
    ("payments", 25),
    ("pricing", 5),
    ("shipping", 12),
];

/// The tenant and the client id in the settings of gateways that sign in by Entra.
const TENANT: &str = "11111111-2222-3333-4444-555555555555";
const CLIENT_ID: &str = "22222222-3333-4444-5555-666666666666";

/// For how long pods must be refused before `status` says so.
const MOMENT: SignedDuration = SignedDuration::from_secs(10);

const LIMIT: Duration = Duration::from_mins(1);

/// Where the gateways are.
pub struct Gallery<'a> {
    pub azure: &'a Azure,
    pub client: &'a Client,
    pub namespace: &'a str,
    /// Any gateway of the instance to which all belong.
    pub instance: &'a Gateway,
}

impl Gallery<'_> {
    /// Deploys them, with a `CronJob` that rotates their tokens. `apim` runs the plugin in the
    /// namespace. Returns the secrets that it has made.
    pub async fn deploy(&self, apim: impl AsyncFn(&[&str]) -> Result<()>) -> Result<Vec<String>> {
        let mut secrets = Vec::new();
        self.cron_job().await?;
        for (name, days) in TOKENS {
            self.by_token(name, &self.token(name, days, &mut secrets), 0)
                .await?;
        }
        self.change::<Secret>("catalog-token", json!({"stringData": {"value": "see the wiki"}}))
            .await?;
        let helm = json!({"metadata": {"labels": {"app.kubernetes.io/managed-by": "Helm"},
            "annotations": {"meta.helm.sh/release-name": "payments"}}});
        self.change::<Secret>("payments-token", helm).await?;
        self.by_entra().await?;
        self.in_clear(&self.token("wishlist", 25, &mut secrets)).await?;
        let refused_at = self.blocked(&self.token("basket", 25, &mut secrets)).await?;

        for name in ["billing", "returns"] {
            self.by_token(name, &self.token(name, 2, &mut secrets), 1).await?;
            self.rolled_out(name).await?;
            let target = format!("deployment/{name}");
            apim(&["rotate", &target]).await?;
            apim(&["rotate", &target, "--no-restart"]).await?;
        }
        // As if the run that wrote it had been killed before the restart.
        let owed = json!({"metadata": {"annotations": {"apim-rotate/restart-by-other": null}}});
        self.change::<Secret>("billing-token", owed).await?;

        self.by_token("reviews", &self.token("reviews", 2, &mut secrets), 0)
            .await?;
        apim(&["rotate", "deployment/reviews"]).await?;
        let by_hand = self.token("reviews", 20, &mut secrets);
        self.change::<Secret>("reviews-token", json!({"stringData": {"value": by_hand}}))
            .await?;

        for (name, _, team) in GATEWAYS {
            self.change::<Deployment>(name, json!({"metadata": {"labels": {"team": team}}}))
                .await?;
        }
        wait::until("a refusal that lasts", LIMIT, async || {
            Ok((self.azure.now().duration_since(refused_at) > MOMENT).then_some(()))
        })
        .await?;
        Ok(secrets)
    }

    /// A token of a gateway by this name, as a Secret holds it.
    fn token(&self, name: &str, days: i64, secrets: &mut Vec<String>) -> String {
        let gateway = Gateway {
            name: name.to_owned(),
            ..self.instance.clone()
        };
        self.azure.add_gateway(&gateway);
        let until = self.azure.now() + SignedDuration::from_hours(24 * days);
        let token = self.azure.mint(&gateway, Slot::Primary, until);
        secrets.push(token.clone());
        format!("GatewayKey {token}")
    }

    fn endpoint(&self) -> String {
        format!("https://{}.configuration.azure-api.net", self.instance.service)
    }

    async fn by_token(&self, name: &str, token: &str, replicas: u32) -> Result<()> {
        let manifest = GatewayManifest::portal(name, &self.endpoint(), token).replicas(replicas);
        manifest.apply(self.client, self.namespace).await
    }

    /// Gateways without a token: one is well, of one the expiry is not known, and one lacks its name.
    async fn by_entra(&self) -> Result<()> {
        let endpoint = self.endpoint();
        let secret = EntraManifest::app_secret("invoices", &endpoint, TENANT, CLIENT_ID, "an-app-s-secret");
        let identity = |name| EntraManifest::workload_identity(name, &endpoint, CLIENT_ID);
        for manifest in [
            secret.gateway("invoices"),
            identity("search").gateway("search"),
            identity("loyalty"),
        ] {
            for mut object in manifest.objects() {
                if object["kind"] == "Deployment" {
                    object["spec"]["replicas"] = json!(0);
                }
                apply(self.client, self.namespace, object).await?;
            }
        }
        Ok(())
    }

    /// A gateway whose token is not in a Secret.
    async fn in_clear(&self, token: &str) -> Result<()> {
        let manifest =
            GatewayManifest::custom("wishlist", &self.endpoint(), token, "none", "none").replicas(0);
        let mut deployment = manifest.deployment();
        deployment["spec"]["template"]["spec"]["containers"][0]["env"][1] =
            json!({"name": "config.service.auth", "value": token});
        apply(self.client, self.namespace, deployment).await
    }

    /// A gateway whose pods the API server refuses, since their service account does not exist.
    /// Returns when it did so.
    async fn blocked(&self, token: &str) -> Result<Timestamp> {
        let manifest = GatewayManifest::portal("basket", &self.endpoint(), token);
        for mut object in manifest.objects() {
            if object["kind"] == "Deployment" {
                object["spec"]["template"]["spec"]["serviceAccountName"] = json!("gone");
            }
            apply(self.client, self.namespace, object).await?;
        }
        let deployments: Api<Deployment> = self.api();
        wait::until("a refusal of pods", LIMIT, async || {
            let status = deployments.get("basket").await?.status.unwrap_or_default();
            let mut conditions = status.conditions.unwrap_or_default().into_iter();
            let refusal = conditions.find(|condition| condition.type_ == "ReplicaFailure");
            Ok(refusal
                .and_then(|refusal| refusal.last_transition_time)
                .map(|time| time.0))
        })
        .await
    }

    /// A `CronJob` that has succeeded and does not run for the next hours.
    async fn cron_job(&self) -> Result<()> {
        let now = self.azure.now();
        let hour = (now.as_second() / 3600 + 12) % 24;
        let object = json!({
            "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "apim-rotate"},
            "spec": {
                "schedule": format!("17 {hour} * * *"),
                "jobTemplate": {"spec": {"template": {"spec": {
                    "restartPolicy": "Never",
                    "containers": [{
                        "name": "rotate", "image": "ghcr.io/kubectl-apim/kubectl-apim:1.0.0",
                        "command": ["/kubectl-apim"], "args": ["rotate", "--all", "--yes"],
                    }],
                }}}},
            },
        });
        apply(self.client, self.namespace, object).await?;
        let succeeded = Patch::Merge(json!({"status": {"lastSuccessfulTime": now}}));
        self.api::<CronJob>()
            .patch_status("apim-rotate", &PatchParams::default(), &succeeded)
            .await?;
        Ok(())
    }

    async fn rolled_out(&self, name: &str) -> Result<()> {
        let deployments: Api<Deployment> = self.api();
        wait::until(&format!("the rollout of {name}"), LIMIT, async || {
            let deployment = deployments.get(name).await?;
            Ok(wait::is_rolled_out(&deployment).then_some(()))
        })
        .await
    }

    fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), self.namespace)
    }

    /// Changes an object as somebody else.
    async fn change<K>(&self, name: &str, change: Value) -> Result<()>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
            + Clone
            + std::fmt::Debug
            + serde::de::DeserializeOwned,
    {
        let params = PatchParams {
            field_manager: Some("somebody-else".to_owned()),
            ..PatchParams::default()
        };
        let changed = self.api::<K>().patch(name, &params, &Patch::Merge(change)).await;
        changed.with_context(|| format!("changing {name}"))?;
        Ok(())
    }
}
