//! Black-box tests: one binary, so that the servers are started once.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod failure;
mod ledger;
mod support;
