//! `status`: reads the cluster, assesses the gateways and prints them.

mod azure;
mod fix;
mod shared;
mod watch;

use clap::ArgMatches;
use jiff::SignedDuration;

use super::{Context, connect};
use crate::cli::StatusArgs;
use crate::cluster::Cluster;
use crate::discover::gateways::gateways;
use crate::error::{Error, Kind, Result};
use crate::model::request::{KubeConnection, StatusFormat};
use crate::model::{Gap, counted, in_words};
use crate::output::Output;
use crate::report::status::{StatusReport, TableOptions};
use crate::settings::{StatusSettings, Then, rotate_request};
use shared::{print_nothing_found, table_options};

/// The number of fixes that are printed at most.
const MAX_FIXES: usize = 5;

/// Runs `status`; returns the exit code.
pub(super) async fn run(
    args: &StatusArgs,
    matches: &ArgMatches,
    kube: &KubeConnection,
    context: &Context,
) -> Result<u8> {
    let settings = StatusSettings::resolve(args, matches, &context.environment)?;
    if settings.then == Then::Fix {
        fix::check(kube)?;
    }
    let output = &context.output;
    for warning in &settings.warnings {
        output.warning(warning);
    }
    let cluster = connect(kube, context).await?;
    if settings.then == Then::Watch {
        return watch::run(&settings, &cluster, context).await;
    }
    let found = gateways(&cluster, &settings.selection, rotate_request).await;
    let mut found = found.map_err(|error| match settings.fail_within {
        // An alarm that cannot look must not pass.
        Some(_) if error.kind() != Kind::Usage => error.with_kind(Kind::Alarm),
        _ => error,
    })?;
    let incomplete = !found.gaps.is_empty();
    for warning in Gap::warnings(&found.gaps) {
        output.warning(&warning);
    }
    if found.gateways.is_empty() {
        return nothing(&settings, &cluster, found.gaps, output).await;
    }
    let mut without_azure = match &settings.azure {
        Some(azure) => azure::ask(azure, &settings.selection, &cluster, &mut found.gateways, output)
            .await
            .err(),
        None => None,
    };
    if let Some(error) = without_azure.take_if(|error| error.kind() == Kind::Usage) {
        return Err(error);
    }
    let options = table_options(&settings, context);
    let report = StatusReport::new(
        found.gateways,
        found.gaps,
        settings.sort_by,
        options,
        cluster.now(),
    );
    print(&report, &settings, output)?;
    if settings.then == Then::Fix && without_azure.is_none() {
        return fix::run(&report, context, async || {
            anew(&settings, &cluster, context).await
        })
        .await;
    }
    match (without_azure, settings.fail_within) {
        (Some(error), None) => Err(error),
        (Some(error), Some(within)) => {
            check(&report, within, incomplete, output)?;
            Err(error.with_kind(Kind::Alarm))
        }
        (None, Some(within)) => check(&report, within, incomplete, output),
        (None, None) => Ok(0),
    }
}

/// The result of a run that has found no gateway.
async fn nothing(
    settings: &StatusSettings,
    cluster: &Cluster,
    gaps: Vec<Gap>,
    output: &Output,
) -> Result<u8> {
    print_nothing_found(settings, cluster, output).await?;
    let options = TableOptions::default();
    let report = StatusReport::new(Vec::new(), gaps, settings.sort_by, options, cluster.now());
    output.data(&report.render(settings.output)?)?;
    Ok(0)
}

/// The status of the gateways after something was changed.
async fn anew(settings: &StatusSettings, cluster: &Cluster, context: &Context) -> Result<StatusReport> {
    let mut found = gateways(cluster, &settings.selection, rotate_request).await?;
    if let Some(azure) = &settings.azure {
        azure::ask(
            azure,
            &settings.selection,
            cluster,
            &mut found.gateways,
            &context.output,
        )
        .await?;
    }
    let options = table_options(settings, context);
    let (gateways, gaps) = (found.gateways, found.gaps);
    Ok(StatusReport::new(
        gateways,
        gaps,
        settings.sort_by,
        options,
        cluster.now(),
    ))
}

fn print(report: &StatusReport, settings: &StatusSettings, output: &Output) -> Result<()> {
    if let Some(text) = report.in_full().filter(|_| settings.in_full) {
        return output.data(&text);
    }
    output.data(&report.render(settings.output)?)?;
    if matches!(settings.output, StatusFormat::Table | StatusFormat::Wide) {
        if settings.then != Then::Fix {
            print_fixes(report, settings, output);
        }
        for role in report.too_wide() {
            output.warning(role);
        }
        if let Some(unchecked) = report.unchecked() {
            output.hint(&unchecked);
        }
    }
    Ok(())
}

fn print_fixes(report: &StatusReport, settings: &StatusSettings, output: &Output) {
    let (fixes, more) = report.fixes(MAX_FIXES);
    for fix in &fixes {
        output.hint(fix);
    }
    if more > 0 {
        let gateways = counted(more, "more gateway is", "more gateways are");
        output.hint(&format!("{gateways} not healthy; use -o json for all fixes"));
    }
    if !fixes.is_empty() && settings.output == StatusFormat::Table {
        output.hint("use -o wide for the reason of each verdict");
    }
}

/// Fails if a gateway is an alarm, or if some gateways may not have been found.
fn check(report: &StatusReport, within: SignedDuration, incomplete: bool, output: &Output) -> Result<u8> {
    let alarms = report.alarms(within);
    for alarm in &alarms {
        output.warning(alarm);
    }
    if !alarms.is_empty() {
        return Err(Error::new(
            Kind::Alarm,
            format!(
                "{} within {}, or {} attention now",
                counted(alarms.len(), "gateway expires", "gateways expire"),
                in_words(within),
                if alarms.len() == 1 { "needs" } else { "need" }
            ),
        ));
    }
    if incomplete {
        return Err(Error::new(
            Kind::Alarm,
            "some objects could not be read, so there may be gateways that need attention",
        ));
    }
    Ok(0)
}
