//! `status --azure`: the facts from Azure about the gateways of the cluster.

use std::collections::BTreeSet;

use apim_sandbox::azure::{Gateway, Grant, Operation, Principal, Slot};
use apim_sandbox::manifests::GatewayManifest;
use serde_json::json;

use crate::case::{Case, DAY};
use crate::run::Run;

impl Case {
    /// A reader of the subscription, who may see the APIs too.
    fn reader(&self) -> Principal {
        let scope = format!("/subscriptions/{}", self.gateway.subscription);
        self.known(Principal::random().with(Grant::reader(&scope)))
    }

    fn known(&self, principal: Principal) -> Principal {
        self.azure().add_principal(principal.clone());
        self.hides(&principal.client_secret);
        principal
    }

    /// The run signed in as somebody else.
    fn as_principal<'a>(&'a self, arguments: &[&str], principal: &Principal) -> Run<'a> {
        self.apim(arguments).envs(&[
            ("AZURE_CLIENT_ID", &principal.client_id),
            ("AZURE_CLIENT_SECRET", &principal.client_secret),
            ("AZURE_TENANT_ID", &principal.tenant),
        ])
    }

    /// How often a principal has asked for something.
    fn asked(&self, principal: &Principal, operation: Operation) -> usize {
        let by_it = self.azure().requests_where(|request| {
            request.principal.as_ref() == Some(&principal.client_id) && request.operation == Some(operation)
        });
        by_it.len()
    }

    /// A gateway whose id is not as it was asked for, which hides none of the others.
    fn add_odd_name(&self) {
        self.azure().add_gateway(&Gateway {
            name: "a/b".to_owned(),
            ..self.gateway.clone()
        });
    }

    /// A workload of another gateway of the instance.
    async fn deploy_other(&self, name: &str, is_in_azure: bool) -> Gateway {
        let gateway = Gateway {
            name: name.to_owned(),
            ..self.gateway.clone()
        };
        // What no gateway of this name has signed is still a token of it.
        let minted = if is_in_azure {
            self.azure().add_gateway(&gateway);
            self.azure()
                .mint(&gateway, Slot::Primary, self.azure().now() + DAY * 20)
        } else {
            let own = self.token(Slot::Primary, DAY * 20);
            own.replacen("GatewayKey gw&", &format!("{name}&"), 1)
        };
        self.hides(&minted);
        let token = format!("GatewayKey {minted}");
        self.deploy(&GatewayManifest::portal(name, &self.endpoint(), &token).replicas(0))
            .await;
        gateway
    }
}

#[tokio::test]
async fn azure_completes_the_rows() {
    let case = Case::new("azure").await;
    let azure = case.azure();
    azure.set_location(&case.gateway, "Plant 7");
    azure.set_tier(&case.gateway, "Premium");
    azure.set_min_api_version(&case.gateway, "2021-08-01");
    for api in ["orders", "billing"] {
        azure.assign_api(&case.gateway, api);
    }
    case.deploy(&case.gateway("gw", 20)).await;
    case.deploy(&case.gateway("twin", 20)).await;
    case.deploy_other("bare", true).await;
    case.deploy_other("gone", false).await;
    case.add_odd_name();
    let reader = case.reader();
    let ended = case
        .as_principal(&["status", "--azure", "-o", "json"], &reader)
        .exits(0)
        .await;
    let expected = json!({"exists": true, "location": "Plant 7", "apis": ["billing", "orders"],
        "tier": "Premium", "minApiVersion": "2021-08-01"});
    assert_eq!(ended.gateway("gw")["azure"], expected);
    assert_eq!(ended.gateway("twin")["azure"], expected);
    assert_eq!(ended.gateway("bare")["azure"]["apis"], json!([]));
    let gone = ended.gateway("gone");
    assert_eq!(
        gone["azure"],
        json!({"exists": false, "apis": [], "tier": "Premium", "minApiVersion": "2021-08-01"})
    );
    // The verdict is of the credential.
    assert_eq!(gone["verdict"], "Unprotected");

    // However many gateways: one sign-in, and one look at their instance.
    let asked = [
        Operation::SignIn,
        Operation::ResourceGraph,
        Operation::GetService,
        Operation::ListGateways,
        Operation::ListApis,
    ]
    .map(|operation| case.asked(&reader, operation));
    assert_eq!(asked, [1, 1, 1, 1, 2]);

    let line = ["status", "--azure", "--color", "always"];
    let table = case.as_principal(&line, &reader).exits(0).await.stdout;
    assert!(
        table.contains("\u{1b}[31mno") || table.contains("\u{1b}[38;5;9mno"),
        "{table:?}"
    );
    let table = case.as_principal(&line[..2], &reader).exits(0).await.stdout;
    let words = |name: &str| -> Vec<String> {
        let row = table.lines().find(|row| row.starts_with(name)).unwrap();
        let cells = row.split("   ").map(str::trim).filter(|cell| !cell.is_empty());
        cells.map(str::to_owned).collect()
    };
    assert!(
        words("gw").ends_with(&["yes", "Plant 7", "2", "Premium", "2021-08-01"].map(str::to_owned)),
        "{table}"
    );
    assert!(
        words("gone").ends_with(&["no", "<none>", "0", "Premium", "2021-08-01"].map(str::to_owned)),
        "{table}"
    );
}

