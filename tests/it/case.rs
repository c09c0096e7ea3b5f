//! What a test starts from: a namespace and a gateway of its own in the shared
//! sandbox, and the binary with an environment that holds nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use apim_sandbox::azure::{Action, Azure, Fault, Gateway, Grant, Operation, Principal, Slot};
use apim_sandbox::manifests::GatewayManifest;
use apim_sandbox::{Sandbox, shared, wait};
use jiff::SignedDuration;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::Value;
use tokio::process::Command;

use crate::run::{Ended, Run};

/// How long a test waits for what takes a second.
pub(crate) const LIMIT: Duration = Duration::from_mins(1);

/// One test's own part of the sandbox.
pub(crate) struct Case {
    pub(crate) sandbox: &'static Sandbox,
    pub(crate) client: Client,
    pub(crate) namespace: String,
    pub(crate) gateway: Gateway,
    pub(crate) principal: Principal,
    scratch: tempfile::TempDir,
    /// Every secret that this test has met, so that one which was replaced
    /// meanwhile is still looked for.
    secrets: Mutex<BTreeSet<String>>,
}

impl Case {
    /// A namespace, a gateway in Azure and a service principal that may mint
    /// its tokens and find its instance.
    pub(crate) async fn new(name: &str) -> Self {
        let sandbox = tokio::task::spawn_blocking(shared).await.unwrap().unwrap();
        Self::in_subscription(sandbox, name, |namespace| format!("sub-{namespace}")).await
    }

    /// The same in a sandbox that may be the test's own, and in a subscription by the name of the
    /// namespace.
    pub(crate) async fn in_subscription(
        sandbox: &'static Sandbox,
        name: &str,
        subscription: impl FnOnce(&str) -> String,
    ) -> Self {
        let namespace = sandbox.create_namespace(name).await.unwrap();
        // The namespace's name is unique, and so is all that is named by it.
        let gateway = Gateway::new(
            &subscription(&namespace),
            "rg-apim",
            &format!("svc-{namespace}"),
            "gw",
        );
        let azure = sandbox.azure();
        azure.add_gateway(&gateway);
        let principal = Principal::random().with(Grant::token_operator(&format!(
            "/subscriptions/{}",
            gateway.subscription
        )));
        azure.add_principal(principal.clone());
        let case = Self {
            sandbox,
            client: sandbox.client().unwrap(),
            namespace,
            gateway,
            principal,
            scratch: tempfile::tempdir().unwrap(),
            secrets: Mutex::default(),
        };
        let text = std::fs::read_to_string(sandbox.kubeconfig_path()).unwrap();
        let mut kubeconfig: Value = serde_json::from_str(&text).unwrap();
        kubeconfig["contexts"][0]["context"]["namespace"] = case.namespace.as_str().into();
        std::fs::write(case.kubeconfig_path(), kubeconfig.to_string()).unwrap();
        case
    }

    /// The sandbox's kubeconfig, in which the namespace is this test's.
    pub(crate) fn kubeconfig_path(&self) -> PathBuf {
        self.scratch.path().join("kubeconfig-of-the-case")
    }

