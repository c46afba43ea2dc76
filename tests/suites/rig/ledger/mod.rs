//! A database with the ledger and an application's tables in it, for tests of single operations.

mod fixture;
pub(crate) mod schema;
mod settlement;

pub(crate) use fixture::{Fixture, LEASE, ME, parse};
pub(crate) use settlement::{claim_by_me, confirmed, lane, settlement};
