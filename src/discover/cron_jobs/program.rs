//! The programs that a command runs. A command counts only if it is certain that
//! it runs one of those that rotate, and that its failure fails the Job.

use super::shell::{SPLIT, Started, Variables, sequences, set, started, uncertain, with_assignments};
use crate::model::request::{Invocation, Program};
use crate::model::{PROGRAM, SCRIPT};

/// What the script cannot run without. Its users have images of their own, whose
/// names are not known.
const SCRIPT_VARIABLES: [&str; 5] = [
    "SUBSCRIPTION_ID",
    "RESOURCE_GROUP",
    "APIM_INSTANCE",
    "APIM_GATEWAY",
    "TOKEN_SECRET",
];

/// How deep programs that start others are followed.
const DEEPEST: usize = 4;

/// Programs that run another one.
const WRAPPERS: [&str; 6] = ["catatonit", "dumb-init", "nice", "timeout", "tini", "tini-static"];

/// The shortest limit of `timeout` that does not cut a rotation off, in seconds.
const SHORTEST_LIMIT: u64 = 60;

/// Commands after which the next one runs, or the Job fails.
const HARMLESS: [&str; 7] = ["echo", "printf", "date", "true", ":", "cd", "az"];

/// Whether variables give everything that the script requires.
pub(super) fn has_all_parameters(variables: &Variables) -> bool {
    let is_set = |name: &str| variables.get(name).is_some_and(|value| !value.is_empty());
    SCRIPT_VARIABLES.iter().all(|name| is_set(name))
}

/// Whether a text names one of the programs, in whatever way.
pub(super) fn mentions_a_program(text: &str, variables: &Variables) -> bool {
    let names_a_script = || {
        let names_parameters = ["apim", "-t"].iter().any(|part| text.contains(part));
        text.contains(".sh") && (has_variables_of_the_script(variables) || names_parameters)
    };
    [PROGRAM, SCRIPT, "kubectl apim"]
        .iter()
        .any(|name| text.contains(name))
        || names_a_script()
}

fn has_variables_of_the_script(variables: &Variables) -> bool {
    SCRIPT_VARIABLES.iter().any(|name| variables.contains_key(*name))
}

/// The programs behind the words of a command: none if it is something else.
pub(super) fn resolved(words: &[String], variables: &Variables) -> Result<Vec<Invocation>, String> {
    followed(words, variables, 0)
}

fn followed(words: &[String], variables: &Variables, depth: usize) -> Result<Vec<Invocation>, String> {
    let Some((program, rest)) = words.split_first() else {
        return Ok(Vec::new());
    };
    if depth > DEEPEST {
        return Err("too many programs start each other".to_owned());
    }
    let one = |program: Program, words: &[String]| {
        Ok(vec![Invocation {
            program,
            words: words.to_vec(),
            variables: variables.clone(),
        }])
    };
    let file = program.rsplit('/').next().unwrap_or(program);
    match file {
        PROGRAM => one(Program::Ours, rest),
        SCRIPT => one(Program::Link, rest),
        "kubectl" => match rest.split_first() {
            Some((plugin, rest)) if plugin == "apim" => one(Program::Ours, rest),
            _ => Ok(Vec::new()),
        },
        "sh" | "bash" | "dash" | "ash" => of_shell(rest, variables, depth),
        "busybox"
            if rest
                .first()
                .is_some_and(|applet| ["sh", "ash"].contains(&applet.as_str())) =>
        {
            of_shell(rest.get(1..).unwrap_or_default(), variables, depth)
        }
        _ if WRAPPERS.contains(&file) => {
            let rest = wrapped(file, rest);
            rest.map_or(Ok(Vec::new()), |rest| followed(rest, variables, depth + 1))
        }
        "env" => {
            let (variables, rest) = with_assignments(rest, variables);
            followed(rest, &variables, depth + 1)
        }
        file if is_the_script(file, rest, variables) => one(Program::Script, rest),
        _ => Ok(Vec::new()),
    }
}

