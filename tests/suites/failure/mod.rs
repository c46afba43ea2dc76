//! What must hold when things break: processes killed, Redis or the database gone, systems that misbehave.

mod database;
mod kill_points;
mod leases;
mod poison;
mod redis;
mod shutdown;
