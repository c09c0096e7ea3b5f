//! A signed-in connection to one API of Azure: retries within a deadline, the
//! access token and its renewal, the budget of requests, and lists in pages.

use std::borrow::Cow;
use std::cell::OnceCell;

use azure_core::credentials::AccessToken;
use http::{HeaderMap, StatusCode};
use reqwest::{Client, Url};
use serde::de::{DeserializeOwned, IgnoredAny};
use tokio::time::Instant;

use super::sign_in::credential::Credential;
use super::transport::api_versions::ApiVersions;
use super::transport::budget::Budget;
use super::transport::error::{Error, Flaw};
use super::transport::exchange::{Answer, Call};
use super::transport::wire::{self, Page};
use crate::clock::ServerClock;
use crate::retry::{Decision, retrying};

/// Reads an answer. The error describes what came instead, and its flaw.
pub(crate) type Reading<T> = Result<T, (String, Flaw)>;

/// What ARM and Microsoft Graph have in common.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) http: Client,
    pub(crate) base: Url,
    pub(crate) credential: Credential,
    pub(crate) clock: ServerClock,
    pub(crate) budget: Budget,
    pub(crate) versions: ApiVersions,
}

impl Connection {
    /// The address of a path, with an encoded query. A name such as
    /// `..` would lead to another path and is refused.
    pub(crate) fn url(&self, path: &str, query: &str) -> Result<Url, Error> {
        let mut url = self.base.clone();
        url.set_path(path);
        if url.path() != path {
            return Err(Error::Setup(format!(
                "{path} is not the path of an Azure resource"
            )));
        }
        url.set_query(Some(query).filter(|query| !query.is_empty()));
        Ok(url)
    }

    /// Makes a call, and repeats it as `decide` finds. If the API refuses the
    /// access token, because it was revoked or the roles of its identity
    /// changed, it is renewed once. A version of API Management's API that Azure
    /// refuses is replaced.
    pub(crate) async fn call<T>(
        &self,
        call: &Call,
        deadline: Instant,
        decide: impl Fn(&Error) -> Decision,
        read: impl Fn(&Answer) -> Reading<T>,
    ) -> Result<T, Error> {
        let value = OnceCell::new();
        let keep = |answer: &Answer| {
            // An answer that was read ends the call, so the cell is empty.
            let _ = value.set(read(answer)?);
            Ok(())
        };
        self.make(call, deadline, &decide, &keep).await?;
        Ok(value
            .into_inner()
            .expect("a call succeeds when its answer was read"))
    }

    /// The same for any kind of answer. The code is compiled once instead of for
    /// each of dozens of kinds, which would take 0.3 MB of the program.
    async fn make(
        &self,
        call: &Call,
        deadline: Instant,
        decide: &dyn Fn(&Error) -> Decision,
        keep: &dyn Fn(&Answer) -> Reading<()>,
    ) -> Result<(), Error> {
        let mut call = self.versions.adapted(call);
        let mut refused = Vec::new();
        loop {
            let outcome = self.make_once(&call, deadline, decide, keep).await;
            let other = outcome
                .as_ref()
                .err()
                .and_then(|error| self.versions.instead(&call, error, &mut refused));
            let Some(other) = other else { return outcome };
            call = Cow::Owned(other);
        }
    }

    async fn make_once(
        &self,
        call: &Call,
        deadline: Instant,
        decide: &dyn Fn(&Error) -> Decision,
        keep: &dyn Fn(&Answer) -> Reading<()>,
    ) -> Result<(), Error> {
        let token = self.credential.token(deadline).await?;
        match self.repeat(call, deadline, &token, decide, keep).await {
            Err(error) if error.status() == Some(401) => {
                let renewed = self.credential.renew(&token, deadline).await?;
                self.repeat(call, deadline, &renewed, decide, keep).await
            }
            outcome => outcome,
        }
    }

    async fn repeat(
        &self,
        call: &Call,
        deadline: Instant,
        token: &AccessToken,
        decide: &dyn Fn(&Error) -> Decision,
        keep: &dyn Fn(&Answer) -> Reading<()>,
    ) -> Result<(), Error> {
        let timed_out = || Error::Timeout {
            purpose: call.purpose.clone(),
        };
        let attempt = async || {
            let ticket = self.budget.take(&call.method, &call.url, deadline).await;
            let ticket = ticket.map_err(|wait| Error::Wait {
                purpose: call.purpose.clone(),
                wait,
            })?;
            let observe = |status, headers: &HeaderMap| ticket.answered(status, headers);
            let answer = call.send(&self.http, Some(token.token.secret()), observe).await?;
            self.clock.observe(&answer.headers);
            keep(&answer).map_err(|(came, flaw)| call.malformed(format!("Azure answered with {came}"), flaw))
        };
        retrying(deadline, decide, timed_out, attempt).await
    }

    /// Reads a list from its first page to its last.
    pub(crate) async fn list<T: DeserializeOwned>(
        &self,
        first: &Call,
        deadline: Instant,
    ) -> Result<Vec<T>, Error> {
        let mut call = first.clone();
        let mut all = Vec::new();
        loop {
            let page: Page<T> = self.call(&call, deadline, Error::retry_decision, json).await?;
            all.extend(page.value);
            let next = page.next_link.unwrap_or_default();
            if next.is_empty() {
                return Ok(all);
            }
            call.url = next_page(&call.url, &next).map_err(|problem| call.malformed(problem, Flaw::Form))?;
        }
    }
}

/// Reads JSON.
pub(crate) fn json<T: DeserializeOwned>(answer: &Answer) -> Reading<T> {
    wire::parse(&answer.headers, &answer.body)
}

/// Reads JSON, if there is a body.
pub(crate) fn json_or_nothing<T: DeserializeOwned>(answer: &Answer) -> Reading<Option<T>> {
    if answer.body.trim_ascii().is_empty() {
        return Ok(None);
    }
    json(answer).map(Some)
}

/// Takes 204 without a body, or JSON, whatever it says. What answers in the place of Azure
/// sends a page, or nothing with 200.
pub(crate) fn nothing(answer: &Answer) -> Reading<()> {
    if answer.status == StatusCode::NO_CONTENT {
        return Ok(());
    }
    json::<IgnoredAny>(answer).map(drop)
}

/// The address of the next page, if the access token may be sent there.
fn next_page(current: &Url, link: &str) -> Result<Url, String> {
    let next = Url::parse(link).map_err(|_| "the link to the next page is not a URL".to_owned())?;
    if next.origin() == current.origin() {
        return Ok(next);
    }
    Err(format!(
        "the next page is on {}, where the access token must not be sent",
        next.host_str().unwrap_or("no host")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_must_have_the_origin_of_this_one() {
        let current: Url = "https://management.azure.com/subscriptions?api-version=1"
            .parse()
            .unwrap();
        let next = |link| next_page(&current, link).map(String::from);
        let own = "https://management.azure.com:443/subscriptions?$skiptoken=a%20b";
        assert_eq!(
            next(own).unwrap(),
            "https://management.azure.com/subscriptions?$skiptoken=a%20b"
        );
        for link in [
            "http://management.azure.com/subscriptions",
            "https://management.azure.com:8443/subscriptions",
            "https://management.azure.com.evil.example/subscriptions",
            "https://management.azure.com@evil.example/",
            "/subscriptions?$skiptoken=a",
        ] {
            assert!(next(link).is_err(), "{link}");
        }
    }
}
