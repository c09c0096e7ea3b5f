//! The command line of another run, such as that of a CronJob.

use std::collections::BTreeMap;
use std::ffi::OsString;

use clap::Parser;

use super::selection::{exactly, targets_named};
use crate::cli::{Cli, Command, RotateArgs};
use crate::environment::Environment;
use crate::model::request::{DryRun, RotateRequest, Selection, WorkloadRequest};
use crate::model::{PROGRAM, SCRIPT, Source, Sourced};
use crate::script;

/// What the words and variables of a container make `rotate` do, read by the
/// parsers that it runs itself. `None` if they rotate nothing.
pub fn rotate_request(words: &[String], variables: &BTreeMap<String, String>) -> Option<RotateRequest> {
    let environment: Environment = variables.clone().into_iter().collect();
    let mut request = typed(words, &environment)?;
    let get = |names: &[&str]| names.iter().find_map(|name| environment.get(name));
    if request.namespace.is_none() {
        request.namespace = get(&["NAMESPACE"]).map(str::to_owned);
    }
    if request.secret.is_none() {
        request.secret = get(&["KUBECTL_APIM_TOKEN_SECRET", "TOKEN_SECRET"]).map(str::to_owned);
    }
    if request.selection.names.is_empty() {
        let workload = get(&["KUBECTL_APIM_K8S_OBJECT", "K8S_OBJECT"]);
        request.selection.names.extend(workload.map(workload_named));
    }
    Some(request)
}

/// A line that does not parse may be for another version, and may rotate
/// anything.
fn typed(words: &[String], environment: &Environment) -> Option<RotateRequest> {
    // The words before the program's own are those of a shell or of kubectl.
    let own = words
        .iter()
        .rposition(|word| [PROGRAM, SCRIPT].iter().any(|program| word.ends_with(program)));
    let (program, words) = match own.and_then(|at| words.get(at..)?.split_first()) {
        Some((program, words)) => (program.as_str(), words),
        None => (PROGRAM, words),
    };
    let mut line: Vec<OsString> = vec![program.into()];
    line.extend(words.iter().map(OsString::from));
    let is_script = program.ends_with(SCRIPT) || words.first().is_none_or(|word| word.starts_with('-'));
    if is_script {
        let Ok(translated) = script::translate(&line, environment) else {
            return Some(RotateRequest::default());
        };
        line = translated;
    }
    let Ok(Cli { command, kube, .. }) = Cli::try_parse_from(line) else {
        return Some(RotateRequest::default());
    };
    match command {
        Some(Command::Rotate(args)) if args.dry_run == DryRun::None => Some(RotateRequest {
            namespace: kube.namespace,
            selection: selection(&args),
            secret: args.target.token_secret,
            service: args.target.gateway.instance.apim_instance,
            resource_group: args.target.gateway.instance.resource_group,
            subscription: args.target.gateway.instance.subscription_id,
        }),
        _ => None,
    }
}

fn selection(args: &RotateArgs) -> Selection {
    let target = &args.target;
    let mut names = match targets_named(&target.target) {
        Ok(names) => names,
        Err(_) => target.target.iter().map(|word| workload_named(word)).collect(),
    };
    names.extend(target.k8s_object.as_deref().map(workload_named));
    Selection {
        everywhere: args.fleet.select.all_namespaces,
        labels: args.fleet.select.selector.clone(),
        names,
    }
}

/// A word that does not name a workload stays as it is: no workload has that
/// name.
fn workload_named(word: &str) -> Sourced<WorkloadRequest> {
    let request = match exactly(word) {
        Ok(request) => request,
        Err(_) => WorkloadRequest::ByName(word.to_owned()),
    };
    Sourced::new(request, Source::Discovery("command line".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<const N: usize>(line: &str, variables: [(&str, &str); N]) -> Option<RotateRequest> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        rotate_request(&words, &BTreeMap::from(variables))
    }

    fn workloads(request: &RotateRequest) -> Vec<String> {
        let names = request.selection.names.iter();
        names.map(|name| name.value.to_string()).collect()
    }

    #[test]
    fn a_command_line_selects_gateways() {
        assert_eq!(read("rotate", []), Some(RotateRequest::default()));
        for (line, names) in [
            ("rotate deploy/a b", ["deployment.apps/a", "workload b"]),
            ("rotate deploy a b", ["deployment.apps/a", "deployment.apps/b"]),
            ("rotate job/a b", ["workload job/a", "workload b"]),
        ] {
            assert_eq!(workloads(&read(line, []).unwrap()), names, "{line}");
        }
        assert!(read("rotate -A --yes", []).unwrap().selection.everywhere);
        let by_labels = read("rotate -A -l team=blue", []).unwrap().selection;
        assert_eq!(by_labels.labels.as_deref(), Some("team=blue"));
        let by_command = read("/usr/local/bin/kubectl-apim rotate -n shop -t s", []).unwrap();
        assert_eq!(
            (by_command.namespace.as_deref(), by_command.secret.as_deref()),
            (Some("shop"), Some("s"))
        );
    }

    #[test]
    fn the_scripts_variables_and_options_count() {
        let script = [
            ("K8S_OBJECT", "deployment/gw"),
            ("TOKEN_SECRET", "gw-token"),
            ("NAMESPACE", "shop"),
        ];
        for line in ["", "rotate"] {
            let request = read(line, script).unwrap();
            assert_eq!(workloads(&request), ["deployment.apps/gw"]);
            assert_eq!(request.secret.as_deref(), Some("gw-token"));
            assert_eq!(request.namespace.as_deref(), Some("shop"));
        }
        let line = "apim-shg-rotate -s 1 -r 2 -a 3 -g 4 -t other -o deployment/gw";
        let request = read(line, []).unwrap();
        assert_eq!(workloads(&request), ["deployment.apps/gw"]);
        assert_eq!(request.secret.as_deref(), Some("other"));
    }

    #[test]
    fn our_variables_count_and_those_of_others_do_not() {
        let ours = [
            ("KUBECTL_APIM_K8S_OBJECT", "deployment/gw"),
            ("KUBECTL_APIM_TOKEN_SECRET", "s"),
            ("KUBECTL_APIM_NAMESPACE", "bank"),
        ];
        let request = read("rotate", ours).unwrap();
        assert_eq!(workloads(&request), ["deployment.apps/gw"]);
        assert_eq!((request.secret.as_deref(), request.namespace), (Some("s"), None));
        let others = ours.map(|(name, value)| (name.trim_start_matches("KUBECTL_"), value));
        assert_eq!(read("rotate", others), Some(RotateRequest::default()));
    }

    #[test]
    fn other_commands_rotate_nothing() {
        assert_eq!(read("status -A --fail-within 10d", []), None);
        assert_eq!(read("rotate --dry-run", []), None);
        // Of a newer version, perhaps.
        assert_eq!(read("rotate --no-such-flag", []), Some(RotateRequest::default()));
    }
}
