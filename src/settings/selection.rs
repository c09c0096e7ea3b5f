//! The workloads that the command line names or selects.

use super::typed::{Typed, check_name};
use crate::cli::{SelectArgs, TargetArgs};
use crate::error::{Error, Result};
use crate::model::request::{Selection, WorkloadRequest};
use crate::model::{Source, Sourced, WorkloadKind, WorkloadRef};

/// The gateways that the flags and the names select.
pub(super) fn selection(args: &SelectArgs, targets: &[String]) -> Result<Selection> {
    let names = targets_named(targets)?;
    if !names.is_empty() && (args.all_namespaces || args.selector.is_some()) {
        let flag = if args.all_namespaces {
            "--all-namespaces"
        } else {
            "--selector"
        };
        return Err(Error::usage(format!(
            "select workloads by name or by {flag}, not by both"
        )));
    }
    Ok(Selection {
        everywhere: args.all_namespaces,
        labels: args.selector.clone().filter(|labels| !labels.is_empty()),
        names,
    })
}

/// The workloads that were named, by position or flag.
pub(super) fn named_workloads(args: &TargetArgs) -> Result<Selection> {
    let mut names = targets_named(&args.target)?;
    if let Some(word) = &args.k8s_object {
        names.push(Sourced::new(
            exactly(word)?,
            Source::Flag("k8s-object".to_owned()),
        ));
    }
    Ok(Selection {
        names,
        ..Selection::default()
    })
}

/// Workloads as kubectl takes them: `NAME ...`, `TYPE/NAME ...` or `TYPE NAME
/// ...`.
pub(super) fn targets_named(targets: &[String]) -> Result<Vec<Sourced<WorkloadRequest>>> {
    // `Flag` would print dashes before a positional argument.
    let source = || Source::Discovery("command line".to_owned());
    let kind = match targets {
        [first, _, ..] if !first.contains('/') => WorkloadKind::parse(first),
        _ => None,
    };
    let words = targets.iter().skip(usize::from(kind.is_some()));
    let request = |word: &String| {
        let request = match (kind, word.contains('/')) {
            (Some(kind), _) => named(word, kind, word)?,
            (None, true) => exactly(word)?,
            (None, false) => {
                check_name(word).map_err(|why| malformed(word, &why))?;
                WorkloadRequest::ByName(word.clone())
            }
        };
        Ok(Sourced::new(request, source()))
    };
    words.map(request).collect()
}

/// The one workload that was named by position, flag or variable; of several
/// the first.
pub(super) fn one_target(args: &TargetArgs, typed: &Typed<'_>) -> Result<Option<Sourced<WorkloadRequest>>> {
    if let Some(first) = targets_named(&args.target)?.into_iter().next() {
        return Ok(Some(first));
    }
    let Some(Sourced { value, source }) = typed.text("k8s-object", args.k8s_object.as_ref(), &["K8S_OBJECT"])
    else {
        return Ok(None);
    };
    let request = if value.contains('/') {
        exactly(&value)
    } else {
        Err(malformed(&value, "it does not have the form TYPE/NAME"))
    };
    let request = request.map_err(|error| {
        error
            .hints()
            .iter()
            .fold(Error::usage(format!("{source} {error}")), |error, hint| {
                error.hint(hint)
            })
    });
    Ok(Some(Sourced::new(request?, source)))
}

pub(super) fn exactly(word: &str) -> Result<WorkloadRequest> {
    let (kind, name) = word.split_once('/').unwrap_or((word, ""));
    let kind = WorkloadKind::parse(kind).ok_or_else(|| {
        malformed(
            word,
            &format!("`{kind}` is not a kind of workload that can run a gateway"),
        )
    })?;
    named(word, kind, name)
}

fn named(word: &str, kind: WorkloadKind, name: &str) -> Result<WorkloadRequest> {
    check_name(name).map_err(|why| malformed(word, &why))?;
    Ok(WorkloadRequest::Exact(WorkloadRef {
        kind,
        name: name.to_owned(),
    }))
}

fn malformed(word: &str, why: &str) -> Error {
    Error::usage(format!("`{word}`: {why}"))
        .hint("name a workload as deployment/NAME, statefulset/NAME or daemonset/NAME")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests(words: &[&str]) -> Result<Vec<WorkloadRequest>> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        Ok(targets_named(&words)?
            .into_iter()
            .map(|request| request.value)
            .collect())
    }

    fn deployment(name: &str) -> WorkloadRequest {
        WorkloadRequest::Exact(WorkloadRef {
            kind: WorkloadKind::Deployment,
            name: name.to_owned(),
        })
    }

    #[test]
    fn workloads_are_named_as_for_kubectl() {
        let by_name = |name: &str| WorkloadRequest::ByName(name.to_owned());
        for (words, expected) in [
            (&["a"][..], vec![by_name("a")]),
            (&["a", "b"], vec![by_name("a"), by_name("b")]),
            (&["deploy", "a", "b"], vec![deployment("a"), deployment("b")]),
            (&["deployments.apps/a", "b"], vec![deployment("a"), by_name("b")]),
            // A single word is a name, even if it is a kind.
            (&["deploy"], vec![by_name("deploy")]),
        ] {
            assert_eq!(requests(words).unwrap(), expected, "{words:?}");
        }
        for words in [&["job/a"][..], &["deploy/A"], &["deploy", "a/b"], &["a", "../b"]] {
            assert!(requests(words).is_err(), "{words:?}");
        }
    }
}
