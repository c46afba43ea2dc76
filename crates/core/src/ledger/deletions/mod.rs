//! Statements on deletions, one operation a file: claiming, settling and finishing them, and reading them.

pub(super) mod advance;
pub(super) mod archive;
pub(super) mod batch;
pub(super) mod call;
pub(super) mod claim;
mod confirmation;
pub(super) mod due;
pub(super) mod find;
pub(super) mod finish;
pub(super) mod forget;
pub(super) mod held;
pub(super) mod key_hash;
pub(super) mod lease;
pub(super) mod link;
pub(super) mod lock;
mod phase;
pub(super) mod probe;
pub(super) mod record;
pub(super) mod relatives;
pub(super) mod rescue;
pub(super) mod retained;
pub(super) mod settle;
pub(super) mod stranded;

pub use advance::Advanced;
pub use claim::{Candidates, Claim, ClaimRequest};
pub use confirmation::{Confirmation, Confirmations, has_confirmed};
pub use due::Due;
pub use finish::{Finish, RowOutcome};
pub use held::{HeldDeletion, HeldInLane};
pub use lease::{Lease, Renewal};
pub use phase::Phase;
pub use record::{ActionRecord, AttemptRecord, Record};
pub use rescue::Rescued;
pub(crate) use retained::COPIED;
pub use settle::{FailedAttempt, Settlement};
pub use stranded::Stranded;
