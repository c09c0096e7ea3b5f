use serde::Serialize;

use super::super::entra::{Link, LinkState, Part};
use super::expiry::Expiry;
use crate::model::{CronJobFacts, GatewayFacts, PrintedCommand, Unavailable};

/// The state of a gateway's credential in one word, in order from the worst to
/// the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Verdict {
    /// The credential has expired: new pods do not work.
    Expired,
    /// Something in Entra or Azure, without which the gateway cannot sign in by
    /// Entra, is missing or wrong.
    CannotSignIn,
    /// A rotation wrote a token, but the workload was not restarted.
    RestartOwed,
    /// The API server refuses new pods of the workload.
    Blocked,
    /// Pods run with an older token than the Secret holds.
    StalePods,
    /// The credential expires within 7 days.
    Expiring,
    /// The credential is unreadable, its expiry is not visible in the cluster, or
    /// settings that new pods need are missing.
    Unknown,
    /// Another tool owns the Secret and restores its own token.
    WillBeReverted,
    /// Something else replaced the token after the last rotation.
    ChangedByOther,
    /// No CronJob was found that rotates the token before it expires.
    Unprotected,
    /// The token expires within 15 days, or the credential of an app in a third of
    /// its life.
    Due,
    /// None of these.
    Healthy,
}

impl Verdict {
    pub const ALL: [Self; 12] = [
        Self::Expired,
        Self::CannotSignIn,
        Self::RestartOwed,
        Self::Blocked,
        Self::StalePods,
        Self::Expiring,
        Self::Unknown,
        Self::WillBeReverted,
        Self::ChangedByOther,
        Self::Unprotected,
        Self::Due,
        Self::Healthy,
    ];

    /// Whether `--fail-within` fails on it, however much time is left. `Unknown`
    /// is one of them: a check must not pass when it cannot read.
    pub fn is_alarm(self) -> bool {
        matches!(
            self,
            Self::Expired
                | Self::CannotSignIn
                | Self::RestartOwed
                | Self::Blocked
                | Self::StalePods
                | Self::Unknown
        )
    }
}

/// The verdict on a gateway, with its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assessment {
    pub verdict: Verdict,
    pub reason: String,
    /// What else is wrong, the worst first.
    pub others: Vec<(Verdict, String)>,
    /// A command that can be pasted.
    pub fix: Option<PrintedCommand>,
    /// Why nothing rotates the token in time, whatever the verdict is.
    pub unprotected: Option<String>,
    /// When the credential expires, if that is known.
    pub expiry: Option<Expiry>,
    /// The parts of a sign-in by Entra, if Azure was asked.
    pub links: Vec<Link>,
    /// The index of the CronJob on which the token depends.
    pub(super) cron_job: Option<usize>,
}

impl Assessment {
    /// The command that fixes the gateway, as text.
    pub fn fix_text(&self) -> Option<String> {
        self.fix.as_ref().map(ToString::to_string)
    }

    /// The parts of the sign-in that could not be read, each with the reason.
    pub fn unknown_links(&self) -> impl Iterator<Item = (Part, &Unavailable)> {
        self.links.iter().filter_map(|link| match &link.state {
            LinkState::Unknown(why) => Some((link.part, why)),
            _ => None,
        })
    }

    /// Whether a part of the sign-in is missing or wrong.
    pub fn is_broken(&self) -> bool {
        let is_broken = |link: &Link| matches!(link.state, LinkState::Broken(_));
        self.links.iter().any(is_broken)
    }

    /// The CronJob on which the token depends most.
    pub fn cron_job<'a>(&self, facts: &'a GatewayFacts) -> Option<&'a CronJobFacts> {
        facts.cron_jobs.as_ref().ok()?.get(self.cron_job?)
    }
}
