//! The ledger, on PostgreSQL and on SQLite.

mod batches;
mod claim;
mod due;
pub(crate) mod finish;
mod held;
mod kept_columns;
mod markers;
mod migrations;
mod operators;
mod plans;
mod rescue;
mod settle;
