//! Black-box tests: one binary, so that the servers are started once.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod connector;
mod e2e;
mod failure;
mod gate;
mod ledger;
mod model;
mod producer;
mod support;
mod timing;
mod transport;
mod unreferenced;
