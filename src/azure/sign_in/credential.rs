use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::{AccessToken, TokenCredential};
use azure_core::time::OffsetDateTime;
use reqwest::Client;
use tokio::time::Instant;

use super::assertion::{FederatedToken, Signer};
use super::entra::Entra;
use super::failure::FailureSlot;
use super::identity::{ClientCredential, Identity, SignIn};
use super::{az_cli, managed};
use crate::azure::transport::error::Error;
use crate::azure::transport::{http, wire};
use crate::model::Cloud;
use crate::retry::{NotBefore, retrying};

/// An access token that expires sooner than this is replaced.
const MARGIN: Duration = Duration::from_mins(5);

/// The access token for ARM, which is fetched once and kept.
pub(crate) struct Credential {
    sign_in: SignIn,
    http: Client,
    cloud: Cloud,
    state: tokio::sync::Mutex<State>,
    /// When Entra, or the endpoint of the managed identity, may be asked again.
    not_before: NotBefore,
}

struct State {
    /// The index of the candidate in use.
    candidate: usize,
    /// Its source of tokens.
    source: Option<Source>,
    token: Option<AccessToken>,
    /// Why the candidates before it were not used.
    attempts: Vec<String>,
}

struct Source {
    credential: Arc<dyn TokenCredential>,
    failure: FailureSlot,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("sign_in", &self.sign_in)
            .finish_non_exhaustive()
    }
}

impl Credential {
    /// Checks the first candidate; nothing is sent.
    pub(crate) fn new(sign_in: SignIn, http: Client, cloud: Cloud) -> Result<Self, Error> {
        let mut this = Self {
            sign_in,
            http,
            cloud,
            state: tokio::sync::Mutex::new(State {
                candidate: 0,
                source: None,
                token: None,
                attempts: Vec::new(),
            }),
            not_before: NotBefore::default(),
        };
        this.state.get_mut().source = match this.source(0) {
            Ok(source) => Some(source),
            Err(error @ Error::Setup(_)) => return Err(error),
            // The error occurs again when this candidate is tried.
            Err(_) => None,
        };
        Ok(this)
    }

    /// The access tokens of the same identity for another API. If there are
    /// several candidates, this waits for a sign-in that is under way: two
    /// APIs must not be used as two identities.
    pub(crate) async fn for_scope(&self, scope: String) -> Result<Self, Error> {
        let cloud = Cloud {
            scope,
            ..self.cloud.clone()
        };
        let mut other = Self::new(self.sign_in.clone(), self.http.clone(), cloud)?;
        if self.sign_in.candidates.len() > 1 {
            let state = self.state.lock().await;
            let found = other.state.get_mut();
            if state.candidate > 0 {
                found.source = None;
            }
            found.candidate = state.candidate;
            found.attempts.clone_from(&state.attempts);
        }
        Ok(other)
    }

    /// Who signs in, and why.
    pub(crate) async fn describe(&self) -> String {
        self.sign_in.describe(self.state.lock().await.candidate)
    }

    /// The access token. It is fetched if there is none, or it expires soon.
    pub(crate) async fn token(&self, deadline: Instant) -> Result<AccessToken, Error> {
        let purpose = || match self.sign_in.candidates.as_slice() {
            [only] => only.identity.purpose(),
            _ => "sign in to Azure".to_owned(),
        };
        let timed_out = || Error::Timeout { purpose: purpose() };
        let attempt = async || {
            loop {
                // A second caller waits for the lock and then finds the token,
                // or that Entra asked all of them to wait.
                let mut state = self.state.lock().await;
                match &state.token {
                    Some(token) if token.expires_on > OffsetDateTime::now_utc() + MARGIN => {
                        return Ok(token.clone());
                    }
                    _ if self.not_before.remaining().is_zero() => {
                        let fetched = self.fetch(&mut state).await;
                        if let Some(wait) = fetched.as_ref().err().and_then(Error::retry_after) {
                            self.not_before.postpone(wait);
                        }
                        return fetched;
                    }
                    _ => {}
                }
                drop(state);
                if !self.not_before.over_by(deadline).await {
                    let wait = self.not_before.remaining();
                    return Err(Error::Wait {
                        purpose: purpose(),
                        wait,
                    });
                }
            }
        };
        retrying(deadline, Error::retry_decision, timed_out, attempt).await
    }

    /// Another token than `refused`, which ARM did not accept. The source is
    /// replaced because it caches the token itself.
    pub(crate) async fn renew(&self, refused: &AccessToken, deadline: Instant) -> Result<AccessToken, Error> {
        {
            let mut state = self.state.lock().await;
            let kept = state.token.as_ref();
            if kept.is_some_and(|token| token.token.secret() == refused.token.secret()) {
                state.source = None;
                state.token = None;
            }
        }
        self.token(deadline).await
    }

