//! The objects, each as it is and as it is wanted.

use std::fmt::Write as _;

use serde_json::Value;

use super::legacy;
use crate::cluster::objects::{Apply, reference};
use crate::cluster::{Cluster, explain};
use crate::discover::installed::CronJobs;
use crate::error::{Error, Result};
use crate::manifest::cronjob::{
    CLIENT_ID, Installation, PodIdentity, TENANT_ID, cron_job, network_policy, secret,
};
use crate::manifest::rbac::{Rights, rbac};
use crate::manifest::{MANAGER, labels};
use crate::model::request::DryRun;
use crate::output::Output;
use crate::report::diff;
use crate::settings::InstallSettings;
use secrecy::ExposeSecret;

/// What becomes of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Created,
    Configured,
    /// The article's is removed first, so that nothing of it is left.
    Replaced,
    /// An earlier installation had it, and this one has not.
    Deleted,
    Unchanged,
}

impl Change {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Configured => "configured",
            Self::Replaced => "replaced",
            Self::Deleted => "deleted",
            Self::Unchanged => "unchanged",
        }
    }
}

/// What there is of an object.
enum Live {
    /// It was not looked for: nothing else of the installation is there.
    Unread,
    Absent,
    There(Box<Value>),
}

struct Object {
    wanted: Value,
    live: Live,
    change: Change,
    /// What it is after it was applied, or would be.
    applied: Option<Value>,
}

/// Ours would be merged into another's of these kinds without a conflict, and
/// an account of theirs be granted rights, so these are created.
const MERGED: [&str; 2] = ["ServiceAccount", "NetworkPolicy"];

/// All objects of an installation.
pub(super) struct Objects<'a> {
    cluster: &'a Cluster,
    name: &'a str,
    all: Vec<Object>,
    /// Whether the article's objects are here.
    legacy: bool,
    /// What this run has written or removed so far.
    written: Vec<String>,
}

/// The objects as they are wanted. The Role is first: whoever may not grant
/// its rights then has changed nothing.
pub(super) fn wanted(settings: &InstallSettings, installation: &Installation) -> Vec<Value> {
    let task = &installation.task;
    let mut objects = rbac(&Rights {
        namespace: installation.namespace.clone(),
        name: installation.name.clone(),
        workloads: task.workloads.clone(),
        secrets: task.secrets.clone(),
        config_maps: task.config_maps.clone(),
        prove_logs: task.prove_logs,
        events: task.events,
    });
    objects.sort_by_key(|object| object["kind"] != "Role");
    if let PodIdentity::Workload { client_id, tenant } = &installation.identity {
        for account in objects.iter_mut().filter(|it| it["kind"] == "ServiceAccount") {
            account["metadata"]["annotations"][CLIENT_ID] = client_id.clone().into();
            if let Some(tenant) = tenant {
                account["metadata"]["annotations"][TENANT_ID] = tenant.clone().into();
            }
        }
    }
    if let Some(credential) = &settings.client_credential {
        objects.push(secret(installation, credential.expose_secret()));
    }
    if settings.network_policy {
        objects.push(network_policy(installation));
    }
    objects.push(cron_job(installation));
    objects
}

/// Whether an object is of this installation, by its labels.
pub(super) fn is_ours(object: &Value, name: &str) -> bool {
    let present = &object["metadata"]["labels"];
    let ours = labels(name);
    let mut telling = ours
        .iter()
        .filter(|(label, _)| label.ends_with("/managed-by") || label.ends_with("/instance"));
    telling.all(|(label, value)| present[label.as_str()] == value.as_str())
}

impl<'a> Objects<'a> {
    /// Reads what there is. Of a first installation only the Secret is looked
    /// for: the API server refuses to take any other object from its owner.
    pub(super) async fn read(
        cluster: &'a Cluster,
        settings: &'a InstallSettings,
        installation: &Installation,
        before: CronJobs,
    ) -> Result<Self> {
        let legacy = legacy::is_legacy(&before, &settings.name);
        let first = before.present.is_none();
        let mut objects = Vec::new();
        for wanted in wanted(settings, installation) {
            let live = match (wanted["kind"].as_str(), &before.present) {
                (Some("CronJob"), Some(present)) => Live::There(Box::new(present.clone())),
                (Some("CronJob"), None) => Live::Absent,
                (Some("Secret"), _) => read(cluster, &wanted).await?,
                _ if first && !settings.replace_legacy => Live::Unread,
                _ => read(cluster, &wanted).await?,
            };
            objects.push(Object {
                change: match &live {
                    Live::There(_) => Change::Configured,
                    Live::Unread | Live::Absent => Change::Created,
                },
                wanted,
                live,
                applied: None,
            });
        }
        if !first {
            objects.extend(left_over(cluster, &settings.name, &objects).await);
        }
        let legacy = legacy
            || objects
                .iter()
                .any(|object| matches!(&object.live, Live::There(live) if legacy::is_wide_role(live)));
        Ok(Self {
            cluster,
            name: &settings.name,
            all: objects,
            legacy,
            written: Vec::new(),
        })
    }

