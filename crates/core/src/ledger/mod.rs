//! The ledger: every SQL statement on Sexton's own tables.
//!
//! It is the truth about deletions:
//! * each statement that moves one takes its states from [`crate::state`];
//! * each write of a worker filters on `state = 'running' and fence = …`, so that a worker that lost its lease changes
//!   nothing;
//! * all times are the database's.
//!
//! Functions that share a caller's transaction take a `ConnectionTrait`, those that own one take a
//! [`Db`](crate::db::Db). They fail with [`db::Error`](crate::db::Error) alone: what can go wrong here is the database,
//! or a column that this release cannot read.

mod breaker;
mod deletions;
mod finished_at;
mod identity;
mod open;
mod operators;
mod partitions;
mod resources;
mod sequence;
mod statements;
mod sweep_state;
mod wake;

pub use breaker::{BreakerOpening, Cause, OpenBreaker, THROTTLE_ENDS};
pub(crate) use deletions::COPIED;
pub(crate) use deletions::Ending;
pub use deletions::{
    ActionRecord, Advanced, AttemptRecord, Candidates, Claim, ClaimRequest, Confirmation, Confirmations, Due,
    FailedAttempt, Finish, HeldDeletion, HeldInLane, LastError, Lease, Phase, Record, Renewal, Rescued, RowOutcome,
    Settlement, Stranded, has_confirmed,
};
pub use finished_at::FinishedAt;
pub(crate) use finished_at::after_last;
pub use open::{Ledger, OpenError};
pub use operators::{
    Action, DeadLetter, Filter, FinishedBetween, LaneStatus, Moment, Operator, Pause, PauseScope, SlowDelete, Status,
    Writers,
};
pub use resources::Drift;
pub(crate) use statements::{state_after, states_before};
pub use sweep_state::{
    BEHIND_AFTER_RUNS, STUCK_AFTER_PASSES, SweepHealth, SweepLead, SweepProgress, SweepRun, SweepState, UnfinishedRuns,
};
pub use wake::DUE_CHANNEL;
