//! The variables of Azure Workload Identity that a container sets itself.

use std::collections::BTreeMap;

use crate::model::{cleaned, shortened};

/// A name of a variable, its value, or `None` if that is not known.
type Variables = BTreeMap<&'static str, Option<String>>;

/// The longest value that is shown: more than a GUID and than the path of a token.
const LONGEST: usize = 128;

/// What `env` of a container sets of the variables that the webhook would inject. The
/// webhook leaves those as they are (github.com/Azure/azure-workload-identity,
/// pkg/webhook).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnVariables(Variables);

impl OwnVariables {
    pub const CLIENT_ID: &str = "AZURE_CLIENT_ID";
    pub const TENANT_ID: &str = "AZURE_TENANT_ID";
    pub const TOKEN_FILE: &str = "AZURE_FEDERATED_TOKEN_FILE";
    pub const AUTHORITY: &str = "AZURE_AUTHORITY_HOST";
    pub const ALL: [&str; 4] = [
        Self::CLIENT_ID,
        Self::TENANT_ID,
        Self::TOKEN_FILE,
        Self::AUTHORITY,
    ];

    pub fn new(variables: Variables) -> Self {
        Self(variables)
    }

    pub fn sets(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The value of a variable that is set, if it is known.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_deref()
    }

    /// Whether some are set and others left to the webhook. A container that sets all
    /// that a sign-in needs does not rely on it.
    pub fn mix_with_the_webhook(&self) -> bool {
        let needed = [Self::CLIENT_ID, Self::TENANT_ID, Self::TOKEN_FILE];
        !self.0.is_empty() && !needed.iter().all(|name| self.sets(name))
    }

    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.keys().copied()
    }

    /// Each variable with its value.
    pub fn in_words(&self) -> String {
        let all = self
            .0
            .iter()
            .map(|(name, value)| Self::one_in_words(name, value.as_deref()));
        all.collect::<Vec<_>>().join(" and ")
    }

    pub fn one_in_words(name: &str, value: Option<&str>) -> String {
        match value {
            Some("") => format!("{name} to an empty value"),
            Some(value) => format!("{name} to {}", shortened(&cleaned(value), LONGEST)),
            None => name.to_owned(),
        }
    }
}
