//! The version of API Management's API. A cloud gets a new one long after public
//! Azure, and an instance may demand a newer one than others, so a refused
//! version is replaced by one that Azure names.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use reqwest::Url;

use super::error::Error;
use super::exchange::Call;

/// The versions in which the requests and answers of the product are the same,
/// in the order of preference: stable ones, the newest first, then previews.
const KNOWN: [&str; 9] = [
    "2024-05-01",
    "2022-08-01",
    "2021-08-01",
    "2023-09-01-preview",
    "2023-05-01-preview",
    "2024-06-01-preview",
    "2025-03-01-preview",
    "2025-09-01-preview",
    "2026-03-01-preview",
];

/// API Management answers with the first, ARM with the others.
const REFUSALS: [&str; 3] = [
    "MissingOrIncorrectVersionParameter",
    "InvalidApiVersionParameter",
    "NoRegisteredProviderFound",
];

const PARAMETER: &str = "api-version";

/// The refused versions of a run, each with the one that is used instead.
#[derive(Debug, Default)]
pub(crate) struct ApiVersions(Mutex<HashMap<String, String>>);

impl ApiVersions {
    /// The call with the version that an earlier one has found.
    pub(crate) fn adapted<'a>(&self, call: &'a Call) -> Cow<'a, Call> {
        let found = version(&call.url).and_then(|version| self.lock().get(&version).cloned());
        found.map_or(Cow::Borrowed(call), |version| Cow::Owned(with(call, &version)))
    }

    /// The call with another version, if Azure refuses this one and names one that
    /// is known and not among `refused`, to which this one is added.
    pub(crate) fn instead(&self, call: &Call, error: &Error, refused: &mut Vec<String>) -> Option<Call> {
        if !REFUSALS.iter().any(|code| error.has_code(code)) {
            return None;
        }
        let version = version(&call.url)?;
        let message = &error.refusal()?.message;
        refused.push(version);
        let names = |candidate: &str| {
            let mut words = message.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
            words.any(|word| word.eq_ignore_ascii_case(candidate))
        };
        let other = KNOWN
            .into_iter()
            .find(|known| names(known) && !refused.iter().any(|refused| refused == known))?;
        self.remember(refused, other);
        Some(with(call, other))
    }

    fn remember(&self, refused: &[String], other: &str) {
        let mut found = self.lock();
        for instead in found.values_mut().filter(|instead| refused.contains(instead)) {
            other.clone_into(instead);
        }
        for version in refused {
            let before = found.insert(version.clone(), other.to_owned());
            if before.as_deref() != Some(other) {
                tracing::warn!(
                    "Azure does not take version {version} of API Management's API; this run goes on with {other}, \
                     the value for --api-version"
                );
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The version of a request to API Management; other providers have their own.
fn version(url: &Url) -> Option<String> {
    let path = url.path().to_ascii_lowercase();
    let (_, provider) = path.rsplit_once("/providers/")?;
    if provider.split('/').next() != Some("microsoft.apimanagement") {
        return None;
    }
    let mut pairs = url.query_pairs();
    pairs
        .find(|(name, _)| name == PARAMETER)
        .map(|(_, version)| version.into_owned())
}

/// The call with another version. The rest of the query is kept as it is: the
/// link to a next page must not be encoded anew.
fn with(call: &Call, version: &str) -> Call {
    let mut call = call.clone();
    let query: Vec<String> = call
        .url
        .query()
        .unwrap_or_default()
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((PARAMETER, _)) => format!("{PARAMETER}={version}"),
            _ => pair.to_owned(),
        })
        .collect();
    call.url.set_query(Some(&query.join("&")));
    call
}

#[cfg(test)]
mod tests {
    use super::super::error::Refusal;
    use super::*;

    const SERVICE: &str = "https://management.azure.com/subscriptions/s/resourceGroups/r/providers/Microsoft.ApiManagement/service/v";

    fn call(url: &str) -> Call {
        Call::get(String::new(), String::new(), url.parse().unwrap())
    }

    fn refusal(code: &str, message: &str) -> Error {
        Error::Status {
            refusal: Box::new(Refusal {
                purpose: String::new(),
                request: String::new(),
                status: 400,
                code: Some(code.to_owned()),
                reason: None,
                message: message.to_owned(),
                correlation: String::new(),
                retry_after: None,
                challenge: None,
            }),
        }
    }

    fn chosen(code: &str, message: &str) -> Option<String> {
        let call = call(&format!(
            "{SERVICE}/gateways?$top=1&api-version=2024-05-01&$skip=%24"
        ));
        let other = ApiVersions::default().instead(&call, &refusal(code, message), &mut Vec::new())?;
        Some(other.url.query().unwrap().to_owned())
    }

    /// The first message is that of an instance in January 2025
    /// (microsoft/vscode-apimanagement#373).
    #[test]
    fn a_version_that_azure_names_and_the_product_knows_is_taken() {
        let apim = "API version query parameter is not specified or was specified incorrectly.  Supported versions: \
                    2021-08-01,2021-12-01-preview,2022-04-01-preview,2022-08-01,2022-09-01-preview,\
                    2023-03-01-preview,2023-05-01-preview,2023-09-01-preview,2024-06-01-preview  Example query param \
                    format: api-version=SupportedVersion";
        let arm = "No registered resource provider found for location 'chinaeast2' and API version '2024-05-01' for \
                   type 'service'. The supported api-versions are '2020-12-01, 2021-08-01'.";
        let newer = "API version query parameter is not specified or was specified incorrectly.  Supported versions: \
                     2025-03-01-preview,2025-09-01-preview,2027-01-01";
        for (code, message, version) in [
            ("MissingOrIncorrectVersionParameter", apim, Some("2022-08-01")),
            ("NoRegisteredProviderFound", arm, Some("2021-08-01")),
            ("InvalidApiVersionParameter", newer, Some("2025-03-01-preview")),
            (
                "MissingOrIncorrectVersionParameter",
                "Supported versions: 2027-01-01",
                None,
            ),
            ("ValidationError", apim, None),
        ] {
            let query = version.map(|version| format!("$top=1&api-version={version}&$skip=%24"));
            assert_eq!(chosen(code, message), query, "{code} {message}");
        }
    }

    #[test]
    fn what_was_found_holds_for_the_rest_of_the_run() {
        let versions = ApiVersions::default();
        let first = call(&format!("{SERVICE}?api-version=2099-01-01"));
        assert!(matches!(versions.adapted(&first), Cow::Borrowed(_)));
        let mut refused = Vec::new();
        let names = |versions: &str| refusal("MissingOrIncorrectVersionParameter", versions);
        let second = versions.instead(&first, &names("2024-05-01,2022-08-01"), &mut refused);
        let second = second.unwrap();
        assert_eq!(versions.adapted(&first).url, second.url);
        // An instance that refuses this one too, and names only what was tried.
        let third = versions
            .instead(&second, &names("2022-08-01"), &mut refused)
            .unwrap();
        assert_eq!(third.url.query(), Some("api-version=2022-08-01"));
        assert!(
            versions
                .instead(&third, &names("2024-05-01,2022-08-01"), &mut refused)
                .is_none()
        );
        for refused in [&first, &second] {
            assert_eq!(versions.adapted(refused).url, third.url);
        }
    }

    #[test]
    fn other_providers_keep_their_version() {
        let versions = ApiVersions::default();
        let error = refusal(
            "InvalidApiVersionParameter",
            "The supported versions are '2024-05-01'.",
        );
        for url in [
            &format!(
                "{SERVICE}/gateways/g/providers/Microsoft.Authorization/permissions?api-version=2022-04-01"
            ),
            "https://management.azure.com/subscriptions?api-version=2022-12-01",
            "https://graph.microsoft.com/v1.0/applications",
        ] {
            assert!(
                versions.instead(&call(url), &error, &mut Vec::new()).is_none(),
                "{url}"
            );
        }
    }
}
