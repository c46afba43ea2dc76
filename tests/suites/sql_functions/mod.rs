//! Phase 1 and restoring by SQL functions, as an application in any language has them (PostgreSQL).

mod languages;
mod recorded;
mod refused;
mod roles;
mod setup;
mod statements;
mod workers;
