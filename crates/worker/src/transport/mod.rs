//! The consuming side of the Redis transport.
//!
//! One process runs two loops, which share an [`Activity`]:
//! - [`intake::run`]: an apalis worker over the list of hints. For each hint it awaits a [`HintHandler`], then acks.
//! - [`housekeeping::run`]: beats once a second, counts what all live processes can handle, and removes what apalis and
//!   dead workers leave in Redis.
//!
//! Besides these, [`leader`] elects the one dispatcher, [`window::effective`] says how far it may fill the list, and
//! [`check::check`] says whether a Redis is fit for use.
//!
//! Nothing here is needed for a deletion to end. When Redis is gone, the intake keeps knocking, [`Activity`] says so,
//! and the daemon claims from the ledger. apalis-redis 1.0.0 has a number of habits that these modules work around;
//! each is named where it matters, and has a test against a real Redis.

pub mod activity;
mod backend;
pub mod check;
mod drop_worker;
pub mod handler;
pub mod housekeeping;
mod incarnation;
pub mod intake;
pub mod leader;
mod mend;
mod prune;
mod registry;
mod wake;
pub mod window;

pub use activity::Activity;
pub use backend::{config, process_name};
pub use handler::HintHandler;
pub use housekeeping::HousekeepingOptions;
pub use intake::IntakeOptions;
pub use leader::Leader;
