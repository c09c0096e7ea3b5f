//! The words of a gateway's sign-in by Entra.

mod audience;
pub mod facts;
mod mode;
mod name;
mod own_pod;
mod own_variables;
mod request;
mod template;

pub use audience::{federation_audience, token_audience};
pub use mode::{Mode, SignsIn};
pub use name::{
    client_secret_name, credential_name, default_secret, federated_name, is_same_but_slash,
    secret_of_credential, subject, unique_name,
};
pub use own_pod::OwnPod;
pub use own_variables::OwnVariables;
pub use request::{AppRequest, SetupRequest};
pub use template::{CertificateMount, Id, Made, SettingValue, TemplateSettings};

/// Where a Secret with a certificate is mounted.
pub const CERTIFICATE_FOLDER: &str = "/etc/apim-entra";
/// The key of a Secret with a client secret, as in the Helm chart of the gateway.
pub const SECRET_KEY: &str = "azure-ad-app-secret";
/// The key of a Secret with a certificate and its private key, for people and their tools.
pub const PEM_KEY: &str = "certificate.pem";
/// The key of a Secret with the same as PKCS#12, for the gateway.
pub const PFX_KEY: &str = "certificate.pfx";
/// The mode of the mounted files: the gateway's user reads them as a member of its group.
pub const FILE_MODE: i32 = 0o440;
/// The user and the group of the gateway's image (learn.microsoft.com,
/// "Self-hosted gateway on Kubernetes in production").
pub const GATEWAY_GROUP: i64 = 1001;
/// The most federated credentials that an app or an identity can have
/// (learn.microsoft.com, "Workload identity federation considerations").
pub const MOST_FEDERATED: usize = 20;

/// On a pod: the containers that the webhook of Azure Workload Identity leaves as they
/// are, between semicolons.
pub const SKIP_CONTAINERS: &str = "azure.workload.identity/skip-containers";

/// Whether a value of that annotation names a container: names are between semicolons.
pub fn skips(value: &str, container: &str) -> bool {
    value.split(';').any(|name| name.trim() == container)
}

/// On a `ServiceAccount`: the client id that the webhook of Azure Workload Identity
/// gives to pods (github.com/Azure/azure-workload-identity, pkg/webhook).
pub const CLIENT_ID_ANNOTATION: &str = "azure.workload.identity/client-id";
/// On a `ServiceAccount`: the tenant, if it is not the webhook's.
pub const TENANT_ID_ANNOTATION: &str = "azure.workload.identity/tenant-id";
/// On a pod: whether the webhook changes it, which the value `true` asks for.
pub const USE_LABEL: &str = "azure.workload.identity/use";
