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

/// The step of what an app has, if the app cannot be read: the step of the app has the
/// answer of Microsoft Graph.
pub(super) fn of_unread_app(part: Part, what: &str, why: &Unavailable, action: Option<Action>) -> Step {
    let why = match why {
        Unavailable::Forbidden(_) => {
            Unavailable::Forbidden("it needs the app, which you may not read".to_owned())
        }
        Unavailable::Unknown(_) => {
            Unavailable::Unknown("it needs the app, which could not be read".to_owned())
        }
    };
    unread(part, what, &why, action)
}
