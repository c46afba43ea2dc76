//! When to try again: Sexton's retry policy, and the one file that draws a random delay for it.

mod jitter;
mod policy;

pub use policy::{Decision, decide};
