//! The JSON of Microsoft Graph's objects.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::directory::{
    AppRoleAssignment, Application, FederatedIdentityCredential, KeyCredential, PasswordCredential,
    ServicePrincipal, User,
};

/// The properties of an application that are kept and mean nothing to the emulator, with what they are when unset.
pub(super) fn others() -> Value {
    json!({
        "addIns": [],
        "api": {"acceptMappedClaims": null, "knownClientApplications": [], "oauth2PermissionScopes": [],
            "preAuthorizedApplications": [], "requestedAccessTokenVersion": null},
        "appRoles": [],
        "description": null,
        "groupMembershipClaims": null,
        "identifierUris": [],
        "info": {"logoUrl": null, "marketingUrl": null, "privacyStatementUrl": null, "supportUrl": null,
            "termsOfServiceUrl": null},
        "isDeviceOnlyAuthSupported": null,
        "isFallbackPublicClient": null,
        "notes": null,
        "optionalClaims": null,
        "parentalControlSettings": {"countriesBlockedForMinors": [], "legalAgeGroupRule": "Allow"},
        "publicClient": {"redirectUris": []},
        "requiredResourceAccess": [],
        "serviceManagementReference": null,
        "spa": {"redirectUris": []},
        "tags": [],
        "web": {"homePageUrl": null, "implicitGrantSettings": {"enableAccessTokenIssuance": false,
            "enableIdTokenIssuance": false}, "logoutUrl": null, "redirectUris": []},
    })
}

/// An application; the certificates themselves are shown only where one object and they are asked for.
pub(super) fn application(application: &Application, with_keys: bool) -> Value {
    let keys: Vec<Value> = application.keys.iter().map(|it| key(it, with_keys)).collect();
    let passwords: Vec<Value> = application
        .passwords
        .iter()
        .map(|it| password(it, false))
        .collect();
    let mut body = others();
    for (name, value) in &application.other {
        body[name] = value.clone();
    }
    body["id"] = application.id.clone().into();
    body["appId"] = application.app_id.clone().into();
    body["displayName"] = application.display_name.clone().into();
    body["uniqueName"] = application.unique_name.clone().into();
    body["signInAudience"] = application.sign_in_audience.clone().into();
    body["createdDateTime"] = seconds(application.created).into();
    body["deletedDateTime"] = Value::Null;
    body["disabledByMicrosoftStatus"] = Value::Null;
    body["isDisabled"] = application.disabled.then_some(true).into();
    body["publisherDomain"] = "sandbox.onmicrosoft.com".into();
    body["keyCredentials"] = keys.into();
    body["passwordCredentials"] = passwords.into();
    body
}

fn key(key: &KeyCredential, is_whole: bool) -> Value {
    json!({
        "customKeyIdentifier": key.thumbprint(),
        "displayName": key.display_name,
        "endDateTime": key.end.to_string(),
        "key": is_whole.then(|| BASE64_STANDARD.encode(&key.der)),
        "keyId": key.key_id,
        "startDateTime": key.start.to_string(),
        "type": "AsymmetricX509Cert",
        "usage": "Verify",
    })
}

pub(super) fn password(password: &PasswordCredential, is_new: bool) -> Value {
    json!({
        "customKeyIdentifier": null,
        "displayName": password.display_name,
        "endDateTime": password.end.to_string(),
        "hint": password.hint(),
        "keyId": password.key_id,
        "secretText": is_new.then_some(&password.secret),
        "startDateTime": password.start.to_string(),
    })
}

pub(super) fn federated(credential: &FederatedIdentityCredential) -> Value {
    json!({
        "id": credential.id,
        "name": credential.name,
        "issuer": credential.issuer,
        "subject": credential.subject,
        "description": credential.description,
        "audiences": credential.audiences,
    })
}

pub(super) fn service_principal(principal: &ServicePrincipal) -> Value {
    json!({
        "id": principal.id,
        "deletedDateTime": null,
        "accountEnabled": principal.account_enabled,
        "alternativeNames": principal.alternative_names,
        "appDescription": null,
        "appDisplayName": principal.display_name,
        "appId": principal.app_id,
        "appOwnerOrganizationId": principal.tenant,
        "appRoleAssignmentRequired": false,
        "appRoles": [],
        "createdDateTime": seconds(principal.created),
        "description": null,
        "disabledByMicrosoftStatus": null,
        "displayName": principal.display_name,
        "homepage": null,
        "keyCredentials": [],
        "notes": null,
        "oauth2PermissionScopes": [],
        "passwordCredentials": [],
        "replyUrls": [],
        "servicePrincipalNames": [principal.app_id],
        "servicePrincipalType": principal.kind,
        "signInAudience": "AzureADMyOrg",
        "tags": [],
    })
}

pub(super) fn user(user: &User) -> Value {
    json!({
        "@odata.type": "#microsoft.graph.user",
        "id": user.id,
        "displayName": user.display_name,
        "userPrincipalName": format!("{}@sandbox.onmicrosoft.com", user.id),
    })
}

pub(super) fn app_role(assignment: &AppRoleAssignment, principal: &ServicePrincipal) -> Value {
    json!({
        "id": assignment.id,
        "appRoleId": assignment.app_role_id,
        "createdDateTime": seconds(principal.created),
        "deletedDateTime": null,
        "principalDisplayName": principal.display_name,
        "principalId": principal.id,
        "principalType": "ServicePrincipal",
        "resourceDisplayName": assignment.resource_display_name,
        "resourceId": assignment.resource_id,
    })
}

fn seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
