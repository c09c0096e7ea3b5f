//! Every host, scope and audience is that of the cloud, and shown first.

use apim_sandbox::azure::Operation;
use serde_json::json;

use super::EntraCase;

/// A cloud, the domain of its gateways, its hosts, and the audience of its federated tokens.
type InCloud = (&'static str, &'static str, [&'static str; 3], &'static str);

#[tokio::test]
async fn each_cloud_has_its_own_hosts_and_audiences() {
    let clouds: [InCloud; 2] = [
        (
            "china",
            "azure-api.cn",
            [
                "login.chinacloudapi.cn",
                "management.chinacloudapi.cn",
                "microsoftgraph.chinacloudapi.cn",
            ],
            "api://AzureADTokenExchangeChina",
        ),
        (
            "usgov",
            "azure-api.us",
            [
                "login.microsoftonline.us",
                "management.usgovcloudapi.net",
                "graph.microsoft.us",
            ],
            "api://AzureADTokenExchangeUSGov",
        ),
    ];
    for cloud in clouds {
        is_asked_alone(cloud).await;
    }
}

async fn is_asked_alone((cloud, suffix, hosts, audience): InCloud) {
    let entra = EntraCase::new("cloud-setup").await;
    let endpoint = format!("https://{}.configuration.{suffix}", entra.case.gateway.service);
    entra
        .deploy(|it| it["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"] = json!(endpoint))
        .await;
    let flags = [
        "--create-app",
        "gw",
        "--service-account",
        "gw",
        "--dry-run",
        "-o",
        "json",
    ];
    for more in [&[][..], &["--cloud", cloud]] {
        let ended = entra.setup(&[&flags, more].concat()).exits(0).await;
        for host in hosts {
            ended.says(&[&format!("https://{host}")]);
        }
        let json = ended.json();
        let env = json["podTemplate"]["container"]["env"].as_array().unwrap();
        let token = json!({
            "name": "config.service.auth.tokenAudience", "value": format!("https://{suffix}/configuration"),
        });
        assert!(env.contains(&token), "{json:#}");
        assert_eq!(
            json["helmValues"]["gateway"]["configuration"]["uri"],
            format!("https://{}.configuration.{suffix}", entra.case.gateway.service)
        );
    }
    let ended = entra.setup(&["--create-app", "gw", "--service-account", "gw", "--print-az"]);
    let script = ended.exits(0).await.stdout;
    assert!(script.contains(audience), "{script}");
    let asked: std::collections::BTreeSet<String> = entra
        .case
        .arm_requests()
        .into_iter()
        .chain(entra.case.requests(Operation::SignIn))
        .map(|request| request.host)
        .collect();
    let wanted = hosts.map(str::to_owned).into();
    assert_eq!(asked, wanted, "{cloud}");
}
