//! The Redis side of hints: where they are kept and how they are pushed.
//!
//! Redis is transport. It holds a bounded list of [`Hint`](crate::hint::Hint)s in the layout that apalis-redis 1.0.0
//! fetches from, so that producers need no apalis. Losing all of it costs only latency: the ledger is the truth.
//! Therefore:
//!
//! - Every call here fails within seconds instead of waiting for Redis ([`connection`]).
//! - Nothing that is left behind in Redis can keep a hint at a deletion back for longer than [`DAMP`].
//!
//! - [`Keys`] names every Redis key of a queue.
//! - [`Connection`] runs a command or script, connecting on first use and again after a failure.
//! - [`HintQueue`] pushes hints, bounded and damped.

pub mod connection;
mod enqueue;
mod error;
mod keys;

pub use connection::Connection;
pub use enqueue::{DAMP, Enqueued, HintQueue};
pub use error::Error;
pub use keys::Keys;
