//! The instance, its gateway, and the two roles.

use super::*;

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
async fn a_gateway_that_is_not_there_is_not_an_instance_that_is_not_there() {
    let mut world = start().await;
    world.id = world.id.service.gateway("gone");
    let facts = world.facts(&request(create(), Mode::WorkloadIdentity)).await;
    assert!(facts.instance.is_ok() && facts.resource.unwrap().is_none());
    let gone = world.gateway.id().replace("contoso", "gone");
    world.id = GatewayId::parse(&gone).unwrap();
    let gone = world.try_facts(&request(create(), Mode::WorkloadIdentity)).await;
    assert!(gone.unwrap_err().to_string().contains("was not found"));
}
