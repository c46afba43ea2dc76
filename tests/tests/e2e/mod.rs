//! The main job from end to end: real databases, the real binary, an external system that misbehaves.

mod hostile_rows;
mod rig;
