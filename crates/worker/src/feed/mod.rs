//! How due deletions reach this process: as hints from Redis, or taken from the ledger itself.
//!
//! The ledger alone is enough. Redis, where there is one, wakes many machines at once and shares the work evenly; a
//! process that it does not feed helps itself.

mod direct;
mod dispatcher;
mod hints;
mod listen;
mod rescued;
mod wake;

pub(crate) use direct::feed_directly;
pub(crate) use dispatcher::dispatch;
pub(crate) use hints::Hints;
pub(crate) use listen::listen;
pub(crate) use rescued::feed_rescued;
pub(crate) use wake::Wake;
