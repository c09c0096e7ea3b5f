//! `cargo bench-rotate`: what a rotation and a look at a fleet cost, beside
//! kubectl on the same server, and whether they meet their targets.

mod bench;
mod costs;
mod distance;
mod document;
mod fleet;
mod machine;
mod measure;
mod table;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use apim_sandbox::{Sandbox, plugin};

use self::bench::{Bench, Single};
use self::document::Report;
use self::fleet::FleetBench;
use self::machine::Kubectl;

const USAGE: &str = "usage: cargo bench-rotate [--pairs N] [--write]
       cargo bench-rotate [--single-only | --fleet-only] [--pairs N] [--gateways N] [--plugin FILE]

  --pairs N      how many pairs of runs to measure on one gateway, 20 unless given
  --write        write docs/benchmarks.md
  --single-only  leave the fleet out
  --fleet-only   leave the one gateway out
  --gateways N   how large the fleet is, 1000 unless given
  --plugin FILE  measure this binary instead of building one";

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/benchmarks.md");

struct Options {
    pairs: usize,
    write: bool,
    part: Option<Part>,
    gateways: usize,
    plugin: Option<PathBuf>,
}

/// What alone is to be measured.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Single,
    Fleet,
}

impl Options {
    /// Whether the figures are those that the document describes.
    fn is_whole(&self) -> bool {
        self.part.is_none() && self.gateways == fleet::GATEWAYS && self.plugin.is_none()
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [measure::ARGUMENT, program, arguments @ ..] =
        &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..]
    {
        return measure::report(program, arguments);
    }
    let Some(options) = parse(&arguments) else {
        say(USAGE);
        return ExitCode::from(2);
    };
    match start(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            say("error: a target is missed");
            ExitCode::FAILURE
        }
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn parse(arguments: &[String]) -> Option<Options> {
    let mut options = Options {
        pairs: 20,
        write: false,
        part: None,
        gateways: fleet::GATEWAYS,
        plugin: None,
    };
    let mut arguments = arguments.iter().map(String::as_str);
    while let Some(argument) = arguments.next() {
        match argument {
            "--write" => options.write = true,
            "--pairs" => options.pairs = positive(arguments.next()?)?,
            "--single-only" if options.part.is_none() => options.part = Some(Part::Single),
            "--fleet-only" if options.part.is_none() => options.part = Some(Part::Fleet),
            "--gateways" => options.gateways = positive(arguments.next()?)?,
            "--plugin" => options.plugin = Some(arguments.next()?.into()),
            _ => return None,
        }
    }
    (!options.write || options.is_whole()).then_some(options)
}

fn positive(text: &str) -> Option<usize> {
    text.parse().ok().filter(|number| *number > 0)
}

#[tokio::main]
async fn start(options: &Options) -> Result<bool> {
    tokio::select! {
        report = run(options) => {
            let report = report?;
            // A closed stdout changes nothing about the targets.
            let _ = write!(std::io::stdout().lock(), "{report}");
            Ok(report.is_met())
        }
        interrupted = tokio::signal::ctrl_c() => {
            interrupted?;
            bail!("interrupted");
        }
    }
}

async fn run(options: &Options) -> Result<Report> {
    let kubectl = Kubectl::find()?;
    let plugin = match &options.plugin {
        Some(plugin) => std::path::absolute(plugin)?,
        None => build().await?,
    };
    let folder = tempfile::tempdir()?;
    let plugin = install(&plugin, folder.path())?;
    let mut report = Report {
        single: None,
        fleet: None,
    };
    if options.part != Some(Part::Fleet) {
        report.single = Some(single(options, &plugin, &kubectl).await?);
    }
    if options.part != Some(Part::Single) {
        let bench = FleetBench::prepare(&plugin, &kubectl).await?;
        report.fleet = Some(bench.run(options.gateways).await?);
    }

    if options.write {
        let path = Path::new(DOCUMENT);
        let text = report.document(&machine::describe(&kubectl)?, options.pairs);
        let text = text.context("a part of the document was left out")?;
        std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
        say("docs/benchmarks.md is written");
    }
    Ok(report)
}

async fn build() -> Result<PathBuf> {
    say("building the program that is shipped (some minutes with link-time optimization)");
    plugin::build_static().await
}

/// Copies the program, as every way to install it does, kubectl's too. The page
/// cache holds the linker's own file in smaller pieces, which cost each start
/// some 15 page faults more.
fn install(plugin: &Path, folder: &Path) -> Result<PathBuf> {
    let installed = folder.join(plugin.file_name().context("the plugin is a file")?);
    std::fs::copy(plugin, &installed).with_context(|| format!("copying {}", plugin.display()))?;
    Ok(installed)
}

async fn single(options: &Options, plugin: &Path, kubectl: &Kubectl) -> Result<Single> {
    let sandbox = Sandbox::start().await?;
    let bench = Bench::prepare(&sandbox, plugin, kubectl).await?;
    let figures = bench.run(options.pairs).await?;
    sandbox.shutdown().await;
    Ok(figures)
}

/// Progress and errors go to stderr, as the table is the data.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
