//! What may become of `last-applied-configuration`. `kubectl apply` removes each
//! field that it contains and the user's file does not, so an account that could write
//! it could have any field of the Secret removed.

use k8s_openapi::api::admissionregistration::v1::{Validation, Variable};

use super::cel::{on_update, text, variable};
use crate::model::annotation::LAST_APPLIED;

/// The variables of [`validation`].
pub(super) fn variables() -> Vec<Variable> {
    let applied = |annotations: &str| format!("{annotations}[?{}].orValue('')", text(LAST_APPLIED));
    // A member of a JSON object with the comma or brace on each side.
    let member =
        r#"'[,{]\\s*"' + variables.key.replace('.', '[.]') + '"\\s*:\\s*"([^"\\\\]|\\\\.)*"\\s*[,}]'"#;
    vec![
        variable("applied", &applied("variables.annotations")),
        variable("oldApplied", &applied("variables.oldAnnotations")),
        variable(
            "copies",
            &format!(
                "variables.applied == variables.oldApplied || variables.key == '' ? [] : variables.oldApplied.findAll({member})"
            ),
        ),
    ]
}

/// It stays, loses the credential under `data` and `stringData`, or is removed. It is
/// removed only if it is not JSON; CEL cannot parse it, so only texts that begin and end
/// as those of kubectl are known to be.
pub(super) fn validation() -> Validation {
    let cut = |text: &str, copy: &str| {
        let rest = format!(
            "{copy}.startsWith('{{') ? ({copy}.endsWith('}}') ? '{{}}' : '{{') : ({copy}.endsWith('}}') ? '}}' : ',')"
        );
        format!("{text}.replace({copy}, {rest})")
    };
    let once = cut("variables.oldApplied", "c");
    let twice = cut(&once, "d");
    on_update(
        &format!(
            "variables.applied == variables.oldApplied || (variables.applied == '' \
             && !(variables.oldApplied.startsWith('{{\"apiVersion\":') && variables.oldApplied.endsWith('}}\\n'))) \
             || variables.copies.exists(c, variables.applied == {once} \
             || variables.copies.exists(d, variables.applied == {twice}))"
        ),
        "this account may only cut the credential out of last-applied-configuration",
    )
}
