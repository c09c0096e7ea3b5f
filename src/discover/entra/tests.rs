//! The Azure half of the facts against the emulator, with a cluster that does not
//! answer.

mod apps;
mod roles;

use std::time::Duration;

use apim_sandbox::azure::{
    AppRoleAssignment, Application, Azure, FederatedIdentityCredential, Gateway, Grant, GraphRights,
    LockLevel, ManagedIdentity, PasswordCredential, Permission as SetPermission, Principal, RoleAssignment,
    RoleDefinition as SetRole, ServicePrincipal, User,
};
use jiff::SignedDuration;
use tempfile::NamedTempFile;
use tokio::time::Instant;
use uuid::Uuid;

use super::app::Directory;
use super::gone::absence;
use super::settled::settled;
use super::target::SetupTarget;
use super::{Sources, facts};
use crate::azure::{Arm, ClientCredential, DEFAULT_API_VERSION, Graph, Identity, Options, SignIn};
use crate::cluster::{Cluster, ConnectInputs};
use crate::discover::evidence::{Evidence, identify};
use crate::error::Kind;
use crate::model::entra::facts::{
    Absence, AppFacts, AppKind, ClusterFacts, EntraFacts, ServiceAccountFacts, StoredFacts,
};
use crate::model::entra::{AppRequest, CLIENT_ID_ANNOTATION, Mode, SetupRequest, unique_name};
use crate::model::request::{KubeConnection, TargetRequest};
use crate::model::{AzureRole, Cloud, GatewayId, Source, Sourced, Unavailable};

const SUBSCRIPTION: &str = "5ab50001-0000-4000-8000-000000000001";

struct World {
    azure: Azure,
    principal: Principal,
    gateway: Gateway,
    id: GatewayId,
}

fn world(principal: Principal, azure: Azure) -> World {
    let gateway = Gateway::new(SUBSCRIPTION, "Rg-One", "contoso", "gw");
    azure.add_gateway(&gateway);
    azure.add_principal(principal.clone());
    World {
        id: GatewayId::parse(&gateway.id()).unwrap(),
        azure,
        principal,
        gateway,
    }
}

async fn start() -> World {
    let owner = Principal::random()
        .with(Grant::new("/", &["*"]))
        .with_graph(GraphRights::ReadWriteAll);
    world(owner, Azure::start().await.unwrap())
}

fn request(app: AppRequest, mode: Mode) -> SetupRequest {
    SetupRequest {
        mode: Some(mode),
        app,
        service_account: Some("gw".to_owned()),
        secret: Some("gw-entra".to_owned()),
        secret_lifetime: SignedDuration::from_hours(24 * 180),
        enable_identity: false,
        location_name: None,
        token_audience: None,
        federation_audience: None,
        yes: true,
    }
}

fn create() -> AppRequest {
    AppRequest::Create("O'Brien's gw".to_owned())
}

impl World {
    fn subscription(&self) -> String {
        self.id.service.subscription_path()
    }

    fn instance(&self) -> String {
        self.id.service.path()
    }

    fn arm(&self) -> Arm {
        let ca = NamedTempFile::new().unwrap();
        std::fs::write(ca.path(), self.azure.ca_pem()).unwrap();
        let identity = Identity::ServicePrincipal {
            tenant: self.principal.tenant.clone(),
            client_id: self.principal.client_id.clone(),
            credential: ClientCredential::Secret(self.principal.client_secret.as_str().into()),
        };
        let arm = Arm::new(Options {
            cloud: Cloud {
                authority: self.azure.url(),
                resource_manager: self.azure.url(),
                scope: format!("{}/.default", self.azure.url()),
                graph: Some(self.azure.url()),
            },
            identity: SignIn::only(identity, "--auth"),
            extra_ca: Some(ca.path().to_owned()),
            api_version: DEFAULT_API_VERSION.into(),
            deadline: Instant::now() + Duration::from_mins(2),
            burst: false,
        });
        arm.unwrap()
    }

    async fn try_facts(&self, request: &SetupRequest) -> crate::error::Result<EntraFacts> {
        let arm = self.arm();
        let graph = Graph::beside(&arm, None).await.unwrap();
        // Port 1 is reserved and nothing listens there.
        let connection = KubeConnection {
            server: Some("https://127.0.0.1:1".to_owned()),
            namespace: Some("shop".to_owned()),
            insecure_skip_tls_verify: true,
            ..KubeConnection::default()
        };
        let inputs = ConnectInputs::new(&|_| None, false, jiff::Timestamp::UNIX_EPOCH);
        let cluster = Cluster::connect(&connection, inputs).await.unwrap();
        let sources = Sources {
            cluster: &cluster,
            arm: &arm,
            graph: &graph,
        };
        let given = |name: &str| Some(Sourced::new(name.to_owned(), Source::Default));
        let named = TargetRequest {
            service: given("contoso"),
            gateway: given("gw"),
            ..TargetRequest::default()
        };
        let target = SetupTarget {
            named: identify(&named, &Evidence::default()).unwrap(),
            workload: None,
            warnings: Vec::new(),
            side: None,
            pod: None,
        };
        facts(&sources, &target, &self.id, request, true).await
    }

    async fn facts(&self, request: &SetupRequest) -> EntraFacts {
        self.try_facts(request).await.unwrap()
    }

    /// Adds the app that a set-up has made, with its service principal.
    fn add_app(&self) -> (Application, ServicePrincipal) {
        let mut app = Application::new(&self.principal.tenant, "O'Brien's gw");
        app.unique_name = Some(unique_name("O'Brien's gw", &self.id));
        let principal = ServicePrincipal::new(
            &self.principal.tenant,
            &Uuid::new_v4().to_string(),
            &app.app_id,
            "O'Brien's gw",
        );
        self.azure.directory(|it| {
            it.add_application(app.clone());
            it.add_service_principal(principal.clone());
        });
        (app, principal)
    }

    fn add_role(&self, name: &str, permission: SetPermission, scope: &str, principal: Option<&str>) -> Uuid {
        let role = SetRole::new(name, permission, &self.subscription());
        self.azure.authorization(|it| {
            if let Some(principal) = principal {
                it.add_role_assignment(RoleAssignment::new(scope, &role, principal));
            }
            it.add_role_definition(role.clone());
        });
        role.name.parse().unwrap()
    }
}

fn whole(role: AzureRole) -> SetPermission {
    let role = role.definition();
    SetPermission::new(&role.action_names(), &role.data_action_names())
}

fn app_of(facts: &EntraFacts) -> &AppFacts {
    facts.app.as_ref().unwrap().as_ref().unwrap()
}

fn is_forbidden<T: std::fmt::Debug>(fact: &Result<T, Unavailable>) -> bool {
    matches!(fact, Err(Unavailable::Forbidden(_)))
}
