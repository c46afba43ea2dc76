//! The ledger, on PostgreSQL and on SQLite.

mod batches;
mod claim;
mod due;
pub(crate) mod finish;
mod kept_columns;
mod families;
mod family_plans;
mod finish;
mod fixture;
mod guards;
mod keeping;
mod keys;
mod migrations;
mod operators;
mod plans;
mod rescue;
mod settle;
