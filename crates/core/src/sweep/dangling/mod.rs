//! `dangling`: children that outlived their parents.

mod gone;
mod parents;

pub use gone::Gone;
pub use parents::{named_parents, names_keys, take_up_again, with_children};
