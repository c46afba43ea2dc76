//! Black-box tests: one binary, so that the servers are started once.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod api;
mod children;
mod cli;
mod config;
mod connector;
mod console;
mod deletion;
mod failure;
mod gate;
mod guard;
mod ledger;
mod model;
mod newest_postgres;
mod producer;
mod rig;
mod soft_remove;
mod sql_functions;
mod support;
mod sweep;
mod timing;
mod transport;
