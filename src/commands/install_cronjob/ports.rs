use std::collections::BTreeSet;

use crate::cluster::Cluster;
use crate::discover::api_server::api_server_ports;
use crate::manifest::cronjob::USUAL_API_SERVER_PORTS;
use crate::output::Output;
use crate::settings::InstallSettings;

/// The TCP ports that the NetworkPolicy allows for the API server and those of
/// `--network-policy-port`; `None` without a NetworkPolicy. Without a cluster, or if
/// it does not show the ports of its API server, they are the usual ones.
pub(super) async fn ports(
    settings: &InstallSettings,
    cluster: Option<&Cluster>,
    output: &Output,
) -> Option<BTreeSet<u16>> {
    let mut ports = settings.network_policy.clone()?;
    let why = match cluster {
        None => "nothing is read for a dry run in which everything is given".to_owned(),
        Some(cluster) => match api_server_ports(cluster).await {
            Ok(found) if !found.is_empty() => {
                ports.extend(found);
                return Some(ports);
            }
            Ok(_) => "service/kubernetes in namespace default has none".to_owned(),
            Err(error) => error.to_string(),
        },
    };
    let usual: Vec<String> = USUAL_API_SERVER_PORTS.iter().map(u16::to_string).collect();
    output.note(&format!(
        "the ports of the API server are unknown ({why}), so the NetworkPolicy allows the usual ones: 443, {}",
        usual.join(", ")
    ));
    output.hint("if the API server has another port, allow it with --network-policy-port PORT");
    ports.extend(USUAL_API_SERVER_PORTS);
    Some(ports)
}
