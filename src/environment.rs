//! The process environment. It is read once, and everything else receives the
//! variables as values.

use std::collections::HashMap;
use std::ffi::OsString;

/// The beginning of the name of each variable of ours.
pub(crate) const PREFIX: &str = "KUBECTL_APIM_";

/// The variables of the script and of Azure's own tools that hold a secret.
pub(crate) const SECRET_VARIABLES: [&str; 4] = [
    "AZURE_CLIENT_CERTIFICATE_PASSWORD",
    "AZURE_CLIENT_SECRET",
    "AZURE_PASSWORD",
    "SP_SECRET",
];

/// The variables of the script `apim-shg-rotate`, which `rotate` alone reads.
/// Some of the names are so common that elsewhere they stand for other things.
const SCRIPT_VARIABLES: [&str; 12] = [
    "APIM_GATEWAY",
    "APIM_INSTANCE",
    "DEBUG",
    "K8S_OBJECT",
    "NAMESPACE",
    "RESOURCE_GROUP",
    "SP_ID",
    "SP_SECRET",
    "SUBSCRIPTION_ID",
    "TENANT",
    "TOKEN_KEY",
    "TOKEN_SECRET",
];

/// The variables of this process that no credential plugin gets: those that hold a secret,
/// and all of ours, whatever they hold.
#[expect(clippy::disallowed_methods, reason = "a child inherits the whole environment")]
pub(crate) fn withheld() -> impl Iterator<Item = OsString> {
    let names = std::env::vars_os().map(|(name, _)| name);
    names.filter(|name| is_withheld(&name.to_string_lossy()))
}

fn is_withheld(name: &str) -> bool {
    name.starts_with(PREFIX) || SECRET_VARIABLES.contains(&name)
}

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
        let readable =
            |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
        Self(std::env::vars_os().filter_map(readable).collect())
    }

    /// The value of a variable; `None` if it is unset or empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// The same without the script's variables.
    pub fn without_script(&self) -> Self {
        let mut others = self.clone();
        others
            .0
            .retain(|name, _| !SCRIPT_VARIABLES.contains(&name.as_str()));
        others
    }

    /// Whether this process runs in a pod.
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
