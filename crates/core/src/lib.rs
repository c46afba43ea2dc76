//! The domain of Sexton: what a deletion is, which states it passes through, and the ledger that keeps it.
//!
//! Storage knows the domain and the domain knows no storage: [`ids`], [`hint`] and their like import nothing from
//! the ledger. There is no HTTP server and no worker loop in this crate.

pub mod hint;
pub mod ids;
pub mod queue;
