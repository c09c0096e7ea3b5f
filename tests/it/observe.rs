//! What the two servers have seen of a test, and what is there now.

use std::collections::BTreeMap;

use apim_sandbox::azure::{Operation, Request};
use apim_sandbox::control_plane::AuditRecord;
use apim_sandbox::observer::Observer;
use kube::api::ListParams;

use crate::case::Case;
use crate::run::text;

impl Case {
    /// How many tokens were asked for.
    pub(crate) fn mints(&self) -> usize {
        self.requests(Operation::GenerateToken).len()
    }

    /// What changes with every write: the versions of Secrets, and the
    /// generations of Deployments, whose status changes by itself.
    pub(crate) async fn versions(&self) -> BTreeMap<String, String> {
        let all = ListParams::default();
        let secrets = self.secrets().list(&all).await.unwrap();
        let deployments = self.deployments().list(&all).await.unwrap();
        let secrets = secrets.items.into_iter().map(|secret| {
            let meta = secret.metadata;
            (
                format!("secret/{}", meta.name.unwrap()),
                meta.resource_version.unwrap(),
            )
        });
        let deployments = deployments.items.into_iter().map(|deployment| {
            let meta = deployment.metadata;
            let generation = meta.generation.unwrap().to_string();
            (format!("deployment/{}", meta.name.unwrap()), generation)
        });
        secrets.chain(deployments).collect()
    }

    /// The binary's requests that change something when they succeed.
    pub(crate) async fn kube_writes(&self) -> Vec<AuditRecord> {
        let mut records = self.kube_requests().await;
        records.retain(|record| !["get", "list", "watch"].contains(&record.verb.as_str()));
        records
    }

    /// What the emulator was asked about this test's gateway and by its
    /// principal.
    pub(crate) fn requests(&self, operation: Operation) -> Vec<Request> {
        let client_id = &self.principal.client_id;
        self.azure().requests_where(|request| {
            request.operation == Some(operation)
                && (request.principal.as_ref() == Some(client_id)
                    || request.path.contains(&self.gateway.service))
        })
    }

    /// All requests to ARM by this test's principal.
    pub(crate) fn arm_requests(&self) -> Vec<Request> {
        let client_id = &self.principal.client_id;
        self.azure().requests_where(|request| {
            request.principal.as_ref() == Some(client_id) && request.operation != Some(Operation::SignIn)
        })
    }

    /// What the binary asked the API server for in this test's namespace. The
    /// service accounts of other tests look there too, with `-A`.
    pub(crate) async fn kube_requests(&self) -> Vec<AuditRecord> {
        let own = format!("system:serviceaccount:{}:", self.namespace);
        let mut records = self.sandbox.audit().await.unwrap();
        records.retain(|record| {
            let is_own = record.user.starts_with(&own) || !record.user.starts_with("system:serviceaccount:");
            is_own
                && record.user_agent.starts_with("kubectl-apim/")
                && record.namespace.as_ref() == Some(&self.namespace)
        });
        records
    }

    /// What follows the objects of all tests from their first write on.
    pub(crate) fn observer(&self) -> &'static Observer {
        self.sandbox.observer().unwrap()
    }

    /// Sees that the program has broken no rule, at no moment of the test.
    pub(crate) async fn keeps_the_rules(&self, shown: &str) {
        let violations = self
            .observer()
            .violations(&self.client, &self.namespace)
            .await
            .unwrap();
        if violations.is_empty() {
            return;
        }
        panic!("{violations:#?}\n{shown}\n{}", self.state().await);
    }

    /// Objects, Events and the requests to Azure, for a test that failed.
    pub(crate) async fn state(&self) -> String {
        let objects = self
            .kubectl(&[
                "get",
                "deploy,rs,pods,cm,events",
                "-n",
                &self.namespace,
                "-o",
                "wide",
            ])
            .command()
            .output()
            .await;
        let objects = objects.map_or_else(|error| error.to_string(), |output| text(&output.stdout));
        let describe = self
            .kubectl(&["describe", "deploy,secrets", "-n", &self.namespace])
            .command()
            .output()
            .await;
        let describe = describe.map_or_else(|error| error.to_string(), |output| text(&output.stdout));
        let requests: Vec<String> = self
            .azure()
            .requests_where(|request| {
                request.principal.as_ref() == Some(&self.principal.client_id)
                    || request.path.contains(&self.gateway.service)
                    || request.host.contains(&self.gateway.service)
            })
            .iter()
            .map(ToString::to_string)
            .collect();
        format!(
            "{objects}\n{describe}\nrequests to Azure:\n{}",
            requests.join("\n")
        )
    }
}
