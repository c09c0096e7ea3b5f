//! The binary: parses, runs, and turns the end of a run into an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    kubectl_apim::main(std::env::args_os().collect())
}
