//! The ledger, the catalogue and phase 1, on PostgreSQL and on SQLite.

mod claim;
mod fixture;
mod keys;
mod request;
mod schema;
