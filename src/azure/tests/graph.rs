//! The client of Microsoft Graph against the emulator.

use std::time::Duration;

use apim_sandbox::azure::{
    Action, Application, Azure, Fault, FederatedIdentityCredential, GraphRights, Lag, ManagedIdentity,
    Operation, Principal, ServicePrincipal, User,
};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;
use tokio::time::Instant;
use uuid::Uuid;

use super::arm;
use crate::azure::graph::{GraphRefusal, graph_refusal};
use crate::azure::{Error, Graph, NewCertificate};
use crate::model::directory::FederatedCredential;

const LAG: SignedDuration = SignedDuration::from_secs(2);

struct World {
    azure: Azure,
    principal: Principal,
    graph: Graph,
}

async fn start(rights: GraphRights) -> World {
    let azure = Azure::start().await.unwrap();
    let principal = Principal::random().with_graph(rights);
    let graph = Graph::beside(&arm(&azure, &principal, false), None)
        .await
        .unwrap();
    World {
        azure,
        principal,
        graph,
    }
}

fn id(text: &str) -> Uuid {
    text.parse().unwrap()
}

fn credential(name: &str, issuer: &str) -> FederatedCredential {
    FederatedCredential {
        name: name.into(),
        issuer: issuer.into(),
        subject: "system:serviceaccount:shop:gw".into(),
        audiences: vec!["api://AzureADTokenExchange".into()],
    }
}

#[tokio::test]
async fn applications_are_found_by_name_and_by_many_ids() {
    let World {
        azure,
        principal,
        graph,
    } = start(GraphRights::ReadAll).await;
    let app_ids: Vec<Uuid> = azure.directory(|directory| {
        let added = (0..120).map(|number| {
            let name = if number < 110 { "O'Brien's gw" } else { "other" };
            let application = Application::new(&principal.tenant, name);
            let app_id = id(&application.app_id);
            directory.add_application(application);
            app_id
        });
        added.collect()
    });
    let named = graph.applications_named("o'brien's GW").await.unwrap();
    assert_eq!(named.len(), 110, "a page has 100");
    assert_eq!(
        graph
            .applications_named("x' or displayName eq 'other")
            .await
            .unwrap(),
        []
    );

    azure.clear_requests();
    let mut found: Vec<Uuid> = graph
        .applications_of(&[&app_ids[..], &[Uuid::from_u128(1)]].concat())
        .await
        .unwrap()
        .into_iter()
        .map(|application| application.app_id)
        .collect();
    found.sort();
    let mut expected = app_ids.clone();
    expected.sort();
    assert_eq!(found, expected);
    assert_eq!(
        azure.requests_for(Operation::ListApplications).len(),
        9,
        "15 at a time"
    );

    assert_eq!(graph.application(Uuid::from_u128(1)).await.unwrap(), None);
    assert_eq!(graph.service_principal(app_ids[0]).await.unwrap(), None);
}

#[tokio::test]
async fn a_new_application_gets_one_service_principal_in_spite_of_lag() {
    for rights in [GraphRights::ReadWriteAll, GraphRights::OwnedBy] {
        let World { azure, graph, .. } = start(rights).await;
        azure.set_lag(Lag::of(LAG));
        let name = "gw') or ('/x of O'Brien";
        let made = graph.upsert_application(name, "gw").await.unwrap();
        let app_id = made.application.app_id;
        let principal = graph.create_service_principal(app_id).await.unwrap();
        let same = graph.create_service_principal(app_id).await.unwrap();
        assert_eq!(principal, same);
        assert_eq!(graph.service_principal(app_id).await.unwrap(), Some(same));
        let refused = azure.requests_for(Operation::CreateServicePrincipal);
        let refused = refused.iter().filter(|request| request.status != Some(201));
        assert!(refused.count() > 1, "one for lag, one for the duplicate");

        let again = graph.upsert_application(name, "gw").await.unwrap();
        assert!(made.created && !again.created, "{rights:?}");
        assert_eq!(made.application.id, again.application.id);
        assert_eq!(again.application.unique_name.as_deref(), Some(name));
        let read = graph.application_of_unique_name(name).await.unwrap();
        assert_eq!(read, Some(again.application));
        assert_eq!(graph.application_of_unique_name("none").await.unwrap(), None);
        assert!(principal.enabled && principal.managed_identity().is_none());
        let own = azure.directory(|directory| directory.service_principal(&app_id.to_string()).cloned());
        assert_eq!(own.unwrap().id, principal.id.to_string());
    }
}

