//! The Sexton daemon: what `sexton run` does, as a library, and the command line around it.

mod api;
pub mod cli;
mod connector;
mod console;
mod daemon;
mod engine;
mod feed;
mod gate;
mod hard_delete;
mod hint_queue;
mod metrics;
mod migrate;
mod requests;
mod schema;
mod sweep;
mod tls;
pub mod transport;
mod upkeep;

pub use connector::SetupError;
pub use daemon::{Daemon, Options, ServiceFailure, StartError};
pub use migrate::migrate;
