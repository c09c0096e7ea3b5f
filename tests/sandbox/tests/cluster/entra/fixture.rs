//! What the tests share: a service with a gateway, an app for each kind, and their pods.

use std::path::Path;
use std::process::Command;

use apim_sandbox::azure::{
    Azure, FederatedCredential, Gateway, Grant, Permission, Principal, RoleAssignment, RoleDefinition,
};
use apim_sandbox::manifests::EntraManifest;
use apim_sandbox::wait;
use apim_sandbox::workload_identity::{AUDIENCE, Webhook};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use serde_json::Value;

use crate::fixture::{Fixture, LIMIT, is_ready, is_running};

/// A namespace with the webhook, and a gateway that three apps may read the configuration of.
pub(crate) struct Entra {
    pub(crate) cluster: Fixture,
    pub(crate) gateway: Gateway,
    /// The app that signs in by its secret and by its certificate.
    pub(crate) app: Principal,
    pub(crate) certificate: Certificate,
    pub(crate) webhook: Webhook,
}

/// A certificate in both formats.
pub(crate) struct Certificate {
    pub(crate) pem: String,
    pub(crate) pfx: Vec<u8>,
}

impl Entra {
    pub(crate) async fn new(name: &str) -> Self {
        let cluster = Fixture::new(name).await;
        let azure = cluster.sandbox.azure();
        let gateway = Gateway::new("sub", &cluster.namespace, &cluster.namespace, "gw");
        azure.add_gateway(&gateway);
        let certificate = Certificate::new("/CN=app");
        let mut app = Principal::random();
        app.certificates = vec![certificate.pem.clone()];
        app.grants.push(reader(&gateway));
        validate(azure, &gateway, &app.tenant);
        azure.add_principal(app.clone());
        let webhook = cluster
            .sandbox
            .workload_identity_webhook(&cluster.namespace, &app.tenant)
            .await
            .unwrap();
        Self {
            cluster,
            gateway,
            app,
            certificate,
            webhook,
        }
    }

    pub(crate) fn azure(&self) -> &'static Azure {
        self.cluster.sandbox.azure()
    }

    fn endpoint(&self) -> String {
        format!("https://{}.configuration.azure-api.net", self.gateway.service)
    }

    pub(crate) fn secret(&self, name: &str) -> EntraManifest {
        let app = &self.app;
        EntraManifest::app_secret(
            name,
            &self.endpoint(),
            &app.tenant,
            &app.client_id,
            &app.client_secret,
        )
        .gateway("gw")
    }

    pub(crate) fn certificate(&self, name: &str) -> EntraManifest {
        let (app, Certificate { pem, pfx }) = (&self.app, &self.certificate);
        EntraManifest::app_certificate(name, &self.endpoint(), &app.tenant, &app.client_id, (pem, pfx))
            .gateway("gw")
    }

    /// With an app of its own that trusts the service account of the gateway.
    pub(crate) fn workload(&self, name: &str) -> EntraManifest {
        self.workload_of(name, |_| {})
    }

    /// The same, with a change of the app.
    pub(crate) fn workload_of(&self, name: &str, change: impl FnOnce(&mut Principal)) -> EntraManifest {
        let mut app = Principal {
            tenant: self.app.tenant.clone(),
            ..Principal::random()
        };
        app.federated_credentials.push(FederatedCredential {
            issuer: self
                .cluster
                .sandbox
                .control_plane()
                .service_account_issuer()
                .to_owned(),
            subject: format!("system:serviceaccount:{}:{name}", self.cluster.namespace),
            audience: AUDIENCE.to_owned(),
        });
        app.grants.push(reader(&self.gateway));
        change(&mut app);
        self.azure().add_principal(app.clone());
        EntraManifest::workload_identity(name, &self.endpoint(), &app.client_id).gateway("gw")
    }

    pub(crate) async fn deploy(&self, manifest: &EntraManifest) {
        manifest
            .apply(&self.cluster.client, &self.cluster.namespace)
            .await
            .unwrap();
    }

    /// Deploys with changes of the objects, of which the Deployment is the last.
    pub(crate) async fn deploy_changed(&self, manifest: &EntraManifest, change: impl FnOnce(&mut [Value])) {
        let mut objects = manifest.objects();
        change(&mut objects);
        for object in objects {
            self.cluster.apply(object).await;
        }
    }

    pub(crate) async fn is_accepted(&self, name: &str) {
        let of_gateway = |pod: &Pod| pod.labels().get("app").is_some_and(|app| app == name);
        self.cluster
            .pod(&format!("{name} to be ready"), |pod| {
                of_gateway(pod) && is_ready(pod)
            })
            .await;
    }

    /// Waits for a log of the gateway with all of `words`; the pod runs and is not ready.
    pub(crate) async fn is_refused(&self, name: &str, words: &[&str]) {
        let of_gateway = |pod: &Pod| pod.labels().get("app").is_some_and(|app| app == name);
        let pod = self
            .cluster
            .pod(&format!("{name} to run"), |pod| {
                of_gateway(pod) && is_running(pod)
            })
            .await;
        let mut log = String::new();
        let logged = wait::until("the event", LIMIT, async || {
            log = self.cluster.kubectl(&["logs", &pod.name_any()]).await?;
            Ok(words.iter().all(|word| log.contains(word)).then_some(()))
        });
        let logged = logged.await;
        logged.unwrap_or_else(|error| panic!("{name}: {error} with {words:?} in: {log}"));
        assert!(!log.contains("Gateway started"), "{name}: {log}");
        assert!(!log.contains(&self.app.client_secret), "{name}: {log}");
        let pods = self.cluster.pods().await;
        assert!(!pods.iter().any(|pod| of_gateway(pod) && is_ready(pod)), "{name}");
    }
}

/// Lets the identity of the gateway's service look up who may read its configuration.
pub(crate) fn validate(azure: &Azure, gateway: &Gateway, tenant: &str) {
    let identity = azure.enable_identity(gateway, tenant);
    let service = gateway.service_id();
    let group = service.split("/providers/").next().unwrap();
    let permission = Permission::new(&["Microsoft.Authorization/*/read"], &[]);
    let role = RoleDefinition::new(&format!("validator of {}", gateway.service), permission, group);
    azure.authorization(|it| {
        it.add_role_assignment(RoleAssignment::new(group, &role, &identity));
        it.add_role_definition(role);
    });
}

/// The right to read the configuration of the gateway's service.
fn reader(gateway: &Gateway) -> Grant {
    let action = "Microsoft.ApiManagement/service/gateways/getConfiguration/action";
    Grant::new(&gateway.service_id(), &[]).with_data(&[action])
}

impl Certificate {
    /// A self-signed one, made as the product's documentation has it.
    pub(crate) fn new(subject: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let openssl = |arguments: &[&str]| openssl(folder.path(), arguments);
        openssl(&[
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-subj",
            subject,
            "-days",
            "2",
            "-keyout",
            "key.pem",
            "-out",
            "certificate.pem",
        ]);
        openssl(&[
            "pkcs12",
            "-export",
            "-inkey",
            "key.pem",
            "-in",
            "certificate.pem",
            "-passout",
            "pass:",
            "-out",
            "certificate.pfx",
        ]);
        Self {
            pem: std::fs::read_to_string(folder.path().join("certificate.pem")).unwrap(),
            pfx: std::fs::read(folder.path().join("certificate.pfx")).unwrap(),
        }
    }
}

pub(crate) fn openssl(folder: &Path, arguments: &[&str]) {
    let made = Command::new("openssl")
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("this test needs the command openssl, which makes RSA keys");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}
