//! The statements of the sweeps, one module a sweep, each under the name that the sweep has everywhere.

pub mod adopt;
pub mod dangling;
pub mod prune;
pub mod unreferenced;
pub mod verify;
