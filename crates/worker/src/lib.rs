//! The Sexton daemon: what `sexton run` does, as a library, and the command line around it.

mod api;
pub mod cli;
mod connector;
mod console;
mod daemon;
mod descriptors;
mod engine;
mod feed;
mod gate;
#[cfg(test)]
#[path = "../../core/src/growth.rs"]
mod growth;
mod hard_delete;
mod hint_queue;
mod metrics;
mod migrate;
mod requests;
mod schema;
mod seldom;
mod server;
mod sweep;
mod tls;
pub mod transport;
mod upkeep;

pub use connector::SetupError;
pub use daemon::{Daemon, Options, ServiceFailure, StartError};
pub use migrate::migrate;
