//! The paths in the pod that both its volumes and its arguments name.

use super::installation::{Ca, KeyOf};

/// Where a service principal's Secret is mounted.
pub(super) const CREDENTIAL_DIRECTORY: &str = "/var/run/secrets/apim-rotate/principal";

/// Where the ConfigMap with the CA certificates is mounted.
pub(super) const CA: &str = "/etc/apim-rotate/ca";

/// The file with the service principal's credential.
pub(super) fn credential_file(credential: &KeyOf) -> String {
    format!("{CREDENTIAL_DIRECTORY}/{}", credential.key)
}

/// The file with the CA certificates.
pub(super) fn ca_file(ca: &Ca) -> String {
    format!("{CA}/{}", ca.key)
}
