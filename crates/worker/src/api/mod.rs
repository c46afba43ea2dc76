//! The HTTP API: requesting and restoring deletions from any language, and asking what became of them.
//!
//! - It records exactly what `sexton request` and `sexton restore` record ([`crate::requests`]), in one transaction,
//!   and answers what `sexton show --json` prints.
//! - Clients are known by their tokens. Faults are `application/problem+json` (RFC 9457). The OpenAPI description is
//!   generated from the types and handlers here.
//! - It shares the worker's pool: requests use at most half of the connections at once. One that does not get a
//!   connection in time is told to come back.
//! - A worker that is shutting down keeps answering: what it records, others work on.

mod auth;
mod input;
mod openapi;
mod problem;
mod request_deletions;
mod restore_deletion;
mod row_key;
mod server;
mod shared;
mod show_deletion;
mod strict_json;
mod trace_context;

pub(crate) use auth::ApiClients;
pub(crate) use problem::Problem;
pub(crate) use server::router;
pub(crate) use shared::ApiState;
