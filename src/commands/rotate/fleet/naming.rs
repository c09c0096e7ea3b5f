//! Whom a token would be minted for, before anybody consents to it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};
use tokio::time::Instant;

use super::Fleet;
use crate::commands::rotate::run::Azure;
use crate::commands::rotate::task::{Task, cloud};
use crate::commands::sign_in::sign_in;
use crate::discover::directory::Directory;
use crate::error::Result;
use crate::model::CloudName;

/// How many gateways are looked up in Azure at a time.
const SIDE_BY_SIDE: usize = 16;

/// What ARM lets a reader have for each gateway.
const LOOK_UP: Duration = Duration::from_millis(1000 / 20);

impl Fleet<'_> {
    /// Looks every gateway up in Azure, each instance once: whom a token would
    /// be minted for must be known before anybody consents to it.
    pub(super) async fn name(&mut self, tasks: Vec<Task>) -> Result<Vec<Task>> {
        match self.sign_in(&tasks).await {
            Ok(clouds) => self.clouds = clouds,
            // Every gateway would fail in the same way, and each is told of it.
            Err(error) => {
                for task in &tasks {
                    self.stopped(&task.place, &task.found, &error);
                }
                return Err(error);
            }
        }
        let (clouds, settings) = (&self.clouds, self.settings);
        let mut looks = stream::iter(tasks)
            .map(async |task| {
                let azure = &clouds[&cloud(settings, &task.named)];
                let id = azure.directory.gateway(&azure.arm, &task.named).await;
                (task, id)
            })
            .buffered(SIDE_BY_SIDE);
        let (mut named, mut failed) = (Vec::new(), Vec::new());
        while let Some((mut task, id)) = looks.next().await {
            match id {
                Ok(id) => {
                    task.id = Some(id);
                    named.push(task);
                }
                Err(error) => failed.push((task, error)),
            }
        }
        drop(looks);
        for (task, error) in failed {
            self.stopped(&task.place, &task.found, &error);
        }
        Ok(named)
    }

    /// Signs in to every cloud that these gateways are of.
    async fn sign_in(&self, tasks: &[Task]) -> Result<BTreeMap<CloudName, Azure>> {
        // With rights on single gateways alone each costs a read, at 20 a second.
        let many = u32::try_from(tasks.len()).unwrap_or(u32::MAX);
        let deadline = Instant::now() + self.settings.timeout + LOOK_UP.saturating_mul(many);
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
