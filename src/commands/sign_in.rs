//! Creates the ARM client from the settings, and signs in ahead of its first
//! request.

use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::azure::{self, Arm, Gate, Identity};
use crate::error::{Error, Result};
use crate::model::request::CloudRequest;
use crate::model::{Cloud, CloudName};
use crate::settings::AzureSettings;

/// The ARM client of the configured cloud, or else of `cloud`, which was found
/// in the cluster. It signs in with its first request.
pub(super) async fn sign_in(
    settings: &AzureSettings,
    cloud: Option<CloudName>,
    deadline: Instant,
    burst: bool,
) -> Result<Arm> {
    let ca = settings.ca_file.as_deref();
    let http = azure::http_client(ca)?;
    let cloud = match settings.cloud.as_ref().map(|cloud| &cloud.value) {
        None => Cloud::known(cloud.unwrap_or(CloudName::Public)),
        Some(CloudRequest::Known(name)) => Cloud::known(*name),
        Some(CloudRequest::ResourceManager(url)) => azure::endpoints(&http, url, deadline).await?,
    };
    Ok(Arm::with_client(options(settings, cloud, deadline, burst), http)?)
}

fn options(settings: &AzureSettings, cloud: Cloud, deadline: Instant, burst: bool) -> azure::Options {
    azure::Options {
        cloud,
        identity: settings.identity.clone(),
        extra_ca: settings.ca_file.clone(),
        api_version: settings.api_version.clone(),
        deadline,
        burst,
    }
}

/// A sign-in that runs beside requests to the cluster. It ends when this is
/// dropped.
pub(super) struct SigningIn {
    arm: JoinSet<Result<(Arm, Preparation)>>,
    /// Set while the cloud is only likely.
    likely: Option<Likely>,
}

/// A cloud that nothing was sent to so far.
struct Likely {
    cloud: CloudName,
    gate: Gate,
}

impl SigningIn {
    /// Starts to sign in to the configured cloud. Without one, connects to the
    /// likely one and sends nothing; `None` if the identity does not sign in
    /// through these connections.
    pub(super) fn start(settings: &AzureSettings, deadline: Instant) -> Option<Self> {
        let mut arm = JoinSet::new();
        if settings.cloud.is_some() {
            let settings = settings.clone();
            arm.spawn(async move {
                let arm = sign_in(&settings, None, deadline, false).await?;
                let preparation = Preparation::start(&arm);
                Ok((arm, preparation))
            });
            return Some(Self { arm, likely: None });
        }
        if !settings.identity.candidates.iter().all(|candidate| {
            matches!(
                candidate.identity,
                Identity::ServicePrincipal { .. } | Identity::WorkloadIdentity { .. }
            )
        }) {
            return None;
        }
        let likely = Likely {
            cloud: CloudName::Public,
            gate: Gate::default(),
        };
        let http = azure::gated_client(settings.ca_file.as_deref(), &likely.gate).ok()?;
        let options = options(settings, Cloud::known(likely.cloud), deadline, false);
        let client = Arm::with_client(options, http).ok()?;
        let preparation = Preparation::start(&client);
        arm.spawn(async move { Ok((client, preparation)) });
        Some(Self {
            arm,
            likely: Some(likely),
        })
    }

    /// The client, now that the cloud of the endpoint's domain is known. The
    /// sign-in goes on.
    async fn arm(mut self, cloud: CloudName) -> Option<Result<(Arm, Preparation)>> {
        if let Some(likely) = &self.likely {
            if likely.cloud != cloud {
                return None;
            }
            likely.gate.open();
        }
        self.arm.join_next().await?.ok()
    }
}

/// The client for one gateway, and its sign-in, which was started ahead or is
/// started now.
pub(super) async fn signing_in(
    ahead: Option<SigningIn>,
    settings: &AzureSettings,
    cloud: Option<CloudName>,
    deadline: Instant,
) -> Result<(Arm, Preparation)> {
    if let Some(ahead) = ahead
        && let Some(arm) = ahead.arm(cloud.unwrap_or(CloudName::Public)).await
    {
        return arm;
    }
    let arm = sign_in(settings, cloud, deadline, false).await?;
    let preparation = Preparation::start(&arm);
    Ok((arm, preparation))
}

/// The sign-in and the first connection of a client, in the background. It ends
/// when this is dropped.
pub(super) struct Preparation(Mutex<JoinSet<Result<(), azure::Error>>>);

impl Preparation {
    pub(super) fn start(arm: &Arm) -> Self {
        let mut task = JoinSet::new();
        let arm = arm.clone();
        task.spawn(async move { arm.prepare().await });
        Self(Mutex::new(task))
    }

    /// Of a client that has signed in already.
    pub(super) fn done() -> Self {
        Self(Mutex::new(JoinSet::new()))
    }

    /// Waits for the end; the error is of the sign-in.
    pub(super) async fn finished(&self) -> Result<()> {
        match self.0.lock().await.join_next().await {
            None => Ok(()),
            Some(Ok(prepared)) => Ok(prepared?),
            Some(Err(error)) => Err(Error::failed("the sign-in was cut off").caused_by(error)),
        }
    }
}
