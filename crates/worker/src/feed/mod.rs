//! How due deletions reach this process: as hints from Redis, or taken from the ledger itself.
//!
//! - The ledger alone is enough. Redis, where there is one, wakes many machines at once and shares the work evenly.
//! - `dispatcher` pushes hints to Redis; the engine receives them itself ([`crate::engine`]).
//! - `ledger_feed` takes from the ledger what Redis does not bring; `rescued_feed` takes deletions that were rescued,
//!   and `held_feed` those whose "gone" this process can judge.
//! - `notifications` says that something is due of which no hint speaks; `wake` passes that on.

mod dispatcher;
mod held_feed;
mod ledger_feed;
mod notifications;
mod rescued_feed;
mod wake;

pub(crate) use dispatcher::dispatch;
pub(crate) use held_feed::feed_held;
pub(crate) use ledger_feed::feed_from_ledger;
pub(crate) use notifications::listen;
pub(crate) use rescued_feed::feed_rescued;
pub(crate) use wake::Wake;
