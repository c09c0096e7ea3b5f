//! A credential that somebody else has made and put into the Secret.

use std::time::Duration;

use tokio::time::Instant;

use super::super::effects::{Failure, Ids, Known};
use super::RealSetup;
use super::arrival::Ended;
use super::azure::ids;
use crate::error::Error;
use crate::model::Annotations;
use crate::model::annotation::{ADOPTED, CLIENT_ID, EXPIRES_AT, GATEWAY, KEY_ID, KIND, ROTATED_AT};
use crate::plan::entra::HandedOver;
use crate::plan::whole_seconds;

/// How long Entra may refuse what was made just before. It refuses what was copied
/// wrong for ever, by the same code.
const ARRIVAL: Duration = Duration::from_mins(5);

impl RealSetup<'_> {
    /// Signs in by the credential, and then records on the Secret which one it is.
    pub(super) async fn adopt(
        &mut self,
        name: &str,
        found: &HandedOver,
        known: &Known,
    ) -> Result<Ids, Failure> {
        let client_id = Self::client_id(known)?;
        self.check_secret(name).await?;
        self.tried(name, known).await?;
        let mut annotations: Annotations = [
            (KIND, self.plan.mode.as_str().to_owned()),
            (CLIENT_ID, client_id.to_string()),
            (KEY_ID, found.credential.to_string()),
            (ROTATED_AT, found.written.to_string()),
            (ADOPTED, found.written.to_string()),
            (GATEWAY, self.facts.gateway.to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), Some(value)))
        .into();
        let expires = found.expires.map(|at| whole_seconds(at).to_string());
        annotations.insert(EXPIRES_AT.to_owned(), expires);
        self.send_to_secret(name, found.credential, &[], &|_| annotations.clone())
            .await?;
        Ok(ids([("credentialId", found.credential.to_string())]))
    }

    async fn tried(&mut self, name: &str, known: &Known) -> Result<(), Failure> {
        let deadline = self.deadline;
        self.deadline = deadline.min(Instant::now() + ARRIVAL);
        let outcome = self.signed_in(known, false).await;
        self.deadline = deadline;
        let refused =
            |why| Error::refused(format!("the credential in secret/{name} does not sign in: {why}"));
        let failed = |why: String| {
            refused(why).hint(
                "put the right one there, without a line break at its end, or choose another Secret with --secret NAME",
            )
        };
        match outcome {
            Ok(_) => Ok(()),
            Err(Ended::Forbidden { why, hint }) => Err(Failure::Forbidden(refused(why).hint(hint))),
            Err(Ended::Refused(why)) => Err(Failure::Forbidden(failed(why))),
            Err(Ended::PodsDecide(why)) => Err(Failure::Failed(failed(why))),
            Err(Ended::NotYet(why)) => Err(Failure::OutOfTime(failed(why))),
        }
    }
}
