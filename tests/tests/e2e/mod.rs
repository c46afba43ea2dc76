//! The main job from end to end: real databases, the real binary, an external system that misbehaves.

mod addresses;
mod after_confirmation;
mod answers;
mod changed_rows;
mod hostile_rows;
mod retries;
mod rig;
mod sessions;
mod stale_worker;
mod stubborn_rows;