    /// Refuses what belongs to somebody else, and sees what of the article is
    /// to be replaced.
    pub(super) fn judge(&mut self, settings: &InstallSettings, output: &Output) -> Result<()> {
        let mut found = Vec::new();
        for object in &mut self.all {
            let Live::There(live) = &object.live else { continue };
            if is_ours(live, self.name) {
                continue;
            }
            if !(self.legacy && legacy::may_be_of_it(live)) {
                return Err(foreign(live, self.name));
            }
            found.push(reference(live));
            // The account keeps its uid, which others may have noted.
            if live["kind"] != "ServiceAccount" {
                object.change = Change::Replaced;
            }
        }
        if found.is_empty() || settings.replace_legacy {
            return Ok(());
        }
        output.data(&self.diff()?)?;
        Err(Error::refused(format!(
            "{} in namespace {} are those of the article about the script apim-shg-rotate; what would become of them is shown \
             above",
            found.join(", "),
            self.cluster.namespace
        ))
        .hint("take them over with --replace-legacy")
        .hint("or leave them, and install beside them with --name; but two CronJobs must not rotate one gateway"))
    }

    /// Has the API server say what would become of what is there.
    pub(super) async fn rehearse(&mut self) -> Result<()> {
        if self.all.iter().any(|object| object.change == Change::Replaced) {
            self.rehearse_anew().await?;
        }
        for object in &mut self.all {
            if let (Live::There(live), Change::Configured) = (&object.live, object.change) {
                let applied = apply(self.cluster, &object.wanted, true, true).await?;
                if diff::same(live, &applied) {
                    object.change = Change::Unchanged;
                }
                object.applied = Some(applied);
            }
        }
        Ok(())
    }

    /// What is removed first must be sure to have a successor, so all of them
    /// are rehearsed under a name that nothing has yet.
    async fn rehearse_anew(&self) -> Result<()> {
        for object in &self.all {
            // The Role that a binding refers to has not got that name.
            if object.wanted["kind"] == "RoleBinding"
                || matches!(object.live, Live::There(_)) && object.change != Change::Replaced
            {
                continue;
            }
            let mut successor = object.wanted.clone();
            successor["metadata"]["name"] = "kubectl-apim-rehearsal".into();
            match apply(self.cluster, &successor, true, true).await {
                // Its forerunner makes room for it.
                Err(error) if error.to_string().contains("exceeded quota") => {}
                rehearsed => drop(rehearsed?),
            }
        }
        Ok(())
    }

    /// Applies what differs; in a dry run has the rest rehearsed.
    pub(super) async fn apply(&mut self, dry_run: DryRun) -> Result<()> {
        let dry_run = dry_run != DryRun::None;
        for object in &mut self.all {
            if object.change == Change::Unchanged || (dry_run && object.applied.is_some()) {
                continue;
            }
            if let (Live::There(live), Change::Replaced | Change::Deleted) = (&object.live, object.change) {
                if !dry_run {
                    remove(self.cluster, live).await?;
                    self.written.push(reference(live));
                }
                if dry_run || object.change == Change::Deleted {
                    object.applied = Some(object.wanted.clone());
                    continue;
                }
            }
            let force = matches!(object.live, Live::There(_));
            let unread = matches!(object.live, Live::Unread);
            let written = if unread && MERGED.iter().any(|kind| object.wanted["kind"] == *kind) {
                create(self.cluster, &object.wanted, dry_run).await
            } else {
                apply(self.cluster, &object.wanted, force, dry_run).await
            };
            let applied = match written {
                Ok(applied) => applied,
                Err(conflict) if unread => {
                    let Live::There(live) = read(self.cluster, &object.wanted).await? else {
                        return Err(conflict);
                    };
                    if !is_ours(&live, self.name) {
                        return Err(foreign(&live, self.name));
                    }
                    object.change = Change::Configured;
                    object.live = Live::There(live);
                    apply(self.cluster, &object.wanted, true, dry_run).await?
                }
                Err(error) => return Err(error),
            };
            object.applied = Some(applied);
            if !dry_run && object.change != Change::Replaced {
                self.written.push(reference(&object.wanted));
            }
        }
        Ok(())
    }

    /// What stays of a run that an error has ended.
    pub(super) fn stays(&self, error: Error) -> Error {
        if self.written.is_empty() {
            return error;
        }
        error.hint(format!(
            "already written: {}; run it again once that is mended, or take back what was with uninstall-cronjob",
            self.written.join(", ")
        ))
    }

    pub(super) fn changes_of(&self) -> impl Iterator<Item = (&Value, Change)> {
        self.all.iter().map(|object| (&object.wanted, object.change))
    }

