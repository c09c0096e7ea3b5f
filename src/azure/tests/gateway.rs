//! The sign-in as a gateway, and the configuration endpoint, against the emulator.

use apim_sandbox::azure::{
    Action, Azure, Fault, Gateway, Grant, Lag, Operation, Permission, Principal, RoleAssignment,
    RoleDefinition,
};
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use uuid::Uuid;

use super::PATIENCE;
use crate::azure::{
    Arm, ClientCredential, ConfigurationAnswer, DEFAULT_API_VERSION, Error, GatewayProof, GatewaySignIn,
    Graph, Identity, MadeCertificate, NewCertificate, Options, SignIn,
};
use crate::model::entra::token_audience;
use crate::model::{Cloud, CloudName};

const READER: &str = "Microsoft.ApiManagement/service/gateways/getConfiguration/action";

/// A client that reaches the emulator under the real host names.
fn arm(azure: &Azure, principal: &Principal) -> Arm {
    azure.add_principal(principal.clone());
    let identity = Identity::ServicePrincipal {
        tenant: principal.tenant.clone(),
        client_id: principal.client_id.clone(),
        credential: ClientCredential::Secret(principal.client_secret.as_str().into()),
    };
    let options = Options {
        cloud: Cloud::known(CloudName::Public),
        identity: SignIn::only(identity, "--auth"),
        extra_ca: None,
        api_version: DEFAULT_API_VERSION.into(),
        deadline: tokio::time::Instant::now() + PATIENCE,
        burst: false,
    };
    Arm::with_client(options, azure.client().unwrap()).unwrap()
}

fn sign_in(app: &Principal, proof: GatewayProof) -> GatewaySignIn {
    GatewaySignIn {
        tenant: app.tenant.parse().unwrap(),
        client_id: app.client_id.parse().unwrap(),
        audience: token_audience(CloudName::Public).to_owned(),
        proof,
    }
}

fn code(outcome: Result<SecretString, Error>) -> String {
    match outcome.unwrap_err() {
        Error::SignIn { code, .. } => code.unwrap(),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_gateway_signs_in_by_each_kind_of_credential_once_it_has_arrived() {
    let azure = Azure::start().await.unwrap();
    let admin = Principal::random().with_graph(apim_sandbox::azure::GraphRights::ReadWriteAll);
    let arm = arm(&azure, &admin);
    let graph = Graph::beside(&arm, None).await.unwrap();
    let application = graph.upsert_application("gw", "gw").await.unwrap().application;
    graph.create_service_principal(application.app_id).await.unwrap();
    let app = Principal {
        tenant: admin.tenant.clone(),
        client_id: application.app_id.to_string(),
        ..Principal::random()
    };
    let wrong = sign_in(&app, GatewayProof::Secret("wrong".into()));
    assert_eq!(code(arm.sign_in_as_gateway(&wrong).await), "AADSTS7000215");

    let now: Timestamp = azure.now();
    let expires = now + SignedDuration::from_hours(24);
    let secret = graph.add_password(application.id, "gw", expires).await.unwrap();
    let by_secret = sign_in(&app, GatewayProof::Secret(secret.secret));
    arm.sign_in_as_gateway(&by_secret).await.unwrap();

    let made = MadeCertificate::make("gw", now, expires).unwrap();
    let by_certificate = sign_in(&app, GatewayProof::Certificate(made.certificate.clone()));
    assert_eq!(
        code(arm.sign_in_as_gateway(&by_certificate).await),
        "AADSTS700027"
    );
    let certificate = NewCertificate {
        key_id: Uuid::new_v4(),
        name: "gw".into(),
        der: made.der,
        begins: made.begins,
        expires: made.expires,
    };
    azure.set_lag(Lag::of(SignedDuration::from_secs(1)));
    graph.add_certificate(application.id, &certificate).await.unwrap();
    let early = arm.sign_in_as_gateway(&by_certificate).await;
    assert_eq!(code(early), "AADSTS700027", "it has not arrived");
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    arm.sign_in_as_gateway(&by_certificate).await.unwrap();

    let federated = sign_in(&app, GatewayProof::Federated("not.a.token".into()));
    assert_eq!(code(arm.sign_in_as_gateway(&federated).await), "AADSTS50027");
}

#[tokio::test]
async fn the_configuration_endpoint_serves_refuses_or_shows_nothing() {
    let azure = Azure::start().await.unwrap();
    let gateway = Gateway::new("sub", "Rg-One", "contoso", "a'; touch x #");
    azure.add_gateway(&gateway);
    let app = Principal::random();
    let arm = arm(&azure, &app);
    let by_secret = sign_in(&app, GatewayProof::Secret(app.client_secret.as_str().into()));
    let token = arm.sign_in_as_gateway(&by_secret).await.unwrap();
    let host = "contoso.configuration.azure-api.net";
    let ask = async |host| {
        arm.gateway_configuration(host, &gateway.name, &token)
            .await
            .unwrap()
    };
    assert_eq!(ask(host).await, ConfigurationAnswer::Refused(403));
    assert!(arm.now().is_some(), "its answers have Azure's time");

    let mut allowed = app.clone();
    allowed
        .grants
        .push(Grant::new(&gateway.service_id(), &[]).with_data(&[READER]));
    azure.add_principal(allowed);
    assert_eq!(ask(host).await, ConfigurationAnswer::Refused(403));
    let identity = azure.enable_identity(&gateway, &app.tenant);
    let service = gateway.service_id();
    let group = service.split("/providers/").next().unwrap();
    let role = RoleDefinition::new(
        "v",
        Permission::new(&["Microsoft.Authorization/*/read"], &[]),
        group,
    );
    azure.authorization(|it| {
        it.add_role_assignment(RoleAssignment::new(group, &role, &identity));
        it.add_role_definition(role);
    });
    assert_eq!(ask(host).await, ConfigurationAnswer::Served);
    for (action, passes) in [
        (Action::Html200, false),
        (Action::Empty200, false),
        (Action::status(404), false),
        (Action::status(503), true),
        (Action::ResetBefore, true),
    ] {
        azure.fault(Fault::on(Operation::Configuration, action.clone()));
        let answer = ask(host).await;
        azure.clear_faults();
        let ConfigurationAnswer::Unclear { may_pass, .. } = answer else {
            panic!("{action:?}: {answer:?}")
        };
        assert_eq!(may_pass, passes, "{action:?}");
    }
    let unclear = ask("contoso.nowhere.example").await;
    assert!(
        matches!(unclear, ConfigurationAnswer::Unclear { .. }),
        "{unclear:?}"
    );
}