#[tokio::test]
async fn a_service_principal_whose_creation_was_not_answered_is_not_made_twice() {
    let World { azure, graph, .. } = start(GraphRights::ReadWriteAll).await;
    let made = graph.upsert_application("gw", "gw").await.unwrap();
    for action in [Action::ResetAfter, Action::CutBody] {
        azure.fault(Fault::on(Operation::CreateServicePrincipal, action).once());
        graph
            .create_service_principal(made.application.app_id)
            .await
            .unwrap();
    }
    let count = azure.directory(|directory| {
        let all = directory.service_principals();
        all.iter()
            .filter(|it| it.app_id == made.application.app_id.to_string())
            .count()
    });
    assert_eq!(count, 1);
}

#[tokio::test]
async fn of_a_secret_that_was_not_answered_nothing_stays() {
    let World { azure, graph, .. } = start(GraphRights::ReadWriteAll).await;
    let application = graph.upsert_application("gw", "gw").await.unwrap().application;
    let expires = azure.now() + SignedDuration::from_hours(24);
    azure.fault(Fault::on(Operation::AddPassword, Action::ResetAfter).once());
    let first = graph.add_password(application.id, "gw 1", expires).await.unwrap();
    azure.fault(Fault::on(Operation::AddPassword, Action::retry_after(429, 1)).once());
    let second = graph.add_password(application.id, "gw 2", expires).await.unwrap();
    let shown = graph.application(application.app_id).await.unwrap().unwrap();
    let ids: Vec<Uuid> = shown.secrets.iter().map(|secret| secret.key_id).collect();
    assert_eq!(ids, [first.key_id, second.key_id]);
    assert_eq!(shown.secrets[0].name.as_deref(), Some("gw 1"));
    assert_eq!(shown.secrets[0].expires, Some(first.expires));
    let stored = azure.directory(|directory| {
        let application = directory.application(&application.app_id.to_string()).unwrap();
        application.passwords[0].secret.clone()
    });
    assert_eq!(first.secret.expose_secret(), stored);
    assert!(!format!("{first:?}").contains(&stored));

    assert!(graph.remove_password(application.id, first.key_id).await.unwrap());
    assert!(!graph.remove_password(application.id, first.key_id).await.unwrap());
}

/// A proxy answers in the place of Graph.
#[tokio::test]
async fn a_page_is_no_success_of_a_write() {
    let World { azure, graph, .. } = start(GraphRights::ReadWriteAll).await;
    let application = graph.upsert_application("gw", "gw").await.unwrap().application;
    let expires = azure.now() + SignedDuration::from_hours(24);
    let secret = graph.add_password(application.id, "gw", expires).await.unwrap();
    for answer in [Action::Html200, Action::Empty200] {
        azure.fault(Fault::on(Operation::RemovePassword, answer));
        let soon = graph.until(Instant::now() + Duration::from_secs(3));
        let error = soon
            .remove_password(application.id, secret.key_id)
            .await
            .unwrap_err();
        assert!(error.is_ambiguous(), "{error}");
        azure.clear_faults();
        let shown = graph.application(application.app_id).await.unwrap().unwrap();
        assert_eq!(shown.secrets.len(), 1);
    }
}

