//! The Sexton daemon: what `sexton run` does, as a library, and the command line around it.

mod batch;
mod connector;
mod engine;
mod metrics;
mod rows;
