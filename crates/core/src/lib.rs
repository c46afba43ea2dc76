//! The domain of Sexton: what a deletion is, which states it passes through, and the ledger that keeps it.
//!
//! Storage knows the domain and the domain knows no storage: [`ids`], [`state`], [`outcome`] and their like import
//! nothing from the ledger. There is no HTTP server and no worker loop in this crate.

pub mod answer;
pub mod catalog;
pub mod children;
pub mod config;
pub mod db;
pub mod guard;
pub mod hint;
pub mod ids;
pub mod judge;
pub mod ledger;
pub mod outcome;
pub mod queue;
pub mod removal;
pub mod retry;
pub mod state;
pub mod template;
pub mod unreferenced;

pub use catalog::key;
