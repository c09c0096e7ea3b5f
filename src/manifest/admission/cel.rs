//! Expressions in CEL, and the parts of a policy that contain them.

use k8s_openapi::api::admissionregistration::v1::{Validation, Variable};

/// Two maps are equal except for these fields. All other fields must be equal, so
/// fields that later versions of Kubernetes add are included.
pub(super) fn same_but(new: &str, old: &str, except: &[&str]) -> String {
    same(new, old, &format!("k in {}", texts(except)))
}

/// Two maps are equal except for the fields `k` that meet a condition.
pub(super) fn same(new: &str, old: &str, except: &str) -> String {
    format!(
        "{} && {old}.all(k, {except} || k in {new})",
        nothing_new(new, old, except)
    )
}

/// A map has only fields of another one, except for those that meet a condition.
pub(super) fn nothing_new(new: &str, old: &str, except: &str) -> String {
    format!("{new}.all(k, {except} || (k in {old} && {new}[k] == {old}[k]))")
}

/// A string literal.
pub(super) fn text(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// A list of string literals.
pub(super) fn texts(texts: &[&str]) -> String {
    let texts: Vec<String> = texts.iter().map(|it| text(it)).collect();
    format!("[{}]", texts.join(", "))
}

pub(super) fn variable(name: &str, expression: &str) -> Variable {
    Variable {
        name: name.to_owned(),
        expression: expression.to_owned(),
    }
}

pub(super) fn validation(expression: &str, message: &str) -> Validation {
    Validation {
        expression: expression.to_owned(),
        message: Some(message.to_owned()),
        reason: Some("Forbidden".to_owned()),
        ..Validation::default()
    }
}

/// A validation of the changes of an update. A creation or a deletion has
/// nothing to compare, and the first validation refuses it.
pub(super) fn on_update(expression: &str, message: &str) -> Validation {
    validation(
        &format!("request.operation != 'UPDATE' || ({expression})"),
        message,
    )
}
