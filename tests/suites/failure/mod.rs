//! What holds when things break: processes are killed, Redis or the database is gone, external systems misbehave.

mod clients;
mod database;
mod descriptors;
mod failover;
mod kill_points;
mod leases;
mod poison;
mod redis;
mod shutdown;
