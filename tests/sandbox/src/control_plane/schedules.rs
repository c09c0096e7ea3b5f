//! When Kubernetes runs a `CronJob`, by its own code: the validation of the API
//! server and the parser of the `CronJob` controller, in a Go program of their own.

use std::io::{BufRead, BufReader, BufWriter, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::binaries::{Program, assets, build, go_command};
use super::target_directory;

const PROGRAM: Program = Program {
    name: "schedules",
    package: "./schedules",
    source: "schedules/main.go",
    building: "building the CronJob controller's parser of schedules",
};

/// A schedule in a time zone, and the time after which it runs.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Question {
    pub schedule: String,
    pub time_zone: Option<String>,
    pub seconds: i64,
    pub nanoseconds: i32,
    /// How many runs are asked for.
    pub runs: usize,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Answer {
    /// Why the API server refuses a new `CronJob`, or empty.
    pub refused: String,
    /// Why the controller does not run an existing one, or empty.
    pub unparseable: String,
    /// The runs, in seconds, fewer if the schedule has no more.
    pub runs: Vec<i64>,
}

/// The answer to each question, by the time zones of this machine. There are none
/// where `KUBEBUILDER_ASSETS` makes up for Go.
pub fn answers(questions: &[Question]) -> Result<Option<Vec<Answer>>> {
    if assets().is_some() && go_command().is_err() {
        return Ok(None);
    }
    let binary = build(&target_directory(), &PROGRAM)?;
    let mut child = Command::new(&binary)
        .env("TZ", "UTC")
        .env_remove("ZONEINFO")
        .env_remove("GOROOT")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("running {}", binary.display()))?;
    let read = exchange(&mut child, questions);
    let status = child.wait()?;
    let answers = read.with_context(|| format!("{} ended with {status}", binary.display()))?;
    ensure!(
        status.success() && answers.len() == questions.len(),
        "{} ended with {status} after {} of {} answers",
        binary.display(),
        answers.len(),
        questions.len()
    );
    Ok(Some(answers))
}

fn exchange(child: &mut Child, questions: &[Question]) -> Result<Vec<Answer>> {
    let input = child.stdin.take().context("no standard input")?;
    let output = BufReader::new(child.stdout.take().context("no standard output")?);
    thread::scope(|scope| {
        let asking = scope.spawn(|| ask(input, questions));
        let answers = output.lines().map(|line| Ok(serde_json::from_str(&line?)?));
        let answers: Result<Vec<Answer>> = answers.collect();
        asking.join().expect("asking does not panic")?;
        answers
    })
}

fn ask(input: ChildStdin, questions: &[Question]) -> Result<()> {
    let mut input = BufWriter::new(input);
    for question in questions {
        serde_json::to_writer(&mut input, question)?;
        input.write_all(b"\n")?;
    }
    Ok(input.flush()?)
}
