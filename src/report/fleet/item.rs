//! The result of one gateway of a fleet.

use comfy_table::Cell;
use jiff::Timestamp;

use crate::error::{Error, Kind};
use crate::model::{GatewayId, Snapshot, WorkloadRef, human_duration};
use crate::plan::Trial;
use crate::report::RotationReport;
use crate::report::rotation::{ErrorLine, OutcomeName, WorkloadLine};
use crate::report::table::{Severity, cell};

const NONE: &str = "<none>";

impl RotationReport {
    /// A gateway without a token.
    pub fn skipped(namespace: &str, workload: &WorkloadRef, why: &Error) -> Self {
        Self {
            reason: Some(why.to_string()),
            ..Self::bare(namespace, vec![WorkloadLine::of(workload)], OutcomeName::Skipped)
        }
    }

    /// A gateway whose Secret could not be read.
    pub fn without_secret(namespace: &str, workload: &WorkloadRef, why: &Error) -> Self {
        Self::bare(namespace, vec![WorkloadLine::of(workload)], OutcomeName::Failed).failed_with(why)
    }

    /// A context of the kubeconfig whose gateways could not be listed.
    pub fn unreachable(context: &str, why: &Error) -> Self {
        Self::bare(NONE, Vec::new(), OutcomeName::Failed)
            .failed_with(why)
            .in_context(Some(context))
    }

    /// A gateway whose rotation failed before it changed anything.
    pub fn stopped(snapshot: &Snapshot, why: &Error) -> Self {
        Self {
            expires_at: snapshot.secret.claims().map(|claims| claims.expires_at),
            ..Self::new(snapshot, OutcomeName::Failed)
        }
        .failed_with(why)
    }

    /// A gateway whose rotation was not started.
    pub fn not_begun(snapshot: &Snapshot, why: &str) -> Self {
        Self {
            reason: Some(why.to_owned()),
            expires_at: snapshot.secret.claims().map(|claims| claims.expires_at),
            exit_code: Kind::Partial.exit_code(),
            ..Self::new(snapshot, OutcomeName::NotBegun)
        }
    }

    /// Sets the context of the kubeconfig.
    #[must_use]
    pub fn in_context(mut self, context: Option<&str>) -> Self {
        self.context = context.map(str::to_owned);
        self
    }

    /// Sets the names of the gateway in Azure.
    #[must_use]
    pub fn naming(mut self, names: &[String]) -> Self {
        self.names = names.to_vec();
        self
    }

    fn failed_with(mut self, why: &Error) -> Self {
        if why.kind() == Kind::Refused {
            self.outcome = OutcomeName::Refused;
        }
        self.exit_code = why.kind().exit_code();
        self.error = Some(ErrorLine::of(why));
        self
    }

    /// Whether the rotation was refused before a token was minted.
    pub fn is_refusal(&self) -> bool {
        self.outcome == OutcomeName::Refused
    }

    /// Whether the rotation failed, other than by a refusal.
    pub fn is_failure(&self) -> bool {
        self.error.is_some() && !self.is_refusal()
    }

    /// What the result shows about the other gateways of the fleet. A proof that
    /// was not expected shows nothing if it is missing.
    pub fn trial(&self, expects_proof: bool) -> Trial {
        match (self.outcome, &self.error) {
            (OutcomeName::Owed, _) if !expects_proof => Trial::None,
            (OutcomeName::Rotated | OutcomeName::Completed, _) => Trial::Passed,
            (OutcomeName::PutBack | OutcomeName::Replaced | OutcomeName::Owed, _) => Trial::Doubtful,
            // It is unknown whether the credential was written.
            (OutcomeName::Failed, _) if self.exit_code == Kind::Unknown.exit_code() => Trial::Doubtful,
            (OutcomeName::Failed, Some(error)) => Trial::NotWritten(self.without_own_names(&error.message)),
            _ => Trial::None,
        }
    }

    /// Whether another try may succeed. It does not help if the gateway was refused,
    /// and after a refused token it would mint even more of them.
    pub fn is_retriable(&self) -> bool {
        let mut retriable = [Kind::Failed, Kind::Owed, Kind::Unknown].into_iter();
        !self.is_replacement && retriable.any(|kind| kind.exit_code() == self.exit_code)
    }

    /// Whether other gateways had failed before the turn of this one.
    pub fn is_not_begun(&self) -> bool {
        self.outcome == OutcomeName::NotBegun
    }

    /// The context of the kubeconfig, if several were requested.
    pub fn context(&self) -> Option<&str> {
        self.context.as_deref()
    }

    /// Whether this is a result of a gateway that these workloads run. A context that
    /// was not reached stands for all its gateways.
    pub fn is_about(&self, context: Option<&str>, namespace: &str, workloads: &[WorkloadRef]) -> bool {
        let lines = &self.workloads;
        let is_one_of = |line: &WorkloadLine| workloads.iter().any(|workload| line.is(workload));
        let is_here = lines.is_empty() || self.namespace == namespace && lines.iter().any(is_one_of);
        self.context() == context && is_here
    }

    /// Whether both are results of the same gateway.
    pub fn is_about_the_same_as(&self, other: &Self) -> bool {
        let workloads: Vec<WorkloadRef> = other.workloads.iter().map(WorkloadLine::reference).collect();
        self.is_about(other.context(), &other.namespace, &workloads)
    }

    /// The result in one line.
    pub fn line(&self) -> String {
        let name = self.name();
        let outcome = format!("{:?}", self.outcome);
        match (&self.error, self.expires_at) {
            (Some(error), _) => format!("{name}: {outcome}: {}", error.message),
            (None, Some(expires_at)) => format!("{name}: {outcome}, expires at {expires_at}"),
            (None, None) => format!("{name}: {outcome}"),
        }
    }

