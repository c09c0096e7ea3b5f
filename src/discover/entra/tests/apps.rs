//! The app of a gateway, what restricts it, and what may not be read.

use super::*;

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
async fn a_failed_sign_in_ends_the_run() {
    let mut world = start().await;
    world.principal.client_secret = "wrong".to_owned();
    let arm = world.arm();
    let error = arm.caller().await.unwrap_err();
    assert!(error.to_string().contains("AADSTS7000215"), "{error}");
}

/// That there is none is believed only by several answers over a while.
#[tokio::test]
async fn an_app_that_is_not_there_can_be_restored_or_is_asked_for_again() {
    let world = start().await;
    let (deleted, _) = world.add_app();
    world.azure.directory(|it| it.delete_application(&deleted.app_id));
    let graph = Graph::beside(&world.arm(), None).await.unwrap();
    let of = async |id: &str| absence(&graph, id.parse().unwrap(), 3).await;

    let found = of(&deleted.app_id).await;
    let url = format!(
        "{}/v1.0/directory/deletedItems/{}/restore",
        world.azure.url(),
        deleted.id
    );
    assert_eq!(found, Some(Absence::Restorable(url)));

    let late = Application::new(&world.principal.tenant, "late");
    let never = Uuid::from_u128(7).to_string();
    let begun = Instant::now();
    let (late_one, none) = tokio::join!(
        async {
            let found = tokio::join!(of(&late.app_id), async {
                tokio::time::sleep(Duration::from_secs(3)).await;
                world.azure.directory(|it| it.add_application(late.clone()));
            });
            found.0
        },
        of(&never),
    );
    assert_eq!(late_one, None);
    assert_eq!(none, Some(Absence::Final));
    assert!(begun.elapsed() >= Duration::from_secs(15));
}

/// What Graph knows, once it shows what the cluster names, and how long that took.
async fn after_a_wait(
    world: &World,
    graph: &Graph,
    cluster: &ClusterFacts,
    mode: Mode,
) -> (crate::error::Result<Option<AppFacts>>, Duration) {
    let arm = world.arm();
    let directory = Directory {
        arm: &arm,
        graph,
        gateway: &world.id,
    };
    let request = create();
    let half = directory.half(&request, mode.is_stored()).await;
    let begun = Instant::now();
    let found = Box::pin(settled(
        &directory,
        (&request, mode),
        half,
        cluster,
        world.azure.now(),
    ))
    .await;
    (found.map(|half| half.app.unwrap()), begun.elapsed())
}

/// A cluster that does not answer, and the app of a set-up that Entra does not have yet.
async fn before_the_app() -> (World, Graph, ClusterFacts, Application) {
    let world = start().await;
    let graph = Graph::beside(&world.arm(), None).await.unwrap();
    let facts = world.facts(&request(create(), Mode::WorkloadIdentity)).await;
    let mut app = Application::new(&world.principal.tenant, "O'Brien's gw");
    app.unique_name = Some(unique_name("O'Brien's gw", &world.id));
    (world, graph, facts.cluster, app)
}

/// The `ServiceAccount` names the app since this time.
fn naming(cluster: &ClusterFacts, app: &Application, written: jiff::Timestamp) -> ClusterFacts {
    let account = ServiceAccountFacts {
        annotations: [(CLIENT_ID_ANNOTATION.to_owned(), app.app_id.clone())].into(),
        written: Some(written),
        ..ServiceAccountFacts::default()
    };
    ClusterFacts {
        service_account: Ok(Some(account)),
        ..cluster.clone()
    }
}

async fn late(change: impl FnOnce()) {
    tokio::time::sleep(Duration::from_secs(3)).await;
    change();
}

#[tokio::test]
async fn an_app_that_the_cluster_has_named_just_now_is_awaited() {
    let (world, graph, cluster, app) = before_the_app().await;
    let mode = Mode::WorkloadIdentity;
    let now = world.azure.now();
    // An hour later, Graph would have it.
    let earlier = naming(&cluster, &app, now - SignedDuration::from_hours(1));
    let (none, waited) = Box::pin(after_a_wait(&world, &graph, &earlier, mode)).await;
    assert!(none.unwrap().is_none() && waited < Duration::from_secs(3));
    let recent = naming(&cluster, &app, now);
    let hurried = graph.until(Instant::now() + Duration::from_secs(20));
    let (error, _) = Box::pin(after_a_wait(&world, &hurried, &recent, mode)).await;
    assert_eq!(error.unwrap_err().kind(), Kind::Owed);
    let add = || world.azure.directory(|it| it.add_application(app.clone()));
    let found = Box::pin(after_a_wait(&world, &graph, &recent, mode));
    let ((found, _), ()) = tokio::join!(found, late(add));
    assert_eq!(found.unwrap().unwrap().client_id().to_string(), app.app_id);
}

#[tokio::test]
async fn a_credential_that_was_put_into_the_secret_just_now_is_awaited() {
    let (world, graph, mut cluster, app) = before_the_app().await;
    let password = PasswordCredential::new("hush");
    world.azure.directory(|it| it.add_application(app.clone()));
    cluster.secret = Ok(Some(StoredFacts {
        credential: password.key_id.parse().ok(),
        kind: Some(Mode::AppSecret),
        client_id: app.app_id.parse().ok(),
        written: Some(world.azure.now()),
        ..StoredFacts::default()
    }));
    let add = || {
        world.azure.directory(|it| {
            it.change_application(&app.app_id, |app| app.passwords.push(password.clone()));
        });
    };
    let found = Box::pin(after_a_wait(&world, &graph, &cluster, Mode::AppSecret));
    let ((found, _), ()) = tokio::join!(found, late(add));
    assert_eq!(found.unwrap().unwrap().credentials_of(Mode::AppSecret).len(), 1);
}
