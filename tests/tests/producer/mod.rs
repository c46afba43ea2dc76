//! The producer on real databases: every behaviour on PostgreSQL and on SQLite, unless it is about one of them.

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
