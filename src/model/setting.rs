//! The settings of a gateway's container
//! (learn.microsoft.com, "Reference: Self-hosted gateway settings").

pub const ENDPOINT: &str = "config.service.endpoint";
pub const AUTH: &str = "config.service.auth";
/// The values of [`AUTH`] by which a gateway signs in to Entra.
pub const BY_APP: &str = "azureAdApp";
pub const BY_IDENTITY: &str = "workloadIdentity";
pub const AUTH_KEY: &str = "config.service.auth.key";
pub const GATEWAY_NAME: &str = "gateway.name";
pub const APP_SECRET: &str = "config.service.auth.azureAd.clientSecret";
pub const APP_CERTIFICATE: &str = "config.service.auth.azureAd.certificatePath";

pub const ALL: [&str; 10] = [
    ENDPOINT,
    AUTH,
    AUTH_KEY,
    GATEWAY_NAME,
    APP_SECRET,
    APP_CERTIFICATE,
    APP_TENANT,
    APP_CLIENT,
    APP_AUTHORITY,
    TOKEN_AUDIENCE,
];

/// Those that only a gateway has.
pub const SHOWING: [&str; 5] = [ENDPOINT, AUTH, AUTH_KEY, APP_SECRET, APP_CERTIFICATE];

/// Those of an Entra app.
pub const APP_TENANT: &str = "config.service.auth.azureAd.tenantId";
pub const APP_CLIENT: &str = "config.service.auth.azureAd.clientId";
pub const APP_AUTHORITY: &str = "config.service.auth.azureAd.authority";
/// The audience of every token of Entra; that of the public cloud when absent.
pub const TOKEN_AUDIENCE: &str = "config.service.auth.tokenAudience";

/// Whether a value of [`AUTH`] is one of Entra, and no token.
pub fn is_of_entra(auth: &str) -> bool {
    [BY_APP, BY_IDENTITY]
        .iter()
        .any(|value| auth.eq_ignore_ascii_case(value))
}
