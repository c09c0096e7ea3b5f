use serde_json::{Value, from_value, json};

use super::*;
use crate::model::ManagedIdentityId;

const ID: &str = "0aa10001-0000-4000-8000-000000000001";
const APP_ID: &str = "0aa10002-0000-4000-8000-000000000002";
const KEY_ID: &str = "0aa10003-0000-4000-8000-000000000003";

fn id(text: &str) -> Uuid {
    text.parse().unwrap()
}

#[test]
fn an_application_is_read_as_graph_shows_it() {
    let body = json!({
        "@odata.context": "https://graph.microsoft.com/v1.0/$metadata#applications/$entity",
        "id": ID, "appId": APP_ID, "displayName": "O'Brien\u{1b}[31m", "uniqueName": null,
        "isDisabled": null, "signInAudience": "AzureADMyOrg",
        "passwordCredentials": [{
            "customKeyIdentifier": null, "displayName": "gw", "endDateTime": "2027-05-27T08:00:00.1234567Z",
            "hint": "abc", "keyId": KEY_ID, "secretText": null, "startDateTime": "2026-11-27T08:00:00Z",
        }],
        "keyCredentials": [{
            "customKeyIdentifier": "A1", "displayName": null, "endDateTime": "soon", "key": null,
            "keyId": KEY_ID, "startDateTime": null, "type": "AsymmetricX509Cert", "usage": "Verify",
        }],
    });
    let application = from_value::<ApplicationAnswer>(body).unwrap().fact();
    let secret = AppCredential {
        key_id: id(KEY_ID),
        name: Some("gw".into()),
        begins: Some("2026-11-27T08:00:00Z".parse().unwrap()),
        expires: Some("2027-05-27T08:00:00.1234567Z".parse().unwrap()),
        fingerprint: Fingerprint::of_secret("abc"),
    };
    let certificate = AppCredential {
        key_id: id(KEY_ID),
        name: None,
        begins: None,
        expires: None,
        fingerprint: None,
    };
    let expected = Application {
        id: id(ID),
        app_id: id(APP_ID),
        display_name: "O'Brien [31m".into(),
        unique_name: None,
        disabled: false,
        secrets: vec![secret],
        certificates: vec![certificate],
    };
    assert_eq!(application, expected);

    let selected = from_value::<ApplicationAnswer>(json!({"id": ID, "appId": APP_ID})).unwrap();
    assert!(selected.fact().secrets.is_empty());
    for id in [json!("x"), json!(null), json!(1)] {
        assert!(from_value::<ApplicationAnswer>(json!({"id": id, "appId": APP_ID})).is_err());
    }
}

#[test]
fn a_service_principal_names_its_managed_identity() {
    let arm =
        "/subscriptions/s/resourcegroups/r/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i";
    let read = |names: Value| {
        let body = json!({
            "id": ID, "appId": APP_ID, "displayName": "i", "servicePrincipalType": "ManagedIdentity",
            "accountEnabled": true, "appOwnerOrganizationId": ID, "alternativeNames": names,
        });
        from_value::<ServicePrincipalAnswer>(body).unwrap().fact()
    };
    let principal = read(json!(["isExplicit=True", arm]));
    assert_eq!((principal.id, principal.app_id), (id(ID), id(APP_ID)));
    assert_eq!(principal.home_tenant, Some(id(ID)));
    assert_eq!(principal.managed_identity(), ManagedIdentityId::parse(arm));
    let service = "/subscriptions/s/resourceGroups/r/providers/Microsoft.ApiManagement/service/contoso";
    assert_eq!(
        read(json!(["isExplicit=False", service])).managed_identity(),
        None
    );
}

#[test]
fn owners_roles_and_federated_credentials_are_read() {
    let owner = json!({"@odata.type": "#microsoft.graph.user", "id": ID, "displayName": "Ada"});
    let expected = Owner {
        id: id(ID),
        kind: "user".into(),
        name: Some("Ada".into()),
    };
    assert_eq!(from_value::<OwnerAnswer>(owner).unwrap().fact(), expected);

    let role =
        json!({"id": "x", "appRoleId": KEY_ID, "resourceId": ID, "resourceDisplayName": "Microsoft Graph"});
    let expected = AppRole {
        role: id(KEY_ID),
        resource: id(ID),
        resource_name: Some("Microsoft Graph".into()),
    };
    assert_eq!(from_value::<AppRoleAnswer>(role).unwrap().fact(), expected);

    let credential = json!({
        "id": ID, "name": "gw", "issuer": "https://issuer.example/", "description": null,
        "subject": "system:serviceaccount:n:s", "audiences": ["api://AzureADTokenExchange"],
    });
    let expected = FederatedCredential {
        name: "gw".into(),
        issuer: "https://issuer.example/".into(),
        subject: "system:serviceaccount:n:s".into(),
        audiences: vec!["api://AzureADTokenExchange".into()],
    };
    assert_eq!(
        from_value::<FederatedAnswer>(credential).unwrap().fact(),
        expected
    );
}

#[test]
fn the_thumbprint_of_a_certificate_is_read_in_both_forms() {
    let bytes: Vec<u8> = (0..20).map(|at| at * 13).collect();
    let expected = Some(Fingerprint::of_certificate(&bytes));
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let digits = digits.concat();
    for text in [digits.to_uppercase(), digits, BASE64_STANDARD.encode(&bytes)] {
        assert_eq!(thumbprint(&text), expected, "{text}");
    }
    for text in [
        "",
        "A1",
        "chosen by a person, as Entra allows",
        "é".repeat(20).as_str(),
    ] {
        assert_eq!(thumbprint(text), None, "{text}");
    }
}
