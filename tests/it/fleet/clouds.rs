//! What is in a cluster never widens the set of hosts that get a credential.

use apim_sandbox::azure::{Operation, Slot};
use apim_sandbox::manifests::GatewayManifest;

use crate::case::{Case, DAY};

impl Case {
    /// A gateway of this name whose endpoint belongs to Azure China.
    async fn chinese_member(&self, name: &str) -> GatewayManifest {
        let gateway = self.gateway_named(name);
        let token = self
            .azure()
            .mint(&gateway, Slot::Primary, self.azure().now() + DAY * 2);
        self.hides(&token);
        let endpoint = format!("https://{}.configuration.azure-api.cn", self.gateway.service);
        let manifest = GatewayManifest::portal(name, &endpoint, &format!("GatewayKey {token}")).replicas(0);
        self.deploy(&manifest).await;
        manifest
    }

    /// The hosts that this test's principal has sent a credential to.
    fn hosts(&self) -> Vec<String> {
        let sign_ins = self.requests(Operation::SignIn).into_iter();
        let mut hosts: Vec<String> = sign_ins
            .chain(self.arm_requests())
            .map(|request| request.host)
            .collect();
        hosts.sort_unstable();
        hosts.dedup();
        hosts
    }
}

const PUBLIC: [&str; 2] = ["login.microsoftonline.com", "management.azure.com"];

#[tokio::test]
async fn a_gateway_of_another_cloud_is_refused_and_that_cloud_is_not_asked() {
    let case = Case::new("fleet-cloud").await;
    case.members(1).await;
    case.chinese_member("china").await;
    let service = case.gateway.service_id();
    let file = case.file(
        "fleet.txt",
        &format!(
            "{0} deploy/gw-001 {service}/gateways/gw-001\n{0} deploy/china {service}/gateways/china\n",
            case.namespace
        ),
    );
    let file = file.display().to_string();
    for more in [&["--yes"][..], &["--gateways", &file]] {
        let line = [&["rotate", "--all", "-o", "json"], more].concat();
        let ended = case.apim(&line).exits(6).await;
        assert_eq!(ended.with_outcome("Refused"), ["china-token"], "{more:?}");
        assert_eq!(ended.with_outcome("Rotated"), ["gw-001-token"], "{more:?}");
        ended.says(&[
            "gateway `china`",
            "is in the cloud china, but this run is for the cloud public",
            "--cloud china",
            "2 gateways: 1 rotated, 1 refused",
        ]);
        assert_eq!(case.hosts(), PUBLIC, "{more:?}");
    }

    // A run for that cloud does its gateways, and no others.
    let line = ["rotate", "--all", "-o", "json", "--cloud", "china"];
    let ended = case.apim(&line).exits(6).await;
    assert_eq!(ended.with_outcome("Refused"), ["gw-001-token"]);
    assert_eq!(ended.with_outcome("Rotated"), ["china-token"]);
    ended.says(&["--cloud public"]);
}

#[tokio::test]
async fn without_a_gateway_of_its_own_cloud_a_run_signs_in_nowhere() {
    let case = Case::new("fleet-cloud-none").await;
    for name in ["one", "two"] {
        case.chinese_member(name).await;
    }
    let ended = case.apim(&["rotate", "one", "two", "--events"]).exits(6).await;
    // The same for both, so it is printed once.
    assert_eq!(
        ended.stderr.matches("--cloud china").count(),
        1,
        "{}",
        ended.stderr
    );
    ended.says(&["2 gateways (", "2 gateways: 0 rotated, 2 refused"]);
    assert_eq!(case.hosts(), [""; 0]);
    let failed = case.events().await;
    let failed = failed.iter().filter(|event| event[0] == "RotationFailed");
    assert_eq!(failed.count(), 2);
}

#[tokio::test]
async fn a_failed_sign_in_is_reported_for_each_gateway() {
    let case = Case::new("fleet-sign-in").await;
    case.members(2).await;
    // One that is not due is not affected.
    let line = ["rotate", "gw-001", "deployment/gw-001", "-o", "name"];
    case.apim(&line).exits(0).await;
    let line = ["rotate", "--all", "--if-older-than", "1h", "-o", "json"];
    let ended = case
        .apim(&line)
        .env("AZURE_CLIENT_SECRET", "not-the-secret")
        .exits(1)
        .await;
    assert_eq!(ended.with_outcome("Failed"), ["gw-002-token"]);
    assert_eq!(ended.with_outcome("NotDue"), ["gw-001-token"]);
    assert_eq!(ended.json()["exitCode"], 1);
    ended.says(&["AADSTS7000215", "2 gateways: 0 rotated, 1 not due, 1 failed"]);
    assert_eq!(ended.json()["items"][1]["exitCode"], 1);
}
