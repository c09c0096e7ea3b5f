//! The real Azure CLI sets Entra up, under the public names through the proxy.

use apim_sandbox::azure::{Grant, GraphRights, Operation};
use serde_json::{Value, json};

use super::azure_cli::AzureCli;

impl AzureCli {
    async fn with_graph() -> AzureCli {
        let mut az = AzureCli::new(Grant::new("/", &["*"])).await;
        az.fixture.principal.graph = GraphRights::ReadWriteAll;
        az.fixture.azure.add_principal(az.fixture.principal.clone());
        az.log_in().await;
        az
    }

    /// Writes a file for the CLI to read, and gives its path.
    fn file(&self, name: &str, content: &str) -> String {
        let path = self.directory.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    }
}

fn certificate_pem() -> String {
    let der = super::graph_credentials::certificate();
    let lines: Vec<&str> = der
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        lines.join("\n")
    )
}

#[tokio::test]
#[ignore = "installs the Azure CLI, several hundred MB"]
async fn azure_cli_makes_an_application_with_credentials() {
    let az = AzureCli::with_graph().await;
    let made = az.json(&["ad", "app", "create", "--display-name", "gw"]).await;
    assert_eq!(made["signInAudience"], "AzureADandPersonalMicrosoftAccount");
    let app_id = made["appId"].as_str().unwrap();
    // The same name again is the same application.
    let again = az.json(&["ad", "app", "create", "--display-name", "gw"]).await;
    assert_eq!(again["id"], made["id"]);
    let listed = az.json(&["ad", "app", "list", "--display-name", "gw"]).await;
    assert_eq!(listed.as_array().unwrap().len(), 1);

    let reset = ["ad", "app", "credential", "reset", "--id", app_id, "--append"];
    let password = az
        .json(&[&reset[..], &["--display-name", "first"]].concat())
        .await;
    let certificate = format!("@{}", az.file("certificate.pem", &certificate_pem()));
    az.json(&[&reset[..], &["--cert", &certificate]].concat()).await;
    let second = format!("@{}", az.file("second.pem", &certificate_pem()));
    az.json(&[&reset[..], &["--cert", &second]].concat()).await;
    let application = az
        .fixture
        .azure
        .directory(|it| it.application(app_id).unwrap().clone());
    assert_eq!((application.passwords.len(), application.keys.len()), (1, 2));
    assert_eq!(
        application.passwords[0].secret,
        password["password"].as_str().unwrap()
    );

    let parameters = json!({"name": "one", "issuer": "https://issuer.example/", "subject": "s",
        "audiences": ["api://AzureADTokenExchange"]});
    let parameters = parameters.to_string();
    let federated = ["ad", "app", "federated-credential"];
    let create = ["create", "--id", app_id, "--parameters", &parameters];
    az.json(&[&federated[..], &create].concat()).await;
    let listed = az
        .json(&[&federated[..], &["list", "--id", app_id]].concat())
        .await;
    assert_eq!(listed[0]["name"], "one");

    let principal = az.json(&["ad", "sp", "create", "--id", app_id]).await;
    let shown = az.json(&["ad", "sp", "show", "--id", app_id]).await;
    assert_eq!(shown["id"], principal["id"]);
    let (tenant, secret) = (
        &az.fixture.principal.tenant,
        password["password"].as_str().unwrap(),
    );
    let signed_in = az.fixture.ask_entra(tenant, app_id, secret).await;
    assert!(signed_in.body["access_token"].is_string(), "{signed_in:?}");
    az.run(&["ad", "app", "delete", "--id", app_id]).await;
    assert!(az.fixture.azure.directory(|it| it.application(app_id).is_none()));
}