    /// The namespace and the Secret, or the workload if there is no Secret.
    pub(super) fn name(&self) -> String {
        let context = self.context.as_deref();
        let object = match (&self.secret, self.workloads.first()) {
            (Some(secret), _) => format!("secret/{}", secret.name),
            (None, Some(workload)) => workload.reference().to_string(),
            (None, None) => return format!("context {}", context.unwrap_or_default()),
        };
        let context = context.map(|context| format!("{context}/")).unwrap_or_default();
        format!("{context}{}/{object}", self.namespace)
    }

    pub(super) fn sort_key(&self) -> (Option<&str>, &str, String) {
        (self.context.as_deref(), &self.namespace, self.name())
    }

    /// The message without the names of this gateway's own objects, so that the
    /// same error of several gateways is shown once.
    pub(super) fn without_own_names(&self, message: &str) -> String {
        let mut own: Vec<&str> = vec![&self.namespace];
        own.extend(self.secret.as_ref().map(|secret| secret.name.as_str()));
        own.extend(self.workloads.iter().map(|workload| workload.name.as_str()));
        own.extend(self.names.iter().map(String::as_str));
        if let Some(GatewayId { service, name }) = &self.gateway {
            own.extend(
                [
                    name,
                    &service.name,
                    &service.resource_group,
                    &service.subscription,
                ]
                .map(String::as_str),
            );
        }
        own.retain(|name| !name.is_empty());
        own.sort_by_key(|name| std::cmp::Reverse(name.len()));
        let message = message.split("correlation id ").next().unwrap_or(message);
        own.iter()
            .fold(message.to_owned(), |message, name| message.replace(name, "…"))
    }

    pub(super) fn columns(
        &self,
        with_context: bool,
        wide: bool,
        now: Timestamp,
    ) -> Vec<(&'static str, Cell)> {
        let plain = |text: &str| cell(text, Severity::None);
        let or_none = |text: Option<String>| plain(text.as_deref().unwrap_or(NONE));
        let mut columns = Vec::new();
        if with_context {
            columns.push(("CONTEXT", or_none(self.context.clone())));
        }
        let workloads: Vec<String> = self
            .workloads
            .iter()
            .map(|line| line.reference().to_string())
            .collect();
        let expires_in = self.expires_at.map(|expires_at| {
            let left = expires_at.duration_since(now);
            if left.is_negative() {
                format!("{} ago", human_duration(left.abs()))
            } else {
                human_duration(left)
            }
        });
        let severity = match self.outcome {
            _ if self.error.is_some() && self.outcome != OutcomeName::Refused => Severity::Bad,
            OutcomeName::Refused | OutcomeName::NotBegun => Severity::Warning,
            OutcomeName::Rotated | OutcomeName::Completed => Severity::Good,
            _ => Severity::None,
        };
        columns.extend([
            ("NAMESPACE", plain(&self.namespace)),
            ("WORKLOADS", plain(&workloads.join(","))),
            (
                "SECRET",
                or_none(self.secret.as_ref().map(|secret| secret.name.clone())),
            ),
            ("SLOT", or_none(self.key_slot.map(|slot| slot.to_string()))),
            ("EXPIRES-IN", or_none(expires_in)),
            ("OUTCOME", cell(&format!("{:?}", self.outcome), severity)),
        ]);
        if wide {
            let gateway = self.gateway.as_ref();
            let reason = self.error.as_ref().map(|error| error.message.clone());
            columns.extend([
                ("GATEWAY", or_none(gateway.map(|id| id.name.clone()))),
                ("SERVICE", or_none(gateway.map(|id| id.service.name.clone()))),
                (
                    "REASON",
                    or_none(
                        reason
                            .or_else(|| self.reason.clone())
                            .or_else(|| self.proof.clone()),
                    ),
                ),
            ]);
        }
        columns
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::WorkloadKind;
    use crate::plan::fixture::snapshot;

    #[test]
    fn only_what_can_succeed_is_tried_again() {
        for (kind, expected) in [
            (Kind::Failed, true),
            (Kind::Owed, true),
            (Kind::Unknown, true),
            (Kind::Usage, false),
            (Kind::Refused, false),
            (Kind::PutBack, false),
        ] {
            let mut report = RotationReport::stopped(&snapshot(), &Error::new(kind, "why"));
            assert_eq!(report.is_retriable(), expected, "{kind:?}");
            report.is_replacement = true;
            assert!(!report.is_retriable(), "{kind:?}");
        }
        assert!(!RotationReport::not_begun(&snapshot(), "why").is_retriable());
        assert!(!RotationReport::not_due(&snapshot(), "why".to_owned()).is_retriable());
    }

    #[test]
    fn a_result_is_recognised_by_its_workloads() {
        let workload = |name: &str| WorkloadRef {
            kind: WorkloadKind::Deployment,
            name: name.to_owned(),
        };
        let why = Error::failed("why");
        let of = |name: &str| RotationReport::without_secret("shop", &workload(name), &why);
        let (one, unread) = (of("a"), RotationReport::unreachable("eu", &why));
        assert!(one.is_about(None, "shop", &[workload("b"), workload("a")]));
        assert!(!one.is_about(None, "shop", &[workload("b")]));
        assert!(!one.is_about(None, "bank", &[workload("a")]));
        assert!(!one.is_about(Some("eu"), "shop", &[workload("a")]));
        // Nothing is known of the gateways of a context that was not reached.
        assert!(unread.is_about_the_same_as(&of("a").in_context(Some("eu"))));
        assert!(!unread.is_about_the_same_as(&of("a").in_context(Some("us"))));
        assert!(!of("a").in_context(Some("eu")).is_about_the_same_as(&unread));
    }
}
