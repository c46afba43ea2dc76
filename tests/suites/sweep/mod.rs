//! Sweeps: what each finds and does, and what all of them have in common.

mod adopt;
mod dangling;
mod prune;
mod state;
pub(crate) mod unreferenced;
mod verify;
