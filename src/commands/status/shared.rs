//! What one look and a watch have in common.

use crate::cluster::Cluster;
use crate::commands::{Context, nothing_found};
use crate::error::{Error, Kind, Result};
use crate::model::request::StatusFormat;
use crate::output::{Output, width_of_stdout};
use crate::report::status::TableOptions;
use crate::settings::StatusSettings;

pub(super) fn table_options(settings: &StatusSettings, context: &Context) -> TableOptions {
    TableOptions {
        with_namespace: settings.selection.everywhere,
        with_azure: settings.azure.is_some(),
        no_headers: settings.no_headers,
        width: width_of_stdout(),
        connection: context.connection.clone(),
    }
}

/// An empty result is not an error, the same as in kubectl, unless the user has
/// named a workload or a namespace that does not exist, or `--fail-within` would
/// pass without any gateway.
pub(super) async fn print_nothing_found(
    settings: &StatusSettings,
    cluster: &Cluster,
    output: &Output,
) -> Result<()> {
    let names = &settings.selection.names;
    if !names.is_empty() {
        let why = if names.len() == 1 {
            "runs no self-hosted gateway: no container has its image or its settings"
        } else {
            "run no self-hosted gateway: no container has its image or its settings"
        };
        let names: Vec<String> = names.iter().map(|name| name.value.to_string()).collect();
        return Err(Error::failed(format!(
            "{} in namespace {} {why}",
            names.join(", "),
            cluster.namespace
        )));
    }
    let nothing = nothing_found(&settings.selection, cluster).await;
    if settings.fail_within.is_some() {
        return Err(nothing.error.with_kind(Kind::Alarm));
    }
    // The metrics say that there is none, and an alert has to see them.
    if nothing.lacks_namespace && settings.output != StatusFormat::Prometheus {
        return Err(nothing.error);
    }
    output.note(&nothing.error.to_string());
    for hint in nothing.error.hints() {
        output.hint(hint);
    }
    Ok(())
}
