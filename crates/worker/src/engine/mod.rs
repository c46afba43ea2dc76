//! What one process does with deletions: it claims them, calls their targets, and writes down what came of it.
//!
//! The way of one deletion, from its hint to its hard delete, one file a step:
//!
//! 1. `transport/apalis_worker.rs`: an apalis worker fetches the hint from Redis.
//! 2. `transport/reception.rs`: its payload is read.
//! 3. `engine/take_hinted.rs`: it waits for a slot, and is acked once its claim is committed or refused.
//! 4. `engine/claim.rs`: the deletion is claimed, in one statement with others, and its row is read.
//! 5. `engine/execution.rs`: the row as it is now decides what is to be done.
//! 6. `engine/ask_targets.rs`: each target that has not confirmed is asked, in order.
//! 7. `engine/call_target.rs`: one call, through its gate (`gate/`) and its connector (`connector/`).
//!    An unexpected "gone" is judged some seconds later (`engine/doubted.rs`), before the row goes.
//! 8. `engine/complete.rs`: when all targets confirmed, the row goes, in one transaction with others.
//! 9. `hard_delete/transaction.rs`: that transaction, and what its errors mean.
//!    A row that took too long goes alone from then on (`engine/slow_rows.rs`).
//! 10. `hard_delete/postgres.rs`, `hard_delete/sqlite.rs`: the row is locked, compared and deleted; the ledger says so.
//!
//! Without a hint, `take_due.rs`, `take_held.rs` or `take_rescued.rs` stands for the first three steps. What does not
//! end in step 10 is written back by `write_back.rs`: a retry, a snooze or a dead letter, as `failed_calls.rs` decides.
//!
//! Claims, completions and write-backs are micro-batched (`batcher.rs`). No transaction is open while a target is
//! called.

mod ask_targets;
mod batcher;
mod call_target;
mod children;
mod claim;
mod claim_readable;
mod complete;
mod completions;
mod context;
mod doubted;
mod ended_deletions;
mod execution;
mod failed_calls;
mod gone_expected;
mod held_queue;
mod in_flight;
mod lifecycle;
mod renew;
mod row_failures;
mod settlements;
mod slots;
mod slow_rows;
mod take_due;
mod take_held;
mod take_hinted;
mod take_probe;
mod take_rescued;
mod targets_outcome;
mod unrepeatable;
mod write_back;

pub(crate) use context::Context;
pub(crate) use in_flight::InFlight;
pub(crate) use lifecycle::Engine;
pub(crate) use take_rescued::RescuedTake;
