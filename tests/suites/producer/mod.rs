//! The producer on real databases: every behaviour on PostgreSQL and on SQLite, unless it is about one of them.

mod entities;
mod fixture;
mod guide;
mod hints;
mod keys;
mod many;
mod mapping;
mod marking;
mod queries;
mod relations;
mod restoring;
mod rooms;
mod transactions;
