//! The domain of Sexton: what a deletion is, which states it passes through, and the ledger that keeps it.
//!
//! Storage knows the domain and the domain knows no storage: [`config`], [`state`], [`outcome`] and their like import
//! nothing from the database. There is no HTTP server and no worker loop in this crate.

pub mod catalog;
pub mod children;
pub mod config;
pub mod db;
#[cfg(test)]
mod growth;
pub mod guard;
pub mod hint;
pub mod ids;
pub mod ledger;
pub mod outcome;
pub mod restore;
pub mod retry;
pub mod rights;
pub mod soft_remove;
pub mod sql_functions;
pub mod state;
pub mod store;
pub mod sweep;
pub mod template;
pub mod transport;

pub use catalog::key;
