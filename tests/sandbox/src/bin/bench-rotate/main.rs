//! `cargo bench-rotate`: what one rotation costs, beside `kubectl get secret`
//! on the same server, and whether it stays within the bounds.

mod bench;
mod machine;
mod measure;
mod table;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use apim_sandbox::{Sandbox, plugin};

use self::bench::Bench;
use self::machine::Kubectl;
use self::table::Table;

const USAGE: &str = "usage: cargo bench-rotate [--pairs N] [--write]

  --pairs N  how many pairs of runs to measure, 20 unless told
  --write    write the table to docs/benchmarks.md";

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/benchmarks.md");

struct Options {
    pairs: usize,
    write: bool,
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
            say("error: a bound is missed");
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
    };
    let mut arguments = arguments.iter().map(String::as_str);
    while let Some(argument) = arguments.next() {
        match argument {
            "--write" => options.write = true,
            "--pairs" => options.pairs = arguments.next()?.parse().ok().filter(|pairs| *pairs > 0)?,
            _ => return None,
        }
    }
    Some(options)
}

#[tokio::main]
async fn start(options: &Options) -> Result<bool> {
    tokio::select! {
        table = run(options) => {
            let table = table?;
            // A closed stdout changes nothing about the bounds.
            let _ = write!(std::io::stdout().lock(), "\n{table}");
            Ok(table.is_met())
        }
        interrupted = tokio::signal::ctrl_c() => {
            interrupted?;
            bail!("interrupted");
        }
    }
}

async fn run(options: &Options) -> Result<Table> {
    let kubectl = Kubectl::find()?;
    say("building the plugin for release (some minutes with link-time optimization)");
    // By itself, since the sandbox asks the same crates for more than the plugin does.
    let plugin = plugin::build(&["--release", "--package", "kubectl-apim"]).await?;
    let sandbox = Sandbox::start().await?;
    let bench = Bench::prepare(&sandbox, &plugin, &kubectl).await?;
    let table = bench.run(options.pairs).await?;
    sandbox.shutdown().await;

    if options.write {
        let path = Path::new(DOCUMENT);
        let text = table.document(&machine::describe(&kubectl)?, options.pairs);
        std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
        say("docs/benchmarks.md is written");
    }
    Ok(table)
}

/// Progress and errors go to stderr, as the table is the data.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
