//! The settings of a gateway's container
//! (learn.microsoft.com, "Reference: Self-hosted gateway settings").

pub(super) const ENDPOINT: &str = "config.service.endpoint";
pub(super) const AUTH: &str = "config.service.auth";
pub(super) const AUTH_KEY: &str = "config.service.auth.key";
pub(super) const GATEWAY_NAME: &str = "gateway.name";
pub(super) const APP_SECRET: &str = "config.service.auth.azureAd.clientSecret";
pub(super) const APP_CERTIFICATE: &str = "config.service.auth.azureAd.certificatePath";

pub(super) const ALL: [&str; 6] = [
    ENDPOINT,
    AUTH,
    AUTH_KEY,
    GATEWAY_NAME,
    APP_SECRET,
    APP_CERTIFICATE,
];
