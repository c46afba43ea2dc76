//! The main job from end to end: real databases, the real binary, an external system that misbehaves.

mod addresses;
mod adopt;
mod after_confirmation;
mod answers;
mod bad_input;
mod bulk;
mod changed_rows;
mod children;
mod children_requested;
mod console;
mod dangling;
mod dead_letters;
mod hostile_rows;
mod http;
mod order;
mod output;
mod proof;
mod requests;
mod retries;
pub(crate) mod rig;
mod seed_documents;
mod sessions;
mod sql_functions;
mod stale_worker;
mod stubborn_rows;
mod sweeps;
mod verify;
