//! `render-rbac`: what it prints, that the API server takes it, and that a
//! rotation needs just this.

mod admission;
mod fleet;
mod forged;
mod golden;
mod limits;
mod verbs;

use std::collections::BTreeSet;

use apim_sandbox::azure::Slot;
use apim_sandbox::manifests::GatewayManifest;
use apim_sandbox::wait;
use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use kube::Api;
use kube::api::PostParams;
use serde_json::json;

use crate::case::{Case, DAY, LIMIT};
use crate::run::{Ended, Run};

/// A right, as RBAC sees it.
struct Right<'a> {
    verb: &'a str,
    group: &'a str,
    resource: &'a str,
    name: &'a str,
}

impl Case {
    /// Has the API server take what was printed: as a rehearsal, in earnest,
    /// and then with nothing left to change.
    pub(crate) async fn takes(&self, rendered: &str) {
        for (line, code) in [
            (&["apply", "--dry-run=server"][..], 0),
            (&["apply"], 0),
            (&["diff"], 0),
        ] {
            let line = [line, &["-f", "-"]].concat();
            self.kubectl(&line).input(rendered).exits(code).await;
        }
    }

    /// What is printed, which must be the same each time.
    pub(crate) async fn rendered(&self, arguments: &[&str]) -> String {
        let line = [&["render-rbac"], arguments].concat();
        let once = self.apim(&line).exits(0).await.stdout;
        assert_eq!(once, self.apim(&line).exits(0).await.stdout);
        once
    }

    /// Waits until the API server lets a service account of the namespace do
    /// something, or no more.
    async fn lets(&self, account: &str, right: &Right<'_>, expected: bool) {
        let (resource, subresource) = right.resource.split_once('/').unwrap_or((right.resource, ""));
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
            "spec": {
                "user": format!("system:serviceaccount:{}:{account}", self.namespace),
                "resourceAttributes": {
                    "namespace": self.namespace, "verb": right.verb, "group": right.group,
                    "resource": resource, "subresource": subresource, "name": right.name,
                },
            },
        });
        let review: SubjectAccessReview = serde_json::from_value(review).unwrap();
        let reviews: Api<SubjectAccessReview> = Api::all(self.client.clone());
        wait::until("the right", LIMIT, async || {
            let answer = reviews.create(&PostParams::default(), &review).await?;
            let allowed = answer.status.is_some_and(|status| status.allowed);
            Ok((allowed == expected).then_some(()))
        })
        .await
        .unwrap();
    }

    /// The binary as a service account of the namespace.
    async fn apim_as(&self, account: &str, arguments: &[&str]) -> Run<'_> {
        let path = self
            .sandbox
            .kubeconfig_for(&self.namespace, account)
            .await
            .unwrap();
        self.apim(arguments)
            .env("KUBECONFIG", &path.display().to_string())
    }

    /// A rotation of the named gateway as a service account that may read
    /// nothing else, so the instance must be given.
    async fn rotates_as(&self, account: &str, more: &[&str], code: i32) -> Ended {
        let line = [
            &["rotate", "deployment/gw", "--token-secret", "gw-token"],
            &["--apim-instance", self.gateway.service.as_str()][..],
            more,
        ]
        .concat();
        self.apim_as(account, &line).await.exits(code).await
    }

    /// The lines of `kubectl auth can-i --list` for a service account.
    pub(crate) async fn can_i(&self, account: &str) -> BTreeSet<String> {
        let user = format!("system:serviceaccount:{}:{account}", self.namespace);
        let line = [
            "auth",
            "can-i",
            "--list",
            "--no-headers",
            "--as",
            &user,
            "-n",
            &self.namespace,
        ];
        let listed = self.kubectl(&line).exits(0).await.stdout;
        let plain = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        listed.lines().map(plain).collect()
    }
}

#[tokio::test]
async fn the_account_has_the_named_rights_and_no_others() {
    let case = Case::new("rbac").await;
    let manifest = case.portal();
    case.deploy(&manifest).await;
    let before = case.credential(&manifest).await;
    let arguments = ["deployment/gw", "--token-secret", "gw-token"];
    let rendered = case.rendered(&arguments).await;
    let requests = case.kube_requests().await;
    assert!(
        requests.is_empty(),
        "everything was given, and a request was made: {requests:?}"
    );
    assert_eq!(
        case.rendered(&[]).await,
        rendered,
        "what is discovered is the same"
    );
    case.takes(&rendered).await;
    let right = Right {
        verb: "patch",
        group: "apps",
        resource: "deployments",
        name: "gw",
    };
    case.lets("apim-shg-rotate-rights", &right, true).await;

    let everybody = case.can_i("somebody-else").await;
    let mine = case.can_i("apim-shg-rotate-rights").await;
    let granted: Vec<&String> = mine.difference(&everybody).collect();
    assert_eq!(
        granted,
        [
            "deployments.apps [] [gw] [get patch]",
            "secrets [] [gw-token] [get patch]"
        ]
    );

    let ended = case
        .rotates_as("apim-shg-rotate-rights", &["--prove", "rollout"], 0)
        .await;
    ended.says(&["1 new pod is ready"]);
    let after = case.credential(&manifest).await;
    assert_ne!(before, after);
    assert!(case.azure().accepts(&after));
}

