//! Statements on deletions: claiming, settling and finishing them, and reading them.

mod batch;
mod calling;
mod candidates;
pub(super) mod children;
mod claim;
mod confirmation;
pub(super) mod due;
pub(crate) mod finish;
mod keeping;
pub(super) mod lease;
pub(super) mod record;
mod rescue;
mod settle;

pub use children::Followed;
pub use claim::{Claim, Pick};
pub use confirmation::{Confirmation, Confirmations};
pub use due::Due;
pub(crate) use finish::{COPIED, cancelled_by};
pub use finish::{Finish, RowOutcome};
pub use lease::Lease;
pub use record::{ActionRecord, AttemptRecord, Record};
pub use rescue::Rescued;
pub use settle::{FailedAttempt, Phase, Settlement};