#[tokio::test]
async fn a_policy_and_a_missing_right_are_told_apart() {
    let World {
        azure,
        principal,
        graph,
    } = start(GraphRights::ReadWriteAll).await;
    let application = graph.upsert_application("gw", "gw").await.unwrap().application;
    let expires = azure.now() + SignedDuration::from_hours(24 * 90);
    let refused = async |graph: &Graph| {
        let error = graph
            .add_password(application.id, "gw", expires)
            .await
            .unwrap_err();
        (graph_refusal(&error), error.hint())
    };
    azure.directory(|it| {
        it.tenant_mut(&principal.tenant).longest_password = Some(SignedDuration::from_hours(24));
    });
    let (reason, hint) = refused(&graph).await;
    assert_eq!(reason, Some(GraphRefusal::CredentialLifetime));
    assert!(hint.unwrap().contains("--secret-lifetime"));
    azure.directory(|it| it.tenant_mut(&principal.tenant).passwords_allowed = false);
    assert_eq!(refused(&graph).await.0, Some(GraphRefusal::CredentialType));

    let reader = Principal {
        tenant: principal.tenant.clone(),
        ..Principal::random().with_graph(GraphRights::ReadAll)
    };
    let reader = Graph::beside(&arm(&azure, &reader, false), None).await.unwrap();
    let (reason, hint) = refused(&reader).await;
    assert_eq!(reason, Some(GraphRefusal::Denied));
    assert!(hint.unwrap().contains("Application.ReadWrite.OwnedBy"));
}

#[tokio::test]
async fn a_certificate_is_added_beside_the_others() {
    let World { azure, graph, .. } = start(GraphRights::ReadWriteAll).await;
    let application = graph.upsert_application("gw", "gw").await.unwrap().application;
    let certificates = [
        azure.ca_pem().to_owned(),
        Azure::start().await.unwrap().ca_pem().to_owned(),
    ];
    let [first, second] = certificates.map(|pem| certificate(&pem));
    azure.fault(Fault::on(Operation::UpdateApplication, Action::ResetAfter).once());
    assert!(graph.add_certificate(application.id, &first).await.unwrap());
    assert!(!graph.add_certificate(application.id, &first).await.unwrap());
    assert_eq!(azure.requests_for(Operation::UpdateApplication).len(), 2);
    assert!(graph.add_certificate(application.id, &second).await.unwrap());
    let ids = async || -> Vec<Uuid> {
        let shown = graph.application(application.app_id).await.unwrap().unwrap();
        shown.certificates.iter().map(|key| key.key_id).collect()
    };
    assert_eq!(ids().await, [first.key_id, second.key_id]);
    let remove = async |newest| {
        graph
            .remove_certificate(application.id, first.key_id, newest)
            .await
    };
    assert!(remove(None).await.unwrap());
    assert!(!remove(None).await.unwrap());
    assert_eq!(ids().await, [second.key_id]);

    // A list that is read too early lacks what was just added.
    azure.set_lag(Lag::of(LAG));
    assert!(graph.add_certificate(application.id, &first).await.unwrap());
    let remove = graph.remove_certificate(application.id, second.key_id, Some(first.key_id));
    assert!(remove.await.unwrap());
    tokio::time::sleep(LAG.unsigned_abs()).await;
    assert_eq!(ids().await, [first.key_id]);
}

fn certificate(pem: &str) -> NewCertificate {
    let lines = pem.lines().filter(|line| !line.starts_with("-----"));
    let der = BASE64_STANDARD.decode(lines.collect::<String>()).unwrap();
    let (_, parsed) = x509_parser::parse_x509_certificate(&der).unwrap();
    let time = |time: x509_parser::time::ASN1Time| Timestamp::from_second(time.timestamp()).unwrap();
    let (begins, expires) = (
        time(parsed.validity().not_before),
        time(parsed.validity().not_after),
    );
    NewCertificate {
        key_id: Uuid::new_v4(),
        name: "gw".into(),
        der: der.clone(),
        begins,
        expires,
    }
}

