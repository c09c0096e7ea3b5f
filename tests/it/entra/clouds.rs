//! Every host, scope and audience is that of the cloud, and shown first.

use std::collections::BTreeSet;

use apim_sandbox::azure::Operation;
use apim_sandbox::wire::{Action, Fault, Wire};
use apim_sandbox::workload_identity::AUDIENCE;
use serde_json::json;

use super::EntraCase;
use crate::run::{Ended, Run};

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
    let asked: BTreeSet<String> = entra
        .case
        .arm_requests()
        .into_iter()
        .chain(entra.case.requests(Operation::SignIn))
        .map(|request| request.host)
        .collect();
    let wanted = hosts.map(str::to_owned).into();
    assert_eq!(asked, wanted, "{cloud}");
}

/// The hosts that were asked, apart from the one that publishes the cluster's issuer.
fn hosts(wire: &Wire) -> BTreeSet<String> {
    let seen = wire.seen().into_iter();
    let hosts = seen.filter_map(|seen| Some(seen.uri.split('/').next()?.to_owned()));
    hosts
        .filter(|host| !host.ends_with("oic.prod-aks.azure.com"))
        .collect()
}

/// Expects the hosts to be shown before the sign-in.
fn shows_first(ended: &Ended, hosts: &str) {
    let shown = ended.stderr.find(hosts);
    let signed_in = ended.stderr.find("signed in ");
    assert!(
        shown.is_some() && (signed_in.is_none() || shown < signed_in),
        "{}",
        ended.stderr
    );
}

/// A set-up in a cloud without a name: the emulator at its own address.
struct Custom {
    entra: EntraCase,
    url: String,
}

/// What is not known of such a cloud.
const AUDIENCES: [&str; 4] = [
    "--token-audience",
    "https://azure-api.net/configuration",
    "--federation-audience",
    AUDIENCE,
];

impl Custom {
    async fn wire(&self) -> Wire {
        self.entra.case.azure().wire().await.unwrap()
    }

    fn run(&self, wire: &Wire, more: &[&str]) -> Run<'_> {
        let flags = ["--create-app", "gw", "--cloud", &self.url];
        self.entra.setup(&[&flags, more].concat()).through(wire)
    }

    /// With workload identity, for which more has to be known.
    fn federated(&self, wire: &Wire, more: &[&str]) -> Run<'_> {
        self.run(wire, &[&["--service-account", "gw"], more].concat())
    }

    async fn names_graph(&self) {
        let (url, wire) = (&self.url, self.wire().await);
        let dry = [&AUDIENCES[..], &["--dry-run"]].concat();
        let ended = self.federated(&wire, &dry).exits(0).await;
        let shown = format!("sign-in at {url}, ARM at {url}, Graph at https://graph.microsoft.com");
        shows_first(&ended, &shown);
        assert_eq!(
            hosts(&wire),
            ["graph.microsoft.com", "localhost"].map(str::to_owned).into()
        );
        let script = [&AUDIENCES[..], &["--print-az"]].concat();
        let script = self.federated(&wire, &script).exits(0).await.stdout;
        assert!(script.contains(AUDIENCE), "{script}");
        let other = [&AUDIENCES[..3], &["api://Own", "--dry-run"]].concat();
        let hint = format!("--federation-audience '{AUDIENCE}'");
        let ended = self.federated(&wire, &other).exits(4).await;
        ended.says(&["injects tokens for the audience", &hint]);
        let [token, of_token, federation, of_federation] = AUDIENCES;
        for (given, lacking) in [
            ([token, of_token], federation),
            ([federation, of_federation], token),
        ] {
            let run = self.federated(&wire, &[&given[..], &["--dry-run"]].concat());
            run.exits(2).await.says(&[lacking]);
        }
    }

    /// An older cloud knows only the metadata that does not name Graph.
    async fn does_not_name_graph(&self) {
        let (url, wire) = (&self.url, self.wire().await);
        let newer = "/metadata/endpoints?api-version=2022-09-01";
        wire.fault(Fault::on(newer, Action::status(400)));
        let dry = [&AUDIENCES[..], &["--dry-run"]].concat();
        self.federated(&wire, &dry).exits(1).await.says(&["--graph-url"]);
        let older = "/metadata/endpoints?api-version=2019-05-01";
        let seen = wire.seen();
        assert!(seen.iter().any(|seen| seen.uri.ends_with(older)), "{seen:#?}");
        let given = [&dry[..], &["--graph-url", url]].concat();
        let ended = self.federated(&wire, &given).exits(0).await;
        let shown = format!("sign-in at {url}, ARM at {url}, Graph at {url}");
        shows_first(&ended, &shown);
        assert_eq!(hosts(&wire), ["localhost"].map(str::to_owned).into());
    }

    /// In a mode in which pods use the authority.
    async fn lets_a_gateway_sign_in(&self) {
        let wire = self.wire().await;
        let run = self.run(
            &wire,
            &[&AUDIENCES[..2], &["--mode", "app-secret", "--yes"]].concat(),
        );
        run.exits(0).await.says(&["proved"]);
    }
}

#[tokio::test]
async fn a_custom_cloud_is_asked_where_its_metadata_points() {
    let entra = EntraCase::new("custom-cloud").await;
    entra.deploy(|_| {}).await;
    let url = entra.case.azure().url();
    let custom = Custom { entra, url };
    custom.names_graph().await;
    custom.does_not_name_graph().await;
    custom.lets_a_gateway_sign_in().await;
}
