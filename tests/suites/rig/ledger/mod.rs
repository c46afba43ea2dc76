//! A database with the ledger and an application's tables in it, for tests of single operations.

mod fixture;
pub(crate) mod schema;
mod settlement;

pub(crate) use fixture::{Fixture, LEASE, ME, claim_by_me, parse};
pub(crate) use settlement::{confirmed, lane, lease_of, settlement};
