//! Roles, identities and new gateways against the emulator.

use apim_sandbox::azure::{
    Action, Azure, Fault, Grant, InstanceIdentity as SetIdentity, Lag, LockLevel, ManagedIdentity, Operation,
    Permission as SetPermission, Principal, RoleDefinition as SetRole, ServicePrincipal,
};
use jiff::SignedDuration;
use uuid::Uuid;

use super::{arm, gateway};
use crate::azure::{Arm, RoleAddition};
use crate::model::access::{Permission, RoleDefinition};
use crate::model::directory::FederatedCredential;
use crate::model::{GatewayId, ManagedIdentityId};

const READER: &str = "Microsoft.ApiManagement/service/gateways/getConfiguration/action";
const LAG: SignedDuration = SignedDuration::from_secs(2);

struct World {
    azure: Azure,
    principal: Principal,
    arm: Arm,
    id: GatewayId,
}

impl World {
    fn subscription(&self) -> String {
        self.id.service.subscription_path()
    }
}

async fn start_as(principal: Principal) -> World {
    let azure = Azure::start().await.unwrap();
    azure.add_gateway(&gateway("gw"));
    let arm = arm(&azure, &principal, false);
    World {
        azure,
        principal,
        arm,
        id: GatewayId::parse(&gateway("gw").id()).unwrap(),
    }
}

async fn start() -> World {
    start_as(Principal::random().with(Grant::new("/", &["*"]))).await
}

fn reader(scope: &str) -> RoleDefinition {
    RoleDefinition {
        id: Uuid::new_v4(),
        name: "Gateway's Reader".into(),
        description: "Reads O'Brien's gateways".into(),
        built_in: false,
        permissions: vec![Permission {
            data_actions: vec![READER.into()],
            ..Permission::default()
        }],
        assignable_scopes: vec![scope.into()],
    }
}

#[tokio::test]
async fn a_role_is_found_by_its_permissions() {
    let world = start().await;
    let scope = world.subscription();
    let role = reader(&scope);
    assert_eq!(world.arm.put_role(&scope, &role).await.unwrap(), role);
    assert_eq!(world.arm.put_role(&scope, &role).await.unwrap(), role);
    let instance = world.id.service.path();
    let custom = world.arm.custom_roles(&instance).await.unwrap();
    let equal: Vec<_> = custom
        .iter()
        .filter(|role| role.grants_exactly(&[], &[READER]))
        .collect();
    assert_eq!(equal, [&role]);

    let taken = RoleDefinition {
        id: Uuid::new_v4(),
        ..role
    };
    let error = world.arm.put_role(&scope, &taken).await.unwrap_err();
    assert!(error.has_code("RoleDefinitionWithSameNameExists"), "{error}");
}

#[tokio::test]
async fn a_role_without_permissions_is_mended_and_keeps_the_rest() {
    let world = start().await;
    let scope = world.subscription();
    let made_by_az = SetRole {
        description: "d".repeat(1500),
        ..SetRole::new(
            "Gateway Reader",
            SetPermission::default(),
            &world.id.service.group_path(),
        )
    };
    let id: Uuid = made_by_az.name.parse().unwrap();
    world
        .azure
        .authorization(|it| it.add_role_definition(made_by_az.clone()));
    let addition = RoleAddition {
        scopes: vec![scope.clone()],
        data_actions: vec![READER.into()],
        ..RoleAddition::default()
    };
    let group = world.id.service.group_path();
    let mended = world
        .arm
        .add_to_role(&group, id, &addition)
        .await
        .unwrap()
        .unwrap();
    assert!(mended.grants_exactly(&[], &[READER]));
    assert_eq!(mended.assignable_scopes, [group.clone(), scope]);
    assert_eq!(world.arm.add_to_role(&group, id, &addition).await.unwrap(), None);
    let stored = world.azure.authorization(|it| {
        let all = it.role_definitions();
        all.iter()
            .find(|role| role.role_name == "Gateway Reader")
            .unwrap()
            .description
            .len()
    });
    assert_eq!(stored, 1500);
    assert_eq!(world.azure.requests_for(Operation::PutRoleDefinition).len(), 1);
}

#[tokio::test]
async fn a_role_is_assigned_once_in_spite_of_lag_and_of_a_lost_answer() {
    let world = start().await;
    let (scope, instance) = (world.subscription(), world.id.service.path());
    let principal = Uuid::new_v4();
    let tenant = &world.principal.tenant;
    let service_principal =
        ServicePrincipal::new(tenant, &principal.to_string(), &Uuid::new_v4().to_string(), "gw");
    world
        .azure
        .directory(|it| it.add_service_principal(service_principal));
    world.azure.set_lag(Lag::of(LAG));
    let role = world.arm.put_role(&scope, &reader(&scope)).await.unwrap();
    world
        .azure
        .fault(Fault::on(Operation::PutRoleAssignment, Action::ResetAfter).once());
    let first = world
        .arm
        .assign_role(&instance, role.id, principal)
        .await
        .unwrap();
    let again = world
        .arm
        .assign_role(&instance, role.id, principal)
        .await
        .unwrap();
    assert_eq!(first, again);
    assert_eq!((first.principal, first.role), (principal, role.id));

    let inherited = world
        .arm
        .assignments_of(&world.id.path(), principal)
        .await
        .unwrap();
    assert_eq!(inherited, std::slice::from_ref(&first));
    assert_eq!(world.arm.assignments_of(&scope, principal).await.unwrap(), []);
    let of_role = world.arm.assignments_of_role(&scope, role.id).await.unwrap();
    assert_eq!(of_role, [first]);
}

