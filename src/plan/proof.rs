//! Whether a new credential works: a judgement of what was seen of one workload
//! and its pods. Without a sign that Azure refused the credential, no rollout
//! counts as refused: a healthy credential must not be put back.

mod judge;
mod seen;
mod words;

pub use judge::{Judgement, depends_on_pods, judge};
pub use seen::{History, Pods, Seen};
pub use words::evidence_text;