#[tokio::test]
#[ignore = "installs the Azure CLI, several hundred MB"]
async fn azure_cli_makes_roles_and_assigns_them() {
    let az = AzureCli::with_graph().await;
    let scope = super::fixture::Fixture::subscription_id();
    // The inner keys of the product's documentation, which the CLI does not understand, and those that it does.
    let data_action = "Microsoft.ApiManagement/service/gateways/getConfiguration/action";
    let role = |name: &str, permission: Value| json!({"Name": name, "Description": "d", "Permissions": [permission], "AssignableScopes": [scope]});
    let upper = role("Upper", json!({"Actions": [], "DataActions": [data_action]}));
    let lower = role("Lower", json!({"actions": [], "dataActions": [data_action]}));
    let create = async |name: &str, role: &Value| {
        let file = az.file(name, &role.to_string());
        az.json(&["role", "definition", "create", "--role-definition", &file])
            .await
    };
    let upper = create("upper.json", &upper).await;
    assert_eq!(
        upper["permissions"][0]["dataActions"],
        json!([]),
        "the CLI made a role that allows nothing"
    );
    let lower = create("lower.json", &lower).await;
    assert_eq!(lower["permissions"][0]["dataActions"], json!([data_action]));
    let found = az.json(&["role", "definition", "list", "--name", "Lower"]).await;
    assert_eq!(found[0]["id"], lower["id"]);
    assign_lower(&az).await;
}

/// Makes an application and gives it the role `Lower`, twice.
async fn assign_lower(az: &AzureCli) {
    let app = az.json(&["ad", "app", "create", "--display-name", "gw"]).await;
    let app_id = app["appId"].as_str().unwrap();
    let principal = az.json(&["ad", "sp", "create", "--id", app_id]).await;
    let service = az.fixture.gateway.service_id();
    let assign = async |who: &[&str]| {
        let command = [
            "role",
            "assignment",
            "create",
            "--role",
            "Lower",
            "--scope",
            &service,
        ];
        az.json(&[&command[..], who].concat()).await
    };
    let by_name = assign(&["--assignee", app_id]).await;
    assert_eq!(by_name["principalId"], principal["id"]);
    let id = principal["id"].as_str().unwrap();
    let by_id = [
        "--assignee-object-id",
        id,
        "--assignee-principal-type",
        "ServicePrincipal",
    ];
    assert_eq!(
        assign(&by_id).await["id"],
        by_name["id"],
        "the CLI takes the conflict for success"
    );
    let listed = az
        .json(&[
            "role",
            "assignment",
            "list",
            "--scope",
            &service,
            "--assignee",
            app_id,
        ])
        .await;
    assert_eq!(listed[0]["roleDefinitionName"], "Lower");
    assert_eq!(
        az.fixture.azure.authorization(|it| it.role_assignments().len()),
        1
    );
}

#[tokio::test]
#[ignore = "installs the Azure CLI, several hundred MB"]
async fn azure_cli_makes_identities() {
    let az = AzureCli::with_graph().await;
    let gateway = az.fixture.gateway.clone();
    let group = ["--resource-group", &gateway.resource_group];
    let create = ["identity", "create", "--name", "one", "--location", "westeurope"];
    let made = az.json(&[&create[..], &group].concat()).await;
    assert!(
        made["id"].as_str().unwrap().contains("/resourcegroups/"),
        "{made}"
    );
    let federated = [
        "identity",
        "federated-credential",
        "create",
        "--identity-name",
        "one",
        "--name",
        "fic",
        "--issuer",
        "https://issuer.example/",
        "--subject",
        "s",
        "--audiences",
        "api://AzureADTokenExchange",
    ];
    let credential = az.json(&[&federated[..], &group].concat()).await;
    assert_eq!(credential["subject"], "s");

    let update = ["apim", "update", "--name", &gateway.service];
    let enable = ["--enable-managed-identity", "true"];
    let changed = az.json(&[&update[..], &group, &enable].concat()).await;
    let principal = changed["identity"]["principalId"].as_str().unwrap();
    let again = az.json(&[&update[..], &group, &["--tags", "a=b"]].concat()).await;
    assert_eq!(
        again["identity"]["principalId"], principal,
        "a PUT without identity leaves it alone"
    );
    assert_eq!(az.fixture.azure.requests_for(Operation::PutService).len(), 2);
}
