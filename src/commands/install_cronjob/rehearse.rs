//! Rehearses the writes of a rotation as the installed account: what the Role grants,
//! a policy may deny.

use std::iter;
use std::time::Duration;

use kube::core::Status;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::targets::policy;
use crate::cluster::{Cluster, explain};
use crate::discover::facts::secret_facts;
use crate::error::{Error, Kind, Result};
use crate::manifest::cronjob::Installation;
use crate::model::{SecretFacts, Snapshot, WorkloadFacts};
use crate::output::Output;
use crate::plan::{dry_run_change, dry_run_restart};

/// How long the API server may take to act by what was just written.
const LIMIT: Duration = Duration::from_secs(10);
const INTERVAL: Duration = Duration::from_millis(300);

/// Sends both writes for each gateway as dry runs, and returns whether it could. An
/// error if one is denied.
pub(super) async fn rotation(
    cluster: &Cluster,
    installation: &Installation,
    gateways: &[Snapshot],
    output: &Output,
) -> Result<bool> {
    let Some(account) = cluster.as_account(&installation.name) else {
        unchecked("this command impersonates a user itself", output);
        return Ok(false);
    };
    let deadline = Instant::now() + LIMIT;
    let id = Uuid::new_v4().to_string();
    for gateway in gateways {
        let restarts = gateway.workloads.iter().map(Write::Restart);
        for write in iter::once(Write::Secret(&gateway.secret)).chain(restarts) {
            let adopt = installation.task.adopt;
            match settled(&write, &account, adopt, &id, deadline).await {
                Ok(()) => {}
                // A webhook cannot rehearse, or something else writes all the time.
                Err(kube::Error::Api(status)) if matches!(status.code, 400 | 409) => {}
                Err(kube::Error::Api(status)) if lacks_impersonation(&status) => {
                    unchecked("this user may not impersonate the account", output);
                    return Ok(false);
                }
                Err(error) => return Err(denied(error, &write, installation)),
            }
        }
    }
    Ok(true)
}

/// Rehearses a write until it is neither denied nor outdated, or the deadline comes.
async fn settled(
    write: &Write<'_>,
    account: &Cluster,
    adopt: bool,
    id: &str,
    deadline: Instant,
) -> Result<(), kube::Error> {
    let mut rehearsed = write.rehearse(account, adopt, id).await;
    while let Err(kube::Error::Api(status)) = &rehearsed {
        let may_settle = matches!(status.code, 403 | 409) && !lacks_impersonation(status);
        if !may_settle || Instant::now() >= deadline {
            break;
        }
        sleep(INTERVAL).await;
        rehearsed = write.rehearse_anew(account, adopt, id).await;
    }
    rehearsed
}

/// A write of a rotation.
enum Write<'a> {
    Secret(&'a SecretFacts),
    Restart(&'a WorkloadFacts),
}

impl Write<'_> {
    async fn rehearse(&self, account: &Cluster, adopt: bool, id: &str) -> Result<(), kube::Error> {
        match self {
            Self::Secret(facts) => {
                let change = dry_run_change(facts, id);
                account.change_secret(&facts.version, &change, true).await?;
            }
            Self::Restart(facts) => {
                let restart = dry_run_restart(&policy(adopt), id);
                let WorkloadFacts { version, marks, .. } = facts;
                if let Some(after) = restart.change(&version.workload, marks) {
                    account.mark_workload(version, marks, &after, true).await?;
                }
            }
        }
        Ok(())
    }

    /// The same for the version that is there now.
    async fn rehearse_anew(&self, account: &Cluster, adopt: bool, id: &str) -> Result<(), kube::Error> {
        match self {
            Self::Secret(facts) => {
                let secret = account.secret(&facts.version.name).await?;
                // A Secret that lost its key is reported by the rotation itself.
                let Ok((facts, _)) = secret_facts(&secret, &facts.key) else {
                    return Ok(());
                };
                Write::Secret(&facts).rehearse(account, adopt, id).await
            }
            Self::Restart(facts) => {
                let live = account.workload(&facts.version.workload).await?;
                let mut facts = WorkloadFacts::clone(facts);
                facts.version = live.version(&facts.version.workload);
                facts.marks = live.marks();
                Write::Restart(&facts).rehearse(account, adopt, id).await
            }
        }
    }

    fn doing(&self) -> String {
        match self {
            Self::Secret(facts) => format!("rehearsing the write of secret/{}", facts.version.name),
            Self::Restart(facts) => format!("rehearsing the restart of {}", facts.version.workload),
        }
    }
}

fn denied(error: kube::Error, write: &Write<'_>, installation: &Installation) -> Error {
    let Installation { namespace, name, .. } = installation;
    let doing = format!(
        "{} in namespace {namespace} as serviceaccount/{name}",
        write.doing()
    );
    let kube::Error::Api(status) = error else {
        return explain(error, &doing);
    };
    let error = Error::failed(format!("{doing}: {}", status.message.trim())).with_kind(Kind::Refused);
    let error = error.hint("the CronJob is installed, but its runs would be denied");
    match policy_in(&status.message) {
        Some(policy) => error.hint(format!(
            "if the policy was made for fewer gateways, remove it with its binding, and install with --admission-policy: \
             kubectl delete validatingadmissionpolicy,validatingadmissionpolicybinding {policy}"
        )),
        None => error.hint(format!(
            "see what the account may do: kubectl auth can-i --list -n {namespace} --as \
             system:serviceaccount:{namespace}:{name}"
        )),
    }
}

/// The name of the policy in the API server's answer.
fn policy_in(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("ValidatingAdmissionPolicy '")?;
    rest.split_once('\'').map(|(name, _)| name)
}

/// The verb is `impersonate`, or from Kubernetes 1.36 on one such as
/// `impersonate-on:serviceaccount:get`.
fn lacks_impersonation(status: &Status) -> bool {
    status.message.contains(" cannot impersonate")
}

fn unchecked(why: &str, output: &Output) {
    output.note(&format!(
        "whether a policy denies the rotation is unchecked, because {why}"
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_is_named_in_the_answer() {
        let message = "secrets \"a\" is forbidden: ValidatingAdmissionPolicy 'a.shop.secrets' with binding 'b' denied request";
        assert_eq!(policy_in(message), Some("a.shop.secrets"));
        assert_eq!(policy_in("forbidden"), None);
    }

    #[test]
    fn the_right_to_impersonate_has_several_names() {
        for verb in ["impersonate", "impersonate-on:serviceaccount:get"] {
            let message =
                format!("secrets \"a\" is forbidden: User \"u\" cannot {verb} resource \"secrets\"");
            let status = Status {
                message,
                ..Status::default()
            };
            assert!(lacks_impersonation(&status), "{verb}");
        }
    }
}