#[tokio::test]
async fn each_option_adds_its_rights_and_no_request() {
    let case = Case::new("rbac-options").await;
    let line = [
        "deployment/gw",
        "--token-secret",
        "gw-token",
        "--prove",
        "logs",
        "--events",
    ];
    case.takes(&case.rendered(&line).await).await;
    let right = Right {
        verb: "create",
        group: "events.k8s.io",
        resource: "events",
        name: "",
    };
    case.lets("apim-shg-rotate-rights", &right, true).await;
    let everybody = case.can_i("somebody-else").await;
    let mine = case.can_i("apim-shg-rotate-rights").await;
    let granted: Vec<&String> = mine.difference(&everybody).collect();
    assert_eq!(
        granted,
        [
            "deployments.apps [] [gw] [get patch]",
            "events.events.k8s.io [] [] [create]",
            "pods [] [] [list]",
            "pods/log [] [] [get]",
            "secrets [] [gw-token] [get patch]",
        ]
    );
}

#[tokio::test]
async fn several_gateways_share_an_account() {
    let case = Case::new("rbac-several").await;
    case.deploy(&case.idle_portal()).await;
    let token = case.token(Slot::Primary, DAY);
    let other = GatewayManifest::custom("gw2", &case.endpoint(), &token, "own", "token");
    case.deploy(&other.replicas(0)).await;
    let arguments = ["deploy", "gw", "gw2", "-t", "own", "-t", "gw-token"];
    let rendered = case.rendered(&arguments).await;
    assert_eq!(case.rendered(&["--all"]).await, rendered);
    assert_eq!(case.rendered(&["gw2", "gw"]).await, rendered);
    let ambiguous = case.apim(&["render-rbac"]).exits(2).await;
    ambiguous.says(&["has several gateways"]);
    let policy = case.rendered(&["--all", "--admission-policy"]).await;
    let namespace = &case.namespace;
    let keys = format!("{{'{namespace}/gw-token': 'value', '{namespace}/own': 'token'}}");
    assert!(policy.contains(&keys), "{policy}");
}

#[tokio::test]
async fn a_command_line_that_makes_no_sense() {
    let case = Case::new("rbac-usage").await;
    let long = "n".repeat(53);
    let azure = ["--azure", "json", "-s", "11111111-2222-3333-4444-555555555555"];
    for (line, says) in [
        (&["--gateways", "x"][..], "--gateways is for --scope cluster"),
        (&["--scope", "cluster", "gw"], "leave the names out"),
        (
            &["--scope", "cluster", "-l", "app=gw"],
            "needs the names of the gateways",
        ),
        (
            &["--scope", "cluster", "--gateways", "/no/such/file"],
            "cannot be read",
        ),
        (&["--name", &long], "53 characters"),
        (&["--name", "A"], "--name"),
        (&["gw", "gw2", "-t", "s"], "name each workload as TYPE/NAME"),
        (&["deploy/gw", "-t", "../s"], "--token-secret"),
        (&["deploy/gw", "--azure", "az"], "leave the target out"),
        (&["--azure", "json"], "--subscription-id"),
        (&["--azure", "json", "-s", "mine"], "not the id of a subscription"),
        (&azure, "--resource-group"),
        (&[&azure[..], &["-r", "rg"]].concat(), "--apim-instance"),
        (
            &[&azure[..], &["-r", "r/g", "-a", "svc"]].concat(),
            "that names in Azure cannot have",
        ),
        (
            &[&azure[..], &["-r", "rg", "-a", "svc", "--principal-id", "me"]].concat(),
            "az ad sp show",
        ),
        (
            &[
                &azure[..],
                &["-r", "rg", "-a", "svc", "--role-definition-id", "Token Operator"],
            ]
            .concat(),
            "az role definition list",
        ),
        (
            &[&azure[..], &["--role", "config-reader", "--for-discovery"]].concat(),
            "--for-discovery is for",
        ),
    ] {
        let line = [&["render-rbac"], line].concat();
        case.apim(&line).exits(2).await.says(&[says]);
    }
    let nothing = case.apim(&["render-rbac", "--all"]).exits(1).await;
    nothing.says(&["no self-hosted gateway"]);
    assert_eq!(nothing.stdout, "");
}
