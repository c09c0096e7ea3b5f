use std::collections::BTreeMap;

use secrecy::SecretSlice;
use uuid::Uuid;

use super::super::effects::Failure;
use super::RealSetup;
use super::credential::version;
use crate::cluster::entra::CredentialWrite;
use crate::cluster::explain;
use crate::cluster::template_change::TemplateChange;
use crate::error::Kind;
use crate::model::annotation::KIND;
use crate::model::entra::TemplateSettings;
use crate::model::{TemplateMarks, WorkloadRef};
use crate::plan::entra::Action;

impl RealSetup<'_> {
    /// Has the API server check a write: rights, quotas, policies and webhooks. Of what
    /// is not known yet, a stand-in is sent.
    pub(super) async fn rehearse_one(&mut self, action: &Action) -> Result<(), Failure> {
        match action {
            Action::WriteSecret { name, keys } => self.rehearse_secret(name, keys).await,
            Action::AdoptCredential { name, .. } => self.rehearse_secret(name, &[]).await,
            Action::WriteServiceAccount { name, annotations } => {
                self.rehearse_account(name, annotations).await
            }
            Action::ConfigureWorkload {
                workload,
                container,
                add,
            } => self.rehearse_workload(workload, container, add).await,
            Action::RestartWorkload { workload, container } => {
                self.rehearse_workload(workload, container, &TemplateSettings::default())
                    .await
            }
            _ => Ok(()),
        }
    }

    async fn rehearse_secret(&mut self, name: &str, keys: &[&'static str]) -> Result<(), Failure> {
        self.check_secret(name).await?;
        let data: Vec<_> = keys
            .iter()
            .map(|key| (*key, SecretSlice::from(b"rehearsed".to_vec())))
            .collect();
        let kind = self.plan.mode.as_str().to_owned();
        let write = CredentialWrite {
            name,
            data: &data,
            annotations: &BTreeMap::from([(KIND.to_owned(), Some(kind))]),
        };
        let doing = format!("rehearsing the write of secret/{name}");
        let checked = match self.secret.as_ref().map(|secret| version(name, secret)) {
            None => self.cluster.create_credential(&write, true).await,
            Some(version) => self.cluster.change_credential(&version, &write, true).await,
        };
        checked.map_or_else(|error| self.judge(error, &doing), |_| Ok(()))
    }

    async fn rehearse_workload(
        &self,
        workload: &WorkloadRef,
        container: &str,
        add: &TemplateSettings,
    ) -> Result<(), Failure> {
        let (whole, version) = self.read_workload(workload).await.map_err(Failure::Forbidden)?;
        self.is_as_planned(workload, &whole)?;
        let change = TemplateChange {
            container,
            add,
            client_id: Uuid::nil(),
            marks: &TemplateMarks {
                rotation_ids: "rehearsed".into(),
                restarted_at: None,
            },
        };
        let doing = format!("rehearsing the change of {workload}");
        let checked = self
            .cluster
            .change_template(&version, &change.patch(&whole), true)
            .await;
        checked.map_or_else(|error| self.judge(error, &doing), |_| Ok(()))
    }

    /// What the failure of a dry run shows about the write.
    pub(super) fn judge(&self, error: kube::Error, doing: &str) -> Result<(), Failure> {
        match &error {
            // An admission webhook that does not support dry runs answers 400.
            kube::Error::Api(status) if status.code == 400 && status.message.contains("dry run") => {
                self.output
                    .warning(&format!("{doing} failed: {}", status.message));
                Ok(())
            }
            // The write handles a change at the same time.
            kube::Error::Api(status) if status.code == 409 => Ok(()),
            _ => Err(Failure::Forbidden(explain(error, doing).with_kind(Kind::Refused))),
        }
    }
}
