//! The producer on real databases: every behaviour on PostgreSQL and on SQLite, unless it is about one of them.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "in a test, a panic is the report")]

#[macro_use]
mod bed;
mod entities;
mod hints;
mod keys;
mod mapping;
mod marking;
mod queries;
mod restoring;
mod transactions;
