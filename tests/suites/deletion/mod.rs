//! One deletion from the request to the hard delete: rows, targets and workers that make it hard.

mod after_confirmation;
mod answers;
mod changed_rows;
mod connections;
mod encodings;
mod hostile_rows;
mod memory;
mod not_configured;
mod order;
mod padded_values;
mod pgpool;
mod retries;
mod seed_documents;
mod sessions;
mod slow_rows;
mod stale_worker;
mod stubborn_rows;
mod triggers;
