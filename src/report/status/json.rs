//! The output of `-o json` and `-o yaml`.

use jiff::Timestamp;
use serde::Serialize;

use super::entra::Entra;
use super::rows::{Row, StatusReport};
use crate::model::request::ConnectionFlags;
use crate::model::{
    Auth, AzureFacts, CronJobFacts, Fact, GatewayFacts, GatewayId, JobResult, KeySlot, SecretFacts,
    Unavailable, WorkloadKind,
};
use crate::plan::{Assessment, Verdict, next_run};

/// All gateways of one run.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct List<'a> {
    api_version: &'static str,
    kind: &'static str,
    items: Vec<Item<'a>>,
}

/// One gateway. A version gets new fields, but never changes existing ones. An
/// unknown value is omitted; `unread` contains the reason.
#[derive(PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Item<'a> {
    api_version: &'static str,
    kind: &'static str,
    /// Only in the output of a watch, when the gateway is gone.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    deleted: bool,
    namespace: &'a str,
    workload: Workload<'a>,
    container: &'a str,
    image: &'a str,
    auth: &'static str,
    verdict: Verdict,
    pub(super) reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) expires_in_seconds: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_slot: Option<KeySlot>,
    /// Whether it never expires: a federated credential.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    does_not_expire: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    rotated_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rotated_by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a GatewayId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<SecretKey<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<&'a str>,
    pods: Pods<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cron_job: Option<CronJob<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) unprotected: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    azure: Option<&'a AzureFacts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entra: Option<Entra<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unread: Vec<Unread<'a>>,
}

#[derive(PartialEq, Serialize)]
struct Workload<'a> {
    kind: WorkloadKind,
    name: &'a str,
}

#[derive(PartialEq, Serialize)]
struct SecretKey<'a> {
    name: &'a str,
    key: &'a str,
}

#[derive(PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Pods<'a> {
    wanted: i32,
    ready: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    stale: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unsure: Option<&'a [String]>,
}

#[derive(PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CronJob<'a> {
    namespace: &'a str,
    name: &'a str,
    schedule: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_zone: Option<&'a str>,
    suspended: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_run: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_result: Option<JobResult>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_success: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_run: Option<Timestamp>,
}

/// How a gateway signs in, as its value never changes.
pub(super) fn auth(auth: Auth) -> &'static str {
    match auth {
        Auth::Unknown => "unknown",
        auth => auth.as_str(),
    }
}

/// A fact that could not be read, and the reason.
#[derive(PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Unread<'a> {
    pub(super) part: &'static str,
    pub(super) forbidden: bool,
    pub(super) reason: &'a str,
}

impl StatusReport {
    pub(super) fn list(&self) -> List<'_> {
        List {
            api_version: "kubectl-apim/v1",
            kind: "GatewayStatusList",
            items: self
                .rows
                .iter()
                .map(|row| row.item(&self.options.connection, self.now))
                .collect(),
        }
    }
}

impl Row {
    pub(super) fn item(&self, connection: &ConnectionFlags, now: Timestamp) -> Item<'_> {
        let facts = &self.facts;
        let fix = self.assessment.fix.as_ref();
        let stored = facts.secret_facts();
        let expires_at = self.assessment.expiry.map(|expiry| expiry.expires);
        let pods = facts.pods.as_ref().ok();
        Item {
            api_version: "kubectl-apim/v1",
            kind: "GatewayStatus",
            deleted: self.deleted,
            namespace: &facts.namespace,
            workload: Workload {
                kind: facts.workload.kind,
                name: &facts.workload.name,
            },
            container: &facts.container,
            image: &facts.image,
            auth: auth(facts.auth),
            verdict: self.assessment.verdict,
            reason: &self.assessment.reason,
            fix: fix.map(|fix| connection.in_command(fix).to_string()),
            expires_at,
            expires_in_seconds: expires_at.map(|expires_at| expires_at.duration_since(now).as_secs()),
            does_not_expire: facts.auth == Auth::WorkloadIdentity,
            key_slot: stored.and_then(SecretFacts::slot),
            rotated_at: stored.and_then(SecretFacts::written),
            rotated_by: stored.and_then(|stored| stored.last_writer.as_deref()),
            gateway: facts.gateway.as_deref().ok(),
            service: facts.service.as_deref().ok(),
            id: facts.recorded.as_ref(),
            secret: facts.secret.as_ref().map(|(name, key)| SecretKey { name, key }),
            owner: stored.and_then(|stored| Some(stored.owner.as_ref()?.name.as_str())),
            pods: Pods {
                wanted: facts.wanted,
                ready: facts.ready,
                stale: pods.map(|pods| pods.stale.as_slice()),
                unsure: pods
                    .map(|pods| pods.unsure.as_slice())
                    .filter(|unsure| !unsure.is_empty()),
            },
            cron_job: self
                .assessment
                .cron_job(facts)
                .map(|cron_job| CronJob::of(cron_job, now)),
            unprotected: self.assessment.unprotected.as_deref(),
            azure: facts.azure.as_ref().and_then(|azure| azure.as_ref().ok()),
            entra: Entra::of(facts, &self.assessment),
            unread: unread(facts, &self.assessment),
        }
    }
}

impl<'a> CronJob<'a> {
    fn of(facts: &'a CronJobFacts, now: Timestamp) -> Self {
        Self {
            namespace: &facts.namespace,
            name: &facts.name,
            schedule: &facts.schedule,
            time_zone: facts.time_zone.as_deref(),
            suspended: facts.suspended,
            last_run: facts.last_run,
            last_result: facts.last_result(),
            last_success: facts.last_success,
            next_run: next_run(facts, now).time(),
        }
    }
}

/// The facts that could not be read.
pub(super) fn unread<'a>(facts: &'a GatewayFacts, assessment: &'a Assessment) -> Vec<Unread<'a>> {
    fn unavailable<T>(fact: &Fact<T>) -> Option<&Unavailable> {
        fact.as_ref().err()
    }
    let azure = facts.azure.as_ref().and_then(|azure| azure.as_ref().ok());
    let parts = [
        ("credential", unavailable(&facts.presented)),
        ("settings", unavailable(&facts.settings)),
        ("gateway", unavailable(&facts.gateway)),
        ("service", unavailable(&facts.service)),
        ("pods", unavailable(&facts.pods)),
        ("cronJob", unavailable(&facts.cron_jobs)),
        ("azure", facts.azure.as_ref().and_then(unavailable)),
        ("apis", azure.and_then(|azure| unavailable(&azure.apis))),
        (
            "secret",
            facts
                .entra()
                .and_then(|sign_in| unavailable(sign_in.stored.as_ref()?)),
        ),
        (
            "certificate",
            facts
                .entra()
                .and_then(|sign_in| unavailable(sign_in.certificate.as_ref()?)),
        ),
        (
            "clientId",
            facts.entra().and_then(|sign_in| unavailable(&sign_in.client_id)),
        ),
    ];
    let parts = parts
        .into_iter()
        .filter_map(|(part, unavailable)| Some((part, unavailable?)));
    let links = assessment.unknown_links().map(|(_, why)| ("entra", why));
    let mut unread: Vec<Unread<'_>> = Vec::new();
    for (part, unavailable) in parts.chain(links) {
        let new = Unread {
            part,
            forbidden: matches!(unavailable, Unavailable::Forbidden(_)),
            reason: unavailable.why(),
        };
        // Several parts of a sign-in are unknown for one reason.
        if !unread.contains(&new) {
            unread.push(new);
        }
    }
    unread
}