    pub(crate) fn azure(&self) -> &'static Azure {
        self.sandbox.azure()
    }

    /// The v2 configuration endpoint of the gateway's instance.
    pub(crate) fn endpoint(&self) -> String {
        format!("https://{}.configuration.azure-api.net", self.gateway.service)
    }

    /// A token as a Secret holds it, without a request to Azure.
    pub(crate) fn token(&self, slot: Slot, life: SignedDuration) -> String {
        let token = self.azure().mint(&self.gateway, slot, self.azure().now() + life);
        self.hides(&token);
        format!("GatewayKey {token}")
    }

    /// A portal deployment whose token expires in two days.
    pub(crate) fn portal(&self) -> GatewayManifest {
        GatewayManifest::portal("gw", &self.endpoint(), &self.token(Slot::Primary, DAY * 2))
    }

    /// The same without a pod, for what does not need one.
    pub(crate) fn idle_portal(&self) -> GatewayManifest {
        self.portal().replicas(0)
    }

    /// Deploys and waits until the gateway is ready.
    pub(crate) async fn deploy(&self, manifest: &GatewayManifest) {
        manifest.apply(&self.client, &self.namespace).await.unwrap();
        self.rolled_out(&manifest.workload_name()).await;
    }

    pub(crate) async fn rolled_out(&self, name: &str) {
        let deployments = self.deployments();
        let what = format!("the rollout of {name}");
        let rolled_out = wait::until(&what, LIMIT, async || {
            let deployment = deployments.get(name).await?;
            Ok(wait::is_rolled_out(&deployment).then_some(()))
        });
        if let Err(error) = rolled_out.await {
            panic!("{error}\n{}", self.state().await);
        }
    }

    pub(crate) fn deployments(&self) -> Api<Deployment> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub(crate) fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub(crate) async fn secret(&self, name: &str) -> Secret {
        self.secrets().get(name).await.unwrap()
    }

    /// The credential as it is stored.
    pub(crate) async fn credential(&self, manifest: &GatewayManifest) -> String {
        let secret = self.secret(&manifest.secret_name()).await;
        String::from_utf8(secret.data.unwrap()[manifest.secret_key()].0.clone()).unwrap()
    }

    /// The pod template's annotations.
    pub(crate) async fn template_annotations(&self, workload: &str) -> BTreeMap<String, String> {
        let template = self
            .deployments()
            .get(workload)
            .await
            .unwrap()
            .spec
            .unwrap()
            .template;
        template.metadata.unwrap().annotations.unwrap_or_default()
    }

    /// A file of the test's own.
    pub(crate) fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.scratch.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// The variables with which a run reaches the sandbox and signs in.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        let mut variables = self.sandbox.variables();
        variables.retain(|(name, _)| *name != "KUBECONFIG");
        variables.extend([
            ("KUBECONFIG", self.kubeconfig_path().display().to_string()),
            ("AZURE_CLIENT_ID", self.principal.client_id.clone()),
            ("AZURE_CLIENT_SECRET", self.principal.client_secret.clone()),
            ("AZURE_TENANT_ID", self.principal.tenant.clone()),
        ]);
        variables
    }

    /// The binary with the variables of this test and no others.
    pub(crate) fn apim(&self, arguments: &[&str]) -> Run<'_> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-apim"));
        command
            .args(arguments)
            .env_clear()
            .envs(self.variables())
            .env("TZ", "UTC")
            .kill_on_drop(true);
        Run::new(self, command)
    }

    /// The real kubectl with this binary as its plugin.
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> Run<'_> {
        self.beside_the_plugin("kubectl", arguments)
    }

    /// A command line of a shell in which kubectl has this binary as its
    /// plugin. It fails if any command of a pipeline does.
    pub(crate) fn shell(&self, line: &str) -> Run<'_> {
        self.beside_the_plugin("bash", &["-o", "pipefail", "-c", line])
    }

    fn beside_the_plugin(&self, program: &str, arguments: &[&str]) -> Run<'_> {
        let plugin = Path::new(env!("CARGO_BIN_EXE_kubectl-apim")).parent().unwrap();
        let path = format!(
            "{}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            plugin.display()
        );
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .envs(self.variables())
            .env("PATH", path)
            // Where kubectl keeps its cache.
            .env("HOME", self.scratch.path())
            .env("TZ", "UTC")
            .current_dir(self.scratch.path())
            .kill_on_drop(true);
        Run::new(self, command)
    }

    /// Disturbs `times` requests for a token of this test's gateway.
    pub(crate) fn disturb_mint(&self, action: Action, times: u32) {
        let fault = Fault::on(Operation::GenerateToken, action);
        self.azure()
            .fault(fault.matching(&self.gateway.service).times(times));
    }

    /// Waits until a request for a token has arrived, answered or not.
    pub(crate) async fn mint_was_asked_for(&self) {
        self.mints_reach(1).await;
    }

    /// Waits until this many requests for a token have arrived.
    pub(crate) async fn mints_reach(&self, count: usize) {
        let asked = wait::until("a request for a token", LIMIT, async || {
            Ok((self.mints() >= count).then_some(()))
        });
        asked.await.unwrap();
    }

    /// The key that signed the stored credential, by the emulator's word.
    pub(crate) async fn slot(&self, manifest: &GatewayManifest) -> Slot {
        let credential = self.credential(manifest).await;
        self.azure().judge(&credential).unwrap().slot
    }

    /// An annotation of the Secret.
    pub(crate) async fn annotation(&self, manifest: &GatewayManifest, name: &str) -> Option<String> {
        let secret = self.secret(&manifest.secret_name()).await;
        secret.metadata.annotations?.remove(name)
    }

    /// Waits until a rotation has written the Secret, and returns its id.
    pub(crate) async fn written(&self, manifest: &GatewayManifest) -> String {
        wait::until("a rotation's write", LIMIT, async || {
            Ok(self.annotation(manifest, "apim-rotate/rotation-id").await)
        })
        .await
        .unwrap()
    }

    /// Changes the Secret as somebody else.
    pub(crate) async fn patch_secret(&self, name: &str, change: &Value) {
        let params = PatchParams {
            field_manager: Some("somebody-else".to_owned()),
            ..PatchParams::default()
        };
        let patch = Patch::Merge(change);
        self.secrets().patch(name, &params, &patch).await.unwrap();
    }

    /// Changes a Deployment as somebody else.
    pub(crate) async fn patch_deployment(&self, name: &str, change: &Value) {
        let patch = Patch::Merge(change);
        self.deployments()
            .patch(name, &PatchParams::default(), &patch)
            .await
            .unwrap();
    }

    /// Runs what must fail, and sees that it has changed and minted nothing.
    pub(crate) async fn fails_untouched(&self, run: Run<'_>, code: i32) -> Ended {
        let before = (self.versions().await, self.answered_mints());
        let ended = run.exits(code).await;
        assert_eq!((self.versions().await, self.answered_mints()), before);
        ended
    }

    pub(crate) fn answered_mints(&self) -> usize {
        let mut mints = self.requests(Operation::GenerateToken);
        mints.retain(|request| request.status == Some(200));
        mints.len()
    }

    pub(crate) fn secrets_met(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.secrets.lock().unwrap()
    }
}

impl Drop for Case {
    /// A test that went wrong between two runs, or after the last of them.
    fn drop(&mut self) {
        let violations = self.observer().violations_so_far(&self.namespace);
        assert!(
            std::thread::panicking() || violations.is_empty(),
            "{violations:#?}"
        );
    }
}

/// A day.
pub(crate) const DAY: SignedDuration = SignedDuration::from_hours(24);
