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
use crate::manifest::admission::policy_names;
use crate::manifest::cronjob::Installation;
use crate::model::{ObjectKind, SecretFacts, Snapshot, WorkloadFacts};
use crate::output::Output;
use crate::plan::{dry_run_change, dry_run_restart};
use crate::report::objects::uninstall;

/// How long the API server may take to act by what was just written.
const LIMIT: Duration = Duration::from_secs(10);
const INTERVAL: Duration = Duration::from_millis(300);

/// An annotation that no rotation sets.
const FOREIGN: &str = "apim-rotate/rehearsal";

/// Sends both writes for each gateway as dry runs, and returns whether it could. An
/// error if one is denied. `is_limited` is set if the installation has policies.
pub(super) async fn rotation(
    cluster: &Cluster,
    installation: &Installation,
    is_limited: bool,
    gateways: &[Snapshot],
    output: &Output,
) -> Result<bool> {
    let Some(account) = cluster.as_account(&installation.name) else {
        unchecked("this command impersonates a user itself", output);
        return Ok(false);
    };
    if is_limited && !are_in_force(&account, installation, gateways).await {
        let why = format!(
            "the policies of this installation were not in force after {} seconds; run the same command again to check it",
            LIMIT.as_secs()
        );
        unchecked(&why, output);
    }
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
                Err(error) => return Err(denied(error, &write, installation, is_limited)),
            }
        }
    }
    Ok(true)
}

/// Whether the API server goes by the policies of the installation, which it does with a
/// delay: what it admits before that proves nothing. Both must deny a change that is not
/// part of a rotation before the time is over. True if there is no right to ask, which
/// the rehearsal reports.
async fn are_in_force(account: &Cluster, installation: &Installation, gateways: &[Snapshot]) -> bool {
    let secret = gateways.first().map(|it| Write::Secret(&it.secret));
    let workload = gateways.iter().find_map(|it| it.workloads.first());
    let [of_secrets, of_workloads] = policy_names(&installation.namespace, &installation.name);
    let deadline = Instant::now() + LIMIT;
    for (write, policy) in [(secret, of_secrets), (workload.map(Write::Restart), of_workloads)] {
        let Some(write) = write else { continue };
        loop {
            if let Err(kube::Error::Api(status)) = write.try_foreign(account).await {
                if lacks_impersonation(&status) {
                    return true;
                }
                if policy_in(&status.message) == Some(&policy) {
                    break;
                }
            }
            if Instant::now() >= deadline {
                return false;
            }
            sleep(INTERVAL).await;
        }
    }
    true
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

    /// Rehearses a change of the same object that is not part of a rotation.
    async fn try_foreign(&self, account: &Cluster) -> Result<(), kube::Error> {
        let (collection, name) = match self {
            Self::Secret(facts) => (
                ObjectKind::Secret.collection(&account.namespace),
                &facts.version.name,
            ),
            Self::Restart(facts) => {
                let workload = &facts.version.workload;
                (account.workloads_path(workload.kind), &workload.name)
            }
        };
        account.rehearse_annotation(&collection, name, FOREIGN).await
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

fn denied(error: kube::Error, write: &Write<'_>, installation: &Installation, is_limited: bool) -> Error {
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
    let account = format!("system:serviceaccount:{namespace}:{name}");
    let Some(policy) = policy_in(&status.message) else {
        return error.hint(format!(
            "see what the account may do: kubectl auth can-i --list -n {namespace} --as {account}"
        ));
    };
    let has_our_name = policy_names(namespace, name).iter().any(|it| it == policy);
    let reference = ObjectKind::ValidatingAdmissionPolicy.reference(policy);
    match (has_our_name, is_limited) {
        (true, false) => error.hint(format!(
            "if the policy was made for fewer gateways, remove it with its binding, and install with --admission-policy: \
             kubectl delete validatingadmissionpolicy,validatingadmissionpolicybinding {policy}"
        )),
        (true, true) => error.hint(format!(
            "{reference} is part of this installation; to remove it, run the same command without the flag that installs it"
        )),
        (false, _) => error
            .hint(format!(
                "{reference} is not part of this installation: have it admit the writes of {account}, then run the same command again"
            ))
            .hint(format!(
                "or remove what was installed: {}", uninstall(name, namespace)
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
