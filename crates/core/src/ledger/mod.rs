//! The ledger: every SQL statement on Sexton's own tables.
//!
//! It is the truth about deletions:
//! * each statement that moves one takes its states from [`crate::state`];
//! * each write of a worker filters on `state = 'running' and fence = …`, so that a worker that lost its lease changes
//!   nothing;
//! * all times are the database's.
//!
//! Functions that share a caller's transaction take a `ConnectionTrait`, those that own one take a
//! [`Db`](crate::db::Db). They fail with [`db::Error`](crate::db::Error) alone: what can go wrong here is the database, or
//! a column that this release cannot read.

mod breaker;
mod deletions;
mod open;
mod operators;
mod partitions;
mod resources;
mod statements;
mod sweep_state;
mod wake;

pub use breaker::{Cause, OpenBreaker};
pub(crate) use deletions::COPIED;
pub use deletions::{
    ActionRecord, Advanced, AttemptRecord, Candidates, Claim, ClaimRequest, Confirmation, Confirmations, Due,
    FailedAttempt, Finish, Lease, Phase, Record, Rescued, RowOutcome, Settlement,
};
pub use open::{Ledger, OpenError};
pub use operators::{Action, DeadLetter, Filter, FinishedAt, LaneStatus, Moment, Pause, Scope, Span, Status};
pub use resources::Drift;
pub(crate) use statements::{state_after, states_before};
pub use sweep_state::{MANY_CUT_SHORT, MANY_STALLED, Progress, Streak, SweepHealth, SweepRun, SweepState};
pub use wake::DUE_CHANNEL;
pub(crate) use wake::notify;
