/// A fact, or why it is not available. The other facts about the gateway stay
/// useful without it.
pub type Fact<T> = Result<T, Unavailable>;

/// What is known to exist.
pub fn known<T>(fact: &Fact<Option<T>>) -> Option<&T> {
    fact.as_ref().ok().and_then(Option::as_ref)
}

/// Why a fact is not available.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unavailable {
    /// The user may not read it. Contains the answer of the API server.
    Forbidden(String),
    /// Any other reason, as a sentence.
    Unknown(String),
}

impl Unavailable {
    /// The content of a table cell without a value.
    pub fn cell(&self) -> &'static str {
        match self {
            Self::Forbidden(_) => "<forbidden>",
            Self::Unknown(_) => "<unknown>",
        }
    }

    pub fn why(&self) -> &str {
        match self {
            Self::Forbidden(why) | Self::Unknown(why) => why,
        }
    }
}
