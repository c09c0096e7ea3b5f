use super::files::{ca_file, credential_file};
use super::installation::{Installation, PodIdentity, Task};
use crate::model::{WorkloadRef, in_short};

/// How often a failed run is repeated: that of a single gateway by its Job, the
/// gateways of a fleet by the run itself.
pub(super) const RETRIES: u8 = 2;

/// The arguments of the container.
pub(super) fn arguments(installation: &Installation) -> Vec<String> {
    let Task {
        workloads,
        secrets,
        instance,
        gateway,
        cloud,
        api_version,
        ..
    } = &installation.task;
    let mut words = vec!["rotate".to_owned()];
    words.extend(workloads.iter().map(WorkloadRef::short));
    let mut flag = |name: &str, value: Option<&str>| {
        words.extend(value.map(|value| format!("--{name}={value}")));
    };
    // A fleet finds the Secret and the gateway of each workload by itself.
    if let ([_], [secret]) = (workloads.as_slice(), secrets.as_slice()) {
        flag("token-secret", Some(secret));
        flag("apim-gateway", gateway.as_deref());
    }
    if let Some(instance) = instance {
        flag("apim-instance", Some(&instance.name));
        flag("resource-group", instance.resource_group.as_deref());
        flag("subscription-id", instance.subscription.as_deref());
    }
    let due = in_short(installation.task.if_expiring_within);
    flag("if-expiring-within", Some(&due));
    flag("timeout", Some(&in_short(installation.task.timeout)));
    flag("cloud", Some(&cloud.to_string()));
    flag("api-version", api_version.as_deref());
    if workloads.len() > 1 {
        // The soonest to expire goes first. As the canary, one whose new token is
        // refused would keep all others from being rotated, every night.
        flag("canary", Some("0"));
        flag("max-failures", Some(&secrets.len().max(1).to_string()));
        flag("retries", Some(&RETRIES.to_string()));
    }
    sign_in_flags(installation, &mut flag);
    if let Some(ca) = &installation.pod.ca {
        flag("azure-ca-file", Some(&ca_file(ca)));
    }
    if installation.task.adopt {
        words.push("--adopt".to_owned());
    }
    if installation.task.prove_logs {
        words.push("--prove=logs".to_owned());
    }
    if installation.task.events {
        words.push("--events".to_owned());
    }
    words
}

fn sign_in_flags(installation: &Installation, flag: &mut impl FnMut(&str, Option<&str>)) {
    let (method, client_id, tenant) = match &installation.identity {
        PodIdentity::Workload { client_id, tenant } => {
            ("workload-identity", Some(client_id), tenant.as_ref())
        }
        PodIdentity::Managed { client_id } => ("managed-identity", client_id.as_ref(), None),
        PodIdentity::ServicePrincipal {
            client_id, tenant, ..
        } => ("service-principal", Some(client_id), Some(tenant)),
    };
    flag("auth", Some(method));
    flag("client-id", client_id.map(String::as_str));
    flag("tenant", tenant.map(String::as_str));
    if let PodIdentity::ServicePrincipal { credential, .. } = &installation.identity {
        flag("client-secret-file", Some(&credential_file(credential)));
    }
}
