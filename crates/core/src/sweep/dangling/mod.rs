//! `dangling`: children that outlived their parents.

mod gone;
mod parents;

pub use gone::Gone;
pub use parents::{MissingParents, ParentLink, gone_with_children, missing_parents, redelete_parent};
