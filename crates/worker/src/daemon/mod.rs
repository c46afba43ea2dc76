//! The daemon: everything that runs in one worker process, started and stopped together.
//!
//! - `start` connects, checks that everything fits, and assembles the parts; `error` says why it cannot.
//! - `services` lists what runs, and what stops first; `http` binds and serves the addresses.
//! - `idle` waits until nothing is left to do; `shutdown` ends the process in order.

mod error;
mod http;
mod idle;
mod services;
mod shutdown;
mod start;

pub use error::{ServiceFailure, StartError};
pub use start::{Daemon, Options};
