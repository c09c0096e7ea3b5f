//! Looks up the gateways of a fleet in Azure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};
use tokio::time::Instant;

use super::Fleet;
use crate::commands::rotate::pending::{PendingRotation, cloud};
use crate::commands::rotate::run::Azure;
use crate::commands::sign_in::sign_in;
use crate::discover::directory::{Directory, move_in_words};
use crate::error::Result;
use crate::model::CloudName;

/// The number of concurrent lookups.
const CONCURRENCY: usize = 16;

/// The time for one lookup: ARM allows 20 reads a second.
const LOOKUP_TIME: Duration = Duration::from_millis(1000 / 20);

impl Fleet<'_> {
    /// Looks up every gateway in Azure, with one request for each instance: the
    /// user must see the gateways before they consent to a new token.
    pub(super) async fn look_up(&mut self, tasks: Vec<PendingRotation>) -> Result<Vec<PendingRotation>> {
        match self.sign_in(&tasks).await {
            Ok(clouds) => self.clouds = clouds,
            // Every gateway would fail in the same way, so each gets an Event.
            Err(error) => {
                for task in &tasks {
                    self.stopped(&task.location, &task.found, &error);
                }
                return Err(error);
            }
        }
        let (clouds, settings) = (&self.clouds, self.settings);
        let mut lookups = stream::iter(tasks)
            .map(async |task| {
                let azure = &clouds[&cloud(settings, &task.named)];
                let id = azure.directory.gateway(&azure.arm, &task.named).await;
                (task, id)
            })
            .buffered(CONCURRENCY);
        let (mut found, mut failed, mut moves) = (Vec::new(), Vec::new(), BTreeSet::new());
        while let Some((mut task, id)) = lookups.next().await {
            match id {
                Ok(located) => {
                    if let Some(from) = located.moved_from {
                        moves.insert(move_in_words(&from.service, &located.id.service));
                    }
                    task.id = Some(located.id);
                    found.push(task);
                }
                Err(error) => failed.push((task, error)),
            }
        }
        drop(lookups);
        for text in moves {
            self.context.output.step("moved", &text);
        }
        for (task, error) in failed {
            self.stopped(&task.location, &task.found, &error);
        }
        Ok(found)
    }

    /// Signs in to the clouds of these gateways.
    async fn sign_in(&self, tasks: &[PendingRotation]) -> Result<BTreeMap<CloudName, Azure>> {
        // With rights on single gateways only, each gateway needs its own read.
        let many = u32::try_from(tasks.len()).unwrap_or(u32::MAX);
        let deadline = Instant::now() + self.settings.timeout + LOOKUP_TIME.saturating_mul(many);
        let mut of_cloud: BTreeMap<CloudName, Vec<&str>> = BTreeMap::new();
        for task in tasks {
            of_cloud
                .entry(cloud(self.settings, &task.named))
                .or_default()
                .push(&task.named.service.value);
        }
        let mut clouds = BTreeMap::new();
        for (cloud, services) in of_cloud {
            let arm = sign_in(&self.settings.azure, Some(cloud), deadline, self.options.burst).await?;
            arm.sign_in().await?;
            self.context.output.step("signed in", &arm.describe().await);
            let directory = Arc::new(Directory::expecting(services));
            clouds.insert(cloud, Azure { arm, directory });
        }
        Ok(clouds)
    }
}
