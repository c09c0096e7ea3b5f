//! What becomes of objects, as text.

mod diff;

use std::fmt::Write as _;

use crate::error::Result;
use crate::model::request::DryRun;
use crate::model::{Object, ObjectKind};
use crate::plan::{Action, Kept, ObjectPlan, Reason};
use crate::yaml::to_documents;
use diff::unified;

/// A line for each object: what was done to it, or would be.
pub fn object_lines(plan: &ObjectPlan, dry_run: DryRun) -> String {
    let mut text = String::new();
    for change in &plan.changes {
        text += &line(&change.object().reference(), change.action, dry_run);
    }
    text
}

/// A line for each object of which nothing was read.
pub fn rendered_lines(plan: &ObjectPlan) -> String {
    let mut text = String::new();
    for change in &plan.changes {
        text += &change.object().reference();
        text += " rendered (dry run)\n";
    }
    text
}

/// A line for each object that was written, by `TYPE/NAME`.
pub fn written_lines(written: &[(String, Action)]) -> String {
    let lines = written
        .iter()
        .map(|(reference, action)| line(reference, *action, DryRun::None));
    lines.collect()
}

fn line(reference: &str, action: Action, dry_run: DryRun) -> String {
    let suffix = match dry_run {
        DryRun::None => "",
        DryRun::Client => " (dry run)",
        DryRun::Server => " (server dry run)",
    };
    format!("{reference} {}{suffix}\n", done(action))
}

fn done(action: Action) -> &'static str {
    match action {
        Action::Create => "created",
        Action::Update => "configured",
        Action::Replace => "replaced",
        Action::Delete => "deleted",
        Action::Nothing => "unchanged",
    }
}

/// The objects that change, by `TYPE/NAME`.
pub fn object_names(plan: &ObjectPlan) -> String {
    let mut text = String::new();
    for change in &plan.changes {
        if change.action != Action::Nothing {
            text += &change.object().reference();
            text.push('\n');
        }
    }
    text
}

/// The wanted objects but for Secrets: no output holds a secret.
fn printable(plan: &ObjectPlan) -> Vec<&Object> {
    let wanted = plan.changes.iter().filter_map(|change| change.wanted.as_ref());
    wanted
        .filter(|object| object.kind() != ObjectKind::Secret)
        .collect()
}

/// The wanted objects as YAML.
pub fn objects_yaml(plan: &ObjectPlan) -> Result<String> {
    to_documents(&printable(plan))
}

/// The wanted objects as a JSON list.
pub fn objects_json(plan: &ObjectPlan) -> String {
    let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": printable(plan)});
    format!("{list:#}\n")
}

/// What differs, as `diff -ru` shows it.
pub fn objects_diff(plan: &ObjectPlan) -> Result<String> {
    let mut text = String::new();
    for change in &plan.changes {
        let Some(wanted) = &change.wanted else {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "Only in live: {}", change.object().reference());
            continue;
        };
        let after = change.after.as_ref().unwrap_or(wanted);
        text += &unified(change.live_object(), after)?;
    }
    Ok(text)
}

/// Why an object stays, as a sentence.
pub fn kept(object: &Kept) -> String {
    let Kept { reference, why } = object;
    match why {
        Reason::ReferredTo { by } => format!("{reference} is kept, because {by} refers to it"),
        Reason::UsedBy { what, by } if what == reference => {
            format!("{reference} is kept, because it is used by {}", few(by))
        }
        Reason::UsedBy { what, by } => {
            format!("{reference} is kept, because {what} is used by {}", few(by))
        }
        Reason::Without { account, by } => {
            format!(
                "{reference} is kept without {account}, because it is used by {}",
                few(by)
            )
        }
        Reason::NotOurs => {
            format!(
                "{reference} has the labels of the installation but was not installed by it, so it is kept"
            )
        }
        Reason::BeingDeleted { finalizers } if finalizers.is_empty() => {
            format!("{reference} is being deleted already")
        }
        Reason::BeingDeleted { finalizers } => format!(
            "{reference} is being deleted already, and stays until its finalizers are removed: {}",
            finalizers.join(", ")
        ),
        Reason::Unreadable(why) => format!("{reference} may be left from an earlier installation: {why}"),
    }
}

/// The command that removes an installation.
pub fn uninstall(name: &str, namespace: &str) -> String {
    format!("kubectl apim uninstall-cronjob {name} -n {namespace}")
}

/// The first of them, and how many more there are.
pub fn few(names: &[String]) -> String {
    const SHOWN: usize = 3;
    let shown = names.iter().take(SHOWN).map(String::as_str);
    let mut text = shown.collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        // Writing to a String cannot fail.
        let _ = write!(text, " and {} more", names.len() - SHOWN);
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::Ownership;
    use crate::plan::{Live, Surplus, object_changes};

    fn object(kind: ObjectKind) -> Object {
        let data = match kind {
            ObjectKind::Secret => json!({"k": "aHVzaA=="}),
            _ => json!({}),
        };
        Object::new(kind, json!({"metadata": {"name": "a"}, "data": data}))
    }

    fn plan() -> ObjectPlan {
        let wanted = vec![
            (object(ObjectKind::Role), Live::Absent),
            (object(ObjectKind::Secret), Live::Absent),
        ];
        let gone = Surplus::Present(object(ObjectKind::NetworkPolicy), Ownership::Ours);
        object_changes(wanted, vec![gone], &[]).unwrap()
    }

    #[test]
    fn a_line_for_each_object_says_what_was_done() {
        assert_eq!(
            object_lines(&plan(), DryRun::Server),
            "role.rbac.authorization.k8s.io/a created (server dry run)\n\
             secret/a created (server dry run)\n\
             networkpolicy.networking.k8s.io/a deleted (server dry run)\n"
        );
    }

    #[test]
    fn no_form_of_output_holds_a_secret() {
        let plan = plan();
        let diff = objects_diff(&plan).unwrap();
        assert!(
            diff.contains("Only in live: networkpolicy.networking.k8s.io/a\n"),
            "{diff}"
        );
        for text in [diff, objects_json(&plan), objects_yaml(&plan).unwrap()] {
            assert!(!text.contains("aHVzaA"), "{text}");
        }
    }
}
