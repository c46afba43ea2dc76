//! The Sexton daemon: what `sexton run` does, as a library, and the command line around it.

mod api;
mod batch;
pub mod cli;
mod connector;
mod console;
mod daemon;
mod engine;
mod feed;
mod figures;
mod gate;
mod metrics;
mod migrate;
mod probe;
pub mod queue;
mod removal;
mod rescue;
mod rows;
mod schema;
mod sweep;
mod tls;
mod waiting;

pub use connector::SetupError;
pub use daemon::{Daemon, Failed, Options, StartError};
pub use migrate::migrate;