/// The command that a program runs as its own, whose exit code becomes its own:
/// nothing if that is not certain.
fn wrapped<'a>(wrapper: &str, words: &'a [String]) -> Option<&'a [String]> {
    let mut rest = words;
    while let Some((option, after)) = rest.split_first().filter(|(word, _)| word.starts_with('-')) {
        rest = after;
        match (wrapper, option.as_str()) {
            (_, "--") => break,
            ("tini" | "tini-static", "-s" | "-g" | "-w" | "-v")
            | ("dumb-init", "-c" | "--single-child" | "-v" | "--verbose")
            | ("catatonit", "-g" | "-L")
            | ("timeout", "-v" | "--verbose" | "--foreground") => {}
            ("timeout", "-k") | ("nice", "-n") => rest = rest.get(1..)?,
            _ => return None,
        }
    }
    if wrapper == "timeout" {
        let (limit, after) = rest.split_first()?;
        return (seconds(limit)? >= SHORTEST_LIMIT).then_some(after);
    }
    Some(rest)
}

/// A time as `timeout` takes it, without fractions.
fn seconds(text: &str) -> Option<u64> {
    let units = [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)];
    let with_unit = units
        .into_iter()
        .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, factor)));
    let (number, factor) = with_unit.unwrap_or((text, 1));
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// Whether a shell script is the one that rotates. Its users have given it names
/// of their own, so its parameters count.
fn is_the_script(file: &str, words: &[String], variables: &Variables) -> bool {
    let has = |option: &str| words.iter().any(|word| word.starts_with(option));
    let is_called_so = file.strip_suffix(".sh") == Some(SCRIPT);
    is_called_so
        || is_shell_script(file)
            && (has_variables_of_the_script(variables)
                || has("-a") && has("-g") && has("-t")
                || has("--apim-instance") && has("--apim-gateway"))
}

fn is_shell_script(file: &str) -> bool {
    file.strip_suffix(".sh").is_some()
}

/// The programs behind the arguments of a shell.
fn of_shell(arguments: &[String], variables: &Variables, depth: usize) -> Result<Vec<Invocation>, String> {
    if !mentions_a_program(&arguments.join(" "), variables) {
        return Ok(Vec::new());
    }
    match started(arguments)? {
        Started::Script {
            text,
            stops_at_errors,
        } => of_script(&text, variables, stops_at_errors, depth),
        // A shell reads its file, so that only a script can be meant.
        Started::File(line) if line.first().is_some_and(|file| is_shell_script(file)) => {
            followed(&line, variables, depth + 1)
        }
        Started::File(_) => Err("a shell runs a file whose content is not known".to_owned()),
    }
}

/// The programs that a script runs whose failure is that of the script.
fn of_script(
    script: &str,
    variables: &Variables,
    mut stops_at_errors: bool,
    depth: usize,
) -> Result<Vec<Invocation>, String> {
    let sequences = sequences(script, variables)?;
    let mut found = Vec::new();
    let mut is_hidden = false;
    for (number, sequence) in sequences.iter().enumerate() {
        let is_last = number + 1 == sequences.len();
        for (at, command) in sequence.iter().enumerate() {
            let (variables, mut words) = with_assignments(command, variables);
            let is_end = is_last && at + 1 == sequence.len();
            let rest = words.get(1..).unwrap_or_default();
            match words.first().map(String::as_str) {
                Some("set") => {
                    stops_at_errors |= set(rest)?;
                    continue;
                }
                Some("exec") if is_end => words = rest,
                // In bash it sets a variable.
                Some("printf") if rest.first().is_some_and(|word| word.starts_with('-')) => {
                    return Err(uncertain("an option"));
                }
                Some(name) if HARMLESS.contains(&name) || name == "sleep" && is_short_sleep(rest) => continue,
                _ => {}
            }
            let programs = followed(words, &variables, depth + 1)?;
            if programs.is_empty() {
                return Err(uncertain("a command beside the program"));
            }
            if command.iter().any(|word| word.contains(SPLIT)) {
                return Err(uncertain("a variable"));
            }
            // Of a sequence, only the last command stops the shell by itself.
            if is_last || stops_at_errors && sequence.len() == 1 {
                found.extend(programs);
            } else {
                is_hidden = true;
            }
        }
    }
    if found.is_empty() && is_hidden {
        return Err("a command that follows hides its failure".to_owned());
    }
    Ok(found)
}

fn is_short_sleep(words: &[String]) -> bool {
    let [time] = words else { return false };
    let number = time.strip_suffix(['s', 'm']).unwrap_or(time);
    (1..=3).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit())
}