    /// Fetches a token as the current candidate, and moves on to the next as
    /// long as a candidate does not exist here.
    async fn fetch(&self, state: &mut State) -> Result<AccessToken, Error> {
        loop {
            let candidate = &self.sign_in.candidates[state.candidate];
            match self.fetch_as_candidate(state).await {
                Ok(token) => {
                    tracing::debug!("signed in {}", self.sign_in.describe(state.candidate));
                    state.token = Some(token.clone());
                    return Ok(token);
                }
                Err(error @ Error::NoIdentity { .. })
                    if state.candidate + 1 < self.sign_in.candidates.len() =>
                {
                    let method = candidate.identity.method();
                    state.attempts.push(format!("{method}: {error}"));
                    state.candidate += 1;
                    state.source = None;
                }
                Err(error) if self.sign_in.auto => {
                    let method = candidate.identity.method();
                    let last = match &error {
                        Error::NoIdentity { message, .. } => format!("{method}: {message}"),
                        _ => format!("{method}: chosen by --auth auto: {}", candidate.reason),
                    };
                    let excluded = self.sign_in.excluded.iter();
                    return Err(Error::Auto {
                        error: Box::new(error),
                        attempts: excluded.chain(&state.attempts).cloned().chain([last]).collect(),
                    });
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn fetch_as_candidate(&self, state: &mut State) -> Result<AccessToken, Error> {
        let source = match &mut state.source {
            Some(source) => source,
            none => none.insert(self.source(state.candidate)?),
        };
        source.failure.take();
        if let Ok(token) = source.credential.get_token(&[&self.cloud.scope], None).await {
            return Ok(token);
        }
        let identity = &self.sign_in.candidates[state.candidate].identity;
        // The crate's own text is left out: a parser's error may quote its
        // input, which here is a token.
        let cli = matches!(identity, Identity::AzureCli { .. });
        Err(source.failure.take().unwrap_or_else(|| Error::SignIn {
            code: None,
            message: format!(
                "cannot {}: the answer contains no usable access token",
                identity.purpose()
            ),
            hint: cli.then(|| "update the Azure CLI to 2.54 or newer: az upgrade".to_owned()),
        }))
    }

    fn source(&self, candidate: usize) -> Result<Source, Error> {
        let identity = &self.sign_in.candidates[candidate].identity;
        let failure = FailureSlot::default();
        let entra = |tenant, client_id, authority| Entra {
            http: &self.http,
            authority,
            tenant,
            client_id,
            purpose: identity.purpose(),
            failure: failure.clone(),
        };
        let credential = match identity {
            Identity::ServicePrincipal {
                tenant,
                client_id,
                credential,
            } => service_principal(entra(tenant, client_id, &self.cloud.authority), credential),
            Identity::WorkloadIdentity {
                tenant,
                client_id,
                token,
                authority,
            } => {
                let authority = authority.as_ref().unwrap_or(&self.cloud.authority);
                entra(tenant, client_id, authority).by_assertion(FederatedToken {
                    token: token.clone(),
                    failure: failure.clone(),
                })
            }
            Identity::ManagedIdentity { client_id } => {
                let (http, purpose) = (http::local_client()?, identity.purpose());
                managed::credential(http, client_id.as_deref(), purpose, failure.clone())
            }
            Identity::AzureCli { tenant, subscription } => {
                az_cli::credential(tenant.as_deref(), subscription.as_deref(), failure.clone())
            }
        };
        match credential {
            Ok(credential) => Ok(Source { credential, failure }),
            // The crate does not support every kind of managed identity.
            Err(error) if matches!(identity, Identity::ManagedIdentity { .. }) => Err(Error::NoIdentity {
                message: format!("no managed identity here: {}", wire::line(&error.to_string())),
                hint: None,
            }),
            Err(error) => Err(Error::Setup(format!("cannot sign in: {error}"))),
        }
    }
}

fn service_principal(
    entra: Entra<'_>,
    credential: &ClientCredential,
) -> azure_core::Result<Arc<dyn TokenCredential>> {
    match credential {
        ClientCredential::Secret(secret) => entra.by_secret(secret),
        ClientCredential::Certificate {
            certificate,
            send_chain,
        } => {
            let signer = Signer {
                certificate: certificate.clone(),
                send_chain: *send_chain,
                client_id: entra.client_id.to_owned(),
                audience: entra.token_url(),
            };
            entra.by_assertion(signer)
        }
    }
}

#[cfg(test)]
mod tests;
