//! What a set-up has made a moment ago, and a server of Graph may not show yet.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep};

use super::app::{Directory, GraphHalf};
use super::gone::{AGAIN_IF_NEW, PAUSE, is_new, named};
use crate::error::{Error, Kind, Result};
use crate::model::entra::facts::{AppFacts, AppKind, ClusterFacts};
use crate::model::entra::{AppRequest, Mode, unique_name};
use crate::model::known;

/// What a run needs after the wait.
const REST: Duration = Duration::from_secs(30);

/// What Graph knows, once it shows what the cluster says of the app, or has not done so for a
/// while. `now` is the time of the API server. An error if the run would end before.
pub(super) async fn settled(
    directory: &Directory<'_>,
    (request, mode): (&AppRequest, Mode),
    mut half: GraphHalf,
    cluster: &ClusterFacts,
    now: Timestamp,
) -> Result<GraphHalf> {
    for _ in 0..AGAIN_IF_NEW {
        if let (Ok(None), AppRequest::Create(name)) = (&half.app, request) {
            match Box::pin(by_client_id(directory, (name, mode), cluster, now)).await {
                Seen::Own(app) => {
                    half.app = Ok(Some(*app));
                    continue;
                }
                Seen::No => return Ok(half),
                Seen::NotYet => {}
            }
        } else if !lacks_credential(&half, mode, cluster, now) {
            return Ok(half);
        }
        if Instant::now() + REST > directory.graph.deadline() {
            return Err(not_shown());
        }
        sleep(PAUSE).await;
        half = directory.half(request, mode.is_stored()).await;
    }
    Ok(half)
}

fn not_shown() -> Error {
    let text = "Microsoft Graph does not show yet what an earlier run has made a moment ago";
    Error::new(Kind::Owed, text)
        .hint("run the same command again in a minute, or with more time: --timeout DURATION")
}

enum Seen {
    /// The app of the gateway, which is not found by its name yet.
    Own(Box<AppFacts>),
    /// What was named a moment ago is not there.
    NotYet,
    No,
}

/// Looks for the app by the client ids that the cluster has named since a moment ago.
async fn by_client_id(
    directory: &Directory<'_>,
    (name, mode): (&str, Mode),
    cluster: &ClusterFacts,
    now: Timestamp,
) -> Seen {
    let unique = unique_name(name, directory.gateway);
    let mut seen = Seen::No;
    for (id, _) in named(cluster).filter(|(_, written)| is_new(*written, now)) {
        let of_id = directory.half(&AppRequest::Existing(id), mode.is_stored()).await;
        match of_id.app {
            Ok(Some(app)) => {
                let is_own =
                    matches!(&app.kind, AppKind::Application(it) if it.unique_name.as_ref() == Some(&unique));
                if is_own {
                    return Seen::Own(Box::new(app));
                }
            }
            // One that was deleted does not come.
            Ok(None) if matches!(directory.graph.deleted_application(id).await, Ok(Some(_))) => {}
            Ok(None) => seen = Seen::NotYet,
            Err(_) => {}
        }
    }
    seen
}

/// Whether the app lacks the credential that was put into the Secret a moment ago.
fn lacks_credential(half: &GraphHalf, mode: Mode, cluster: &ClusterFacts, now: Timestamp) -> bool {
    let (Some(app), Some(stored)) = (known(&half.app), known(&cluster.secret)) else {
        return false;
    };
    let is_of_app = stored.client_id == Some(app.client_id()) && stored.kind == Some(mode);
    let all = app.credentials_of(mode);
    let is_there = |id| all.iter().any(|it| it.key_id == id);
    is_of_app && is_new(stored.written, now) && stored.credential.is_some_and(|id| !is_there(id))
}
