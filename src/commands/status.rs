//! `status`: look, judge, show.

mod azure;
mod watch;

use clap::ArgMatches;

use super::{Context, connect};
use crate::cli::kube::KubeArgs;
use crate::cli::{StatusArgs, StatusFormat};
use crate::cluster::Cluster;
use crate::discover::gateways::gateways;
use crate::error::{Error, Kind, Result};
use crate::model::in_words;
use crate::report::status::{StatusReport, TableOptions};
use crate::settings::StatusSettings;

/// For how many of the worst gateways the mending command is shown.
const MOST_FIXES: usize = 5;

/// Runs `status`; returns the exit code.
pub(super) async fn run(
    args: &StatusArgs,
    matches: &ArgMatches,
    kube: &KubeArgs,
    context: &Context,
) -> Result<u8> {
    let settings = StatusSettings::resolve(args, matches, &context.environment)?;
    let output = &context.output;
    for warning in &settings.warnings {
        output.warning(warning);
    }
    let cluster = connect(kube, context).await?;
    if settings.watch {
        return watch::run(&settings, &cluster, context).await;
    }
    let mut found = gateways(&cluster, &settings.selection).await?;
    let unseen = !found.warnings.is_empty();
    for warning in &found.warnings {
        output.warning(warning);
    }
    if found.gateways.is_empty() {
        output.note(&nothing_found(&settings, &cluster)?);
        let report = StatusReport::new(
            Vec::new(),
            settings.sort_by,
            TableOptions::default(),
            cluster.now(),
        );
        output.data(&report.render(settings.output)?)?;
        return Ok(0);
    }
    if let Some(azure) = &settings.azure {
        azure::ask(azure, &mut found.gateways, output).await?;
    }
    let report = StatusReport::new(found.gateways, settings.sort_by, layout(&settings), cluster.now());
    output.data(&report.render(settings.output)?)?;
    if matches!(settings.output, StatusFormat::Table | StatusFormat::Wide) {
        let (fixes, more) = report.fixes(MOST_FIXES);
        for fix in &fixes {
            output.hint(fix);
        }
        if more > 0 {
            output.hint(&format!(
                "not healthy besides: {more}; -o json has a `fix` for each"
            ));
        }
    }
    let Some(within) = settings.fail_within else {
        return Ok(0);
    };
    let alarms = report.alarms(within);
    for alarm in &alarms {
        output.warning(alarm);
    }
    if alarms.is_empty() {
        // There may be gateways where it could not be looked.
        return if unseen {
            let why = "not everything could be looked at, so nothing is certain";
            Err(Error::new(Kind::Alarm, why))
        } else {
            Ok(0)
        };
    }
    Err(Error::new(
        Kind::Alarm,
        format!(
            "gateways that lapse within {} or need a hand: {}",
            in_words(within),
            alarms.len()
        ),
    ))
}

fn layout(settings: &StatusSettings) -> TableOptions {
    TableOptions {
        with_namespace: settings.selection.everywhere,
        with_azure: settings.azure.is_some(),
        no_headers: settings.no_headers,
    }
}

/// As kubectl: nothing is no error. But an alarm that watches nothing must not
/// pass, and whoever names a workload means that there is a gateway.
fn nothing_found(settings: &StatusSettings, cluster: &Cluster) -> Result<String> {
    if !settings.selection.names.is_empty() {
        let what = "what was named runs no self-hosted gateway: no container has its image or its settings";
        return Err(Error::failed(what));
    }
    let nothing = super::nothing_found(&settings.selection, cluster);
    if settings.fail_within.is_some() {
        return Err(nothing.with_kind(Kind::Alarm));
    }
    Ok(nothing.to_string())
}
