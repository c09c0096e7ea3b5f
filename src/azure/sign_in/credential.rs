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
use crate::retry::retrying;

/// A token that lapses sooner than this is fetched anew.
const MARGIN: Duration = Duration::from_mins(5);

/// The access token for ARM, fetched once and kept.
pub(crate) struct Credential {
    sign_in: SignIn,
    http: Client,
    cloud: Cloud,
    state: tokio::sync::Mutex<State>,
}

struct State {
    /// The candidate whose turn it is.
    place: usize,
    /// Its source of tokens.
    source: Option<Source>,
    token: Option<AccessToken>,
    /// What the candidates before it said.
    said: Vec<String>,
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
    /// Checks the first identity's form; nothing is sent.
    pub(crate) fn new(sign_in: SignIn, http: Client, cloud: Cloud) -> Result<Self, Error> {
        let mut this = Self {
            sign_in,
            http,
            cloud,
            state: tokio::sync::Mutex::new(State {
                place: 0,
                source: None,
                token: None,
                said: Vec::new(),
            }),
        };
        this.state.get_mut().source = match this.source(0) {
            Ok(source) => Some(source),
            Err(error @ Error::Setup(_)) => return Err(error),
            // It is said again when its turn has come.
            Err(_) => None,
        };
        Ok(this)
    }

    /// Who signs in, and why.
    pub(crate) async fn describe(&self) -> String {
        self.sign_in.describe(self.state.lock().await.place)
    }

    /// The access token; it is fetched when there is none or it lapses soon.
    pub(crate) async fn token(&self, deadline: Instant) -> Result<AccessToken, Error> {
        let timed_out = || Error::Timeout {
            purpose: match self.sign_in.candidates.as_slice() {
                [only] => only.identity.purpose(),
                _ => "sign in to Azure".to_owned(),
            },
        };
        // Whoever comes second waits for the lock and finds the token.
        let attempt = async || {
            let mut state = self.state.lock().await;
            match &state.token {
                Some(token) if token.expires_on > OffsetDateTime::now_utc() + MARGIN => Ok(token.clone()),
                _ => self.fetch(&mut state).await,
            }
        };
        retrying(deadline, Error::verdict, timed_out, attempt).await
    }

    /// Another token than `refused`, which ARM did not accept. The source is
    /// made anew because it keeps a token itself.
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

    /// Asks the candidate whose turn it is, and the next as long as one is
    /// not there.
    async fn fetch(&self, state: &mut State) -> Result<AccessToken, Error> {
        loop {
            let candidate = &self.sign_in.candidates[state.place];
            match self.ask(state).await {
                Ok(token) => {
                    tracing::debug!("signed in {}", self.sign_in.describe(state.place));
                    state.token = Some(token.clone());
                    return Ok(token);
                }
                Err(error @ Error::NoIdentity { .. }) if state.place + 1 < self.sign_in.candidates.len() => {
                    state.said.push(format!("{}: {error}", candidate.identity.way()));
                    state.place += 1;
                    state.source = None;
                }
                Err(error) if self.sign_in.auto => {
                    let chosen = format!(
                        "{}: chosen by --auth auto: {}",
                        candidate.identity.way(),
                        candidate.reason
                    );
                    let excluded = self.sign_in.excluded.iter();
                    return Err(Error::Auto {
                        error: Box::new(error),
                        said: excluded.chain(&state.said).cloned().chain([chosen]).collect(),
                    });
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn ask(&self, state: &mut State) -> Result<AccessToken, Error> {
        let source = match &mut state.source {
            Some(source) => source,
            none => none.insert(self.source(state.place)?),
        };
        source.failure.take();
        if let Ok(token) = source.credential.get_token(&[&self.cloud.scope], None).await {
            return Ok(token);
        }
        let identity = &self.sign_in.candidates[state.place].identity;
        // The crate's own text is left out: a parser's error may quote what
        // it failed on, which here is a token.
        let cli = matches!(identity, Identity::AzureCli { .. });
        Err(source.failure.take().unwrap_or_else(|| Error::SignIn {
            code: None,
            message: format!(
                "cannot {}: the answer holds no usable access token",
                identity.purpose()
            ),
            hint: cli.then(|| "the Azure CLI must be 2.54 or newer".to_owned()),
        }))
    }

    fn source(&self, place: usize) -> Result<Source, Error> {
        let identity = &self.sign_in.candidates[place].identity;
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
            } => {
                let entra = entra(tenant, client_id, &self.cloud.authority);
                match credential {
                    ClientCredential::Secret(secret) => entra.by_secret(secret),
                    ClientCredential::Certificate {
                        certificate,
                        send_chain,
                    } => {
                        let signer = Signer {
                            certificate: certificate.clone(),
                            send_chain: *send_chain,
                            client_id: client_id.clone(),
                            audience: entra.token_url(),
                        };
                        entra.by_assertion(signer)
                    }
                }
            }
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
            // The kinds of managed identity that the crate does not know.
            Err(error) if matches!(identity, Identity::ManagedIdentity { .. }) => Err(Error::NoIdentity {
                message: format!("no managed identity here: {}", wire::line(&error.to_string())),
                hint: None,
            }),
            Err(error) => Err(Error::Setup(format!("cannot sign in: {error}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::azure::transport::http::client as http_client;
    use crate::model::CloudName;

    fn identity(tenant: &str, secret: &str) -> SignIn {
        let identity = Identity::ServicePrincipal {
            tenant: tenant.into(),
            client_id: "c".into(),
            credential: ClientCredential::Secret(secret.into()),
        };
        SignIn::only(identity, "--auth")
    }

    fn credential(tenant: &str, secret: &str) -> Result<Credential, Error> {
        let cloud = Cloud::known(CloudName::Public);
        Credential::new(identity(tenant, secret), http_client(None).unwrap(), cloud)
    }

    #[test]
    fn an_identity_of_the_wrong_form_is_refused_before_anything_is_sent() {
        for (tenant, secret) in [("no tenant", "s3cr3t-s3cr3t"), ("", "s3cr3t-s3cr3t"), ("t", "")] {
            let error = credential(tenant, secret).unwrap_err().to_string();
            assert!(
                error.starts_with("cannot sign in: ") && !error.contains("s3cr3t"),
                "{error}"
            );
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let shown = format!("{:?}", credential("t", "s3cr3t-s3cr3t").unwrap());
        assert!(shown.contains("\"t\"") && !shown.contains("s3cr3t"), "{shown}");
    }

    #[tokio::test]
    async fn why_the_sign_in_failed_reaches_the_reader() {
        let credential = Credential::new(
            identity("t", "s3cr3t-s3cr3t"),
            http_client(None).unwrap(),
            Cloud {
                authority: "https://127.0.0.1:1".into(),
                ..Cloud::known(CloudName::Public)
            },
        );
        let deadline = Instant::now() + Duration::from_millis(400);
        let error = credential.unwrap().token(deadline).await.unwrap_err().to_string();
        let expected = "cannot sign in as client c of tenant t: no connection to 127.0.0.1: ";
        assert!(error.starts_with(expected), "{error}");
    }
}