#[tokio::test]
async fn values_recorded_by_the_last_rotation_are_not_discovered() {
    let case = Case::new("azure-recorded").await;
    case.deploy(&case.idle_portal()).await;
    case.apim(&["rotate"]).exits(0).await;
    let reader = case.reader();
    let ended = case
        .as_principal(&["status", "--azure", "-o", "json"], &reader)
        .exits(0)
        .await;
    assert_eq!(ended.gateway("gw")["azure"]["exists"], true);
    assert_eq!(case.asked(&reader, Operation::ResourceGraph), 0);
}

#[tokio::test]
async fn a_row_that_azure_does_not_complete_keeps_its_place() {
    let case = Case::new("azure-rights").await;
    case.deploy(&case.idle_portal()).await;
    // The role of a rotation: it may not see the APIs.
    let ended = case.apim(&["status", "--azure", "-o", "json"]).exits(0).await;
    let row = ended.gateway("gw");
    assert_eq!(row["azure"]["exists"], true);
    assert!(row["azure"]["apis"].is_null());
    let gap = &row["unread"][0];
    assert_eq!(
        (&gap["part"], &gap["forbidden"]),
        (&json!("apis"), &json!(true)),
        "{row:#}"
    );

    // Without a role on the instance, it is unknown whether it exists.
    let without_roles = case.known(Principal::random());
    let line = ["status", "--azure", "-o", "json"];
    let row = case
        .as_principal(&line, &without_roles)
        .exits(0)
        .await
        .gateway("gw");
    assert!(row["azure"].is_null());
    assert_eq!(row["unread"][0]["part"], "azure");
    assert_eq!(row["verdict"], "Expiring");
    case.apim(&["rotate"]).exits(0).await;
    let row = case
        .as_principal(&line, &without_roles)
        .exits(0)
        .await
        .gateway("gw");
    assert_eq!(row["unread"][0]["forbidden"], true, "{row:#}");
    let table = case
        .as_principal(&line[..2], &without_roles)
        .exits(0)
        .await
        .stdout;
    assert_eq!(table.matches("<forbidden>").count(), 5, "{table}");
}

#[tokio::test]
async fn a_failed_sign_in_is_reported() {
    let case = Case::new("azure-sign-in").await;
    case.deploy(&case.idle_portal()).await;
    let stranger = Principal::random();
    case.hides(&stranger.client_secret);
    let ended = case
        .as_principal(&["status", "--azure"], &stranger)
        .exits(1)
        .await;
    ended.says(&["AADSTS"]);
    // What the cluster shows is shown.
    let row = ended.stdout.lines().nth(1).unwrap();
    assert!(
        row.starts_with("gw ") && row.contains("<unknown>"),
        "{}",
        ended.stdout
    );

    let line = ["status", "--azure", "-o", "json", "--fail-within", "1d"];
    let alarm = case.as_principal(&line, &stranger).exits(9).await;
    let item = &alarm.json()["items"][0];
    assert!(
        item["azure"].is_null() && item["unread"][0]["part"] == "azure",
        "{item}"
    );
}

#[tokio::test]
async fn a_gateway_of_another_cloud_is_not_looked_for_there() {
    let case = Case::new("azure-cloud").await;
    let endpoint = format!("https://{}.configuration.azure-api.cn", case.gateway.service);
    let token = case.token(Slot::Primary, DAY * 20);
    let china = GatewayManifest::portal("china", &endpoint, &token).replicas(0);
    case.deploy(&china).await;
    case.deploy(&case.gateway("gw", 20)).await;
    let reader = case.reader();
    let hosts = || {
        let requests = case
            .azure()
            .requests_where(|request| request.principal.as_ref() == Some(&reader.client_id));
        let hosts: BTreeSet<String> = requests.into_iter().map(|request| request.host).collect();
        hosts.into_iter().collect::<Vec<_>>()
    };
    let run = case.as_principal(&["status", "--azure", "-o", "json"], &reader);
    let ended = run.exits(0).await;
    assert_eq!(ended.gateway("gw")["azure"]["exists"], true);
    let row = ended.gateway("china");
    assert!(row["azure"].is_null(), "{row:#}");
    let reason = row["unread"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("is in the cloud china"), "{reason}");
    ended.says(&["--cloud china"]);
    assert_eq!(hosts(), ["login.microsoftonline.com", "management.azure.com"]);

    let line = ["status", "--azure", "--cloud", "china", "-o", "json"];
    let ended = case.as_principal(&line, &reader).exits(0).await;
    assert_eq!(ended.gateway("china")["azure"]["exists"], true);
    assert!(ended.gateway("gw")["azure"].is_null());
    // One that is named is looked for in the cloud of its own endpoint.
    let before = hosts().len();
    let line = ["status", "china", "--azure", "-o", "json"];
    let ended = case.as_principal(&line, &reader).exits(0).await;
    assert_eq!(ended.gateway("china")["azure"]["exists"], true);
    assert_eq!(hosts().len(), before);
}
