//! The ledger, the catalogue and phase 1, on PostgreSQL and on SQLite.

mod at_once;
mod batches;
mod bulk;
mod catalog;
mod child_rules;
mod claim;
mod config;
mod due;
mod families;
mod family_plans;
mod finish;
mod fixture;
mod keeping;
mod keys;
mod migrations;
mod operators;
mod plans;
mod prune;
mod races;
mod request;
mod rescue;
mod schema;
mod settle;
