//! The main job from end to end: real databases, the real binary, an external system that misbehaves.

mod after_confirmation;
mod changed_rows;
mod hostile_rows;
mod rig;
mod sessions;
mod stubborn_rows;
