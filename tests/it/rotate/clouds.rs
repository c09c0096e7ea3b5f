//! Which Azure is asked.

use apim_sandbox::azure::{Operation, Slot};
use apim_sandbox::manifests::GatewayManifest;

use crate::case::{Case, DAY};

#[tokio::test]
async fn the_domain_of_the_endpoint_selects_the_cloud() {
    for (suffix, login, manager) in [
        (
            "azure-api.cn",
            "login.chinacloudapi.cn",
            "management.chinacloudapi.cn",
        ),
        (
            "azure-api.us",
            "login.microsoftonline.us",
            "management.usgovcloudapi.net",
        ),
    ] {
        let case = Case::new("cloud").await;
        let endpoint = format!("https://{}.configuration.{suffix}", case.gateway.service);
        let token = case.token(Slot::Primary, DAY);
        case.deploy(&GatewayManifest::portal("gw", &endpoint, &token))
            .await;
        case.apim(&["rotate"]).exits(0).await;
        let mut hosts: Vec<String> = case
            .arm_requests()
            .into_iter()
            .map(|request| request.host)
            .collect();
        hosts.extend(
            case.requests(Operation::SignIn)
                .into_iter()
                .map(|request| request.host),
        );
        assert!(
            hosts.iter().all(|host| host == manager || host == login),
            "{hosts:?}"
        );
        assert!(hosts.iter().any(|host| host == login), "{hosts:?}");

        // The given cloud overrides the domain.
        case.apim(&["rotate", "--cloud", "public", "--force", "--dry-run"])
            .exits(0)
            .await;
        let request = case.arm_requests().pop().unwrap();
        assert_eq!(request.host, "management.azure.com");
    }
}