    pub(super) fn any_change(&self) -> bool {
        self.changes_of().any(|(_, change)| change != Change::Unchanged)
    }

    pub(super) fn changes(&self, kind: &str) -> bool {
        self.changes_of()
            .any(|(object, change)| object["kind"] == kind && change != Change::Unchanged)
    }

    /// An object as it is now.
    pub(super) fn applied(&self, kind: &str) -> &Value {
        let object = self.all.iter().find(|object| object.wanted["kind"] == kind);
        let object = object.expect("every kind that is asked for is installed");
        match (&object.applied, &object.live) {
            (Some(applied), _) => applied,
            (None, Live::There(live)) => live,
            (None, _) => &object.wanted,
        }
    }

    pub(super) fn diff(&self) -> Result<String> {
        let mut text = String::new();
        for object in &self.all {
            if object.change == Change::Deleted {
                // In the words of `diff -r`.
                let _ = writeln!(text, "Only in live: {}", reference(&object.wanted));
                continue;
            }
            let live = match &object.live {
                Live::There(live) => Some(live.as_ref()),
                Live::Unread | Live::Absent => None,
            };
            let after = object.applied.as_ref().unwrap_or(&object.wanted);
            text += &diff::unified(live, after, &reference(&object.wanted))?;
        }
        Ok(text)
    }
}

/// What an earlier installation had beyond this one. Whoever may not look has
/// not installed it either.
async fn left_over(cluster: &Cluster, name: &str, objects: &[Object]) -> Vec<Object> {
    let mut found = Vec::new();
    for kind in ["NetworkPolicy", "Secret"] {
        if objects.iter().any(|object| object.wanted["kind"] == kind) {
            continue;
        }
        if let Ok(Some(live)) = cluster.object(kind, name).await
            && is_ours(&live, name)
        {
            found.push(Object {
                wanted: live.clone(),
                live: Live::There(Box::new(live)),
                change: Change::Deleted,
                applied: None,
            });
        }
    }
    found
}

async fn read(cluster: &Cluster, wanted: &Value) -> Result<Live> {
    let (kind, name) = (text(&wanted["kind"]), text(&wanted["metadata"]["name"]));
    let live = cluster.object(kind, name).await;
    let live = live.map_err(|error| {
        explain(
            error,
            &format!("reading {} in namespace {}", reference(wanted), cluster.namespace),
        )
    })?;
    Ok(match live {
        Some(live) => Live::There(Box::new(live)),
        None => Live::Absent,
    })
}

async fn create(cluster: &Cluster, wanted: &Value, dry_run: bool) -> Result<Value> {
    let created = cluster.create(wanted, MANAGER, dry_run).await;
    created.map_err(|error| {
        let (what, namespace) = (reference(wanted), &cluster.namespace);
        explain(error, &format!("creating {what} in namespace {namespace}"))
    })
}

async fn apply(cluster: &Cluster, wanted: &Value, force: bool, dry_run: bool) -> Result<Value> {
    let how = Apply {
        manager: MANAGER,
        dry_run,
        force,
    };
    let doing = format!(
        "applying {} in namespace {}",
        reference(wanted),
        cluster.namespace
    );
    let applied = cluster.apply(wanted, how).await;
    // The Role that it is to bind was only rehearsed itself.
    if dry_run
        && wanted["kind"] == "RoleBinding"
        && matches!(&applied, Err(kube::Error::Api(status)) if status.is_not_found())
    {
        return Ok(wanted.clone());
    }
    applied.map_err(|error| match &error {
        kube::Error::Api(status) if status.message.contains("not currently held") => {
            Error::refused(format!("{doing}: {}", status.message.trim()))
                .hint("nobody may grant rights that they lack: let somebody install it who has these, or who has `escalate` of roles")
        }
        _ => explain(error, &doing),
    })
}

async fn remove(cluster: &Cluster, live: &Value) -> Result<()> {
    let (kind, meta) = (text(&live["kind"]), &live["metadata"]);
    cluster
        .remove(kind, text(&meta["name"]), text(&meta["uid"]), false)
        .await
        .map_err(|error| explain(error, &format!("removing {}", reference(live))))
}

fn foreign(live: &Value, name: &str) -> Error {
    let mut managers: Vec<&str> = live["metadata"]["managedFields"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|entry| entry["manager"].as_str())
        .collect();
    managers.dedup();
    let by = if managers.is_empty() {
        String::new()
    } else {
        format!(" (written by {})", managers.join(", "))
    };
    let error = Error::refused(format!(
        "{}{by} is not of this installation, so it is left alone",
        reference(live)
    ));
    if legacy::is_wide_role(live) {
        return error.hint("it looks like the one of the article about the script apim-shg-rotate: take it over with --replace-legacy");
    }
    error.hint(format!("install under another name than {name}, with --name"))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
