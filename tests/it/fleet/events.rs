//! Every gateway of a fleet has Events of its own.

use crate::case::Case;

#[tokio::test]
async fn each_workload_gets_the_event_of_its_own_gateway() {
    let case = Case::new("fleet-events").await;
    case.members(2).await;
    let rotate = |more: &[&str]| case.apim(&[&["rotate", "--all", "--events"], more].concat());
    rotate(&["--dry-run"]).exits(0).await;
    assert_eq!(case.events().await, Vec::<[String; 4]>::new());

    // Without a login, all of them fail at once.
    rotate(&[])
        .env("AZURE_CLIENT_SECRET", "not-the-secret")
        .exits(1)
        .await;
    rotate(&[]).exits(0).await;
    let events = case.events().await;
    let heads: Vec<(&str, &str)> = events.iter().map(|event| (&*event[0], &*event[2])).collect();
    assert_eq!(
        heads,
        [
            ("CredentialExpiring", "Deployment/gw-001"),
            ("CredentialExpiring", "Deployment/gw-002"),
            ("CredentialRotated", "Deployment/gw-001"),
            ("CredentialRotated", "Deployment/gw-002"),
            ("RotationFailed", "Deployment/gw-001"),
            ("RotationFailed", "Deployment/gw-002"),
        ]
    );
    assert!(events[2][3].contains("secret/gw-001-token"), "{events:?}");
}
