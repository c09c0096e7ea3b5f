//! Parts whose present state cannot be read.

use super::step::{Action, Part, Step};
use crate::model::Unavailable;

/// The step of a part whose present state cannot be read. Who may not read it may not
/// make it either; any other reason may be over when it is tried.
pub(super) fn unread(part: Part, what: &str, why: &Unavailable, action: Option<Action>) -> Step {
    let text = format!("{what}: {}", why.why());
    let step = match why {
        Unavailable::Forbidden(_) => Step::missing(part, text),
        Unavailable::Unknown(_) => Step::unknown(part, text),
    };
    match action {
        Some(action) => step.doing(action),
        None => step,
    }
}

/// The step of a part of an app or a scope that is known, and whose present state cannot be
/// read. Who may not read it may not make it either, and the sign-in shows whether it is
/// there; any other reason may be over when it is tried.
pub(super) fn unread_part(part: Part, what: &str, why: &Unavailable, action: Action) -> Step {
    let text = format!("{what}: {}", why.why());
    let step = match why {
        Unavailable::Forbidden(_) => Step::by_sign_in(part, text),
        Unavailable::Unknown(_) => Step::unknown(part, text),
    };
    step.doing(action)
}