#[tokio::test]
async fn a_federated_credential_is_made_once_and_mended() {
    let World { azure, graph, .. } = start(GraphRights::ReadWriteAll).await;
    let application = graph.upsert_application("gw", "gw").await.unwrap().application.id;
    let wanted = credential("gw-1", "https://issuer.example/");
    azure.fault(Fault::on(Operation::PutFederatedCredential, Action::ResetAfter).once());
    graph
        .create_federated_credential(application, &wanted)
        .await
        .unwrap();
    graph
        .create_federated_credential(application, &wanted)
        .await
        .unwrap();
    assert_eq!(graph.federated_credentials(application).await.unwrap(), [wanted]);

    // Without its last slash it is another issuer.
    let mended = credential("gw-1", "https://issuer.example");
    let error = graph
        .create_federated_credential(application, &mended)
        .await
        .unwrap_err();
    assert_eq!(graph_refusal(&error), Some(GraphRefusal::Duplicate));
    graph
        .change_federated_credential(application, &mended)
        .await
        .unwrap();
    assert_eq!(graph.federated_credentials(application).await.unwrap(), [mended]);
}

#[tokio::test]
async fn what_an_application_has_from_others_is_shown() {
    let World {
        azure,
        principal,
        graph,
    } = start(GraphRights::ReadAll).await;
    let tenant = &principal.tenant;
    let user = User::new(tenant, "Ada");
    let identity = ManagedIdentity::new(tenant, "s", "r", "i");
    let mut application = Application::new(tenant, "gw");
    application.owners = vec![user.id.clone()];
    let theirs = FederatedIdentityCredential::new("theirs", "https://i.example", "s", "a");
    application.federated_credentials = vec![theirs];
    application.disabled = true;
    let service_principal =
        ServicePrincipal::new(tenant, &Uuid::new_v4().to_string(), &application.app_id, "gw");
    azure.directory(|directory| {
        directory.add_user(user.clone());
        directory.add_application(application.clone());
        directory.add_managed_identity(identity.clone());
        directory.add_service_principal(ServicePrincipal {
            account_enabled: false,
            ..service_principal.clone()
        });
    });
    let found = graph.application(id(&application.app_id)).await.unwrap().unwrap();
    assert!(found.disabled);
    let owners = graph.owners(found.id).await.unwrap();
    assert_eq!((owners[0].id, owners[0].kind.as_str()), (id(&user.id), "user"));
    assert_eq!(owners[0].name.as_deref(), Some("Ada"));
    assert_eq!(graph.federated_credentials(found.id).await.unwrap().len(), 1);
    let shown = graph.service_principal(found.app_id).await.unwrap().unwrap();
    assert!(!shown.enabled);
    assert_eq!(graph.app_roles(shown.id).await.unwrap(), []);

    let shown = graph
        .service_principal(id(&identity.client_id))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(shown.managed_identity().unwrap().name, "i");
    let both = [found.app_id, id(&identity.client_id)];
    assert_eq!(graph.service_principals_of(&both).await.unwrap().len(), 2);
}

#[tokio::test]
async fn graph_is_asked_over_https_and_under_a_known_name_only() {
    let World { azure, principal, .. } = start(GraphRights::ReadAll).await;
    let arm = arm(&azure, &principal, false);
    for (url, expected) in [
        (
            Some("http://graph.example"),
            "`http://graph.example` is not an https:// address",
        ),
        (
            Some("graph.example"),
            "`graph.example` is not an https:// address",
        ),
    ] {
        let error = Graph::beside(&arm, url).await.unwrap_err();
        assert!(
            matches!(&error, Error::Setup(text) if text == expected),
            "{error}"
        );
    }
    let given = Graph::beside(&arm, Some("https://graph.example/v1.0"))
        .await
        .unwrap();
    assert_eq!(given.origin(), "https://graph.example");
    let nameless = super::arm_without_graph(&azure, &principal);
    let error = Graph::beside(&nameless, None).await.unwrap_err().to_string();
    assert!(
        error.ends_with("does not name Microsoft Graph: give its address with --graph-url"),
        "{error}"
    );
}
