//! `dangling`: children that outlived their parents.

mod completed_parents;
mod parents;

pub use completed_parents::{CompletedParent, ParentReopening};
pub use parents::{MissingParents, ParentLink, gone_with_children, missing_parents, redelete_parent};
