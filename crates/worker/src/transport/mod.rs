//! The consuming side of the Redis transport.
//!
//! One process runs two loops, which share an [`Activity`]:
//! - [`receive_hints`]: apalis workers over the list of hints, one after the other. For each hint they await a
//!   [`HintHandler`], then ack.
//! - [`housekeeping::run`]: beats once a second, counts what all live processes can handle, and removes what apalis and
//!   dead workers leave in Redis.
//!
//! Besides these, [`leader`] elects the one dispatcher, [`window::effective`] says how far it may fill the list, and
//! [`check::check`] says whether a Redis is fit for use.
//!
//! A deletion ends without any of this. While Redis is away, the workers go on trying, [`Activity`] says so, and the
//! daemon claims from the ledger. These modules work around a number of habits of apalis-redis 1.0.0. Each is named
//! where it matters, and has a test against a real Redis.

pub mod activity;
mod apalis_worker;
mod backend;
pub mod check;
mod drop_acked_tasks;
mod drop_broken_hints;
mod drop_worker;
pub mod housekeeping;
pub mod leader;
mod probe;
mod reception;
mod registry;
mod supervisor;
mod wake_subscription;
pub mod window;

pub use activity::Activity;
pub use backend::{config, process_name};
pub use housekeeping::HousekeepingOptions;
pub use leader::Leader;
pub use reception::HintHandler;
pub use supervisor::{IntakeOptions, receive_hints};
