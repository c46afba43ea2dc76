//! The Redis transport of hints, against a real Redis. Several of these pin habits of apalis-redis 1.0.0 that
//! `sexton_worker::transport` works around; their doc comments say what happens without the workaround.

mod check;
mod enqueue;
mod failures;
mod housekeeping;
mod intake;
mod leader;
mod poison;
pub(crate) mod rig;
