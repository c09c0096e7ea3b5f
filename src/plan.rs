//! The decisions of a rotation and of `status`: pure functions of the facts, the
//! request and the time. Nothing here reads a clock or a server.

mod blocked;
mod canary;
mod change;
mod cloud;
mod conflict;
pub mod entra;
mod expiry;
mod marking;
mod mint;
mod mint_right;
mod need;
mod objects;
mod outcome;
mod policy;
mod preflight;
mod proof;
mod protection;
mod put_back;
mod rotation;
mod schedule;
mod slot;
mod verdict;

pub use canary::{Place, Trial, Trials};
pub use change::{dry_run_change, dry_run_restart, put_back_change, rotation_change};
pub use cloud::refuse_other_cloud;
pub use conflict::{AfterWrite, after_write};
pub use expiry::{expiry, plausible_expiry, whole_seconds};
pub use marking::{Marking, RotationMark};
pub use mint::Mint;
pub use mint_right::{MintRight, mint_right, refuse_powerless};
pub use need::{Need, Unfinished, need, owed_put_back, unfinished};
pub use objects::{
    Action, Change, Kept, Live, ObjectPlan, Reason, Surplus, bare, extra_fields, is_harmless, is_plain,
    object_changes, without_hidden,
};
pub use outcome::{Outcome, OutcomeKind, Record};
pub use policy::{FollowUp, Policy};
pub use preflight::preflight;
pub use proof::{History, Judgement, Pods, Seen, depends_on_pods, evidence_text, judge};
pub use put_back::{AfterRefusal, PUT_BACK_TIME, after_refusal};
pub use rotation::{Plan, completion, replacement, rotation};
pub use schedule::{NextRun, daily, keeps_alive, next_run};

pub use verdict::{
    Assessment, ExpirySource, Verdict, assess, credential_in_words, is_alarm, next_change, rotate_command,
    rotates,
};

#[cfg(test)]
pub mod fixture;
