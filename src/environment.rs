//! The process environment. It is read once, and everything else receives the
//! variables as values.

use std::collections::HashMap;

/// The variables with secrets: ours, the script's and those of Azure's own
/// tools. They are removed from the environment of child processes.
pub(crate) const SECRET_VARIABLES: [&str; 7] = [
    "APIM_CLIENT_SECRET",
    "APIM_CLIENT_SECRET_PASSWORD",
    "APIM_TOKEN",
    "AZURE_CLIENT_CERTIFICATE_PASSWORD",
    "AZURE_CLIENT_SECRET",
    "AZURE_PASSWORD",
    "SP_SECRET",
];

/// The variables of a run. An empty one counts as unset.
#[derive(Clone, Debug, Default)]
pub struct Environment(HashMap<String, String>);

impl Environment {
    /// The environment of this process, without variables that are not UTF-8.
    #[expect(
        clippy::disallowed_methods,
        reason = "only this function reads the environment"
    )]
    pub fn of_this_process() -> Self {
        let readable = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self(std::env::vars_os().filter_map(readable).collect())
    }

    /// The value of a variable; `None` if it is unset or empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    pub fn in_pod(&self) -> bool {
        self.get("KUBERNETES_SERVICE_HOST").is_some()
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self(variables.into_iter().collect())
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Environment {
    fn from(variables: [(&str, &str); N]) -> Self {
        variables
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }
}
