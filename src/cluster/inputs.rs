use jiff::Timestamp;

/// What a run takes from around it, handed in so that nothing below reads it
/// from the process.
#[derive(Clone, Copy)]
pub struct ConnectInputs<'a> {
    variable: &'a (dyn Fn(&str) -> Option<String> + Sync),
    pub(super) interactive: bool,
    pub(super) now: Timestamp,
}

impl<'a> ConnectInputs<'a> {
    /// The variables, whether a person sits at the terminal of standard input,
    /// and the local time.
    pub fn new(
        variable: &'a (dyn Fn(&str) -> Option<String> + Sync),
        interactive: bool,
        now: Timestamp,
    ) -> Self {
        Self {
            variable,
            interactive,
            now,
        }
    }

    /// A variable; an empty one counts as absent.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        (self.variable)(name).filter(|value| !value.is_empty())
    }
}
