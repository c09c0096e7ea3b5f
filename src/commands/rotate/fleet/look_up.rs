//! Looks up the gateways of a fleet in Azure.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};
use tokio::time::Instant;

use super::Fleet;
use crate::commands::rotate::pending::PendingRotation;
use crate::commands::rotate::run::Azure;
use crate::commands::sign_in::{Preparation, sign_in};
use crate::discover::directory::{Directory, move_in_words};
use crate::error::Result;

/// The number of concurrent lookups.
pub(super) const CONCURRENCY: usize = 16;

/// The time limit for all lookups together, in addition to `LOOKUP_TIME`: one
/// that hangs must not keep the others from being rotated.
const BASE_TIME: Duration = Duration::from_mins(1);

/// The time for one lookup: ARM allows 20 reads a second. With rights on single
/// gateways only, each gateway needs its own read.
const LOOKUP_TIME: Duration = Duration::from_millis(1000 / 20);

impl Fleet<'_> {
    /// Signs in to the cloud of the run.
    pub(super) async fn sign_in(&self, tasks: &[PendingRotation]) -> Result<Azure> {
        let deadline = Instant::now() + self.settings.timeout;
        let arm = sign_in(&self.settings.azure, None, deadline, self.options.burst).await?;
        arm.sign_in().await?;
        self.context.output.step("signed in", &arm.describe().await);
        let services = tasks.iter().map(|task| task.named.service.value.as_str());
        let directory = Arc::new(Directory::expecting(services));
        Ok(Azure {
            arm,
            preparation: Preparation::done(),
            directory,
        })
    }

    /// Looks up every gateway in Azure, with one request for each instance: the
    /// user must see the gateways before they consent to a new token.
    pub(super) async fn look_up(
        &mut self,
        azure: &Azure,
        tasks: Vec<PendingRotation>,
    ) -> Vec<PendingRotation> {
        let many = u32::try_from(tasks.len()).unwrap_or(u32::MAX);
        let time = BASE_TIME.min(self.settings.timeout) + LOOKUP_TIME.saturating_mul(many);
        let arm = azure.arm.until(Instant::now() + time);
        let mut lookups = stream::iter(tasks)
            .map(async |task| {
                let id = azure.directory.gateway(&arm, &task.named).await;
                (task, id)
            })
            .buffer_unordered(CONCURRENCY);
        let (mut found, mut moves) = (Vec::new(), BTreeSet::new());
        while let Some((mut task, id)) = lookups.next().await {
            match id {
                Ok(located) => {
                    if let Some(from) = located.moved_from {
                        moves.insert(move_in_words(&from.service, &located.id.service));
                    }
                    task.id = Some(located.id);
                    found.push(task);
                }
                Err(error) => self.stopped(&task, &error),
            }
        }
        for text in moves {
            self.context.output.step("moved", &text);
        }
        found
    }
}