#[tokio::test]
async fn an_assignment_under_another_name_is_a_success() {
    let world = start().await;
    let (scope, principal) = (world.subscription(), Uuid::new_v4());
    let role = SetRole::new("Reader", SetPermission::new(&[], &[READER]), &scope);
    let theirs = apim_sandbox::azure::RoleAssignment::new(&scope, &role, &principal.to_string());
    let (id, name) = (role.name.parse().unwrap(), theirs.name.clone());
    world.azure.authorization(|it| {
        it.add_role_definition(role);
        it.add_role_assignment(theirs);
    });
    let found = world.arm.assign_role(&scope, id, principal).await.unwrap();
    assert!(found.id.ends_with(&name), "{found:?}");
}

#[tokio::test]
async fn the_system_assigned_identity_comes_beside_the_others() {
    let world = start().await;
    let gateway = gateway("gw");
    let identity = ManagedIdentity::new(
        &world.principal.tenant,
        &gateway.subscription,
        &gateway.resource_group,
        "theirs",
    );
    world
        .azure
        .directory(|it| it.add_managed_identity(identity.clone()));
    let mut set = SetIdentity::default();
    let ids = [identity.principal_id.clone(), identity.client_id.clone()];
    set.user_assigned.insert(identity.arm_id(), ids);
    world.azure.set_identity(&gateway, set);
    world.azure.set_update_time(LAG);

    let before = world.arm.service(&world.id.service).await.unwrap();
    assert_eq!(before.identity.principal, None);
    assert_eq!(before.identity.user_assigned, [identity.arm_id()]);
    // Two runs at once: the second one waits and changes nothing.
    let (one, two) = tokio::join!(
        world.arm.enable_identity(&world.id.service),
        world.arm.enable_identity(&world.id.service)
    );
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!(one.identity, two.identity);
    assert_eq!(one.identity.user_assigned, [identity.arm_id()]);
    let system = world.azure.identity(&gateway).system_assigned.unwrap();
    assert_eq!(one.identity.principal, system.principal_id.parse().ok());
    assert_eq!(one.identity.tenant, world.principal.tenant.parse().ok());

    world.azure.clear_requests();
    world.arm.enable_identity(&world.id.service).await.unwrap();
    assert_eq!(world.azure.requests_for(Operation::PatchService).len(), 0);
}

#[tokio::test]
async fn a_lock_ends_the_change_of_an_identity() {
    let world = start().await;
    world
        .azure
        .authorization(|it| it.lock(&world.id.service.path(), LockLevel::ReadOnly));
    let error = world.arm.enable_identity(&world.id.service).await.unwrap_err();
    assert!(error.has_code("ScopeLocked"), "{error}");
}

#[tokio::test]
async fn a_managed_identity_trusts_tokens_one_write_at_a_time() {
    let world = start().await;
    let gateway = gateway("gw");
    let identity = ManagedIdentity::new(
        &world.principal.tenant,
        &gateway.subscription,
        &gateway.resource_group,
        "gw",
    );
    world.azure.directory(|it| {
        it.add_managed_identity(identity.clone());
        it.federation_write_time = LAG;
    });
    let id = ManagedIdentityId::parse(&identity.arm_id()).unwrap();
    let credential = |name: &str| FederatedCredential {
        name: name.into(),
        issuer: "https://issuer.example/".into(),
        subject: format!("system:serviceaccount:shop:{name}"),
        audiences: vec!["api://AzureADTokenExchange".into()],
    };
    for name in ["one", "two"] {
        world
            .arm
            .put_identity_credential(&id, &credential(name))
            .await
            .unwrap();
    }
    let mut all = world.arm.identity_credentials(&id).await.unwrap();
    all.sort_by(|one, two| one.name.cmp(&two.name));
    assert_eq!(all, [credential("one"), credential("two")]);
    let same_subject = FederatedCredential {
        name: "three".into(),
        ..credential("one")
    };
    let error = world
        .arm
        .put_identity_credential(&id, &same_subject)
        .await
        .unwrap_err();
    assert!(error.has_code("Conflict"), "{error}");
}

#[tokio::test]
async fn a_gateway_is_created_once_and_its_apis_are_counted() {
    let world = start().await;
    let new = world.id.service.gateway("a'; touch x #");
    world
        .azure
        .fault(Fault::on(Operation::PutGateway, Action::ResetAfter).once());
    let made = world.arm.create_gateway(&new, "Plant 7").await.unwrap();
    assert!(made.same_as(&new));
    let listed = world.arm.gateways(&world.id.service).await.unwrap();
    let found = listed.iter().find(|it| it.id.same_as(&new)).unwrap();
    assert_eq!(found.location.as_deref(), Some("Plant 7"));
    assert_eq!(world.arm.count_apis(&new).await.unwrap(), 0);
    for api in ["orders", "billing", "stock"] {
        world.azure.assign_api(&gateway("gw"), api);
    }
    assert_eq!(world.arm.count_apis(&world.id).await.unwrap(), 3);
}

#[tokio::test]
async fn the_permissions_of_the_identity_include_those_on_data() {
    let grant = Grant::reader("/").with_data(&[READER]);
    let world = start_as(Principal::random().with(grant)).await;
    let granted = world
        .arm
        .permissions(&world.id.service.path())
        .await
        .unwrap()
        .unwrap();
    assert!(granted.iter().any(|it| it.allows_data(READER)));
    assert!(
        !granted
            .iter()
            .any(|it| it.allows("Microsoft.Authorization/roleAssignments/write"))
    );

    world
        .azure
        .fault(Fault::on(Operation::Permissions, Action::status(403)).once());
    assert_eq!(
        world.arm.permissions(&world.id.service.path()).await.unwrap(),
        None
    );
}
