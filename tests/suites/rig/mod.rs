//! What tests stand on. Each part adds what is its own to the one before it:
//!
//! - [`Server`]: a database with the ledger's tables, PostgreSQL or SQLite; without them as [`EmptyServer`];
//! - [`store`]: the ledger on it, and the resources of a configuration, inside the test process;
//! - [`ledger`]: a store with an application's tables, for tests of single operations;
//! - [`Rig`]: an external system and the `sexton` program beside the database;
//! - [`workers`]: any number of `sexton run` processes on one table, for tests of what happens when things break.
//!
//! [`on_both`] runs a test on PostgreSQL and on SQLite, with whatever it needs of these.

mod application;
mod blocks;
pub(crate) mod ledger;
pub(crate) mod store;
pub(crate) mod workers;

pub(crate) use application::{Rig, config};
pub(crate) use blocks::{BLOCK, RESOURCE};
pub(crate) use sexton_tests::{EmptyServer, PATIENCE, Server, on_both};
