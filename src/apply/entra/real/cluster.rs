use std::collections::BTreeMap;

use super::super::effects::{Failure, Ids, Known};
use super::RealSetup;
use crate::cluster::explain;
use crate::model::entra::SettingValue;

impl RealSetup<'_> {
    /// Creates a `ServiceAccount`, or annotates the one that is there.
    pub(super) async fn write_account(
        &self,
        name: &str,
        annotations: &BTreeMap<&'static str, SettingValue>,
        known: &Known,
    ) -> Result<Ids, Failure> {
        let mut values = BTreeMap::new();
        for (annotation, value) in annotations {
            let value = match value {
                SettingValue::Text(text) => text.clone(),
                SettingValue::Id(id) => known.resolve(*id)?.to_string(),
                SettingValue::Secret { .. } => continue,
            };
            values.insert(*annotation, value);
        }
        let doing = format!("writing serviceaccount/{name}");
        let annotated = self.cluster.annotate_account(name, &values, false).await;
        match annotated {
            Err(kube::Error::Api(status)) if status.is_not_found() => {}
            outcome => {
                return outcome
                    .map(|_| Ids::new())
                    .map_err(|error| refused(error, &doing));
            }
        }
        let created = self.cluster.create_account(name, &values, false).await;
        match created {
            // Something else, or an attempt without an answer, has created it.
            Err(kube::Error::Api(status)) if status.code == 409 => {
                let annotated = self.cluster.annotate_account(name, &values, false).await;
                annotated.map(drop)
            }
            outcome => outcome.map(drop),
        }
        .map(|()| Ids::new())
        .map_err(|error| refused(error, &doing))
    }
}

/// The failure of a write to the cluster.
pub(super) fn refused(error: kube::Error, doing: &str) -> Failure {
    match &error {
        kube::Error::Api(status) if status.code == 403 => Failure::Forbidden(explain(error, doing)),
        kube::Error::Api(status) if matches!(status.code, 408 | 500..) => {
            Failure::Unknown(explain(error, doing))
        }
        kube::Error::Api(_) | kube::Error::Auth(_) => Failure::Failed(explain(error, doing)),
        _ => Failure::Unknown(explain(error, doing)),
    }
}

/// Whether the object has to be read before it is known what became of a write.
pub(super) fn may_be_sent_again(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => matches!(status.code, 408 | 409 | 429 | 500..),
        kube::Error::Auth(_) | kube::Error::BuildRequest(_) | kube::Error::HttpError(_) => false,
        _ => true,
    }
}
