use std::sync::Arc;

use jiff::Timestamp;
use tokio::time::Instant;

/// Shows the user a line of a credential plugin.
pub type Show = Arc<dyn Fn(&str) + Send + Sync>;

/// What a connection needs from the process. It is passed in, so that nothing
/// here reads the environment.
#[derive(Clone, Copy)]
pub struct ConnectInputs<'a> {
    variable: &'a (dyn Fn(&str) -> Option<String> + Sync),
    pub(super) interactive: bool,
    pub(super) now: Timestamp,
    pub(super) deadline: Option<Instant>,
    pub(super) show: Option<&'a Show>,
}

impl<'a> ConnectInputs<'a> {
    /// The variables, whether standard input is a terminal, and the local time.
    pub fn new(
        variable: &'a (dyn Fn(&str) -> Option<String> + Sync),
        interactive: bool,
        now: Timestamp,
    ) -> Self {
        Self {
            variable,
            interactive,
            now,
            deadline: None,
            show: None,
        }
    }

    /// The same with a place for what a credential plugin says.
    #[must_use]
    pub fn showing(self, show: &'a Show) -> Self {
        Self {
            show: Some(show),
            ..self
        }
    }

    /// The same with a deadline for signing in, and for every request after.
    #[must_use]
    pub fn until(self, deadline: Instant) -> Self {
        Self {
            deadline: Some(deadline),
            ..self
        }
    }

    /// The value of a variable; an empty one counts as unset.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        (self.variable)(name).filter(|value| !value.is_empty())
    }
}
