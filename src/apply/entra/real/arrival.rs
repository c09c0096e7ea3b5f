//! The waits for Azure: nothing says when it is ready, so it is asked.

use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::super::effects::{Arrived, Known};
use super::RealSetup;
use crate::azure::{Certificate, ConfigurationAnswer, Error as AzureError, GatewayProof, GatewaySignIn};
use crate::cluster::explain;
use crate::model::entra::{Mode, PFX_KEY, SECRET_KEY, SettingValue, token_audience};
use crate::model::{in_words, setting};
use crate::plan::entra::{
    Arrival, LOST_TIME, UNREAD_TIME, is_forbidden, is_unknown_certificate, may_arrive, newest_assignment,
    refusal_counts,
};

/// The wait after an answer that may soon be another one.
const AGAIN: Duration = Duration::from_secs(2);

/// How often the configuration endpoint is asked if its answers show nothing. It may be
/// one that only the cluster reaches.
const MOST_UNCLEAR: usize = 4;

/// Why a wait ended without what was awaited.
pub(super) enum Ended {
    PodsDecide(String),
    Refused(String),
    Forbidden { why: String, hint: String },
    NotYet(String),
}

impl RealSetup<'_> {
    /// Waits until Entra and the configuration endpoint accept what the gateway will
    /// present.
    pub(super) async fn arrive(&mut self, known: &Known, is_new: bool) -> Arrived {
        let begun = self.azure_now();
        let token = match self.signed_in(known, is_new).await {
            Ok(token) => token,
            Err(ended) => return ended.into(),
        };
        match self.served(&token, begun).await {
            Ok(evidence) => {
                self.is_served = true;
                Arrived::Yes(evidence)
            }
            Err(ended) => ended.into(),
        }
    }

    /// An access token as the gateway gets it, once Entra gives it reliably.
    pub(super) async fn signed_in(&self, known: &Known, is_new: bool) -> Result<SecretString, Ended> {
        let client_id = known
            .app
            .ok_or_else(|| Ended::PodsDecide("the client id of the gateway is not known".to_owned()))?;
        let audience = self.audience().ok_or_else(|| {
            Ended::PodsDecide("the audience of the gateway's token is not known".to_owned())
        })?;
        let mut arrival = if is_new {
            Arrival::of_new()
        } else {
            Arrival::of_known()
        };
        let waiting = self.output.waiting();
        let what = match self.plan.mode {
            Mode::WorkloadIdentity => "Entra to accept the tokens of the ServiceAccount",
            _ => "Entra to accept the new credential",
        };
        waiting.on(what);
        let begun = Instant::now();
        let mut asks_app = LOST_TIME;
        loop {
            let gateway = GatewaySignIn {
                tenant: self.facts.tenant,
                client_id,
                audience: audience.clone(),
                proof: self.proof_of_gateway().await?,
            };
            let outcome = self.arm.sign_in_as_gateway(&gateway).await;
            let at = begun.elapsed();
            arrival.add(at, outcome.is_ok());
            let (pause, why) = match outcome {
                Ok(token) if arrival.is_there(at) => return Ok(token),
                Ok(_) => (
                    arrival.pause(),
                    "accepted, and asked again, since its servers get it one after the other".to_owned(),
                ),
                Err(error) => {
                    let error = self.unless_for_good(error, client_id, at)?;
                    let mut failed = None;
                    if at >= asks_app && is_of_unknown_certificate(&error) {
                        asks_app = at + LOST_TIME;
                        failed = self.add_certificate_again().await;
                    }
                    (AGAIN, failed.unwrap_or_else(|| error.to_string()))
                }
            };
            waiting.on(&format!("{what}: {why}"));
            self.pause(pause, || format!("{what} was awaited in vain: {why}"))
                .await?;
        }
    }

    /// The error of a sign-in, if waiting may end it.
    fn unless_for_good(&self, error: AzureError, client_id: Uuid, at: Duration) -> Result<AzureError, Ended> {
        match error {
            // The assertion is signed by this machine's clock, and the gateway's by another.
            AzureError::SignIn { code, .. } if code.as_deref().is_some_and(|it| it.ends_with("700024")) => {
                let why = "the clock of this machine is off, so a certificate cannot be tried from here";
                Err(Ended::PodsDecide(why.to_owned()))
            }
            AzureError::SignIn { code, message, hint } if !code.as_deref().is_some_and(may_arrive) => {
                Err(self.refused_for_good(code.as_deref(), &message, hint, client_id))
            }
            // Nobody knows whether it is there at all, or nothing is new.
            AzureError::SignIn { message, hint, .. }
                if (self.plan.asks_sign_in() || self.plan.is_settled()) && at >= UNREAD_TIME =>
            {
                Err(self.refused_for_good(None, &message, hint, client_id))
            }
            AzureError::Setup(why) => Err(Ended::PodsDecide(why)),
            error => Ok(error),
        }
    }

    /// What an answer of Entra that no waiting changes means for the run.
    fn refused_for_good(
        &self,
        code: Option<&str>,
        message: &str,
        hint: Option<String>,
        client_id: Uuid,
    ) -> Ended {
        let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
        let why = format!("{message}{hint}");
        let hint = match code.filter(|code| is_forbidden(code)) {
            Some("AADSTS53003") => format!(
                "exclude the app {client_id} from the policy, and run the same command again; list the policies: \
                 az rest --url {}/v1.0/identity/conditionalAccess/policies",
                self.graph.origin()
            ),
            Some(_) => format!(
                "enable it, and run the same command again: az ad sp update --id {client_id} --set accountEnabled=true"
            ),
            None => return Ended::Refused(why),
        };
        Ended::Forbidden { why, hint }
    }

    /// Sleeps, unless the deadline comes first.
    async fn pause(&self, pause: Duration, why: impl FnOnce() -> String) -> Result<(), Ended> {
        if Instant::now() + pause >= self.deadline {
            return Err(Ended::NotYet(why()));
        }
        sleep(pause).await;
        Ok(())
    }

    /// What the gateway will prove with who it is.
    async fn proof_of_gateway(&self) -> Result<GatewayProof, Ended> {
        if self.plan.mode == Mode::WorkloadIdentity {
            return self.token_of_account().await.map(GatewayProof::Federated);
        }
        if let Some(made) = &self.credential {
            return Ok(made.proof.clone());
        }
        let name = &self.plan.secret;
        let unreadable = |why: String| Ended::PodsDecide(format!("the credential was not tried: {why}"));
        let secret = match &self.secret {
            Some(secret) => secret.clone(),
            None => match self.read_secret(name).await {
                Ok(Some(secret)) => secret,
                Ok(None) => return Err(unreadable(format!("there is no secret/{name}"))),
                Err(error) => return Err(unreadable(error.to_string())),
            },
        };
        let mut data = secret.data.unwrap_or_default();
        let key = match self.plan.mode {
            Mode::AppSecret => SECRET_KEY,
            _ => PFX_KEY,
        };
        let value = data.remove(key).map(|value| value.0).unwrap_or_default();
        if self.plan.mode == Mode::AppSecret {
            let text = String::from_utf8(value).map_err(|_| unreadable(format!("{key} is not text")))?;
            return Ok(GatewayProof::Secret(text.into()));
        }
        let certificate = Certificate::read(&value, None);
        certificate
            .map(GatewayProof::Certificate)
            .map_err(|error| unreadable(format!("{key} of secret/{name}: {error}")))
    }

    async fn token_of_account(&self) -> Result<SecretString, Ended> {
        let account = &self.plan.service_account;
        let untried = |why: &str| {
            Ended::PodsDecide(format!(
                "the tokens of serviceaccount/{account} were not tried: {why}"
            ))
        };
        let audience = self.plan.federation_audience.as_ref();
        let audience = audience.ok_or_else(|| untried("their audience is not known"))?;
        let doing = format!("requesting a token of serviceaccount/{account}");
        match self.cluster.account_token(account, audience).await {
            Ok(Some(token)) => Ok(token),
            Ok(None) => Err(untried("the API server answered without one")),
            Err(error) => Err(untried(&explain(error, &doing).to_string())),
        }
    }

    fn audience(&self) -> Option<String> {
        match self.plan.template.settings.get(setting::TOKEN_AUDIENCE) {
            Some(SettingValue::Text(audience)) => Some(audience.clone()),
            _ => self.facts.cloud.map(|cloud| token_audience(cloud).to_owned()),
        }
    }

    /// The evidence that the configuration endpoint serves the gateway. A refusal counts
    /// only once the newest assignment has had time to work.
    async fn served(&self, token: &SecretString, begun: Timestamp) -> Result<String, Ended> {
        let gateway = &self.facts.gateway;
        let Some(cloud) = self.facts.cloud else {
            return Err(Ended::PodsDecide(
                "Entra accepts the credential; the configuration endpoint of this cloud is not known"
                    .to_owned(),
            ));
        };
        let host = format!("{}.configuration.{}", gateway.service.name, cloud.suffix()).to_lowercase();
        let newest = self.newest_assignment.max(newest_assignment(self.facts));
        let newest = newest.unwrap_or(begun);
        let waiting = self.output.waiting();
        waiting.on(&format!("an answer of {host}"));
        let mut unclear = 0;
        loop {
            let answer = self.arm.gateway_configuration(&host, &gateway.name, token).await;
            let status = match answer {
                Ok(ConfigurationAnswer::Served) => {
                    return Ok(format!(
                        "{host} gives the configuration of the gateway {} to this credential",
                        gateway.name
                    ));
                }
                Ok(ConfigurationAnswer::Refused(status)) => status,
                Ok(ConfigurationAnswer::Unclear { why, may_pass }) => {
                    unclear += 1;
                    let unseen = || Ended::PodsDecide(format!("Entra accepts the credential; {why}"));
                    if !may_pass || unclear == MOST_UNCLEAR {
                        return Err(unseen());
                    }
                    waiting.on(&why);
                    self.pause(AGAIN, || why.clone()).await.map_err(|_| unseen())?;
                    continue;
                }
                Err(error) => {
                    return Err(Ended::PodsDecide(format!(
                        "Entra accepts the credential; {error}"
                    )));
                }
            };
            let now = self.azure_now();
            let refuses = format!("{host} refuses the gateway {} ({status})", gateway.name);
            if refusal_counts(newest, now) {
                return Err(Ended::Refused(format!(
                    "{refuses}, although the newest assignment of a role had 10 minutes to work"
                )));
            }
            let age = in_words(now.duration_since(newest));
            let why =
                format!("{refuses}; a new assignment can take 10 minutes to work, and this one is {age} old");
            waiting.on(&why);
            self.pause(AGAIN, || why).await?;
        }
    }
}

fn is_of_unknown_certificate(error: &AzureError) -> bool {
    matches!(error, AzureError::SignIn { code, .. } if code.as_deref().is_some_and(is_unknown_certificate))
}

impl From<Ended> for Arrived {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::PodsDecide(why) => Self::PodsDecide(why),
            Ended::Refused(why) => Self::Refused(why),
            Ended::Forbidden { why, hint } => Self::Forbidden { why, hint },
            Ended::NotYet(why) => Self::NotYet(why),
        }
    }
}
