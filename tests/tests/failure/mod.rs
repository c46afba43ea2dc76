//! What must hold when things break: processes killed, Redis or the database gone, systems that misbehave.

mod database;
mod fairness;
mod flood;
mod idle;
mod kill_points;
mod killed;
mod latency;
mod leases;
mod poison;
mod redis;
mod rig;
mod shutdown;
mod wake;
