//! The Azure half of the facts against the emulator, with a cluster that does not
//! answer.

use std::time::Duration;

use apim_sandbox::azure::{
    AppRoleAssignment, Application, Azure, FederatedIdentityCredential, Gateway, Grant, GraphRights,
    LockLevel, ManagedIdentity, Permission as SetPermission, Principal, RoleAssignment,
    RoleDefinition as SetRole, ServicePrincipal, User,
};
use jiff::SignedDuration;
use tempfile::NamedTempFile;
use tokio::time::Instant;
use uuid::Uuid;

use super::target::SetupTarget;
use super::{Sources, facts};
use crate::azure::{Arm, ClientCredential, DEFAULT_API_VERSION, Graph, Identity, Options, SignIn};
use crate::cluster::{Cluster, ConnectInputs};
use crate::discover::evidence::{Evidence, identify};
use crate::model::entra::facts::{AppFacts, AppKind, EntraFacts};
use crate::model::entra::{AppRequest, Mode, SetupRequest, unique_name};
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

    async fn arm(&self) -> Arm {
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

    async fn facts(&self, request: &SetupRequest) -> EntraFacts {
        let arm = self.arm().await;
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
        };
        facts(&sources, &target, &self.id, request, true).await.unwrap()
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

#[tokio::test]
async fn of_an_empty_directory_everything_is_known_and_nothing_is_there() {
    let world = start().await;
    let facts = world.facts(&request(create(), Mode::AppSecret)).await;
    assert_eq!(facts.tenant.to_string(), world.principal.tenant);
    assert_eq!(facts.caller.unwrap().to_string(), world.principal.object_id());
    assert_eq!((facts.cloud, facts.authority), (None, world.azure.url()));
    let instance = facts.instance.unwrap();
    assert_eq!((instance.tier.as_str(), instance.updating), ("Developer", false));
    assert_eq!(instance.identity.principal, None);
    assert_eq!(facts.resource.unwrap().unwrap().apis, Ok(0));
    for role in [&facts.validator, &facts.reader] {
        assert_eq!(role.definitions, Ok(Vec::new()));
        assert_eq!(role.assignments, Ok(Vec::new()));
        assert!(role.in_use.is_empty());
    }
    assert!(facts.app.unwrap().is_none() && facts.namesakes.unwrap().is_empty());
    assert_eq!(
        facts.policy,
        Ok(crate::model::entra::facts::SecretPolicy::default())
    );
    assert_eq!(facts.lock, Ok(None));
    let rights = facts.rights;
    let of_arm = [
        &rights.define_roles,
        &rights.assign_in_group,
        &rights.assign_at_instance,
        &rights.change_instance,
        &rights.create_gateway,
    ];
    assert!(of_arm.iter().all(|right| **right == Ok(true)));
    assert!(rights.register_apps.is_err() && rights.change_app.is_err());
    // The cluster does not answer.
    assert!(facts.cluster.place.is_err() && facts.cluster.secret.is_err());
    assert!(facts.cluster.service_account.is_err() && rights.write_secret.is_err());
}

#[tokio::test]
async fn what_a_set_up_has_made_is_found_again() {
    let world = start().await;
    let (app, principal) = world.add_app();
    let federated = FederatedIdentityCredential::new("apim-gw", "https://i/", "s", "a");
    world.azure.directory(|it| {
        it.change_application(&app.app_id, |app| app.federated_credentials.push(federated));
    });
    let identity = world
        .azure
        .enable_identity(&world.gateway, &world.principal.tenant);
    world.azure.assign_api(&world.gateway, "orders");
    let (subscription, instance) = (world.subscription(), world.instance());
    let validator = world.add_role(
        "v",
        whole(AzureRole::ConfigValidator),
        &subscription,
        Some(&identity),
    );
    let reader = world.add_role(
        "r",
        whole(AzureRole::ConfigReader),
        &instance,
        Some(&principal.id),
    );
    let wide = SetPermission::new(&["*"], &["*"]);
    world.add_role("wide", wide, &instance, Some(&principal.id));

    let facts = world.facts(&request(create(), Mode::WorkloadIdentity)).await;
    assert_eq!(
        facts
            .instance
            .as_ref()
            .unwrap()
            .identity
            .principal
            .unwrap()
            .to_string(),
        identity
    );
    assert_eq!(facts.resource.as_ref().unwrap().as_ref().unwrap().apis, Ok(1));
    let found = app_of(&facts);
    assert_eq!(found.client_id().to_string(), app.app_id);
    let service_principal = found.service_principal.as_ref().unwrap().as_ref().unwrap();
    assert_eq!(service_principal.id.to_string(), principal.id);
    assert_eq!(found.federated.as_ref().unwrap()[0].name, "apim-gw");
    assert!(found.owners.as_ref().unwrap().is_empty() && found.app_roles.as_ref().unwrap().is_empty());
    assert_eq!(found.assignments.as_ref().unwrap().len(), 2);
    assert!(facts.namesakes.unwrap().is_empty());
    // The inherited one counts.
    let assignments = facts.validator.assignments.unwrap();
    assert_eq!((assignments.len(), assignments[0].role), (1, validator));
    assert_eq!(assignments[0].scope, subscription);
    let definitions = facts.reader.definitions.unwrap();
    assert_eq!(definitions.len(), 2, "the wide one is enough as well");
    let assignments = facts.reader.assignments.unwrap();
    assert!(
        assignments
            .iter()
            .any(|it| it.role == reader && it.scope == instance)
    );
    assert!(facts.policy.is_err(), "no secret, no policy");
}

#[tokio::test]
async fn an_empty_role_of_the_documents_name_is_found_with_its_use() {
    let world = start().await;
    let scope = world.subscription();
    let name = AzureRole::ConfigReader.definition().name.to_uppercase();
    let id = world.add_role(
        &name,
        SetPermission::default(),
        &scope,
        Some(&Uuid::new_v4().to_string()),
    );
    world.add_role("other", SetPermission::default(), &scope, None);
    let facts = world.facts(&request(create(), Mode::WorkloadIdentity)).await;
    let reader = facts.reader;
    assert_eq!(
        reader
            .definitions
            .unwrap()
            .iter()
            .map(|it| it.id)
            .collect::<Vec<_>>(),
        [id]
    );
    assert_eq!(reader.in_use.get(&id), Some(&Ok(1)));
    assert_eq!(facts.validator.definitions, Ok(Vec::new()));
}

#[tokio::test]
async fn a_built_in_role_that_is_enough_is_found() {
    let world = start().await;
    let identity = world
        .azure
        .enable_identity(&world.gateway, &world.principal.tenant);
    let reader = world.azure.authorization(|it| {
        // Azure's Reader, which may read all of Microsoft.Authorization too.
        let role = SetRole {
            built_in: true,
            ..SetRole::new("Reader", SetPermission::new(&["*/read"], &[]), "/")
        };
        it.add_role_assignment(RoleAssignment::new(
            &world.id.service.group_path(),
            &role,
            &identity,
        ));
        it.add_role_definition(role.clone());
        role.name
    });
    let facts = world.facts(&request(create(), Mode::WorkloadIdentity)).await;
    let definitions = facts.validator.definitions.unwrap();
    assert_eq!(definitions[0].id.to_string(), reader);
    assert_eq!(facts.validator.assignments.unwrap().len(), 1);
}

#[tokio::test]
async fn apps_of_the_same_display_name_are_namesakes() {
    let world = start().await;
    let tenant = &world.principal.tenant;
    world.azure.directory(|it| {
        for name in ["O'Brien's GW", "O'Brien's gw", "other"] {
            it.add_application(Application::new(tenant, name));
        }
    });
    let facts = world.facts(&request(create(), Mode::WorkloadIdentity)).await;
    assert!(facts.app.as_ref().unwrap().is_none());
    assert_eq!(facts.namesakes.unwrap().len(), 2);
    world.add_app();
    let facts = world.facts(&request(create(), Mode::WorkloadIdentity)).await;
    assert!(facts.app.as_ref().unwrap().is_some());
    assert_eq!(facts.namesakes.unwrap().len(), 2);
}

#[tokio::test]
async fn who_else_can_use_an_app_is_known() {
    let world = start().await;
    let (app, principal) = world.add_app();
    let user = User::new(&world.principal.tenant, "Eve\u{1b}[2J");
    world.azure.directory(|it| {
        it.add_user(user.clone());
        it.change_application(&app.app_id, |app| app.owners.push(user.id.clone()));
        it.change_service_principal(&principal.app_id, |it| {
            it.account_enabled = false;
            it.app_role_assignments.push(AppRoleAssignment {
                id: "a".to_owned(),
                app_role_id: Uuid::from_u128(1).to_string(),
                resource_id: Uuid::from_u128(2).to_string(),
                resource_display_name: "Microsoft Graph".to_owned(),
            });
        });
    });
    let existing = AppRequest::Existing(app.app_id.parse().unwrap());
    let facts = world.facts(&request(existing, Mode::AppSecret)).await;
    let found = app_of(&facts);
    let owners = found.owners.as_ref().unwrap();
    assert_eq!(owners[0].id.to_string(), user.id);
    assert!(!format!("{owners:?}").contains("\\u{1b}"));
    assert!(
        !found
            .service_principal
            .as_ref()
            .unwrap()
            .as_ref()
            .unwrap()
            .enabled
    );
    let roles = found.app_roles.as_ref().unwrap();
    assert_eq!(roles[0].resource_name.as_deref(), Some("Microsoft Graph"));
    let none = AppRequest::Existing(Uuid::from_u128(7));
    let facts = world.facts(&request(none, Mode::AppSecret)).await;
    assert!(facts.app.unwrap().is_none());
}

#[tokio::test]
async fn a_managed_identity_is_found_by_its_client_id() {
    let world = start().await;
    let identity = ManagedIdentity::new(&world.principal.tenant, SUBSCRIPTION, "Rg-One", "gw");
    world
        .azure
        .directory(|it| it.add_managed_identity(identity.clone()));
    let existing = AppRequest::Existing(identity.client_id.parse().unwrap());
    let facts = world.facts(&request(existing, Mode::WorkloadIdentity)).await;
    let found = app_of(&facts);
    let AppKind::Identity(id, client_id) = &found.kind else {
        panic!("{:?}", found.kind);
    };
    assert!(id.path().eq_ignore_ascii_case(&identity.arm_id()));
    assert_eq!(client_id.to_string(), identity.client_id);
    assert_eq!(found.federated, Ok(Vec::new()));
    assert_eq!(facts.rights.change_app, Ok(true));
}

#[tokio::test]
async fn policies_and_locks_are_found() {
    let world = start().await;
    world.azure.directory(|it| {
        let tenant = it.tenant_mut(&world.principal.tenant);
        tenant.passwords_allowed = false;
        tenant.longest_certificate = Some(SignedDuration::from_hours(24 * 30));
    });
    let group = world.id.service.group_path();
    world.azure.authorization(|it| {
        it.lock(&format!("{}/gateways/gw", world.instance()), LockLevel::ReadOnly);
        it.lock(&group, LockLevel::CanNotDelete);
    });
    let facts = world.facts(&request(create(), Mode::AppSecret)).await;
    assert_eq!(facts.lock, Ok(None));
    let policy = facts.policy.unwrap();
    assert!(policy.forbids_secrets);
    assert_eq!(
        policy.longest_certificate,
        Some(SignedDuration::from_hours(24 * 30))
    );
    world
        .azure
        .authorization(|it| it.lock(&group, LockLevel::ReadOnly));
    let facts = world.facts(&request(create(), Mode::AppSecret)).await;
    assert!(facts.lock.unwrap().is_some());
}

#[tokio::test]
async fn what_the_caller_may_not_read_is_forbidden_and_the_rest_is_known() {
    let reads = Grant::new("/", &["Microsoft.ApiManagement/service/read"]);
    let caller = Principal::random().with(reads);
    let world = world(caller, Azure::start().await.unwrap());
    world
        .azure
        .directory(|it| it.tenant_mut(&world.principal.tenant).policies_readable = false);
    let facts = world.facts(&request(create(), Mode::AppSecret)).await;
    assert!(facts.instance.is_ok());
    assert!(is_forbidden(&facts.resource) && is_forbidden(&facts.lock));
    assert!(is_forbidden(&facts.app) && is_forbidden(&facts.namesakes) && is_forbidden(&facts.policy));
    for role in [&facts.validator, &facts.reader] {
        assert!(is_forbidden(&role.definitions) && is_forbidden(&role.assignments));
    }
    assert_eq!(facts.rights.define_roles, Ok(false));
    assert_eq!(facts.rights.change_instance, Ok(false));
}

#[tokio::test]
async fn a_gateway_that_is_not_there_is_not_an_instance_that_is_not_there() {
    let mut world = start().await;
    world.id = world.id.service.gateway("gone");
    let facts = world.facts(&request(create(), Mode::WorkloadIdentity)).await;
    assert!(facts.instance.is_ok() && facts.resource.unwrap().is_none());
    let gone = world.gateway.id().replace("contoso", "gone");
    world.id = GatewayId::parse(&gone).unwrap();
    let facts = world.facts(&request(create(), Mode::WorkloadIdentity)).await;
    assert!(facts.instance.is_err() && facts.resource.is_err());
}

#[tokio::test]
async fn a_failed_sign_in_ends_the_run() {
    let mut world = start().await;
    world.principal.client_secret = "wrong".to_owned();
    let arm = world.arm().await;
    let error = arm.caller().await.unwrap_err();
    assert!(error.to_string().contains("AADSTS7000215"), "{error}");
}
