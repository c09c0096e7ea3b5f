//! The `ServiceAccount` of the pods.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::ObjectMeta;

use super::super::effects::{Failure, Ids, Known};
use super::RealSetup;
use super::cluster::{may_be_sent_again, refused};
use crate::cluster::explain;
use crate::discover::entra::account_facts;
use crate::error::Error;
use crate::model::entra::facts::ServiceAccountFacts;
use crate::model::entra::{CLIENT_ID_ANNOTATION, Id, SettingValue};
use crate::plan::entra::{Part, Step, StepMark};

/// The annotations that a set-up writes.
type Values = BTreeMap<&'static str, String>;

impl RealSetup<'_> {
    /// Creates a `ServiceAccount`, or annotates the one that is there, until it is known what
    /// became of that.
    pub(super) async fn write_account(
        &self,
        name: &str,
        annotations: &BTreeMap<&'static str, SettingValue>,
        known: &Known,
    ) -> Result<Ids, Failure> {
        let mut values = Values::new();
        for (annotation, value) in annotations {
            let value = match value {
                SettingValue::Text(text) => text.clone(),
                SettingValue::Id(id) => known.resolve(*id)?.to_string(),
                SettingValue::Secret { .. } => continue,
            };
            values.insert(*annotation, value);
        }
        let doing = format!("writing serviceaccount/{name}");
        let mut now = self
            .read_account(name)
            .await
            .map_err(|error| refused(error, &format!("reading serviceaccount/{name}")))?;
        let mut backoff = self.cluster.backoff();
        loop {
            if now.as_ref().is_some_and(|now| has(now, &values)) {
                // An attempt without an answer has taken effect, or another run was faster.
                return Ok(Ids::new());
            }
            self.is_as_read(name, now.as_ref(), known.app.map(|id| id.to_string()).as_deref())?;
            let error = match self.send_account(name, now.as_ref(), &values, false).await {
                Ok(()) => return Ok(Ids::new()),
                Err(error) => error,
            };
            if !may_be_sent_again(&error) || !backoff.wait(Duration::ZERO).await {
                return Err(refused(error, &doing));
            }
            now = self.read_account(name).await.map_err(|unread| {
                Failure::Unknown(explain(error, &doing).hint(format!("reading it back failed: {unread}")))
            })?;
        }
    }

    /// Has the API server check the write. Of an id that is not known yet, a stand-in is sent.
    pub(super) async fn rehearse_account(
        &self,
        name: &str,
        annotations: &BTreeMap<&'static str, SettingValue>,
    ) -> Result<(), Failure> {
        let stand_in = uuid::Uuid::nil().to_string();
        let values: Values = annotations.keys().map(|name| (*name, stand_in.clone())).collect();
        let reading = format!("reading serviceaccount/{name}");
        let now = self
            .read_account(name)
            .await
            .map_err(|error| refused(error, &reading))?;
        let app = match annotations.get(CLIENT_ID_ANNOTATION) {
            Some(SettingValue::Id(Id::Known(id))) => Some(id.to_string()),
            _ => None,
        };
        self.is_as_read(name, now.as_ref(), app.as_deref())?;
        let checked = self.send_account(name, now.as_ref(), &values, true).await;
        let doing = format!("rehearsing the write of serviceaccount/{name}");
        checked.or_else(|error| self.judge(error, &doing))
    }

    async fn send_account(
        &self,
        name: &str,
        now: Option<&ServiceAccount>,
        values: &Values,
        dry_run: bool,
    ) -> Result<(), kube::Error> {
        let sent = match now {
            Some(now) => {
                self.cluster
                    .annotate_account(name, &now.metadata, values, dry_run)
                    .await
            }
            None => self.cluster.create_account(name, values, dry_run).await,
        };
        sent.map(drop)
    }

    async fn read_account(&self, name: &str) -> Result<Option<ServiceAccount>, kube::Error> {
        match self.cluster.account(name).await {
            Ok(found) => Ok(Some(found)),
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Stops if it names another app than the plan needs: the webhook gives new pods the identity
    /// that it names when they are created.
    pub(super) async fn check_account(&self, app: uuid::Uuid) -> Result<(), Failure> {
        let name = &self.plan.service_account;
        let is_set_up = |it: &Step| it.part == Part::ServiceAccount && it.mark != StepMark::Missing;
        if !self.plan.steps.iter().any(is_set_up) {
            return Ok(());
        }
        let reading = format!("reading serviceaccount/{name}");
        let now = self
            .read_account(name)
            .await
            .map_err(|error| refused(error, &reading))?;
        let now = now.as_ref().map(account_facts);
        match named(now.as_ref()).and_then(|id| uuid::Uuid::try_parse(id).ok()) {
            Some(named) if named == app => Ok(()),
            _ => Err(changed_meanwhile(name)),
        }
    }

    /// Stops if something else has changed what the plan was made of, such as the app that it
    /// names, or its owner. What could not be read for the plan may name no other app.
    fn is_as_read(&self, name: &str, now: Option<&ServiceAccount>, app: Option<&str>) -> Result<(), Failure> {
        let now = now.map(account_facts);
        let is_same = match &self.facts.cluster.service_account {
            Ok(planned) => planned.as_ref().map(decisive) == now.as_ref().map(decisive),
            Err(_) => named(now.as_ref()).is_none_or(|named| app == Some(named)),
        };
        if is_same {
            return Ok(());
        }
        Err(changed_meanwhile(name))
    }
}

fn changed_meanwhile(name: &str) -> Failure {
    let error = Error::failed(format!(
        "something else changed serviceaccount/{name} during this run, and that stays"
    ));
    Failure::Changed(error.hint("run the same command again; it makes a new plan"))
}

/// Whether it has all that is written.
fn has(now: &ServiceAccount, values: &Values) -> bool {
    let ObjectMeta { annotations, .. } = &now.metadata;
    let there = |name: &str| annotations.as_ref()?.get(name);
    values.iter().all(|(name, value)| there(name) == Some(value))
}

/// What the plan was made of.
fn decisive(found: &ServiceAccountFacts) -> (&BTreeMap<String, String>, Option<&String>) {
    (&found.annotations, found.owner.as_ref())
}

/// The client id that it names.
fn named(found: Option<&ServiceAccountFacts>) -> Option<&str> {
    found?.annotations.get(CLIENT_ID_ANNOTATION).map(String::as_str)
}
